"""Errors of the app layer.

FrontdeskError
└── UsageError       the request itself is wrong: an empty question, a dataset without its files
"""

from __future__ import annotations

from ingest.errors import FrontdeskError


class UsageError(FrontdeskError):
    """The request itself is wrong."""
