"""Errors of the app layer.

    FrontdeskError
    ├── UsageError       the request itself is wrong: an empty question, a dataset without its files
    ├── Conflict         the request cannot be carried out now, because of another one
    ├── Unauthorized     no key, or a wrong one
    ├── TooLarge         a body, a file or a number of files over its limit
    ├── Overdue          the answer was not there within its deadline
    └── ServerAway       a command found a server that owns the data folder, but cannot reach it

Over HTTP each becomes a status and one shape of body: app/api/errors.py.
"""

from __future__ import annotations

from ingest.errors import FrontdeskError


class UsageError(FrontdeskError):
    """The request itself is wrong."""


class Conflict(FrontdeskError):
    """The request cannot be carried out now, because of another one."""


class Unauthorized(FrontdeskError):
    """No key, or a wrong one."""


class TooLarge(FrontdeskError):
    """A body, a file or a number of files over its limit."""


class Overdue(FrontdeskError):
    """The answer was not there within its deadline."""


class ServerAway(FrontdeskError):
    """A server owns the data folder, but it cannot be reached."""
