"""What a machine says of itself."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from serving import machine


def test_this_machine_is_what_the_system_says() -> None:
    found = machine.this_machine()
    assert found.cores == len(os.sched_getaffinity(0))
    assert 0 < found.free <= found.memory
    assert found.device in ("cpu", "gpu")


def test_without_the_cards_tool_there_are_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert machine.gpus() == ()
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\nexit 9\n")
    tool.chmod(0o755)
    assert machine.gpus() == ()
    tool.write_text("#!/bin/sh\necho 'Tesla T4, 15360, 7.5'\n")
    assert [card.name for card in machine.gpus()] == ["Tesla T4"]

    def hangs(*_: object, **__: object) -> None:
        raise subprocess.TimeoutExpired("nvidia-smi", 1)

    monkeypatch.setattr(subprocess, "run", hangs)
    assert machine.gpus() == ()
