"""What can go wrong in the finetune layer.

FrontdeskError
├── RecipeError      a recipe cannot be read or followed; the message names the line
├── TrainingError    a run cannot begin or go on; the message says what to do
├── DatasetError     a dataset folder or a run file is not what it should be; the message names file and line
├── GateError        a gate file cannot be read
└── RunMismatch      two runs cannot be compared
"""

from __future__ import annotations

from ingest.errors import FrontdeskError


class RecipeError(FrontdeskError):
    """A recipe cannot be read or followed."""


class TrainingError(FrontdeskError):
    """A training run cannot begin or go on."""


class DatasetError(FrontdeskError):
    """A dataset folder or a run file is not what it should be."""


class GateError(FrontdeskError):
    """A gate file cannot be read, or says something that no gate says."""


class RunMismatch(FrontdeskError):
    """Two runs cannot be compared: they did not answer the same questions."""
