"""Questions that wait together are embedded together; each gets its own vector, and errors reach who waits."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from app.rag.batching import BatchingEmbedder
from app.rag.counts import CacheCounts
from ingest.embed import Vectors
from tests.fakes import HashEmbedder


class Slow(HashEmbedder):
    """Holds the first batch until the test lets go; remembers the batches."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[list[str]] = []
        self.begun, self.go_on = threading.Event(), threading.Event()

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        self.batches.append(list(texts))
        self.begun.set()
        assert self.go_on.wait(10)
        if "bad" in texts:
            raise ValueError("bad question")
        return super().embed_queries(texts)


def test_those_who_wait_share_a_batch() -> None:
    inner = Slow()
    embedder = BatchingEmbedder(inner)
    texts = [f"question {n}" for n in range(9)]
    with ThreadPoolExecutor(9) as callers:
        first = callers.submit(embedder.embed_query, texts[0])
        assert inner.begun.wait(10)
        others = [callers.submit(embedder.embed_query, text) for text in texts[1:]]
        while embedder._waiting.qsize() < 8:
            pass
        inner.go_on.set()
        found = [future.result(10) for future in (first, *others)]
    assert [len(batch) for batch in inner.batches] == [1, 8]
    for text, vector in zip(texts, found, strict=True):
        assert np.allclose(vector, HashEmbedder().embed_query(text))


def test_an_error_reaches_who_waits_and_the_next_one_is_answered() -> None:
    inner = Slow()
    inner.go_on.set()
    embedder = BatchingEmbedder(inner)
    with pytest.raises(ValueError, match="bad question"):
        embedder.embed_query("bad")
    assert embedder.embed_query("good").shape == (embedder.size,)


def test_a_question_asked_lately_is_not_embedded_again() -> None:
    inner = Slow()
    inner.go_on.set()
    counts = CacheCounts()
    embedder = BatchingEmbedder(inner, 2, counts)
    first = embedder.embed_query("one")
    assert np.array_equal(embedder.embed_query("one"), first)
    assert np.array_equal(embedder.embed_queries(["two", "one", "two"])[1], first)
    assert inner.batches == [["one"], ["two"]]
    embedder.embed_query("three")
    embedder.embed_query("one")
    embedder.embed_query("two")
    # Two are kept: the one asked for longest ago went.
    assert len(inner.batches) == 5
    assert counts.now() == {("embedding", "hit"): 1, ("embedding", "miss"): 4}


def test_what_is_kept_cannot_be_changed_by_who_was_given_it() -> None:
    embedder = BatchingEmbedder(HashEmbedder(), 2)
    embedder.embed_query("one")
    with pytest.raises(ValueError, match="read-only"):
        embedder.embed_query("one")[0] = 5


def test_with_nothing_kept_each_is_embedded() -> None:
    inner = Slow()
    inner.go_on.set()
    embedder = BatchingEmbedder(inner, 0)
    for _ in range(2):
        embedder.embed_query("one")
    assert len(inner.batches) == 2
