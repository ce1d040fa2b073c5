"""The installed command from a cold start, and what it loads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples" / "files"


def test_the_installed_command_from_a_cold_start(tmp_path: Path) -> None:
    env = {**os.environ, "FRONTDESK_HOME": str(tmp_path / "cold")}
    command = [str(Path(sys.executable).parent / "frontdesk"), "ingest", str(EXAMPLES / "en" / "stores.csv"), "--json"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, json.loads(done.stdout)["ready"]) == (0, 1)


@pytest.mark.parametrize("arguments", [["--help"], ["ask", "--help"], ["kb", "list"]])
def test_what_needs_no_model_does_not_load_torch(arguments: list[str], tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from app.cli import app\n"
        f"app({arguments!r}, standalone_mode=False)\n"
        "heavy = {'torch', 'transformers', 'sentence_transformers'} & set(sys.modules)\n"
        "sys.exit(f'loaded: {heavy}' if heavy else 0)"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT), "FRONTDESK_HOME": str(tmp_path / "home")}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
