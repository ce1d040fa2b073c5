"""What can go wrong while files become an index.

    FrontdeskError                      base of every error we raise on purpose
    ├── SettingsError                   a setting is missing or wrong; the message names the variable
    ├── ParseError                      one document cannot be read; goes on the document as its reason
    │   ├── UnsupportedFormat           no parser for this kind of file
    │   ├── DamagedFile                 the bytes are not what the format promises
    │   ├── PasswordProtected           the file is encrypted
    │   ├── NoText                      nothing to index: an empty file, or a picture without words
    │   └── LimitExceeded               reading it needs more memory, time, pages or files than is allowed
    ├── Cancelled                       somebody asked for the end of this document's ingestion
    ├── DiskFull                        there is no room left where the data lives
    ├── CatalogError                    a request that the catalog cannot carry out
    │   ├── NotFound                    no such knowledge base or document
    │   ├── AlreadyExists               the name is taken
    │   ├── InvalidName                 the name cannot be used
    │   └── UnusableValue               a time, tag, address or wording that cannot be kept
    ├── SourceError                     a folder, bucket or web address cannot be looked at; nothing was deleted
    │   └── AddressRefused              an address that may not be asked; the message names the setting
    └── VectorIndexError                the vector index
        ├── DataFolderBusy              another process owns the data folder
        ├── IndexMismatch               the index was built by another embedder or pipeline
        ├── BuildGivenUp                a new index was given up before it took the old one's place
        ├── SnapshotUnusable            an archive cannot be restored
        └── IndexUnavailable            the engine does not answer

Every message says what happened, to which document or setting, and what to do now. Errors of other
libraries are translated where they are called, ``from exc``.
"""


class FrontdeskError(Exception):
    """Base of every error raised on purpose; ``str(error)`` is one line meant for a person."""


class SettingsError(FrontdeskError):
    """A setting is missing or wrong."""


class ParseError(FrontdeskError):
    """A document cannot be read; the text becomes the failure reason on the document."""


class UnsupportedFormat(ParseError):
    """No parser for this kind of file."""


class DamagedFile(ParseError):
    """The bytes are not what the format promises."""


class PasswordProtected(ParseError):
    """The file is encrypted and cannot be opened without its password."""


class NoText(ParseError):
    """The file holds no text that could be indexed."""


class LimitExceeded(ParseError):
    """Reading the file needs more memory, time, pages, pixels or files than is allowed."""


CANCELLED = "its ingestion was cancelled on request; process it again when it shall be read"


class Cancelled(FrontdeskError):
    """Somebody asked for the end of this document's ingestion."""


class DiskFull(FrontdeskError):
    """There is no room left where the data lives."""


class CatalogError(FrontdeskError):
    """A request that the catalog cannot carry out."""


class NotFound(CatalogError):
    """No such knowledge base or document."""


class AlreadyExists(CatalogError):
    """The name is already in use."""


class InvalidName(CatalogError):
    """The name cannot be used."""


class UnusableValue(CatalogError):
    """What an admin says of a document or passage cannot be kept: a time, a tag, an address, a wording."""


class SourceError(FrontdeskError):
    """A folder, bucket or web address cannot be looked at now; the knowledge base stays as it was."""


class AddressRefused(SourceError):
    """An address that may not be asked: not allowed by the settings, or not public."""


class VectorIndexError(FrontdeskError):
    """The vector index refused or failed."""


class DataFolderBusy(VectorIndexError):
    """Another process owns the data folder."""


class IndexMismatch(VectorIndexError):
    """The index was built with another embedder or pipeline than the settings name."""


class BuildGivenUp(VectorIndexError):
    """A new index was given up before it took the old one's place; the old one answers."""


class SnapshotUnusable(VectorIndexError):
    """An archive cannot be restored here: damaged, of another kind, or of a knowledge base that is here already."""


class IndexUnavailable(VectorIndexError):
    """The index engine does not answer."""
