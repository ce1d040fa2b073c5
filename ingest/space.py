"""Room on the disk: work is refused while there is still enough left to write down why."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

from sqlalchemy.exc import OperationalError

from ingest.errors import DiskFull

# Kept free for the database's and the index's own logs.
RESERVE_BYTES = 64 * 1024 * 1024
_FULL = "the disk is full: free some space where the data folder lies, then process it again"


def check_space(folder: Path, needed: int = 0) -> None:
    """See that a folder's disk has room for ``needed`` bytes beside the reserve.

    Raises:
        DiskFull: it has not.
    """
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    if shutil.disk_usage(place).free < RESERVE_BYTES + needed:
        raise DiskFull(_FULL)


def full(exc: BaseException) -> DiskFull | None:
    """The error of a full disk, where that is what another error means."""
    if isinstance(exc, DiskFull):
        return exc
    if isinstance(exc, OSError) and exc.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(_FULL)
    words = str(exc).lower()
    if isinstance(exc, OperationalError) and "disk is full" in words:
        return DiskFull(_FULL)
    if "no space left on device" in words:
        return DiskFull(_FULL)
    return None
