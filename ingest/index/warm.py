"""Reading a shard's files once after it was opened, so that questions do not wait for the disk page by page.

Edge maps its files into memory and tells the kernel to read nothing ahead. The first questions then meet some 25 page faults
each, every one a read of 4 KiB from the disk: 3.5 ms a question at 100,000 passages instead of .9 (docs/experiments.md).
Read in order, the same files take less than a second.
"""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path

# Share of the memory that is free for the taking which one shard may fill: the others have files, too.
SHARE = 0.25
_PIECE = 4 * 1024 * 1024


def read_ahead(folder: Path) -> threading.Thread | None:
    """Read a shard's segments in a thread of its own; None where they are too large for the memory there is.

    Only the kernel's cache is filled: what else needs the memory gets it back.
    """
    try:
        files = [path for path in (folder / "segments").rglob("*") if path.is_file()]
        # Allocated, not apparent size: pages of the payload storage are sparse files.
        size = sum(path.stat().st_blocks * 512 for path in files)
    except OSError:
        # A segment went meanwhile. What is not read ahead is read when it is asked for.
        return None
    if size > SHARE * available():
        return None
    thread = threading.Thread(target=_read, args=(files,), name="read-ahead", daemon=True)
    thread.start()
    return thread


def available() -> int:
    """Bytes of memory that can be had without swapping; 0 where the system does not say."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return 0


def _read(files: list[Path]) -> None:
    for path in files:
        # A segment may be merged into another meanwhile; past the last of the data a seek fails.
        with contextlib.suppress(OSError), path.open("rb", buffering=0) as file:
            end = 0
            while True:
                # Pages of the payload storage are mostly holes, and those would fill the memory with nothing.
                begin = os.lseek(file.fileno(), end, os.SEEK_DATA)
                end = os.lseek(file.fileno(), begin, os.SEEK_HOLE)
                file.seek(begin)
                while begin < end and (piece := file.read(min(_PIECE, end - begin))):
                    begin += len(piece)
