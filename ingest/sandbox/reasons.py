"""What a document is told when reading it has gone past a limit: one line, with what to do."""

from __future__ import annotations

from ingest.limits import SandboxLimits

CRASHED = "the parser crashed on this file; save it anew from its program, or as a PDF"


def too_much_memory(limits: SandboxLimits) -> str:
    """For a file past its memory."""
    return f"reading it needs more than {_size(limits.memory_bytes)} of memory; split it into smaller files"


def too_many_files(size: int) -> str:
    """For a file that writes more than this many bytes."""
    return f"it unpacks to files of more than {_size(size)}; unpack it and upload what is inside"


def too_long(seconds: float) -> str:
    """For a file past its time."""
    taken = f"{seconds / 60:.0f} minutes" if seconds >= 90 else f"{seconds:.0f} seconds"
    return f"reading it took longer than {taken}; split it into smaller files"


def _size(count: int) -> str:
    return f"{count / 2**30:.3g} GiB" if count >= 2**30 else f"{count >> 20} MiB"
