"""The contract of ingest/index/base.py, held by every engine."""

from __future__ import annotations

import os
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from qdrant_client import QdrantClient

from ingest.index.base import VectorIndex
from ingest.index.server import ServerIndex, connect
from ingest.records import ALWAYS
from ingest.schema import PUBLIC, Filters, Principal
from tests.fakes import MemoryIndex
from tests.integration.index_rig import EMBEDDER, ENCODER, SIZE, dense, edge, point, sparse, texts

QDRANT_URL = os.environ.get("FRONTDESK_QDRANT_URL")  # read before tests/conftest.py clears it


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


def test_points_are_fetched_by_their_ids_as_far_as_queries_see_them(index: VectorIndex) -> None:
    assert index.fetch("kb", [point("x").id], principal=PUBLIC) == []
    seen, hidden, disabled = (
        point("one", valid_from=10),
        point("two", ordinal=1, live=0),
        point("three", ordinal=2, enabled=0),
    )
    staff, tagged = point("four", ordinal=3, acl=["staff"]), point("five", ordinal=4, tags=["a"], valid_from=10)
    points = [seen, hidden, disabled, staff, tagged]
    index.upsert("kb", [*points, point("not asked for", ordinal=5)])
    ids = [each.id for each in points] + [point("gone", "w").id]
    found = index.fetch("kb", ids, principal=PUBLIC)
    assert sorted(texts(found)) == ["five", "one"]
    assert next(hit for hit in found if hit.id == seen.id).payload["pages"] == [1, 2]
    assert texts(index.fetch("kb", ids, principal=PUBLIC, filters=Filters(tags=("a",)))) == ["five"]
    assert sorted(texts(index.fetch("kb", ids, principal=Principal(groups=frozenset({"staff", "public"}))))) == [
        "five",
        "four",
        "one",
    ]
    assert index.fetch("kb", ids, principal=PUBLIC, at=0.0) == []
    assert index.fetch("other", ids, principal=PUBLIC) == []
    assert index.fetch("kb", [], principal=PUBLIC) == []


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


def test_sparse_statistics_belong_to_one_knowledge_base(index: VectorIndex) -> None:
    index.upsert("one", [point("door of oak", "a"), point("door of pine", "a", 1), point("window of pine", "a", 2)])
    before = [(hit.payload["text"], hit.score) for hit in sparse(index, "oak door", "one")]
    assert before[0][0] == "door of oak"
    # "Oak", rare in one knowledge base, is in every passage of another; "door" is in none.
    index.upsert("two", [point(f"oak {i}", "b", i) for i in range(50)])
    after = [(hit.payload["text"], hit.score) for hit in sparse(index, "oak door", "one")]
    assert [text for text, _ in after] == [text for text, _ in before]
    assert [score for _, score in after] == pytest.approx([score for _, score in before], abs=1e-6)
    index.drop("two")
    assert [hit.score for hit in sparse(index, "oak door", "one")] == pytest.approx([s for _, s in before], abs=1e-6)


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
