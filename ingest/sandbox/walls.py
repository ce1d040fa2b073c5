"""The walls around a process that reads a stranger's file. Each holds where the others do not.

| wall | keeps from | holds on |
|---|---|---|
| resource limits | memory by the gigabyte, endless computing, large files, core dumps | Linux; macOS but for memory |
| empty environment | reading our secrets | everywhere |
| network namespace | any network | Linux as root, or where users may make namespaces |
| Landlock | files but the one to read, the scratch folder and the libraries; TCP from version 4 | Linux 5.13 |
| system call filter | sockets, new processes, programs, signals, tracing | Linux on x86-64 and ARM64 |
| no capabilities | raising the limits again as root | Linux |
| replaced sockets | libraries that fetch by themselves; not code that owns the process | everywhere |

``raise_walls`` says which of them hold; the memory of the whole process tree is watched from outside (zygote.py), because
a limit on address space would refuse the large reservations of honest libraries, and a limit on data counts them, too.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import site
import struct
import sys
from pathlib import Path

import ingest
from ingest.limits import SandboxLimits
from ingest.sandbox.landlock import SOCKETS, restrict_files
from ingest.sandbox.seccomp import filter_calls

# What a process may reserve beyond what it may fill: arenas of its libraries, stacks of their threads.
RESERVED = 1024 * 1024 * 1024
_NEW_NETWORK, _NEW_USER, _NEW_MOUNTS = 0x40000000, 0x10000000, 0x00020000
_BIND, _RECURSIVE, _PRIVATE = 0x1000, 0x4000, 0x40000
_PR_SET_PDEATHSIG, _PR_CAPBSET_DROP = 1, 24
_CAPABILITIES_VERSION_3 = 0x20080522
_LAST_CAPABILITY = 63
_READABLE = (
    "/usr", "/lib", "/lib64", "/bin", "/opt", "/etc/ld.so.cache", "/etc/localtime", "/etc/fonts", "/etc/mime.types",
    "/etc/libreoffice", "/var/lib/libreoffice", "/var/spool/libreoffice", "/etc/passwd", "/etc/nsswitch.conf",
    "/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/sys/devices/system", "/sys/fs/cgroup",
)  # fmt: skip
_DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom", "/dev/random")


def leave_network() -> bool:
    """Move this process and its later children into a namespace without network; False where that is not allowed.

    Only for a process with one thread.
    """
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    # As root; else in a user namespace of its own, where the system lets users make them.
    return bool(libc.unshare(_NEW_NETWORK) == 0 or libc.unshare(_NEW_USER | _NEW_NETWORK) == 0)


def private_tmp(keep: list[Path]) -> bool:
    """Give this process a temporary folder of its own, for a program that insists on it; False where not allowed.

    keep: files and folders that stay where they are, be it below the old one.
    """
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_NEW_MOUNTS) != 0 or libc.mount(None, b"/", None, _RECURSIVE | _PRIVATE, None) != 0:
        return False
    # Only now: what was opened before belongs to the mounts of all.
    below = {path for path in keep if path.is_relative_to(SOCKETS) and path.exists()}
    # What lies in another one that is kept comes with it.
    below = {path for path in below if not below.intersection(path.parents)}
    places = [(path, os.open(path, os.O_PATH)) for path in below]
    try:
        if libc.mount(b"tmpfs", bytes(SOCKETS), b"tmpfs", 0, b"size=16m") != 0:
            return False
        for path, place in places:
            target = f"/proc/self/fd/{place}"
            if os.path.isdir(target):
                path.mkdir(parents=True)
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
            if libc.mount(target.encode(), bytes(path), None, _BIND, None) != 0:
                raise OSError(ctypes.get_errno(), "a folder cannot be carried over")
    finally:
        for _, place in places:
            os.close(place)
    return True


def end_with_parent(parent: int) -> None:
    """Be killed when the parent ends, however it ends. Only for children of a process with one thread."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def raise_walls(limits: SandboxLimits, file: Path | None, scratch: Path, *, helpers: bool) -> list[str]:
    """Give up, in this process and for good, what reading a file does not need.

    file:    the one file outside libraries and scratch that may be read.
    helpers: programs may be started (LibreOffice), with the same limits each.

    Returns:
        The walls that hold here, for the log.
    """
    _limit_resources(limits)
    walls = ["resource limits"]
    read = [*map(Path, _READABLE), *_library_folders(), *([file] if file else [])]
    # The program itself may be installed there, too: what it has not loaded yet must be found.
    if helpers and private_tmp([scratch, *read]):
        walls.append("temporary folder of its own")
    if _drop_capabilities():
        walls.append("no capabilities")
    if version := restrict_files(read, [scratch], map(Path, _DEVICES), programs=helpers):
        walls.append(f"Landlock {version}")
    if filter_calls(helpers=helpers):
        walls.append("system call filter")
    refuse_sockets()
    return walls


def _limit_resources(limits: SandboxLimits) -> None:
    seconds = int(limits.longest_s) + 1
    wanted = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_CPU: seconds,
        resource.RLIMIT_FSIZE: limits.file_bytes,
        resource.RLIMIT_NOFILE: limits.open_files,
        resource.RLIMIT_DATA: limits.memory_bytes + RESERVED,
    }
    for kind, most in wanted.items():
        _, hard = resource.getrlimit(kind)
        if hard != resource.RLIM_INFINITY:
            most = min(most, hard)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(kind, (most, most))


def _drop_capabilities() -> bool:
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    for capability in range(_LAST_CAPABILITY + 1):
        if libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
            break
    return bool(libc.capset(struct.pack("@Ii", _CAPABILITIES_VERSION_3, 0), bytes(24)) == 0)


def _library_folders() -> list[Path]:
    folders = {sys.prefix, sys.base_prefix, *site.getsitepackages(), str(Path(ingest.__file__).parent)}
    return [Path(folder) for folder in sorted(folders) if folder != "/"]


def refuse_sockets() -> None:
    """Replace Python's sockets by ones that refuse: for machines where the kernel does not."""
    import socket

    class NoSocket(socket.socket):
        def __init__(self, *_args: object, **_kwargs: object) -> None:
            raise PermissionError("reading a file needs no network")

    socket.socket = NoSocket  # type: ignore[misc]  # for this process only, and for good
