"""What benchmarks/capacity.py writes is what `frontdesk plan` reads: units, cache and answers at once are the server's."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from serving.capacity_inputs import Lengths, Load, read_measured
from serving.machine import GIB, Gpu, Machine
from serving.vllm_plan import ModelShape, choose

ROOT = Path(__file__).parents[3]
TINY = ModelShape(30, 3, 64, 8192, 269 << 20)
WRITTEN = [(1, 42.0), (32, 420.0)]


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    # As the command is run: its folder comes first.
    monkeypatch.setattr(sys, "path", [str(ROOT / "benchmarks"), *sys.path])
    from benchmarks import capacity

    return capacity


def test_of_two_cores_the_cache_is_written(benchmark: ModuleType, tmp_path: Path) -> None:
    machine = Machine(2, 24, 20, bfloat16=True)
    settings = choose(machine, TINY, adapter=False, small=True).settings
    found = benchmark.replica("support", settings, TINY, machine, 1171.0, WRITTEN)
    assert (found.name, found.unit, found.units) == ("vLLM, support, 2 cores", "core", 2)
    assert (found.at_once, found.kv_bytes, found.kv_gib) == (64, 23_040, 3.0)
    path = tmp_path / "measured.json"
    path.write_text(json.dumps(found.model_dump(mode="json")))
    assert read_measured(path) == found


def test_on_cards_the_unit_is_a_card(benchmark: ModuleType) -> None:
    machine = Machine(16, 128, 100, bfloat16=True, gpus=(Gpu("T4", 15.0, (7, 5)),) * 4)
    large = ModelShape(32, 8, 128, 131072, 15 * GIB)
    # Four cards hold two copies; one of them is measured.
    settings = replace(choose(machine, large, adapter=False, small=False).settings, data_parallel=1)
    found = benchmark.replica("large", settings, large, machine, 5000.0, WRITTEN)
    assert (found.name, found.unit, found.units, found.at_once) == ("vLLM, large, 2 x T4", "card", 2, 256)
    assert found.kv_gib == 12.0


def test_writing_is_measured_up_to_what_the_server_writes(benchmark: ModuleType) -> None:
    assert benchmark.counts(64) == [1, 2, 4, 8, 16, 32, 64]
    assert benchmark.counts(20) == [1, 2, 4, 8, 16, 20]
    assert benchmark.counts(1) == [1]


def test_a_load_that_keeps_a_server_so_busy_is_found(benchmark: ModuleType) -> None:
    machine = Machine(2, 24, 20, bfloat16=True)
    settings = choose(machine, TINY, adapter=False, small=True).settings
    # One token each: reading 0.1 s, writing 0.1 s, so half busy at 2.5 a second and a little more, as some are written together.
    one = benchmark.replica("m", settings, TINY, machine, 1000.0, [(1, 10.0)])
    load = Load(requests_a_day=1, peak_a_second=1, prompt=Lengths(mean=100), answer=Lengths(mean=1))
    assert 2.4 < benchmark.busiest(one, load, 0.5) < 3.5
