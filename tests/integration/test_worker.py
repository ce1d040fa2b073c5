"""The ingestion worker as real child processes: it works, is replaced when it dies, and is told to stop."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.worker import Stopping, Worker, WorkerEmbedder, WorkerGone, WorkerNotStarted
from ingest.embed import LocalEmbedder, load_embedder
from ingest.errors import Cancelled, LimitExceeded, NoText
from ingest.sandbox import LIMITS, Sandbox, SandboxLimits
from ingest.settings import IngestSettings


@pytest.fixture(scope="module")
def local() -> LocalEmbedder:
    return load_embedder(IngestSettings(embedding_precision="float32"))


def a_worker(local: LocalEmbedder, limits: SandboxLimits = LIMITS, **settings: str) -> Worker:
    # With int8 weights a vector varies with the texts beside it.
    own = IngestSettings(**{"embedding_precision": "float32", **settings})
    return Worker(own, Sandbox(local.counter(), 256, limits))


@pytest.fixture(scope="module")
def worker(local: LocalEmbedder) -> Iterator[Worker]:
    made = a_worker(local)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def document(tmp_path: Path) -> Path:
    path = tmp_path / "a"
    path.write_text("# Fees\n\nA call-out costs 65 pounds.\n")
    return path


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    return tmp_path / "scratch"


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that takes many seconds to cut into chunks."""
    path = tmp_path_factory.mktemp("slow") / "slow"
    path.write_text("".join(f"Sentence number {n} is here. \n\n" for n in range(600_000)))
    return path


def test_it_reads_and_embeds_as_this_process_would(
    worker: Worker, local: LocalEmbedder, document: Path, scratch: Path
) -> None:
    read = worker.read(document, "fees.md", "", scratch=scratch)
    assert (read.title, [chunk.text for chunk in read.chunks]) == ("Fees", ["A call-out costs 65 pounds."])
    texts = [f"{'word ' * n}number {n}" for n in range(40, 0, -1)]
    vectors = WorkerEmbedder(local, worker).embed_documents(texts)
    assert np.allclose(vectors, local.embed_documents(texts), atol=0.01)


def test_documents_embedded_at_the_same_time_get_their_own_vectors(worker: Worker, local: LocalEmbedder) -> None:
    embedder = WorkerEmbedder(local, worker)
    documents = [[f"document {d} says {'much ' * (n % 9)}about {n}" for n in range(d * 7 + 1)] for d in range(6)]
    with ThreadPoolExecutor(6) as threads:
        for texts, vectors in zip(documents, threads.map(embedder.embed_documents, documents), strict=True):
            assert np.allclose(vectors, local.embed_documents(texts), atol=0.01)
    assert embedder.embed_documents([]).shape == (0, 384)


def test_an_error_of_a_document_keeps_its_kind(worker: Worker, tmp_path: Path, scratch: Path) -> None:
    (tmp_path / "empty").write_text("")
    with pytest.raises(NoText):
        worker.read(tmp_path / "empty", "empty.txt", "", scratch=scratch)


def test_an_embedding_child_that_dies_costs_no_vector(worker: Worker) -> None:
    worker.embed(["one"])
    assert worker._process is not None
    assert worker._process.pid is not None
    os.kill(worker._process.pid, signal.SIGKILL)
    assert worker.embed(["one", "two"]).shape == (2, 384)


def test_texts_that_cannot_be_embedded_are_an_error_and_the_child_lives(worker: Worker) -> None:
    with pytest.raises(WorkerGone, match="cannot be embedded"):
        worker.embed([None])  # type: ignore[list-item]  # what the tokenizer refuses
    assert worker.embed(["one"]).shape == (1, 384)


def test_a_file_that_takes_too_long_is_given_up(
    local: LocalEmbedder, slow: Path, document: Path, scratch: Path
) -> None:
    hasty = a_worker(local, replace(LIMITS, base_s=4, s_per_mib=0))
    with pytest.raises(LimitExceeded, match="took longer than 4 seconds"):
        hasty.read(slow, "slow.txt", "", scratch=scratch)
    assert hasty.read(document, "fees.md", "", scratch=scratch).title == "Fees"
    hasty.stop()


def test_a_cancelled_file_is_given_up_at_once(worker: Worker, slow: Path, scratch: Path) -> None:
    wish = threading.Event()
    threading.Timer(0.5, wish.set).start()
    began = time.monotonic()
    with pytest.raises(Cancelled):
        worker.read(slow, "slow.txt", "", scratch=scratch, cancelled=wish.is_set)
    assert time.monotonic() - began < 3
    assert list(scratch.iterdir()) == []


def test_stopping_is_no_error_of_the_document(local: LocalEmbedder, slow: Path, scratch: Path) -> None:
    stopped = a_worker(local)
    stopped._sandbox.start()
    threading.Timer(0.5, stopped.stop).start()
    with pytest.raises(Stopping):
        stopped.read(slow, "slow.txt", "", scratch=scratch)
    with pytest.raises(Stopping):
        stopped.embed(["one"])
    with pytest.raises(Stopping):
        WorkerEmbedder(local, stopped).embed_documents(["one"])


def test_a_child_that_cannot_start_is_no_error_of_the_document(local: LocalEmbedder) -> None:
    helpless = a_worker(local, embedding_model="/nowhere")
    with pytest.raises(WorkerNotStarted):
        helpless.embed(["one"])
    helpless.stop()
