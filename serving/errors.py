"""What can go wrong with an engine or a release; an engine's trouble is the reason of a fall to the next rung.

FrontdeskError
├── ReleaseError             a release cannot be added, promoted or read
│   ├── UnsafeRelease        it holds what could run code
│   ├── CannotQuantize       it cannot be converted like that, or not on this machine
│   ├── CannotServe          a model server does not serve weights of its kind
│   └── NotPromotable        it has not passed its gate
├── NotFound
│   └── NoSuchRelease        nothing has that name or id
└── EngineError              an engine cannot answer; ``reason`` is the short word counted and shown
    ├── EngineAway           no connection, or the server is not ready
    │   └── DamagedRelease   the files of a release are not those that it was made of
    ├── EngineBusy           it has more questions waiting than it could answer in time
    ├── EngineTimeout        nothing came within the deadline
    ├── EngineBroke          the stream ended or failed in the middle of an answer
    │   └── EngineFailed     the server took the question and ended it with an error of its own
    ├── EngineRefused        the key was refused
    ├── UnknownModel         the server does not serve the model asked for
    ├── ContextOverflow      prompt and answer do not fit the model's context
    ├── WrongLanguage        the engine does not write the question's language
    ├── ThinEvidence         a model that cannot judge its passages is not asked on thin evidence
    └── NothingSupported     every sentence it wrote was withheld: none was supported by a passage
"""

from __future__ import annotations

from ingest.errors import FrontdeskError, NotFound


class ReleaseError(FrontdeskError):
    """A release cannot be added, promoted or read."""


class UnsafeRelease(ReleaseError):
    """A folder holds what could run code."""


class CannotQuantize(ReleaseError):
    """A release cannot be converted like that, or not on this machine; the message says what to do."""


class CannotServe(ReleaseError):
    """A model server does not serve weights of its kind; the message names what to serve instead."""


class NotPromotable(ReleaseError):
    """A release has not passed its gate."""


class NoSuchRelease(NotFound):
    """No release has that name or id."""


class EngineError(FrontdeskError):
    """An engine cannot answer."""

    reason = "error"


class EngineAway(EngineError):
    """No connection, or the server is not ready."""

    reason = "away"


class DamagedRelease(EngineAway):
    """The files of a release are not those that it was made of, or it cannot be loaded."""

    reason = "damaged release"


class EngineBusy(EngineError):
    """It has more questions waiting than it could answer in time."""

    reason = "busy"


class EngineTimeout(EngineError):
    """Nothing came within the deadline."""

    reason = "timeout"


class EngineBroke(EngineError):
    """The stream ended or failed in the middle of an answer."""

    reason = "broke"


class EngineFailed(EngineBroke):
    """The server took the question and ended it with an error of its own."""

    reason = "failed"


class EngineRefused(EngineError):
    """The key was refused."""

    reason = "refused key"


class UnknownModel(EngineError):
    """The server does not serve the model asked for."""

    reason = "unknown model"


class ContextOverflow(EngineError):
    """Prompt and answer do not fit the model's context."""

    reason = "context overflow"


class WrongLanguage(EngineError):
    """The engine does not write the question's language."""

    reason = "language"


class ThinEvidence(EngineError):
    """The evidence is too thin for a model that answers whatever it is given."""

    reason = "thin evidence"


class NothingSupported(EngineError):
    """Every sentence the engine wrote was withheld."""

    reason = "unsupported"
