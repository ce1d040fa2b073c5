"""Where model servers of this machine are: each leaves a file in the data folder for as long as it runs."""

from __future__ import annotations

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
    """Leave a server's address, readable by the folder's owner alone."""
    folder = home / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    # A server may serve several releases.
    which = hashlib.sha256(server.release.encode()).hexdigest()[:8]
    path = folder / f"{server.pid}-{server.url.rpartition(':')[2]}-{which}.json"
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(asdict(server), file)
    part.replace(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def running(home: Path) -> list[Announced]:
    """Servers whose process is there; a killed one leaves its file behind, which is ignored."""
    found = []
    for path in sorted((home / FOLDER).glob("*.json")):
        try:
            server = Announced(**json.loads(path.read_text(encoding="utf-8")))
            # Signal 0 only asks whether the process is there.
            os.kill(server.pid, 0)
        except (OSError, ValueError, TypeError):
            continue
        found.append(server)
    return found
