"""What the systems of the retrieval benchmark share: vectors, names of files, texts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.peers import PEERS, run_file, whole_text
from benchmarks.peers.cache import VectorCache, Vectors
from finetune.evaluate import DatasetDocument

TOKENS = [[101, 7, 102], [101, 7, 8, 102], [101, 7, 102]]


def test_a_text_is_embedded_once_for_all(tmp_path: Path) -> None:
    asked: list[list[int]] = []

    def compute(missing: list[int]) -> Vectors:
        asked.append(missing)
        return np.array([[3.0, 4.0 * len(TOKENS[n])] for n in missing], dtype=np.float32)

    first = VectorCache(tmp_path / "new" / "vectors").vectors("model", TOKENS, compute)
    assert sorted(asked.pop()) == [1, 2]
    assert not asked
    np.testing.assert_allclose(np.linalg.norm(first, axis=1), 1, rtol=1e-6)
    assert (first[0] == first[2]).all()
    assert (first[0] != first[1]).any()
    # Another process, another order.
    again = VectorCache(tmp_path / "new" / "vectors").vectors("model", TOKENS[::-1], compute)
    assert (again == first[::-1]).all()
    assert not asked
    VectorCache(tmp_path / "new" / "vectors").vectors("another model", TOKENS[:1], compute)
    assert asked == [[0]]


def test_every_system_has_a_file_of_its_own() -> None:
    files = {run_file(Path("runs"), "squad2", entry.name) for entry in PEERS}
    assert len(files) == len(PEERS)
    assert run_file(Path("runs"), "squad2", "bm25s + jieba") == Path("runs/squad2/bm25s-jieba.jsonl")


@pytest.mark.parametrize(("title", "expected"), [("Title", "Title\ntext"), ("", "text")])
def test_title_and_text(title: str, expected: str) -> None:
    assert whole_text(DatasetDocument("1", title, "text")) == expected
