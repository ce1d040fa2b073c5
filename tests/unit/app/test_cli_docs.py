"""docs/cli.md is what the commands say of themselves."""

from __future__ import annotations

import importlib.util
from pathlib import Path

SCRIPT = Path(__file__).parents[3] / "docs" / "write_cli.py"


def test_the_command_lines_documentation_is_up_to_date() -> None:
    spec = importlib.util.spec_from_file_location("write_cli", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    written = script.TARGET.read_text(encoding="utf-8")
    assert written == script.render(), f"docs/cli.md is stale: run `{script.REMEDY}`"
