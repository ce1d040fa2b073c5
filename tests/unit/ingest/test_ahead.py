"""Work done ahead of its time: order, bounds, and a caller that stops."""

from __future__ import annotations

import threading
import time

import pytest

from ingest.ahead import Ahead


def test_results_come_in_order_whatever_takes_longest() -> None:
    def work(item: int) -> int:
        time.sleep(0.05 if item % 2 == 0 else 0)
        return item * 10

    assert list(Ahead(range(7), work, threads=3, most=4)) == [0, 10, 20, 30, 40, 50, 60]


def test_no_more_is_begun_than_was_agreed() -> None:
    begun: list[int] = []
    results = iter(Ahead(range(100), lambda item: begun.append(item) or item, threads=2, most=5))
    assert next(results) == 0
    time.sleep(0.05)
    assert len(begun) <= 5


def test_whoever_reads_can_ask_whether_the_next_one_is_there() -> None:
    go = threading.Event()
    first = threading.Event()

    def work(item: int) -> int:
        if item == 0:
            first.set()
        else:
            go.wait(5)
        return item

    ahead = Ahead([0, 1], work, threads=2, most=2)
    results = iter(ahead)
    assert next(results) == 0
    assert not ahead.ready
    go.set()
    assert next(results) == 1


def test_an_error_comes_when_its_turn_comes() -> None:
    def work(item: int) -> int:
        if item == 1:
            raise ValueError("one")
        return item

    results = iter(Ahead(range(3), work, threads=2, most=3))
    assert next(results) == 0
    with pytest.raises(ValueError, match="one"):
        next(results)


def test_a_caller_that_stops_leaves_nothing_behind() -> None:
    begun: list[int] = []

    def work(item: int) -> int:
        begun.append(item)
        time.sleep(0.05)
        return item

    results = iter(Ahead(range(50), work, threads=1, most=50))
    next(results)
    results.close()  # type: ignore[attr-defined]  # it is a generator
    seen = len(begun)
    time.sleep(0.15)
    assert len(begun) == seen < 50
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ahead")]
