"""Curated answers: what can be kept, when they are given, and the table that they travel in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from ingest.catalog import Catalog
from ingest.curated import CuratedAnswers, CuratedDraft, CuratedState
from ingest.curated_csv import COLUMNS, from_csv, to_csv
from ingest.database import open_database
from ingest.errors import AlreadyExists, NotFound, UnusableValue
from ingest.records import KnowledgeBase
from ingest.wording import normal_question

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_database(f"sqlite:///{tmp_path / 'catalog.db'}")
    yield engine
    engine.dispose()


@pytest.fixture
def kb(engine: Engine) -> KnowledgeBase:
    return Catalog(engine).create_knowledge_base("kb")


def publish(engine: Engine, kb: KnowledgeBase, content: str) -> None:
    catalog = Catalog(engine)
    version = catalog.begin_version(kb, "terms.pdf", content, "f", 1)
    assert version is not None
    catalog.publish(version, title="Terms", format="pdf", pages=1, chunks=1)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("How long?", "  how   LONG ", True),
        ("Ｗhat is ＷＭ９００？", "what is wm900?", True),
        ("退货要多久？", "退货要多久。", True),
        ("It is?!...", "it is", True),
        ("Straße", "STRASSE", True),
        ("What is 10² m?", "What is 102 m?", False),
        ("1½ cups", "11⁄2 cups", False),
        ("What is a WM-900?", "What is a WM900?", False),
        ("Can I?", "I can", False),
        ("Why. Not", "Why Not", False),
    ],
)
def test_which_wordings_are_the_same(one: str, other: str, same: bool) -> None:
    assert (normal_question(one) == normal_question(other)) is same


def test_nothing_is_no_question() -> None:
    assert normal_question(" ?! ") == ""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"questions": ()}, "needs a question"),
        ({"questions": (" ? ",)}, "needs a question"),
        ({"questions": tuple(f"q{n}" for n in range(51))}, "51 questions"),
        ({"answer": " \n"}, "answer is empty"),
        ({"answer": "x" * 20_001}, "20001 characters"),
        ({"language": "English!"}, "no language"),
        ({"valid_from": NOW, "valid_until": NOW}, "is not before"),
        ({"source": "nowhere.pdf"}, "neither a document"),
    ],
)
def test_what_cannot_be_kept(engine: Engine, kb: KnowledgeBase, change: dict[str, Any], said: str) -> None:
    draft = replace(CuratedDraft(("What?",), "That."), **change)
    with pytest.raises(UnusableValue, match=said):
        CuratedAnswers(engine).add(kb.id, draft)
    assert CuratedAnswers(engine).all(kb.id) == []


def test_a_question_has_one_answer(engine: Engine, kb: KnowledgeBase) -> None:
    rows = CuratedAnswers(engine)
    first = rows.add(kb.id, CuratedDraft(("How do I reach you?", "how do i reach you", "Phone?"), "Call."))
    assert first.draft.questions == ("How do I reach you?", "Phone?")
    assert first.draft.language == "en"
    with pytest.raises(AlreadyExists, match=first.id):
        rows.add(kb.id, CuratedDraft(("PHONE",), "Other."))
    rows.change(kb.id, first.id, lambda draft: replace(draft, answer="Call us."))
    assert rows.find(kb.id, first.id).draft.answer == "Call us."
    rows.remove(kb.id, first.id)
    with pytest.raises(NotFound):
        rows.find(kb.id, first.id)


def test_an_answer_belongs_to_its_base_and_goes_with_it(engine: Engine, kb: KnowledgeBase) -> None:
    rows, catalog = CuratedAnswers(engine), Catalog(engine)
    other = catalog.create_knowledge_base("other")
    kept = rows.add(kb.id, CuratedDraft(("What?",), "That."))
    for act in (rows.find, rows.remove):
        with pytest.raises(NotFound):
            act(other.id, kept.id)
    catalog.delete_knowledge_base("kb")
    assert rows.all(kb.id) == []


def test_when_it_is_given(engine: Engine, kb: KnowledgeBase) -> None:
    rows = CuratedAnswers(engine)
    draft = CuratedDraft(("What?",), "That.", valid_from=NOW, valid_until=NOW + DAY)
    kept = rows.add(kb.id, draft)
    states = [kept.state(NOW + offset).value for offset in (-DAY, timedelta(0), DAY)]
    assert states == ["not_yet", "live", "over"]
    off = rows.change(kb.id, kept.id, lambda before: replace(before, enabled=False))
    assert (off.state(NOW), off.given(NOW)) == (CuratedState.DISABLED, False)


def test_a_source_that_changes_makes_it_stale_and_one_that_goes_ends_it(engine: Engine, kb: KnowledgeBase) -> None:
    rows, catalog = CuratedAnswers(engine), Catalog(engine)
    publish(engine, kb, "1")
    kept = rows.add(kb.id, CuratedDraft(("What?",), "That.", source="terms.pdf"))

    def now() -> tuple[str, bool]:
        found = rows.find(kb.id, kept.id)
        return found.state(NOW).value, found.given(NOW)

    assert now() == ("live", True)
    publish(engine, kb, "2")
    assert now() == ("stale", True)
    rows.change(kb.id, kept.id, lambda draft: draft)
    assert now() == ("live", True)
    document = catalog.document(kb, "terms.pdf")
    catalog.curate(document.id, lambda said: replace(said, enabled=False))
    assert now() == ("source_hidden", False)
    catalog.delete_document(kb, "terms.pdf")
    assert now() == ("source_gone", False)


def test_a_table_brings_back_what_was_written(engine: Engine, kb: KnowledgeBase) -> None:
    rows = CuratedAnswers(engine)
    drafts = [
        CuratedDraft(("=SUM(A1)?", "Second, with comma"), 'Line one\nline "two"', "en", "https://x.example", False),
        CuratedDraft(("退货？",), "- 七天内", "zh", "", True, NOW, NOW + DAY),
        CuratedDraft(("'-quoted",), "@all", "en"),
    ]
    for draft in drafts:
        rows.add(kb.id, draft)
    table = to_csv(rows.all(kb.id))
    assert "'=SUM" in table
    assert "'@all" in table
    assert [draft for _, draft in from_csv("\ufeff" + table)] == drafts
    assert rows.bring_in(kb.id, from_csv(table)) == (0, 3)
    other = Catalog(engine).create_knowledge_base("other")
    assert rows.bring_in(other.id, from_csv(table)) == (3, 0)
    assert [each.draft for each in rows.all(other.id)] == drafts
    assert {each.id for each in rows.all(kb.id)}.isdisjoint({each.id for each in rows.all(other.id)})


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("questions\nWhat?\n", "no column 'answer'"),
        ("questions,answer,colour\na,b,c\n", "unknown column 'colour'"),
        ("questions,answer\na,b,c\n", "entry 1: it has another number"),
        ("questions,answer,enabled\na,b,maybe\n", "entry 1: enabled is 'maybe'"),
        ("questions,answer,valid_from\na,b,soon\n", "entry 1: 'soon' is no moment"),
        ('questions,answer\na,"b\n', "no CSV"),
        ("", "no column"),
    ],
)
def test_a_table_that_cannot_be_read(table: str, said: str) -> None:
    with pytest.raises(UnusableValue, match=said):
        from_csv(table)


def test_a_table_is_brought_in_whole_or_not_at_all(engine: Engine, kb: KnowledgeBase) -> None:
    rows = CuratedAnswers(engine)
    rows.add(kb.id, CuratedDraft(("Old?",), "Old."))
    table = ",".join(COLUMNS[1:3]) + '\r\nNew?,Yes.\r\nold?,Newer.\r\n" ",Bad.\r\n'
    with pytest.raises(UnusableValue, match="entry 3"):
        rows.bring_in(kb.id, from_csv(table))
    assert [each.draft.answer for each in rows.all(kb.id)] == ["Old."]
    assert rows.bring_in(kb.id, from_csv(table.rsplit("\r\n", 2)[0])) == (1, 1)
    assert [each.draft.answer for each in rows.all(kb.id)] == ["Newer.", "Yes."]
