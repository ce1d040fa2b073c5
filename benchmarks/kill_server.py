"""The API server, made to die at a boundary between two stages: `python benchmarks/kill_server.py BOUNDARY N`.

It ends with SIGKILL at the N-th time that it comes by the boundary. "none" never dies by itself.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

# (module, class, method, whether before or after it)
BOUNDARIES: dict[str, tuple[str, str, str, bool]] = {
    "file stored": ("ingest.files", "FileStore", "_place", False),
    "row written": ("ingest.catalog", "Catalog", "begin_version", False),
    "workflow begun": ("ingest.catalog", "Catalog", "begin", False),
    "parsed": ("ingest.stages", "Stages", "read", False),
    "staged": ("ingest.staging", "Staging", "keep", False),
    "before points": ("ingest.index.edge", "EdgeIndex", "upsert", True),
    "after points": ("ingest.index.edge", "EdgeIndex", "upsert", False),
    "before counting": ("ingest.stages", "Stages", "publish", True),
    "before live in the index": ("ingest.index.edge", "EdgeIndex", "set_live", True),
    "live in the index": ("ingest.index.edge", "EdgeIndex", "set_live", False),
    "live in the catalog": ("ingest.catalog", "Catalog", "publish", False),
    "published": ("ingest.stages", "Stages", "publish", False),
    "before old points go": ("ingest.index.edge", "EdgeIndex", "delete", True),
    "old points gone": ("ingest.index.edge", "EdgeIndex", "delete", False),
    "document deleted": ("ingest.catalog", "Catalog", "delete_document", False),
}


def arm(boundary: str, number: int) -> None:
    """Make this process die at a boundary."""
    import importlib

    module, owner, method, before = BOUNDARIES[boundary]
    kind = getattr(importlib.import_module(module), owner)
    whole: Callable[..., Any] = getattr(kind, method)
    times = 0

    def deadly(*arguments: Any, **named: Any) -> Any:
        nonlocal times
        times += 1
        last = times == number
        if last and before:
            os.kill(os.getpid(), signal.SIGKILL)
        value = whole(*arguments, **named)
        if last:
            os.kill(os.getpid(), signal.SIGKILL)
        return value

    setattr(kind, method, deadly)


if __name__ == "__main__":
    if sys.argv[1] != "none":
        arm(sys.argv[1], int(sys.argv[2]))
    from app.main import main

    main()
