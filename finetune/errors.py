"""What can go wrong in the finetune layer.

FrontdeskError
├── DatasetError     a dataset folder or a run file is not what it should be; the message names file and line
└── RunMismatch      two runs cannot be compared
"""

from __future__ import annotations

from ingest.errors import FrontdeskError


class DatasetError(FrontdeskError):
    """A dataset folder or a run file is not what it should be."""


class RunMismatch(FrontdeskError):
    """Two runs cannot be compared: they did not answer the same questions."""
