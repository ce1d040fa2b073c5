"""The contract of ingest/index/base.py, held by every engine; then what is particular to each."""

from __future__ import annotations

import http.server
import json
import os
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qdrant_client import QdrantClient

from ingest.errors import DataFolderBusy, IndexUnavailable
from ingest.index.base import INTEGER_FIELDS, KEYWORD_FIELDS, Hit, Point, VectorIndex, chunk_id
from ingest.index.edge import EdgeIndex
from ingest.index.server import ServerIndex, connect
from ingest.records import ALWAYS
from ingest.schema import PUBLIC, Filters, Principal
from ingest.sparse import SparseEncoder
from tests.fakes import HashEmbedder, MemoryIndex

SIZE = 64
QDRANT_URL = os.environ.get("FRONTDESK_QDRANT_URL")  # read before tests/conftest.py clears it
EMBEDDER = HashEmbedder(size=SIZE)
ENCODER = SparseEncoder()


def edge(folder: Path) -> VectorIndex:
    return EdgeIndex(folder / "index", SIZE)


def server_in_memory(_folder: Path) -> VectorIndex:
    return ServerIndex(QdrantClient(":memory:"), "hash", SIZE)


def server(_folder: Path) -> VectorIndex:
    # A collection of its own for each run: a developer's data is never touched.
    return connect(QDRANT_URL or "", None, 10, f"contract-{uuid.uuid4().hex}", SIZE)


ENGINES = [
    pytest.param(lambda _folder: MemoryIndex(), id="memory"),
    pytest.param(edge, id="edge"),
    pytest.param(server_in_memory, id="server-not-run-on-a-server"),
    pytest.param(
        server,
        id="server",
        marks=pytest.mark.skipif(not QDRANT_URL, reason="FRONTDESK_QDRANT_URL names no Qdrant server"),
    ),
]


@pytest.fixture(params=ENGINES)
def index(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[VectorIndex]:
    index = request.param(tmp_path)
    yield index
    if request.param is server:
        index._client.delete_collection(index._collection)
    index.close()


def point(text: str, version: str = "v", ordinal: int = 0, generation: int = 1, **payload: Any) -> Point:
    without_dense = payload.pop("without_dense", False)
    return Point(
        id=chunk_id(f"{version}{generation}", ordinal),
        sparse=ENCODER.encode_document(text),
        dense=None if without_dense else EMBEDDER.embed_query(text),
        payload={
            "tenant": "default",
            "acl": ["public"],
            "document": "a.txt",
            "version": version,
            "generation": generation,
            "live": 1,
            "language": "en",
            "text": text,
            "pages": [1, 2],
            "sheet": None,
            **payload,
        },
    )


def dense(
    index: VectorIndex, question: str, kb: str = "kb", principal: Principal = PUBLIC, limit: int = 9
) -> list[Hit]:
    vector = EMBEDDER.embed_query(question)
    return index.search(kb, dense=vector, sparse=None, principal=principal, limit=limit).dense


def sparse(
    index: VectorIndex, question: str, kb: str = "kb", principal: Principal = PUBLIC, limit: int = 9
) -> list[Hit]:
    weights = ENCODER.encode_query(question)
    return index.search(kb, dense=None, sparse=weights, principal=principal, limit=limit).sparse


def texts(hits: list[Hit]) -> list[str]:
    return [hit.payload["text"] for hit in hits]


# Every engine


def test_an_unknown_knowledge_base_is_empty(index: VectorIndex) -> None:
    assert dense(index, "x") == sparse(index, "x") == list(index.points("kb", "v", 1)) == []
    assert index.count("kb") == index.count("kb", "v", 1) == 0
    assert index.writings("kb") == Counter()
    index.set_live("kb", "v", 1)
    index.delete("kb", "v", 1)
    index.drop("kb")
    index.optimize("kb")


def test_a_point_is_found_by_both_legs_with_its_whole_payload(index: VectorIndex) -> None:
    stored = point("Returns take seven days.")
    index.upsert("kb", [stored, point("Our shop opens daily.", ordinal=1)])
    vector, weights = EMBEDDER.embed_query("seven days returns"), ENCODER.encode_query("seven days returns")
    legs = index.search("kb", dense=vector, sparse=weights, principal=PUBLIC, limit=1)
    for hits in (legs.dense, legs.sparse):
        (hit,) = hits
        assert (hit.id, {k: hit.payload[k] for k in stored.payload}) == (stored.id, stored.payload)
        assert hit.score > 0


def test_hits_come_best_first_and_no_more_than_asked_for(index: VectorIndex) -> None:
    phrases = ["door", "door window", "door window roof", "cellar"]
    index.upsert("kb", [point(text, ordinal=i) for i, text in enumerate(phrases)])
    for leg in (dense, sparse):
        hits = leg(index, "door window roof", limit=2)
        assert texts(hits)[0] == "door window roof"
        assert len(hits) == 2
        assert hits[0].score > hits[1].score


def test_dense_scores_are_cosines(index: VectorIndex) -> None:
    index.upsert("kb", [point("door window")])
    assert dense(index, "door window")[0].score == pytest.approx(1.0, abs=1e-4)
    expected = float(EMBEDDER.embed_query("door") @ EMBEDDER.embed_query("door window"))
    assert dense(index, "door")[0].score == pytest.approx(expected, abs=1e-4)


def test_upsert_replaces_a_point_of_the_same_id(index: VectorIndex) -> None:
    index.upsert("kb", [point("old door", author="me")])
    index.upsert("kb", [point("new window")])
    assert index.count("kb") == 1
    (hit,) = dense(index, "window")
    assert hit.payload["text"] == "new window"
    assert "author" not in hit.payload
    assert sparse(index, "door") == []


def test_upserting_nothing(index: VectorIndex) -> None:
    index.upsert("kb", [])
    assert index.count("kb") == 0


def test_hidden_points_are_counted_but_not_found(index: VectorIndex) -> None:
    index.upsert("kb", [point("door", live=0)])
    assert dense(index, "door") == sparse(index, "door") == []
    assert index.count("kb") == index.count("kb", "v", 1) == 1
    assert texts(list(index.points("kb", "v", 1))) == ["door"]


def two_writings(index: VectorIndex) -> None:
    index.upsert("kb", [point("door one", "v", generation=1, live=0), point("door two", "v", generation=2, live=0)])
    index.upsert("kb", [point("door other", "w", generation=1, live=0)])


def test_set_live_shows_one_writing_only(index: VectorIndex) -> None:
    two_writings(index)
    index.set_live("kb", "v", 2)
    index.set_live("kb", "v", 2)
    assert texts(dense(index, "door")) == texts(sparse(index, "door")) == ["door two"]
    assert index.count("kb") == 3


def test_writings_that_queries_may_see(index: VectorIndex) -> None:
    two_writings(index)
    assert index.writings("kb", live=True) == Counter()
    index.set_live("kb", "v", 2)
    assert index.writings("kb", live=True) == Counter({("v", 2): 1})
    assert sum(index.writings("kb").values()) == 3


def test_vectors_come_back_by_what_they_were_made_of(index: VectorIndex) -> None:
    assert index.vectors("kb", "v", 1) == {}
    index.upsert("kb", [point("door", embed_hash="d"), point("gate", ordinal=1, embed_hash="g")])
    index.upsert("kb", [point("wall", ordinal=2, embed_hash="w", without_dense=True), point("old", ordinal=3)])
    index.upsert("kb", [point("other", "w", embed_hash="o")])
    found = index.vectors("kb", "v", 1)
    assert set(found) == {"d", "g"}
    for name, text in (("d", "door"), ("g", "gate")):
        assert found[name].dtype == np.float32
        assert np.allclose(found[name], EMBEDDER.embed_query(text), atol=1e-6)


def test_delete_touches_one_writing_only(index: VectorIndex) -> None:
    two_writings(index)
    index.delete("kb", "v", 1)
    index.delete("kb", "v", 1)
    assert index.writings("kb") == Counter({("v", 2): 1, ("w", 1): 1})
    assert [index.count("kb", *pair) for pair in (("v", 1), ("v", 2), ("w", 1))] == [0, 1, 1]


@pytest.mark.parametrize(
    ("principal", "expected"),
    [
        (PUBLIC, {"door for all"}),
        (Principal(groups=frozenset({"public", "staff"})), {"door for all", "door for staff"}),
        (Principal(groups=frozenset({"staff"})), {"door for staff"}),
        (Principal(groups=frozenset({"strangers"})), set()),
        (Principal(groups=frozenset()), set()),
        (Principal(tenant="neighbour"), {"door of a neighbour"}),
    ],
)
def test_a_principal_sees_its_tenant_and_its_groups(
    index: VectorIndex, principal: Principal, expected: set[str]
) -> None:
    index.upsert(
        "kb",
        [
            point("door for all", ordinal=0),
            point("door for staff", ordinal=1, acl=["staff", "board"]),
            point("door for nobody", ordinal=2, acl=[]),
            point("door of a neighbour", ordinal=3, tenant="neighbour"),
        ],
    )
    assert set(texts(dense(index, "door", principal=principal))) == expected
    assert set(texts(sparse(index, "door", principal=principal))) == expected


def test_two_knowledge_bases_do_not_see_each_other(index: VectorIndex) -> None:
    index.upsert("one", [point("door of one", "a")])
    index.upsert("two", [point("door of two", "b"), point("window of two", "b", 1)])
    assert texts(dense(index, "door", "one")) == texts(sparse(index, "door", "one")) == ["door of one"]
    assert (index.count("one"), index.count("two")) == (1, 2)
    index.set_live("one", "b", 1)
    index.delete("one", "b", 1)
    assert index.writings("two") == Counter({("b", 1): 2})
    index.drop("two")
    assert (index.count("one"), index.count("two")) == (1, 0)
    index.upsert("two", [point("new door", "c")])
    assert texts(sparse(index, "door", "two")) == ["new door"]


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("warranties", "The warranty lasts two years."),
        ("Is the FD-200 loud?", "fd200: 44 dB"),
        ("error E04", "E04: check the hose"),
        ("保修期多久", "洗衣机的保修期为两年"),
        ("What happened in 2019?", "Founded in 2019 by Ada."),
    ],
)
def test_sparse_finds_words_and_codes(index: VectorIndex, question: str, expected: str) -> None:
    passages = [
        "The warranty lasts two years.", "fd200: 44 dB", "fd300: 47 dB", "E04: check the hose", "E05: check the door",
        "洗衣机的保修期为两年", "退货需要七天", "Founded in 2019 by Ada.", "Founded in 2018 by Bob.",
    ]  # fmt: skip
    index.upsert("kb", [point(text, ordinal=i) for i, text in enumerate(passages)])
    assert texts(sparse(index, question, limit=1)) == [expected]


def test_a_question_of_stop_words_asks_the_sparse_leg_nothing(index: VectorIndex) -> None:
    index.upsert("kb", [point("door")])
    assert sparse(index, "the of and") == []
    weights = ENCODER.encode_query("the of and")
    legs = index.search("kb", dense=EMBEDDER.embed_query("door"), sparse=weights, principal=PUBLIC, limit=3)
    assert (texts(legs.dense), legs.sparse) == (["door"], [])


def test_points_without_a_dense_vector_are_found_by_their_words(index: VectorIndex) -> None:
    index.upsert("kb", [point("保修期为两年", without_dense=True), point("door", ordinal=1)])
    assert texts(dense(index, "保修期")) == ["door"]
    assert texts(sparse(index, "保修期")) == ["保修期为两年"]
    assert index.count("kb") == 2


def test_points_and_writings_page_through_everything(index: VectorIndex) -> None:
    many = [point(f"door {i}", ordinal=i, generation=2) for i in range(1100)]
    index.upsert("kb", [*many, point("window", "w")])
    assert {hit.id for hit in index.points("kb", "v", 2)} == {p.id for p in many}
    assert index.writings("kb") == Counter({("v", 2): 1100, ("w", 1): 1})
    index.optimize("kb")
    assert texts(sparse(index, "window")) == ["window"]


# What is said of documents


def test_set_payload_writes_on_all_points_of_a_document_and_on_no_others(index: VectorIndex) -> None:
    index.set_payload("kb", "a.txt", {"enabled": 0})
    index.upsert("kb", [point("door one", flags=["x"]), point("door two", "w", ordinal=1, live=0)])
    index.upsert("kb", [point("door other", "o", document="b.txt")])
    index.upsert("other", [point("door elsewhere", "e")])
    index.set_payload("kb", "a.txt", {"tags": ["new"], "source": "s3://bucket/a.txt"})
    index.set_payload("kb", "a.txt", {"tags": ["newer"]})
    found = {hit.payload["text"]: (hit.payload.get("tags"), hit.payload.get("source")) for hit in index.payloads("kb")}
    said = (["newer"], "s3://bucket/a.txt")
    assert found == {"door one": said, "door two": said, "door other": (None, None)}
    assert [hit.payload.get("tags") for hit in index.payloads("other")] == [None]
    assert [hit.payload["flags"] for hit in index.payloads("kb", flag="x")] == [["x"]]


def test_payloads_are_filtered_and_cut_to_fields(index: VectorIndex) -> None:
    assert list(index.payloads("kb")) == []
    index.upsert("kb", [point("door", flags=["personal_data:email", "x"]), point("wall", ordinal=1, live=0)])
    index.upsert("kb", [point("gate", "o", document="b.txt", flags=["x"])])
    assert sorted(texts(list(index.payloads("kb", live=True)))) == ["door", "gate"]
    assert sorted(texts(list(index.payloads("kb", flag="x")))) == ["door", "gate"]
    assert texts(list(index.payloads("kb", flag="personal_data:email"))) == ["door"]
    assert texts(list(index.payloads("kb", document="b.txt", live=True))) == ["gate"]
    assert [hit.payload for hit in index.payloads("kb", ("text", "generation"), document="b.txt")] == [
        {"text": "gate", "generation": 1}
    ]


def test_disabled_documents_take_no_places(index: VectorIndex) -> None:
    giant = [point(f"door door {i}", "g", ordinal=i, document="giant.txt") for i in range(20)]
    index.upsert("kb", [*giant, point("the small door of the cellar", document="small.txt")])
    index.set_payload("kb", "giant.txt", {"enabled": 0})
    for leg in (dense, sparse):
        assert texts(leg(index, "door", limit=3)) == ["the small door of the cellar"]
    index.set_payload("kb", "giant.txt", {"enabled": 1})
    for leg in (dense, sparse):
        assert len(leg(index, "door", limit=3)) == 3


@pytest.mark.parametrize(
    ("at", "found"),
    [(99.0, ["always"]), (100.0, ["always", "begun"]), (199.9, ["always", "begun"]), (200.0, ["always"])],
)
def test_points_are_found_within_their_time(index: VectorIndex, at: float, found: list[str]) -> None:
    index.upsert("kb", [point("door", document="begun"), point("door", ordinal=1, document="always")])
    index.set_payload("kb", "begun", {"valid_from": 100, "valid_until": 200})
    index.set_payload("kb", "always", {"valid_from": 0, "valid_until": ALWAYS})
    vector, weights = EMBEDDER.embed_query("door"), ENCODER.encode_query("door")
    legs = index.search("kb", dense=vector, sparse=weights, principal=PUBLIC, limit=9, at=at)
    for hits in (legs.dense, legs.sparse):
        assert sorted(hit.payload["document"] for hit in hits) == found


def test_now_is_the_clock_of_this_moment(index: VectorIndex) -> None:
    now = int(time.time())
    index.upsert(
        "kb", [point(f"door {name}", ordinal=i, document=name) for i, name in enumerate(("old", "now", "new"))]
    )
    index.set_payload("kb", "old", {"valid_from": 0, "valid_until": now})
    index.set_payload("kb", "now", {"valid_from": now - 60, "valid_until": now + 600})
    index.set_payload("kb", "new", {"valid_from": now + 600, "valid_until": ALWAYS})
    assert texts(dense(index, "door")) == texts(sparse(index, "door")) == ["door now"]


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        (Filters(), ["a", "b", "c", "plain"]),
        (Filters(tags=("x",)), ["a", "b"]),
        (Filters(tags=("y", "z")), ["b", "c"]),
        (Filters(tags=("X",)), []),
        (Filters(source="https://a.example/"), ["a", "b"]),
        (Filters(source="https://a.example/docs/b.html"), ["b"]),
        (Filters(tags=("x",), source="s3://"), []),
    ],
)
def test_tags_and_source_filter_inside_the_legs(index: VectorIndex, filters: Filters, found: list[str]) -> None:
    said = {
        "a": (["x"], "https://a.example/a.html"),
        "b": (["x", "y"], "https://a.example/docs/b.html"),
        "c": (["z"], "s3://bucket/c.txt"),
    }
    index.upsert("kb", [point("door", ordinal=i, document=name) for i, name in enumerate([*said, "plain"])])
    for name, (tags, source) in said.items():
        index.set_payload("kb", name, {"tags": tags, "source": source})
    vector, weights = EMBEDDER.embed_query("door"), ENCODER.encode_query("door")
    legs = index.search("kb", dense=vector, sparse=weights, principal=PUBLIC, limit=9, filters=filters)
    for hits in (legs.dense, legs.sparse):
        assert sorted(hit.payload["document"] for hit in hits) == found


# Edge: files and processes

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
    monkeypatch.setattr("ingest.index.edge.INTEGER_FIELDS", ("generation", "live"))
    monkeypatch.setattr("ingest.index.edge.KEYWORD_FIELDS", ("tenant", "acl", "version"))
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


# Server: what goes over the wire, since what the in-memory client ignores cannot be seen there


@dataclass
class Wire:
    """A local HTTP server that stands for Qdrant: keeps requests, answers each with what is needed to go on."""

    status: int = 200
    requests: list[tuple[str, str, Any]] = field(default_factory=list)
    url: str = ""

    def bodies(self, method: str, ending: str) -> list[Any]:
        return [body for verb, path, body in self.requests if verb == method and path.endswith(ending)]

    def answer(self, method: str, path: str, body: Any) -> Any:
        if path.endswith("/exists"):
            return {"exists": False}
        if path == "/collections":
            return {"collections": []}
        if path.endswith("/query/batch"):
            return [{"points": []} for _ in body["searches"]]
        if path.endswith("/points/count"):
            return {"count": 0}
        if path.endswith("/points/scroll"):
            return {"points": [], "next_page_offset": None}
        if method == "PUT" and path.count("/") == 2:
            return True
        return {"operation_id": 1, "status": "completed"}


@pytest.fixture
def wire() -> Iterator[Wire]:
    wire = Wire()

    class Handler(http.server.BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            path = self.path.split("?")[0]
            wire.requests.append((self.command, path, body))
            answer = {"result": wire.answer(self.command, path, body), "status": "ok", "time": 0.0}
            payload = json.dumps(answer if wire.status == 200 else {"status": {"error": "no"}}).encode()
            self.send_response(wire.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        do_GET = do_PUT = do_POST = do_DELETE = do_PATCH = handle_any  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    wire.url = f"http://127.0.0.1:{httpd.server_port}"
    yield wire
    httpd.shutdown()
    httpd.server_close()
    thread.join()


def open_wire(wire: Wire) -> ServerIndex:
    return connect(wire.url, None, 5, "hash", SIZE)


def test_the_tenant_index_stands_before_the_first_upload(wire: Wire) -> None:
    index = open_wire(wire)
    index.upsert("kb1", [point("door"), point("保修", ordinal=1, without_dense=True)])
    index.upsert("kb1", [point("window", ordinal=2)])
    index.close()
    paths = [(method, path.rsplit("/", 1)[-1]) for method, path, _ in wire.requests]
    created, first_upload = paths.index(("PUT", "index")), paths.index(("PUT", "points"))
    assert created < first_upload
    assert paths.count(("PUT", "index")) == 1 + len(KEYWORD_FIELDS) + len(INTEGER_FIELDS)  # made once, not at each call

    fields = {body["field_name"]: body["field_schema"] for body in wire.bodies("PUT", "/index")}
    assert wire.bodies("PUT", "/index")[0] == {
        "field_name": "kb",
        "field_schema": {"type": "keyword", "is_tenant": True},
    }
    assert fields["live"] == fields["generation"] == "integer"
    assert fields["tenant"] == fields["acl"] == fields["version"] == "keyword"
    (collection,) = [body for method, path, body in wire.requests if method == "PUT" and path.count("/") == 2]
    assert collection["vectors"]["dense"] == {"size": SIZE, "distance": "Cosine"}
    assert collection["sparse_vectors"]["sparse"]["modifier"] == "idf"

    first = wire.bodies("PUT", "/points")[0]["points"]
    assert [sorted(p["vector"]) for p in first] == [["dense", "sparse"], ["sparse"]]
    assert {p["payload"]["kb"] for p in first} == {"kb1"}


def matches(conditions: list[dict[str, Any]]) -> dict[str, Any]:
    return {c["key"]: c["match"].get("value", c["match"].get("any")) for c in conditions}


def test_queries_carry_the_knowledge_base_and_its_own_statistics(wire: Wire) -> None:
    index = open_wire(wire)
    vector, weights = EMBEDDER.embed_query("door"), ENCODER.encode_query("door")
    index.search("kb1", dense=vector, sparse=weights, principal=Principal("t", frozenset({"b", "a"})), limit=7)
    index.close()
    ((by_vector, by_words),) = [body["searches"] for body in wire.bodies("POST", "/query/batch")]
    for query, leg in ((by_vector, "dense"), (by_words, "sparse")):
        assert matches(query["filter"]["must"]) == {"kb": "kb1", "live": 1, "tenant": "t", "acl": ["a", "b"]}
        assert [c["key"] for c in query["filter"]["must_not"]] == ["enabled", "valid_from", "valid_until"]
        assert (query["using"], query["limit"]) == (leg, 7)
    assert matches(by_words["params"]["idf"]["corpus"]["must"]) == {"kb": "kb1"}


@pytest.mark.parametrize(
    ("act", "method", "ending", "where"),
    [
        (lambda i: i.delete("kb1", "v", 3), "POST", "/points/delete", {"kb": "kb1", "version": "v", "generation": 3}),
        (lambda i: i.drop("kb1"), "POST", "/points/delete", {"kb": "kb1"}),
        (
            lambda i: i.set_live("kb1", "v", 3),
            "POST",
            "/points/payload",
            {"kb": "kb1", "version": "v", "generation": 3},
        ),
        (lambda i: i.set_payload("kb1", "a", {"x": 1}), "POST", "/points/payload", {"kb": "kb1", "document": "a"}),
        (
            lambda i: list(i.payloads("kb1", document="a", flag="f", live=True)),
            "POST",
            "/points/scroll",
            {"kb": "kb1", "document": "a", "flags": "f", "live": 1},
        ),
        (lambda i: i.count("kb1"), "POST", "/points/count", {"kb": "kb1"}),
        (lambda i: i.writings("kb1"), "POST", "/points/scroll", {"kb": "kb1"}),
        (
            lambda i: list(i.points("kb1", "v", 3)),
            "POST",
            "/points/scroll",
            {"kb": "kb1", "version": "v", "generation": 3},
        ),
    ],
    ids=["delete", "drop", "set_live", "set_payload", "payloads", "count", "writings", "points"],
)
def test_nothing_reaches_beyond_its_knowledge_base(
    wire: Wire, act: Callable[[ServerIndex], Any], method: str, ending: str, where: dict[str, Any]
) -> None:
    index = open_wire(wire)
    act(index)
    index.close()
    (body,) = wire.bodies(method, ending)
    assert matches(body["filter"]["must"]) == where


CALLS = {
    "connect": lambda index: None,
    "upsert": lambda index: index.upsert("kb", [point("door")]),
    "count": lambda index: index.count("kb"),
    "set_live": lambda index: index.set_live("kb", "v", 1),
    "delete": lambda index: index.delete("kb", "v", 1),
    "drop": lambda index: index.drop("kb"),
    "search": lambda index: dense(index, "door"),
    "points": lambda index: list(index.points("kb", "v", 1)),
    "writings": lambda index: index.writings("kb"),
    "set_payload": lambda index: index.set_payload("kb", "a", {"x": 1}),
    "payloads": lambda index: list(index.payloads("kb")),
}


@pytest.mark.parametrize("status", [401, 403, 404, 500, 503])
@pytest.mark.parametrize("ready", [False, True], ids=["first call", "later call"])
@pytest.mark.parametrize("call", [name for name in CALLS if name != "connect"])
def test_a_server_that_refuses(wire: Wire, status: int, ready: bool, call: str) -> None:
    index = open_wire(wire)
    if ready:
        index.count("kb")
    wire.status = status
    with pytest.raises(IndexUnavailable, match="FRONTDESK_QDRANT_URL"):
        CALLS[call](index)
    index.close()


@pytest.mark.parametrize("status", [401, 500])
def test_a_server_that_refuses_at_the_start(wire: Wire, status: int) -> None:
    wire.status = status
    with pytest.raises(IndexUnavailable, match=r"FRONTDESK_QDRANT_URL.*FRONTDESK_QDRANT_API_KEY"):
        open_wire(wire)


def test_a_server_that_is_not_there(wire: Wire) -> None:
    with pytest.raises(IndexUnavailable, match="FRONTDESK_QDRANT_URL"):
        connect("http://127.0.0.1:1", None, 2, "hash", SIZE)


def test_something_else_than_qdrant(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "answer", lambda *_: "hello")
    with pytest.raises(IndexUnavailable, match="FRONTDESK_QDRANT_URL"):
        open_wire(wire)
