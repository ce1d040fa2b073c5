"""The ingestion worker as a real child process: it works, is replaced when it dies, and is told to stop."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from app.worker import Stopping, Worker, WorkerEmbedder, WorkerNotStarted
from ingest.embed import load_embedder
from ingest.errors import NoText, ParseError
from ingest.settings import IngestSettings


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    made = Worker(IngestSettings())
    made.start()
    yield made
    made.stop()


@pytest.fixture
def document(tmp_path: Path) -> Path:
    path = tmp_path / "a"
    path.write_text("# Fees\n\nA call-out costs 65 pounds.\n")
    return path


def test_it_reads_and_embeds_as_this_process_would(worker: Worker, document: Path) -> None:
    read = worker.read(document, "fees.md", "")
    assert (read.title, [chunk.text for chunk in read.chunks]) == ("Fees", ["A call-out costs 65 pounds."])
    local = load_embedder(IngestSettings())
    texts = [f"{'word ' * n}number {n}" for n in range(40, 0, -1)]
    vectors = WorkerEmbedder(local, worker).embed_documents(texts)
    assert np.allclose(vectors, local.embed_documents(texts), atol=1e-4)


def test_an_error_of_a_document_keeps_its_kind(worker: Worker, tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("")
    with pytest.raises(NoText):
        worker.read(tmp_path / "empty", "empty.txt", "")


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that takes many seconds to cut into chunks."""
    path = tmp_path_factory.mktemp("slow") / "slow"
    path.write_text("".join(f"Sentence number {n} is here. \n\n" for n in range(600_000)))
    return path


def kill_soon(worker: Worker, after: float) -> threading.Thread:
    def run() -> None:
        time.sleep(after)
        assert worker._process is not None
        assert worker._process.pid is not None
        os.kill(worker._process.pid, signal.SIGKILL)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_a_child_that_dies_costs_one_document_and_no_vector(worker: Worker, document: Path, slow: Path) -> None:
    killer = kill_soon(worker, 0.5)
    with pytest.raises(ParseError, match="crashed on this file"):
        worker.read(slow, "slow.txt", "")
    killer.join()
    assert worker.read(document, "fees.md", "").title == "Fees"
    assert worker.embed(["one", "two"]).shape == (2, 384)


def test_a_file_that_takes_too_long_is_given_up(slow: Path) -> None:
    hasty = Worker(IngestSettings(), read_timeout_s=0.5)
    with pytest.raises(ParseError, match="took longer"):
        hasty.read(slow, "slow.txt", "")
    assert not hasty.alive
    hasty.stop()


def test_stopping_is_no_error_of_the_document(slow: Path) -> None:
    stopped = Worker(IngestSettings())
    stopped.start()
    threading.Timer(0.5, stopped.stop).start()
    with pytest.raises(Stopping):
        stopped.read(slow, "slow.txt", "")
    with pytest.raises(Stopping):
        stopped.embed(["one"])


def test_a_child_that_cannot_start_is_no_error_of_the_document(document: Path) -> None:
    with pytest.raises(WorkerNotStarted):
        Worker(IngestSettings(embedding_model="/nowhere")).read(document, "fees.md", "")
