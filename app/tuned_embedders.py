"""Embedders that were tuned on a knowledge base's pairs, as they lie in the data folder: what they learnt from."""

from __future__ import annotations

import json
from pathlib import Path

# Below the data folder: where tuned embedders are kept. An index is bound to one by its path.
EMBEDDERS = "embedders"
_RUN = "run.json"


def source_name(kb: str) -> str:
    """How a run names a knowledge base among what it learnt from."""
    return f"kb/{kb}"


def embedders_that_learnt(home: Path, kb: str) -> dict[str, frozenset[str]]:
    """Tuned embedders by the names of their folders: the documents of a knowledge base whose passages each learnt from."""
    found: dict[str, frozenset[str]] = {}
    for path in sorted((home / EMBEDDERS).glob(f"*/{_RUN}")):
        try:
            run = json.loads(path.read_text(encoding="utf-8"))
            if source_name(kb) in run["data"]:
                found[path.parent.name] = frozenset(run["documents"])
        except (OSError, ValueError, KeyError, TypeError):
            # Somebody's own model, put there by hand: nothing is known of it.
            continue
    return found
