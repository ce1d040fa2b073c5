"""Where model servers of this machine are: each leaves a file in the data folder, and holds it locked for as long as it runs.

A lock ends with its process, however that ends; a process number would say of a stranger, after a restart of the machine, that
the server is still there.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

log = logging.getLogger(__name__)
# Below the data folder.
FOLDER = "model-servers"


@dataclass(frozen=True, slots=True)
class Announced:
    """A model server.

    url:     base URL without a path; ``key`` is what it wants.
    release: label of the release that it serves.
    pid:     of the process that answers for it.
    """

    url: str
    key: str
    release: str
    pid: int


@contextmanager
def announced(home: Path, server: Announced) -> Iterator[None]:
    """Leave a server's address, readable by the folder's owner alone; what killed ones left behind goes."""
    folder = home / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob("*.json"):
        if not _held(path):
            path.unlink(missing_ok=True)
    # A server may serve several releases.
    which = hashlib.sha256(server.release.encode()).hexdigest()[:8]
    path = folder / f"{server.pid}-{server.url.rpartition(':')[2]}-{which}.json"
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        # Before anybody can see it under its name.
        fcntl.flock(file, fcntl.LOCK_EX)
        json.dump(asdict(server), file)
        file.flush()
        part.replace(path)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def running(home: Path) -> list[Announced]:
    """Servers whose process is there."""
    return [server for server, there in _left(home) if there]


def left_behind(home: Path) -> list[Announced]:
    """Servers that ended without taking their announcement away: killed ones."""
    return [server for server, there in _left(home) if not there]


def _left(home: Path) -> Iterator[tuple[Announced, bool]]:
    for path in sorted((home / FOLDER).glob("*.json")):
        try:
            there = _held(path)
            yield Announced(**json.loads(path.read_text(encoding="utf-8"))), there
        except (OSError, ValueError, TypeError):
            continue


def _held(path: Path) -> bool:
    """Whether the process that announced is there."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
