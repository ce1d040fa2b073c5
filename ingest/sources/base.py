"""What the stores of a source have in common: a listing of files, and reading one of them."""

from __future__ import annotations

import unicodedata
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import NamedTuple, Protocol

from ingest.parse import SUPPORTED_SUFFIXES

LONGEST_PATH = 1000
LONGEST_NAME = 500
LONGEST_ADDRESS = 2000
LATER = "it changed while it was read; the next look takes it"


class NotRead(Exception):
    """A file of a source was not read; str() is the reason.

    gone:  the store says that it does not exist.
    away:  the store did not answer; another time it may.
    skip:  nothing went wrong; it is not taken, or not now.
    """

    def __init__(self, reason: str, *, gone: bool = False, away: bool = False, skip: bool = False) -> None:
        super().__init__(reason)
        self.gone = gone
        self.away = away
        self.skip = skip


class Note(NamedTuple):
    """Why a file of a source is not, or not again, a document."""

    file: str
    reason: str


@dataclass(frozen=True, slots=True)
class Found:
    """A file as the listing shows it.

    path:    what names it within the source, and is shown to people.
    name:    the document's name without the source's prefix; "" where only reading tells.
    mark:    the store's own mark of its state; "" where only reading tells.
    """

    path: str
    name: str = ""
    mark: str = ""


@dataclass(slots=True)
class Listing:
    """Everything that a source shows now.

    files:   what can be taken.
    skipped: what is there, and is not taken.
    unread:  what could not be looked into, with the reason; nothing below such a path counts as gone.
    """

    files: list[Found] = field(default_factory=list)
    skipped: list[Note] = field(default_factory=list)
    unread: list[Note] = field(default_factory=list)


class Reading(Protocol):
    """A file that is being read."""

    @property
    def name(self) -> str:
        """The document's name without the source's prefix."""
        ...

    @property
    def address(self) -> str:
        """Where its bytes lie, as the document's source."""
        ...

    def read(self, size: int = -1, /) -> bytes:
        """Some bytes, b"" at the end; raises NotRead."""
        ...

    def mark(self) -> str:
        """The mark of the state that was read; raises NotRead when it changed meanwhile."""
        ...


class Store(Protocol):
    """A place with files."""

    def list(self) -> Listing:
        """Everything it shows; raises SourceError when that cannot be told."""
        ...

    def open(self, found: Found, known_mark: str) -> AbstractContextManager[Reading | None]:
        """Read a file; None when the store says that it is still in the known state. Raises NotRead."""
        ...


def document_name(path: str) -> str:
    """A path within a source as a document's name: slashes only, nothing that moves upwards, composed letters.

    Raises:
        ValueError: nothing usable is left, or it is too long; the message is the reason.
    """
    if any(unicodedata.category(char) == "Cs" for char in path):
        raise ValueError("its name is not valid text; rename it")
    text = "".join(char for char in path if unicodedata.category(char)[0] != "C" or char == "\u200d")
    parts = [part.strip() for part in unicodedata.normalize("NFC", text).replace("\\", "/").split("/")]
    name = "/".join(part for part in parts if part not in ("", ".", ".."))
    if not name:
        raise ValueError("its name has no readable characters; rename it")
    if len(name) > LONGEST_NAME or len(path) > LONGEST_PATH:
        raise ValueError(f"its name has more than {LONGEST_NAME} characters; rename it")
    return name


def hidden(path: str) -> bool:
    """Whether a path within a source is a hidden file's, or below a hidden folder."""
    return any(part.startswith(".") for part in path.split("/"))


def taken(path: str, mark: str) -> Found | Note:
    """A listed file as one to take, or the reason why not."""
    shown = path.encode(errors="backslashreplace").decode()
    try:
        name = document_name(path)
    except ValueError as exc:
        return Note(shown, str(exc))
    if PurePosixPath(name).suffix.lower() not in SUPPORTED_SUFFIXES:
        return Note(shown, "no parser for this kind of file")
    return Found(path, name, mark)
