"""A filter of system calls (Linux, x86-64 and ARM64): what no parser needs, the kernel refuses.

Classic BPF, installed with prctl(2); see seccomp(2) and Documentation/userspace-api/seccomp_filter.rst. The library
that compiles such filters (libseccomp) is LGPL, and this list of refusals is short. What is refused answers EPERM, so
that a library that only tries goes on without it.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys

# Calls refused to every reader: (x86-64, ARM64). Numbers from the kernel's unistd headers.
_REFUSED = {
    "connect": (42, 203),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "tkill": (200, 130),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "pidfd_open": (434, 434),
    "pidfd_send_signal": (424, 424),
    "pidfd_getfd": (438, 438),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "unshare": (272, 97),
    "setns": (308, 268),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsmount": (432, 432),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "open_by_handle_at": (304, 265),
    # Memory that outlives the process, or that its size does not show.
    "shmget": (29, 194),
    "msgget": (68, 186),
    "semget": (64, 190),
    "mq_open": (240, 180),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
}
# Refused as well to all but the one that runs LibreOffice.
_REFUSED_WITHOUT_HELPERS = {"execve": (59, 221), "execveat": (322, 281), "fork": (57, None), "vfork": (58, None)}
_SOCKET, _CLONE, _CLONE3 = (41, 198), (56, 220), (435, 435)
_KILL, _TGKILL = (62, 129), (234, 131)
_ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}

_CLONE_THREAD = 0x00010000
_AF_UNIX = 1
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL_PROCESS, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_AT_NUMBER, _AT_ARCHITECTURE, _AT_FIRST_ARGUMENT = 0, 4, 16
_X32 = 0x40000000
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _FILTER = 38, 22, 2


def filter_calls(*, helpers: bool) -> bool:
    """Refuse this process, and all it starts, what no parser needs; False where the machine has no such filters.

    helpers: programs may be started, and wait at Unix sockets, as LibreOffice does; none may connect to one.
    """
    machine = platform.machine()
    if sys.platform != "linux" or machine not in _ARCHITECTURES:
        return False
    program = b"".join(_program(*_ARCHITECTURES[machine], helpers=helpers))
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(program, len(program))
    # struct sock_fprog: the number of instructions of 8 bytes, padding, their address.
    header = ctypes.create_string_buffer(struct.pack("@HP", len(program) // 8, ctypes.addressof(buffer)))
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return False
    return bool(libc.prctl(_PR_SET_SECCOMP, _FILTER, header, 0, 0) == 0)


def _program(column: int, architecture: int, *, helpers: bool) -> list[bytes]:
    refuse = _ERRNO | errno.EPERM
    code = [
        _step(_LOAD, _AT_ARCHITECTURE),
        # A call by another architecture's numbers would pass a filter of these.
        *_unless(_EQUAL, architecture, _KILL_PROCESS),
        _step(_LOAD, _AT_NUMBER),
    ]
    if column == 0:
        code += _when(_AT_LEAST, _X32, refuse)
    refused = list(_REFUSED.values()) + ([] if helpers else list(_REFUSED_WITHOUT_HELPERS.values()))
    for numbers in refused:
        if (number := numbers[column]) is not None:
            code += _when(_EQUAL, number, refuse)
    # Signals to itself only: that is how abort() ends a process.
    for call in (_KILL, _TGKILL):
        if not helpers:
            code += _when_argument(call[column], _EQUAL, os.getpid(), refuse)
    if helpers:
        code += _when_argument(_SOCKET[column], _EQUAL, _AF_UNIX, refuse)
    else:
        code += _when(_EQUAL, _SOCKET[column], refuse)
        code += _when_argument(_CLONE[column], _ANY_BIT, _CLONE_THREAD, refuse)
        # Its flags lie behind a pointer; told that there is no such call, the C library takes clone.
        code += _when(_EQUAL, _CLONE3[column], _ERRNO | errno.ENOSYS)
    return [*code, _step(_RETURN, _ALLOW)]


def _step(operation: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("@HBBI", operation, if_true, if_false, value)


def _when(test: int, value: int, verdict: int) -> list[bytes]:
    return [_step(test, value, 0, 1), _step(_RETURN, verdict)]


def _unless(test: int, value: int, verdict: int) -> list[bytes]:
    return [_step(test, value, 1, 0), _step(_RETURN, verdict)]


def _when_argument(number: int, test: int, value: int, otherwise: int) -> list[bytes]:
    """Allow this call where its first argument passes the test, else give the verdict."""
    return [
        _step(_EQUAL, number, 0, 4),
        _step(_LOAD, _AT_FIRST_ARGUMENT),
        _step(test, value, 0, 1),
        _step(_RETURN, _ALLOW),
        _step(_RETURN, otherwise),
    ]
