"""What a machine has to serve a model with: cores, memory, GPUs. Looked at without torch, which takes seconds to load."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import psutil

GIB = 2**30
_QUERY_S = 20
# Processors that compute bfloat16 themselves; others convert it back and forth.
_BFLOAT16 = frozenset({"avx512_bf16", "amx_bf16", "bf16"})


@dataclass(frozen=True, slots=True)
class Gpu:
    """One card. memory: GiB; capability: CUDA's compute capability, (8, 0) is an A100's."""

    name: str
    memory: float
    capability: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Machine:
    """What there is.

    cores:    that this process may use.
    memory:   GiB; ``free`` of them are to be had now.
    bfloat16: whether the CPU computes it natively.
    """

    cores: int
    memory: float
    free: float
    bfloat16: bool
    gpus: tuple[Gpu, ...] = ()

    @property
    def device(self) -> str:
        """gpu where there is one, else cpu."""
        return "gpu" if self.gpus else "cpu"


def this_machine() -> Machine:
    """Look at this one, within the limits of its container."""
    memory = psutil.virtual_memory()
    total, free = float(memory.total), float(memory.available)
    if (limit := _cgroup_limit()) is not None:
        total, free = min(total, limit[0]), min(free, limit[0] - limit[1])
    return Machine(len(os.sched_getaffinity(0)), total / GIB, max(free, 0.0) / GIB, _bfloat16(), gpus())


def gpus() -> tuple[Gpu, ...]:
    """NVIDIA cards, as their own tool names them; none where the tool is missing or fails."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return ()
    query = [tool, "--query-gpu=name,memory.total,compute_cap", "--format=csv,noheader,nounits"]
    try:
        asked = subprocess.run(query, capture_output=True, text=True, timeout=_QUERY_S, check=True)  # noqa: S603 - fixed
    except (OSError, subprocess.SubprocessError):
        return ()
    return read_gpus(asked.stdout)


def read_gpus(said: str) -> tuple[Gpu, ...]:
    """Cards from the tool's lines: name, MiB, compute capability."""
    found = []
    for line in said.splitlines():
        name, memory, capability = ([part.strip() for part in line.split(",")] + ["", "", ""])[:3]
        major, _, minor = capability.partition(".")
        if memory.isdigit() and major.isdigit():
            found.append(Gpu(name, int(memory) / 1024, (int(major), int(minor or 0))))
    return tuple(found)


def _bfloat16() -> bool:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return False
    flags = next((line.partition(":")[2] for line in lines if line.lower().startswith(("flags", "features"))), "")
    return bool(_BFLOAT16 & set(flags.split()))


def _cgroup_limit() -> tuple[float, float] | None:
    """Bytes that a container may have, and has; None where nothing limits it."""
    folder = Path("/sys/fs/cgroup")
    try:
        most = (folder / "memory.max").read_text().strip()
        used = float((folder / "memory.current").read_text())
    except (OSError, ValueError):
        return None
    return (float(most), used) if most.isdigit() else None
