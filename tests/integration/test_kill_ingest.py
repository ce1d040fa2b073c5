"""A few kills of benchmarks/kill_ingest.py: nothing accepted is lost, doubled, stale or orphaned."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.http_server import free_port

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "kill_ingest.py"
KILLS = 5


# Six starts of the server and a comparison of everything, beside another test: minutes.
@pytest.mark.timeout(900)
def test_killed_five_times(tmp_path: Path) -> None:
    command = [sys.executable, str(BENCHMARK), "--kills", str(KILLS), "--audit-every", str(KILLS)]
    command += ["--port", str(free_port()), "--folder", str(tmp_path / "kills"), "--seed", "5"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=850, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert f"{KILLS} kills" in ended.stdout
    assert "wrong: {}" in ended.stdout
