"""Questions that wait together are embedded together; each gets its own vector, and errors reach who waits."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from app.rag.batching import BatchingEmbedder
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
