"""Landlock (Linux 5.13 and later): a process gives up the file system but for what it names; needs no privilege.

See landlock(7) and Documentation/userspace-api/landlock.rst; numbers of calls are the same on all architectures.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from collections.abc import Iterable
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_ASK_VERSION = 1
_PATH_BENEATH = 1
_PR_SET_NO_NEW_PRIVS = 38

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_REMOVE_DIR, _REMOVE_FILE, _MAKE_DIR, _MAKE_REG, _MAKE_SOCK = 1 << 4, 1 << 5, 1 << 7, 1 << 8, 1 << 9
_REFER, _TRUNCATE, _IOCTL_DEVICE = 1 << 13, 1 << 14, 1 << 15
# Bits of the first version, and what later versions added.
_HANDLED = {1: (1 << 13) - 1, 2: _REFER, 3: _TRUNCATE, 5: _IOCTL_DEVICE}
_READ = _READ_FILE | _READ_DIR
# Links, devices and pipes are not among what may be made.
_WRITE = _READ | _WRITE_FILE | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_REG | _REFER | _TRUNCATE
_FOR_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE
_BIND_AND_CONNECT_TCP = 0b11
_ABSTRACT_SOCKETS_AND_SIGNALS = 0b11
SOCKETS = Path("/tmp")  # noqa: S108 - LibreOffice looks nowhere else


def restrict_files(read: Iterable[Path], write: Iterable[Path], devices: Iterable[Path], *, programs: bool) -> int:
    """Leave this process, and all it starts, these files and folders only; what does not exist is passed over.

    read:     files and folders that may be read, with all below.
    write:    folders in which plain files and folders may be made as well.
    devices:  files that may be read and written.
    programs: programs below ``read`` may be started, and make Unix sockets in SOCKETS: LibreOffice wants one.

    Returns:
        The version of Landlock that holds now; 0: none, and nothing is restricted.
    """
    if sys.platform != "linux":
        return 0
    libc = ctypes.CDLL(None, use_errno=True)
    version = int(libc.syscall(_CREATE_RULESET, None, 0, _ASK_VERSION))
    if version < 1:
        return 0
    files = sum(bits for since, bits in _HANDLED.items() if since <= version)
    network = _BIND_AND_CONNECT_TCP if version >= 4 else 0
    scopes = _ABSTRACT_SOCKETS_AND_SIGNALS if version >= 6 else 0
    attributes = struct.pack("@QQQ", files, network, scopes)[: 24 if version >= 6 else 16 if version >= 4 else 8]
    rules = int(libc.syscall(_CREATE_RULESET, attributes, len(attributes), 0))
    if rules < 0:
        return 0
    try:
        for paths, wanted in (
            (read, _READ | (_EXECUTE if programs else 0)),
            (write, _WRITE),
            # It removes its own again before it starts a second time. Where this is the folder of all (no private_tmp),
            # the sticky bit keeps others' files.
            ([SOCKETS] if programs else [], _MAKE_SOCK | _REMOVE_FILE),
            (devices, _READ_FILE | _WRITE_FILE),
        ):
            for path in paths:
                _allow(libc, rules, path, wanted & files)
        if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 or libc.syscall(_RESTRICT_SELF, rules, 0) != 0:
            return 0
    finally:
        os.close(rules)
    return version


def _allow(libc: ctypes.CDLL, rules: int, path: Path, access: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not path.is_dir():
            access &= _FOR_FILES
        libc.syscall(_ADD_RULE, rules, _PATH_BENEATH, struct.pack("=Qi", access, place), 0)
    finally:
        os.close(place)
