"""What the kernel says of processes (Linux: /proc): resident memory and descendants. Nothing elsewhere."""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import sys
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36
_FIELDS = (b"RssAnon:", b"RssShmem:", b"VmSwap:")


def memory_of(pid: int) -> int:
    """Bytes that only this process's end gives back: anonymous, shared and swapped; 0 when it has ended.

    Pages of mapped files are not counted, the kernel takes those back by itself.
    """
    try:
        with open(f"/proc/{pid}/status", "rb") as file:
            lines = file.read().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(_FIELDS))


def tree_of(pid: int) -> list[int]:
    """This process and all below it."""
    found, waiting = [], [pid]
    while waiting:
        current = waiting.pop()
        found.append(current)
        with contextlib.suppress(OSError):
            for thread in os.listdir(f"/proc/{current}/task"):
                with open(f"/proc/{current}/task/{thread}/children") as file:
                    waiting += [int(child) for child in file.read().split()]
    return found


def adopt_orphans() -> None:
    """Become the parent of what descendants leave behind, in place of the system's first process."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def prefer_for_killing() -> None:
    """When the machine runs out of memory, the kernel shall take this process before all others."""
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")


def remove_dead_sockets(folder: Path) -> None:
    """Delete the sockets that programs of LibreOffice have left behind: those at which nobody waits any more."""
    for path in folder.glob("OSL_PIPE_*"):
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
            if path.is_socket() and path.lstat().st_uid == os.getuid():
                try:
                    probe.connect(str(path))
                except ConnectionRefusedError:
                    path.unlink()
