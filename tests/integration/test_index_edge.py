"""What is particular to Edge: files and processes."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ingest.errors import DataFolderBusy, IndexMismatch, IndexUnavailable
from ingest.index.base import INTEGER_FIELDS, KEYWORD_FIELDS
from ingest.index.edge import EdgeIndex
from ingest.index.tuning import Tuning
from tests.integration.index_rig import SIZE, dense, edge, point, sparse, texts

CHILD = """
import os, sys
from pathlib import Path
sys.path.insert(0, {root!r})
from tests.integration.test_index_contract import edge, point
index = edge(Path({folder!r}))
{body}
"""


def in_another_process(folder: Path, body: str) -> subprocess.CompletedProcess[str]:
    root = str(Path(__file__).parents[2])
    code = CHILD.format(root=root, folder=str(folder), body=body)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)


def test_edge_keeps_its_data_when_it_is_closed_and_opened(tmp_path: Path) -> None:
    first = edge(tmp_path)
    first.upsert("kb", [point("door"), point("hidden door", ordinal=1, live=0)])
    first.close()
    again = edge(tmp_path)
    assert texts(dense(again, "door")) == texts(sparse(again, "door")) == ["door"]
    assert again.count("kb") == 2
    again.close()


def test_edge_has_one_owner(tmp_path: Path) -> None:
    owner = edge(tmp_path)
    owner.upsert("kb", [point("door")])
    child = in_another_process(
        tmp_path,
        "from ingest.errors import DataFolderBusy\ntry:\n    index.count('kb')\nexcept DataFolderBusy as exc:\n    print(exc)",
    )
    assert child.stdout.strip() == (
        "another frontdesk process has this index open: stop it, or give this one its own FRONTDESK_HOME"
    ), child.stderr
    assert texts(dense(owner, "door")) == ["door"]
    owner.close()


def test_edge_has_one_owner_within_a_process_too(tmp_path: Path) -> None:
    owner, second = edge(tmp_path), edge(tmp_path)
    owner.upsert("kb", [point("door")])
    with pytest.raises(DataFolderBusy):
        second.upsert("kb", [point("window")])
    owner.close()


def test_a_killed_process_loses_nothing_that_edge_had_taken(tmp_path: Path) -> None:
    child = in_another_process(
        tmp_path,
        "for start in range(0, 600, 200):\n"
        "    index.upsert('kb', [point(f'door {i}', ordinal=i, live=0) for i in range(start, start + 200)])\n"
        "index.set_live('kb', 'v', 1)\n"
        "os._exit(9)",
    )
    assert child.returncode == 9, child.stderr
    index = edge(tmp_path)
    assert index.count("kb", "v", 1) == 600
    assert len(dense(index, "door", limit=600)) == 600
    index.close()


def test_a_shard_whose_creation_was_cut_off_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "index" / "kb" / "wal").mkdir(parents=True)
    index = edge(tmp_path)
    assert index.count("kb") == 0
    index.upsert("kb", [point("door")])
    assert texts(dense(index, "door")) == ["door"]
    index.close()


def test_a_damaged_shard_is_told_apart_from_a_busy_one(tmp_path: Path) -> None:
    index = edge(tmp_path)
    index.upsert("kb", [point("door")])
    index.close()
    (tmp_path / "index" / "kb" / "edge_config.json").write_text("{ this is not JSON")
    with pytest.raises(IndexUnavailable, match="index of knowledge base kb failed"):
        edge(tmp_path).count("kb")


def test_more_knowledge_bases_than_open_shards(tmp_path: Path) -> None:
    index = EdgeIndex(tmp_path / "index", SIZE, open_shards=2)
    for name in "abcde":
        index.upsert(name, [point(f"door of {name}")])
    assert len(index._shards) == 2
    for name in "abcde":
        assert texts(sparse(index, "door", name)) == [f"door of {name}"]
    # A shard that a half-read iterator may come back to can be closed meanwhile: it is opened again.
    walk = index.points("a", "v", 1)
    index.count("b"), index.count("c"), index.count("d")
    assert texts(list(walk)) == ["door of a"]
    index.close()


def test_threads_may_share_an_edge_index(tmp_path: Path) -> None:
    index = EdgeIndex(tmp_path / "index", SIZE, open_shards=1)  # so that threads close each other's shards
    index.upsert("kb", [point("door", "v", i) for i in range(20)])

    def work(number: int) -> int:
        for i in range(2):
            index.upsert("kb", [point("window", f"t{number}", i)])
            index.upsert(f"kb{number}", [point("window", "v", i)])
        return len(dense(index, "door", limit=3))

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(4))) == [3] * 4
    assert index.count("kb") == 28
    assert [index.count(f"kb{n}") for n in range(4)] == [2] * 4
    index.close()


def test_edge_drop_removes_the_files(tmp_path: Path) -> None:
    index = edge(tmp_path)
    index.upsert("kb", [point("door")])
    index.drop("kb")
    assert list((tmp_path / "index").iterdir()) == []
    index.close()


def test_an_edge_shard_of_before_gets_the_new_field_indexes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.index.edge_layout.INTEGER_FIELDS", ("generation", "live"))
    monkeypatch.setattr("ingest.index.edge_layout.KEYWORD_FIELDS", ("tenant", "acl", "version"))
    old = edge(tmp_path)
    old.upsert("kb", [point("door")])
    old.close()
    monkeypatch.undo()
    index = EdgeIndex(tmp_path / "index", SIZE)
    index.set_payload("kb", "a.txt", {"enabled": 0})
    assert dense(index, "door") == []
    with index._shard("kb") as shard:
        assert shard is not None
        assert set(KEYWORD_FIELDS) | set(INTEGER_FIELDS) <= set(shard.info().payload_schema)
    index.close()


@pytest.mark.parametrize("quantization", ["int8", "binary"])
def test_an_edge_shard_is_quantised_by_a_setting_and_back(tmp_path: Path, quantization: Any) -> None:
    def opened(tuning: Tuning) -> EdgeIndex:
        return EdgeIndex(tmp_path / "index", SIZE, tuning=tuning)

    plain = opened(Tuning())
    # Enough for a graph, so that the optimizer has something to do.
    plain.upsert("kb", [point(f"door {i % 40} window {i % 7}", ordinal=i) for i in range(1200)])
    expected = [round(hit.score, 4) for hit in dense(plain, "door 3 window 5", limit=5)]
    plain.close()
    for tuning in (Tuning(quantization, oversampling=4.0), Tuning()):
        index = opened(tuning)
        index.optimize("kb")
        # Ranked by the vectors themselves: scores are cosines, not estimates.
        assert [round(hit.score, 4) for hit in dense(index, "door 3 window 5", limit=5)] == expected
        with index._shard("kb") as shard:
            assert shard is not None
            kept = json.loads((tmp_path / "index" / "kb" / "edge_config.json").read_text())["vectors"]["dense"]
        assert bool(kept.get("quantization_config")) == (tuning.quantization != "none")
        index.close()


def test_a_shard_of_vectors_of_another_size_is_told_apart(tmp_path: Path) -> None:
    index = edge(tmp_path)
    index.upsert("kb", [point("door")])
    index.close()
    with pytest.raises(IndexMismatch, match=r"64 dimensions.*FRONTDESK_EMBEDDING_MODEL"):
        EdgeIndex(tmp_path / "index", SIZE * 2).count("kb")


def test_a_shard_is_optimized_in_a_process_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.index.edge.IN_PASSING", 10)
    index = edge(tmp_path)
    index.upsert("kb", [point(f"door {i}", ordinal=i) for i in range(20)])
    index.copy("kb", "copy")
    index.upsert("kb", [point("window", "w")])
    with ThreadPoolExecutor(2) as pool:
        optimizing = pool.submit(index.optimize, "kb")
        assert texts(sparse(index, "door 7", "copy", limit=1)) == ["door 7"]
        optimizing.result(60)
    assert (index.count("kb"), index.count("copy")) == (21, 20)
    assert texts(sparse(index, "window")) == ["window"]
    monkeypatch.setattr("ingest.index.edge._OPTIMIZE", "raise SystemExit('no room')")
    with pytest.raises(IndexUnavailable, match="could not be optimized: no room"):
        index.optimize("kb")
    assert index.count("kb") == 21
    index.close()
