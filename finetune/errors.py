"""What can go wrong in the finetune layer.

FrontdeskError
└── DatasetError     a dataset folder is not what it should be; the message names file and line
"""

from __future__ import annotations

from ingest.errors import FrontdeskError


class DatasetError(FrontdeskError):
    """A dataset folder is not what it should be."""
