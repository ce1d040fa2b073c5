"""Capacity: what is known on paper must come out of the simulation, too."""

from __future__ import annotations

import random
import statistics
from pathlib import Path
from typing import Any

import pytest

from ingest.errors import SettingsError
from serving.capacity import (
    Lengths,
    Load,
    Measured,
    Speed,
    plan,
    quantile,
    read_load,
    read_measured,
    simulate,
    training_seconds,
)


def load(**said: Any) -> Load:
    lengths = {"prompt": Lengths(mean=100), "answer": Lengths(mean=10)}
    return Load(**({"requests_a_day": 100_000, "peak_a_second": 10, **lengths} | said))


def measured(**said: Any) -> Measured:
    return Measured(
        **({"name": "m", "written": (Speed(at_once=1, tokens_a_second=10),), "read": 1e9, "at_once": 1} | said)
    )


def test_a_question_alone_takes_what_reading_and_writing_take() -> None:
    found = simulate(measured(read=100, overhead_s=0.5), load(), 1e-4, seconds=1e7)
    assert found.first_p50 == pytest.approx(1 + 0.1 + 0.5)
    assert found.whole_p50 == pytest.approx(1 + 1 + 0.5)


def test_one_at_a_time_it_is_the_queue_that_textbooks_compute() -> None:
    # M/D/1: a service of 1 s at a load of one half waits rho / (2 (1 - rho)) = 0.5 s on average.
    dice, waits = random.Random(1), []
    for _ in range(6):
        found = simulate(measured(), load(), 0.5, seed=dice.randrange(10**6), seconds=20_000)
        waits.append(found.busy)
        assert 1.0 <= found.whole_p50 <= 1.5
        # P(wait > 2.5 s) is below a twentieth, P(wait > 1 s) is not.
        assert 2.0 < found.whole_p95 < 3.5
    assert statistics.mean(waits) == pytest.approx(0.5, abs=0.03)


def test_a_step_lasts_longer_the_more_are_written() -> None:
    batch = measured(written=(Speed(at_once=1, tokens_a_second=20), Speed(at_once=4, tokens_a_second=40)))
    assert [batch.step_s(count) for count in (1, 4)] == [0.05, 0.1]
    assert batch.step_s(2) == pytest.approx(0.05 + 0.05 / 3)
    assert batch.step_s(8) == pytest.approx(0.2)
    assert batch.most_written == 40


def test_written_together_more_is_answered() -> None:
    speeds = (Speed(at_once=1, tokens_a_second=10), Speed(at_once=8, tokens_a_second=60))
    alone = simulate(measured(written=speeds, at_once=1), load(), 2.0)
    together = simulate(measured(written=speeds, at_once=8), load(), 2.0)
    assert alone.whole_p95 > 10 * together.whole_p95
    assert 1 < together.most_running <= 8


def test_a_server_that_cannot_keep_up_looks_like_it() -> None:
    assert simulate(measured(), load(), 5.0).whole_p95 > 100


def test_the_fewest_replicas_that_keep_the_target_are_found() -> None:
    found = plan(measured(), load(target_s=3.0))
    assert simulate(measured(), load(), 10 / found.replicas).whole_p95 <= 3.0
    assert simulate(measured(), load(), 10 / (found.replicas - 1)).whole_p95 > 3.0
    # Ten questions a second of ten tokens each, ten tokens a second a replica: ten are needed at the very least.
    assert found.by_thumb == 10
    assert 10 < found.replicas < 30


def test_what_no_model_is_asked_for_costs_nothing() -> None:
    assert (
        plan(measured(), load(without_model=0.8, target_s=3.0)).replicas
        < plan(measured(), load(target_s=3.0)).replicas / 3
    )


def test_memory_and_cost_follow() -> None:
    found = plan(measured(kv_bytes=2**20, kv_gib=0.01, units=2, cost=3.0), load(target_s=3.0))
    assert (found.units, found.cost_hour, found.cost_day) == (
        2 * found.replicas,
        6.0 * found.replicas,
        144.0 * found.replicas,
    )
    assert found.cost_per_thousand == pytest.approx(1.44 * found.replicas)
    assert found.kv_gib == pytest.approx(110 / 1024)
    assert not found.kv_fits
    assert found.as_json()["at_peak"]["answers"] > 0


def test_a_target_that_no_number_keeps_is_refused() -> None:
    with pytest.raises(SettingsError, match="target_s"):
        plan(measured(), load(target_s=0.5))


def test_lengths_have_the_mean_that_was_said() -> None:
    dice = random.Random(3)
    drawn = [Lengths(mean=200, spread=80).draw(dice) for _ in range(20_000)]
    assert statistics.mean(drawn) == pytest.approx(200, rel=0.02)
    assert statistics.stdev(drawn) == pytest.approx(80, rel=0.05)
    assert min(drawn) >= 1


def test_files_are_read_and_a_wrong_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "load.yaml"
    path.write_text("requests_a_day: 1000000\npeak_a_second: 1000\nprompt: {mean: 700}\n")
    found = read_load(path, target_s=2.0, without_model=None)
    assert (found.prompt.mean, found.target_s, found.without_model) == (700, 2.0, 0.0)
    assert read_load(None, requests_a_day=10, peak_a_second=1).requests_a_day == 10
    with pytest.raises(SettingsError, match="requests_a_day"):
        read_load(None)
    path.write_text("requests_a_day: 1000000\npeak_a_second: -1\n")
    with pytest.raises(SettingsError, match="peak_a_second"):
        read_load(path)
    path.write_text("name: x\nread: 10\nwritten: []\n")
    with pytest.raises(SettingsError, match="written"):
        read_measured(path)
    with pytest.raises(SettingsError, match="cannot be read"):
        read_load(tmp_path / "nothing.yaml")


def test_small_things() -> None:
    assert quantile([3, 1, 2], 0.5) == 2
    assert quantile([1], 0.99) == 1
    # A million tokens, 135 million parameters, one card of 300 TFLOP/s: some seconds.
    assert training_seconds(1e6, 135e6, 1, 300e12) == pytest.approx(3.6)
