"""Hybrid retrieval over the memory index: languages, live versions, principals, LangChain's interface."""

from __future__ import annotations

import asyncio

import pytest

from app.rag.fusion import fuse
from app.rag.ranking import rank
from app.rag.retrieve import FrontdeskRetriever
from ingest.index.base import Point, chunk_id
from ingest.schema import Principal
from tests.unit.app.rigging import KB, Desk, desk, version_of

QUESTION = "How long is the motor of the WM-900 guaranteed?"
CHINESE = "RF-360N 的压缩机保修多久？"


@pytest.mark.parametrize(("question", "best"), [(QUESTION, "warranty.docx"), (CHINESE, "bx.docx")])
def test_the_right_passage_comes_first(question: str, best: str) -> None:
    assert desk().search.search(KB, question).passages(3)[0].document == best


@pytest.mark.parametrize(("question", "language", "asked"), [(QUESTION, "en", True), (CHINESE, "zh", False)])
def test_the_dense_leg_votes_only_in_a_language_that_the_embedder_knows(
    question: str, language: str, asked: bool
) -> None:
    found = desk().search.search(KB, question)
    assert found.language == language
    assert bool(found.legs.dense) is asked
    assert found.legs.sparse


def test_what_the_legs_found_is_ranked_by_the_wording_too() -> None:
    found = desk().search.search(KB, QUESTION)
    assert found.fused == rank(QUESTION, found.legs) != fuse(found.legs)


def test_passages_are_numbered_and_scored() -> None:
    passages = desk().search.search(KB, QUESTION).passages(3)
    assert [p.n for p in passages] == [1, 2, 3]
    assert [p.score for p in passages] == sorted((p.score for p in passages), reverse=True)
    assert passages[0].version == version_of("warranty.docx")
    assert passages[0].title == "warranty"


def test_hits_of_versions_that_the_catalog_does_not_call_live_are_dropped() -> None:
    given = desk()
    given.catalog.dead.add((version_of("warranty.docx"), 1))
    found = given.search.search(KB, QUESTION)
    assert found.fused
    assert "warranty.docx" not in {p.document for p in found.passages(10)}


def test_another_generation_of_a_live_version_is_dropped_too() -> None:
    given = desk({"fees.md": "A visit is charged at £65."}).add({"old.md": "A visit is charged at £55."}, generation=2)
    given.catalog.dead.add((version_of("old.md"), 2))
    assert [p.document for p in given.search.search(KB, "What does a visit cost?").passages(5)] == ["fees.md"]


@pytest.mark.parametrize(
    ("principal", "seen"),
    [
        (Principal(), {"open.md"}),
        (Principal(groups=frozenset({"public", "staff"})), {"open.md", "staff.md"}),
        (Principal(tenant="other"), set()),
    ],
)
def test_a_principal_sees_its_own_only(principal: Principal, seen: set[str]) -> None:
    given = desk({"open.md": "A visit is charged at £65."}).add({"staff.md": "A visit pays £20 each."}, acl=["staff"])
    found = given.search.search(KB, "What does a visit cost?", principal)
    assert {p.document for p in found.passages(5)} == seen


def test_an_empty_knowledge_base_finds_nothing() -> None:
    assert desk({}).search.search(KB, QUESTION).passages(5) == []


def test_a_message_that_tells_a_story_first_is_searched_by_its_question() -> None:
    story = "I changed my mind about the large shop in Leeds. What is charged for a visit?"
    assert desk().search.search(KB, story).passages(1)[0].document == "fees.md"


def test_langchain_gets_documents() -> None:
    retriever = FrontdeskRetriever(search=desk().search, knowledge_base=KB, limit=2)
    documents = retriever.invoke(QUESTION)
    assert len(documents) == 2
    assert documents[0].page_content.startswith("The motor of the WM-900")
    assert documents[0].metadata["document"] == "warranty.docx"
    assert documents[0].metadata["n"] == 1
    assert documents == asyncio.run(retriever.ainvoke(QUESTION))


def test_a_list_cut_in_two_is_shown_whole_of_what_the_asker_may_see() -> None:
    given = desk({"care.md": "Cleaning the filter:\n1. Open the lid.\n2. Take out the filter."})
    found = given.search.search(KB, "How do I clean the filter?")
    (first,) = given.index.payloads(KB.id)

    def rest(**fields: object) -> None:
        payload = {**first.payload, "ordinal": 1, "text": "3. Rinse it.", "pages": [2], **fields}
        point = Point(chunk_id(payload["version"], 1, 1), given.sparse.encode_document("nothing"), payload)
        given.index.upsert(KB.id, [point])

    for unseen in ({"live": 0}, {"enabled": 0}, {"acl": ["staff"]}):
        rest(**unseen)
        (alone,) = given.search.passages(KB, found, 1, neighbours=True)
        assert (alone.text, alone.parts) == (first.payload["text"], ())
    rest()
    (whole,) = given.search.passages(KB, found, 1, neighbours=True)
    assert whole.text.endswith("2. Take out the filter.\n\n3. Rinse it.")
    assert whole.chunk_id == first.id
    assert whole.pages_of("3. Rinse it.") == (2,)
    assert given.search.passages(KB, found, 1) == found.passages(1) == [alone]


def test_copies_take_one_place_and_are_named() -> None:
    copies = {f"{folder}/terms.md": "The motor of the WM-900 is guaranteed for 10 years." for folder in "ab"}
    given = Desk().add(copies, title="terms")
    given.add({"fees.md": "The motor of the WM-900 costs £80."})
    found = given.search.search(KB, QUESTION)
    assert {fused.hit.payload["document"] for fused in found.fused} == {"a/terms.md", "b/terms.md", "fees.md"}
    shown, other = found.passages(2)
    assert {shown.document, *shown.also} == {"a/terms.md", "b/terms.md"}
    assert (other.document, other.also) == ("fees.md", ())
