"""Documents that are embedded at the same time share batches, and each gets its own vectors."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from app.combining import CHARACTERS_AT_ONCE, EMBED_AT_ONCE, WorkerEmbedder
from ingest.embed import Vectors
from tests.fakes import HashEmbedder


class Worker:
    """Embeds like the fake embedder; waits at the gate, keeps what it was asked, and can be told to fail."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.fails_on = "\0"

    def embed(self, texts: Sequence[str]) -> Vectors:
        self.batches.append(list(texts))
        self.gate.wait(10)
        if any(self.fails_on in text for text in texts):
            raise RuntimeError("the worker has gone")
        return HashEmbedder().embed_documents(texts)


@pytest.fixture
def worker() -> Worker:
    return Worker()


def together(worker: Worker, documents: list[list[str]]) -> list[Vectors | BaseException]:
    """Embed documents at the same time, while a first one keeps the worker busy."""
    embedder = WorkerEmbedder(HashEmbedder(), worker)
    worker.gate.clear()
    with ThreadPoolExecutor(len(documents) + 1) as threads:
        first = threads.submit(embedder.embed_documents, ["busy"])
        while not worker.batches:
            pass
        waiting = []
        for number, texts in enumerate(documents, start=1):
            waiting.append(threads.submit(embedder.embed_documents, texts))
            while len(embedder._documents) < number:
                pass
        worker.gate.set()
        first.result()
        return [future.exception() or future.result() for future in waiting]


def test_each_document_gets_its_own_vectors(worker: Worker) -> None:
    documents = [[f"document {d} {'word ' * (n % 13)}{n}" for n in range(20 * d)] for d in range(1, 5)]
    for texts, vectors in zip(documents, together(worker, documents), strict=True):
        assert np.array_equal(vectors, HashEmbedder().embed_documents(texts))


def test_texts_of_like_length_share_a_batch(worker: Worker) -> None:
    short, long = [f"s{n}" for n in range(16)], ["l" * 900 + str(n) for n in range(16)]
    together(worker, [[*short[:8], *long[:8]], [*short[8:], *long[8:]]])
    lengths = [{len(text) > 100 for text in batch} for batch in worker.batches]
    # 32 texts fit one batch; were there more, the long ones would go first and together.
    assert len(worker.batches) == 2
    worker.batches.clear()
    together(worker, [[*short, *long], [*short, *long]])
    lengths = [{len(text) > 100 for text in batch} for batch in worker.batches]
    assert lengths == [{False}, {True}, {False}]


def test_batches_have_bounds(worker: Worker) -> None:
    texts = ["x" * 9_000 + str(n) for n in range(20)] + [str(n) for n in range(100)]
    (vectors,) = together(worker, [texts])
    assert isinstance(vectors, np.ndarray)
    assert len(vectors) == 120
    for batch in worker.batches:
        assert len(batch) <= EMBED_AT_ONCE
        assert max(map(len, batch)) * len(batch) <= CHARACTERS_AT_ONCE


def test_one_text_longer_than_a_batch_is_embedded_alone(worker: Worker) -> None:
    together(worker, [["x" * (CHARACTERS_AT_ONCE + 1), "y"]])
    assert sorted(map(len, worker.batches)) == [1, 1, 1]


def test_a_failure_is_of_those_who_were_in_the_batch(worker: Worker) -> None:
    worker.fails_on = "bad"
    failed, fine = together(worker, [["bad " * 300] * EMBED_AT_ONCE, ["good"]])
    assert isinstance(failed, RuntimeError)
    assert isinstance(fine, np.ndarray)
    assert fine.shape == (1, 256)
    assert WorkerEmbedder(HashEmbedder(), worker).embed_documents([]).shape == (0, 256)
