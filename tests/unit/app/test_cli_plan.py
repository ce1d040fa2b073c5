"""`frontdesk plan` and `frontdesk serve-model --dry-run`, as they are typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli import app

MEASURED = "{name: small, unit: core, units: 2, cost: 0.05, read: 800, written: [{at_once: 1, tokens_a_second: 24}, {at_once: 16, tokens_a_second: 63}]}"
# So few that nothing need be simulated.
RARE = ("--requests-a-day", "1000", "--peak", "0.02", "--without-model", "0.999", "--target", "10")


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


def test_a_training_is_planned_beside_it(measured: Path) -> None:
    said = ["plan", "--measured", str(measured), *RARE]
    assert json.loads(CliRunner().invoke(app, [*said, "--json"]).stdout)["training"] is None
    said += ["--train-tokens", "1e9", "--train-parameters", "135e6", "--train-cards", "2", "--train-flops", "100e12"]
    shown = CliRunner().invoke(app, said)
    assert "Training: 90.0 minutes for 1,000,000,000 tokens and 135,000,000 parameters, 2 x 1e+14" in shown.output
    found = json.loads(CliRunner().invoke(app, [*said, "--json"]).stdout)["training"]
    assert found == {"tokens": 1e9, "parameters": 135e6, "cards": 2, "flops": 1e14, "seconds": 5400.0}


def test_the_cache_is_told_where_its_size_is_known(tmp_path: Path, measured: Path) -> None:
    said = ["plan", *RARE, "--measured"]
    assert "of cache" not in CliRunner().invoke(app, [*said, str(measured)]).output
    known = tmp_path / "known.yaml"
    known.write_text(MEASURED.replace("{name", "{kv_bytes: 2000000, kv_gib: 1, name", 1))
    shown = CliRunner().invoke(app, [*said, str(known)]).output
    assert "GiB of cache" in shown
    assert "more cache than a replica has" in shown


def test_where_no_model_is_asked_no_replica_is_needed(measured: Path) -> None:
    said = ["plan", "--measured", str(measured), "--requests-a-day", "1000", "--peak", "0.5", "--without-model", "1"]
    shown = CliRunner().invoke(app, said)
    assert (shown.exit_code, "no replica is needed" in shown.output) == (0, True)
    assert json.loads(CliRunner().invoke(app, [*said, "--json"]).stdout)["replicas"] == 0


@pytest.mark.parametrize(
    ("said", "named"),
    [
        (["--peak", "inf"], "(--peak): Input should be a finite number"),
        (["--peak", "nan"], "(--peak): Input should be a finite number"),
        (["--peak", "0.001"], "(--peak): 0.001 questions a second in the busiest minute are fewer than"),
        (["--requests-a-day", "0"], "(--requests-a-day): Input should be greater than 0"),
        (["--without-model", "-0.5"], "(--without-model): Input should be greater than or equal to 0"),
        (["--target", "0.01"], "(--target): 0.01 s cannot be kept: the least possible is"),
        (["--train-cards", "0"], "(--train-tokens): Field required"),
        (
            ["--train-cards", "0", "--train-tokens", "1", "--train-parameters", "1", "--train-flops", "1e12"],
            "(--train-cards): Input should be greater than or equal to 1",
        ),
    ],
)
def test_a_number_that_cannot_be_is_named_with_its_option(measured: Path, said: list[str], named: str) -> None:
    ended = CliRunner().invoke(
        app, ["plan", "--measured", str(measured), "--requests-a-day", "1000", "--peak", "1", *said]
    )
    assert (ended.exit_code, ended.stdout) == (1, "")
    assert named in ended.stderr


def test_without_vllm_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRONTDESK_VLLM_PYTHON", "/nowhere/python")
    ended = CliRunner().invoke(app, ["serve-model", "base", "--dry-run"])
    assert (ended.exit_code, "FRONTDESK_VLLM_PYTHON" in ended.output) == (1, True)
