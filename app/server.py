"""Where the server of a data folder is: written by the server, read by commands that find the folder in use."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NAME = "server.json"


@contextmanager
def announced(home: Path, url: str) -> Iterator[None]:
    """Leave the server's address in its data folder for as long as it runs."""
    path = home / _NAME
    part = path.with_suffix(".part")
    part.write_text(json.dumps({"url": url, "pid": os.getpid()}))
    part.replace(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def announced_url(home: Path) -> str | None:
    """Address of the server that owns a data folder; None when no running process left one."""
    try:
        found = json.loads((home / _NAME).read_text())
        url, pid = str(found["url"]), int(found["pid"])
        # Signal 0 only asks whether the process is there: a killed server leaves its file behind.
        os.kill(pid, 0)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return url
