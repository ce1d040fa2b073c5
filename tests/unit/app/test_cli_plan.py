"""`frontdesk plan` and `frontdesk serve-model --dry-run`, as they are typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli import app

MEASURED = "{name: small, unit: core, units: 2, cost: 0.05, read: 800, written: [{at_once: 1, tokens_a_second: 24}, {at_once: 16, tokens_a_second: 63}]}"


@pytest.fixture
def measured(tmp_path: Path) -> Path:
    path = tmp_path / "measured.yaml"
    path.write_text(MEASURED)
    return path


def test_a_load_is_planned_in_words_and_as_json(measured: Path) -> None:
    said = ["plan", "--measured", str(measured), "--requests-a-day", "1000", "--peak", "0.5", "--target", "10"]
    shown = CliRunner().invoke(app, said)
    assert shown.exit_code == 0, shown.output
    assert "Rule of thumb: 4 users" in shown.output
    assert "cores) answer 0.5 questions a second" in shown.output
    found = json.loads(CliRunner().invoke(app, [*said, "--json"]).stdout)
    assert found["units"] == 2 * found["replicas"]
    assert found["at_peak"]["whole_p95"] <= 10
    assert found["load"]["requests_a_day"] == 1000


def test_what_is_missing_or_cannot_be_kept_is_said(measured: Path, tmp_path: Path) -> None:
    missing = CliRunner().invoke(app, ["plan", "--measured", str(measured), "--peak", "1"])
    assert (missing.exit_code, "requests_a_day" in missing.output) == (1, True)
    said = ["plan", "--measured", str(measured), "--requests-a-day", "1000", "--peak", "1", "--target", "0.5"]
    late = CliRunner().invoke(app, said)
    assert (late.exit_code, "target_s" in late.output) == (1, True)
    gone = CliRunner().invoke(app, [*said, "--measured", str(tmp_path / "no.yaml")])
    assert (gone.exit_code, "cannot be read" in gone.output) == (1, True)


def test_without_vllm_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRONTDESK_VLLM_PYTHON", "/nowhere/python")
    ended = CliRunner().invoke(app, ["serve-model", "base", "--dry-run"])
    assert (ended.exit_code, "FRONTDESK_VLLM_PYTHON" in ended.output) == (1, True)
