"""Capacity: what is known on paper must come out of the simulation, too."""

from __future__ import annotations

import json
import math
import random
import statistics
from pathlib import Path
from typing import Any

import pytest

from ingest.errors import SettingsError
from serving import capacity
from serving.capacity import MOST_REPLICAS, plan, quantile, simulate
from serving.capacity_inputs import Lengths, Load, Measured, Speed, Training, read_load, read_measured, read_training


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
    one, asked = measured(written=(Speed(at_once=1, tokens_a_second=1),)), load(answer=Lengths(mean=1))
    for _ in range(6):
        found = simulate(one, asked, 0.5, seed=dice.randrange(10**6), seconds=8_000)
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


def test_a_target_that_no_number_keeps_is_refused_with_the_least_that_is() -> None:
    with pytest.raises(
        SettingsError, match=r"target_s \(--target\): 0.5 s cannot be kept: the least possible is 1.001 s"
    ):
        plan(measured(), load(target_s=0.5))
    # What is said to be possible is: where hardly anything is asked, one does.
    assert plan(measured(), load(target_s=1.001, requests_a_day=10, peak_a_second=5e-4)).replicas == 1


def test_who_is_hardly_ever_asked_answers_each_alone() -> None:
    # Nobody comes in a quarter of an hour, which says nothing against the server.
    found = plan(measured(), load(requests_a_day=1000, peak_a_second=0.02, without_model=0.99, target_s=1.5))
    assert (found.replicas, found.at_peak.most_running) == (1, 1)
    assert found.at_peak.whole_p95 == pytest.approx(1.0)
    assert found.at_peak.busy == pytest.approx(2e-4)


def test_it_is_simulated_until_enough_have_come() -> None:
    slow = measured(written=(Speed(at_once=1, tokens_a_second=0.1),))
    found = simulate(slow, load(), 1e-3)
    assert found.answers > 1800
    assert found.busy == pytest.approx(0.1, abs=0.02)
    # Answers of a thousand seconds, fifty of them at once.
    slow = measured(
        written=(Speed(at_once=1, tokens_a_second=0.01), Speed(at_once=100, tokens_a_second=1)), at_once=100
    )
    assert 1000 <= simulate(slow, load(), 0.05).whole_p95 < 1200


def test_busy_is_of_the_time_that_was_simulated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity, "ENOUGH", 2000)
    fast = measured(written=(Speed(at_once=1, tokens_a_second=1000),))
    # A hundredth of a second each: half of the time; enough have come after 40 of the 120 s.
    found = simulate(fast, load(), 50, seconds=120)
    assert found.answers < 2100
    assert found.busy == pytest.approx(0.5, abs=0.03)
    assert simulate(fast, load(), 200, seconds=20).busy == pytest.approx(1.0)


def test_as_many_are_tried_as_there_may_be() -> None:
    short = {"answer": Lengths(mean=1), "target_s": 4.0}
    one = measured(written=(Speed(at_once=1, tokens_a_second=1),))
    # The rule of thumb says 2,100, which are too few, and twice that are more than there may be.
    found = plan(one, load(peak_a_second=2100, **short))
    assert found.by_thumb == 2100 < found.replicas <= MOST_REPLICAS
    for peak in (4000.0, 5000.0, 1e300):
        with pytest.raises(SettingsError, match="more than 4,096 replicas of m"):
            plan(one, load(peak_a_second=peak, **short))


def test_where_no_question_reaches_a_model_none_is_needed() -> None:
    found = plan(measured(cost=3.0, kv_bytes=10), load(without_model=1.0, target_s=0.1))
    assert (found.replicas, found.units, found.by_thumb, found.cost_day, found.kv_gib) == (0, 0, 0, 0.0, 0.0)
    assert found.at_peak.answers == 0
    assert found.kv_fits
    json.dumps(found.as_json(), allow_nan=False)


def test_a_peak_below_the_mean_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"the load: peak_a_second \(--peak\): 1 questions .* mean of 11.57"):
        read_load(None, requests_a_day=1_000_000, peak_a_second=1)
    assert read_load(None, requests_a_day=1_000_000, peak_a_second=11.57).peak_a_second == 11.57


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan, -1.0, 0.0])
@pytest.mark.parametrize(
    ("name", "option"), [("requests_a_day", "requests-a-day"), ("peak_a_second", "peak"), ("target_s", "target")]
)
def test_numbers_that_cannot_be_are_refused_by_name(name: str, option: str, value: float) -> None:
    with pytest.raises(SettingsError, match=rf"{name} \(--{option}\): Input should be"):
        read_load(None, **({"requests_a_day": 1000.0, "peak_a_second": 1.0} | {name: value}))


@pytest.mark.parametrize("value", [math.inf, math.nan, -0.1, 1.1])
def test_a_share_is_a_share(value: float) -> None:
    with pytest.raises(SettingsError, match=r"without_model \(--without-model\): Input should be"):
        read_load(None, requests_a_day=1000, peak_a_second=1, without_model=value)


@pytest.mark.parametrize(
    "line", ["read: .inf", "cost: .nan", "overhead_s: -1", "kv_gib: .inf", "at_once: 0", "units: 0"]
)
def test_measured_numbers_that_cannot_be_are_refused(tmp_path: Path, line: str) -> None:
    said = {"name": "name: x", "read": "read: 10", "written": "written: [{at_once: 1, tokens_a_second: 10}]"}
    path = tmp_path / "measured.yaml"
    path.write_text("\n".join((said | {line.split(":")[0]: line}).values()))
    with pytest.raises(SettingsError, match=rf"{line.split(':')[0]}: Input should be"):
        read_measured(path)


def test_a_trainings_time_is_eight_operations_a_token_and_parameter() -> None:
    # A million tokens, 135 million parameters, one card of 300 TFLOP/s: some seconds.
    assert Training(tokens=1e6, parameters=135e6, flops=300e12).seconds == pytest.approx(3.6)
    assert read_training(tokens=1e6, parameters=135e6, flops=3e14, cards=4) == Training(
        tokens=1e6, parameters=135e6, cards=4, flops=3e14
    )
    assert read_training(tokens=None, cards=None) is None


@pytest.mark.parametrize("name", ["tokens", "parameters", "cards", "flops"])
@pytest.mark.parametrize("value", [0, -1, math.inf, math.nan])
def test_a_training_that_cannot_be_is_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(SettingsError, match=rf"{name} \(--train-{name}\): Input should be"):
        read_training(**({"tokens": 1e6, "parameters": 1e6, "cards": 1, "flops": 1e12} | {name: value}))


def test_a_training_is_said_whole() -> None:
    with pytest.raises(SettingsError, match=r"tokens \(--train-tokens\): Field required"):
        read_training(cards=2)


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
