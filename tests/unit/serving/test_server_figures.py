"""What is read out of vLLM's exposition, and what two readings say."""

from __future__ import annotations

import pytest

from serving.server_figures import History, Reading, read

LABELS = 'engine="0",model_name="support"'
EXPOSITION = f"""\
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{{{LABELS}}} 3.0
vllm:num_requests_waiting{{{LABELS}}} 2.0
vllm:num_requests_waiting_by_reason{{{LABELS},reason="capacity"}} 2.0
vllm:kv_cache_usage_perc{{{LABELS}}} 0.25
vllm:prefix_cache_queries_total{{{LABELS}}} 1000.0
vllm:prefix_cache_queries_created{{{LABELS}}} 1.7e+09
vllm:prefix_cache_hits_total{{{LABELS}}} 600.0
vllm:prompt_tokens_total{{{LABELS}}} 1000.0
vllm:prompt_tokens_by_source_total{{{LABELS},source="local_compute"}} 400.0
vllm:generation_tokens_total{{{LABELS}}} 90.0
vllm:time_to_first_token_seconds_bucket{{le="0.1",{LABELS}}} 4.0
frontdesk_front_answering 3.0
"""


def test_the_figures_that_people_look_at() -> None:
    assert read(EXPOSITION, 5.0) == Reading(5.0, 3, 2, 0.25, 90, 1000, 1000, 600)


def test_engines_of_one_server_are_added_up() -> None:
    second = EXPOSITION.replace('engine="0"', 'engine="1"').replace("} 0.25", "} 0.75")
    assert read(EXPOSITION + second, 0.0) == Reading(0.0, 6, 4, 0.75, 180, 2000, 2000, 1200)


@pytest.mark.parametrize(
    "said", ["", "<html>no such page</html>", "python_info 1.0\n", "vllm:num_requests_running{ 3", "vllm:num_requests_running x\n"]
)  # fmt: skip
def test_what_is_not_vllms_gives_none(said: str) -> None:
    assert read(said, 0.0) is None


def reading(at: float, written: float, asked: float = 0.0, found: float = 0.0) -> Reading:
    return Reading(at, 0, 0, 0.0, written, 10 * written, asked, found)


def test_speed_is_of_the_last_minute_and_the_hit_rate_of_five() -> None:
    history = History()
    assert history.figures() is None
    for n in range(61):
        # Ten tokens a second at first, twenty in the last minute; the cache finds more and more.
        written = 100.0 * n if n <= 54 else 5400 + 200.0 * (n - 54)
        history.add(reading(10.0 * n, written, asked=100.0 * n, found=0.0 if n <= 30 else 50.0 * (n - 30)))
    figures = history.figures()
    assert figures is not None
    assert (figures.written_per_s, figures.read_per_s) == (20, 200)
    assert (figures.hit_rate, figures.hit_rate_since_start) == (0.5, 0.25)


def test_nothing_is_said_of_what_nobody_asked() -> None:
    history = History()
    history.add(reading(0.0, 0.0))
    figures = history.figures()
    assert figures is not None
    assert (figures.written_per_s, figures.hit_rate, figures.hit_rate_since_start) == (None, None, None)
    history.add(reading(10.0, 0.0))
    figures = history.figures()
    assert figures is not None
    assert (figures.written_per_s, figures.hit_rate) == (0, None)


def test_a_server_that_began_anew_is_known_from_then_on() -> None:
    history = History()
    history.add(reading(0.0, 500.0, 900.0, 800.0))
    history.add(reading(10.0, 20.0, 10.0, 0.0))
    history.add(reading(20.0, 120.0, 110.0, 25.0))
    figures = history.figures()
    assert figures is not None
    assert (figures.written_per_s, figures.hit_rate) == (10, 0.25)


def test_no_more_is_kept_than_is_looked_at() -> None:
    history = History()
    for n in range(1000):
        history.add(reading(10.0 * n, float(n)))
    assert len(history._readings) <= 32
