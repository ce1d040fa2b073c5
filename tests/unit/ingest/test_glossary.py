"""Glossaries: where terms stand in texts, what can be kept, and the table that they travel in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from ingest.catalog import Catalog
from ingest.database import open_database
from ingest.errors import AlreadyExists, NotFound, UnusableValue
from ingest.glossary import MOST_ENTRIES, Glossary, GlossaryDraft
from ingest.glossary_csv import from_csv, to_csv
from ingest.records import KnowledgeBase
from ingest.terms import find_terms, spellings_of


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_database(f"sqlite:///{tmp_path / 'catalog.db'}")
    yield engine
    engine.dispose()


@pytest.fixture
def kb(engine: Engine) -> KnowledgeBase:
    return Catalog(engine).create_knowledge_base("kb")


@pytest.mark.parametrize(
    ("term", "text", "found"),
    [
        ("WM-900", "Is the wm900 loud?", ["wm900"]),
        ("WM-900", "the WM 900, the WM-900", ["WM 900", "WM-900"]),
        ("WM-900", "the WM-9000", []),
        ("WM-900", "the XWM-900", []),
        ("e-bike", "Two E-bikes and an ebike", ["E-bikes", "ebike"]),
        ("ebike", "an e-bike", []),
        ("heat pump", "Heat pumps, heat-pump dryers", ["Heat pumps", "heat-pump"]),
        ("heat pump", "heat the pump, heat; pump", []),
        ("apart", "a part of it", []),
        ("The One", "is the one open", ["the one"]),
        ("AC", "ac, A.C. and a pack", ["ac"]),
        ("退货", "我想退货吗", ["退货"]),
        ("退货", "我想退貨。", ["退貨"]),
        ("Größe", "GRÖSSE?", ["GRÖSSE"]),
        ("WM-900", "", []),
    ],
)
def test_where_a_term_stands(term: str, text: str, found: list[str]) -> None:
    known = dict.fromkeys(spellings_of(term), "x")
    assert [text[place.start : place.end] for place in find_terms(text, known)] == found


def test_the_longest_of_several_terms_counts() -> None:
    known = {stems: term for term in ("return", "return label", "退货", "退货单") for stems in spellings_of(term)}
    found = find_terms("Return labels for a return: 退货单 退货", known)
    assert [place.value for place in found] == ["return label", "return", "退货单", "退货"]


@pytest.mark.parametrize(
    ("terms", "said"),
    [
        ((), "needs two terms"),
        (("WM-900", " ", "wm 900"), "needs two terms"),
        (("a", "!?"), "no term"),
        (("a", "b" * 101), "101 characters"),
        (tuple(f"t{n}" for n in range(21)), "21 terms"),
    ],
)
def test_what_cannot_be_kept(engine: Engine, kb: KnowledgeBase, terms: tuple[str, ...], said: str) -> None:
    with pytest.raises(UnusableValue, match=said):
        Glossary(engine).add(kb.id, GlossaryDraft(terms))
    assert Glossary(engine).all(kb.id) == []


def test_a_term_leads_to_one_entry(engine: Engine, kb: KnowledgeBase) -> None:
    rows = Glossary(engine)
    one = rows.add(kb.id, GlossaryDraft(("  WM-900 ", "TurboWash  900", "wm900")), by="Ann")
    assert (one.draft.terms, one.written_by) == (("WM-900", "TurboWash 900"), "Ann")
    with pytest.raises(AlreadyExists, match=one.id):
        rows.add(kb.id, GlossaryDraft(("WM 900", "washer")))
    # What an abbreviation stands for may stand in an entry of its own.
    short = rows.add(kb.id, GlossaryDraft(("TW", "TurboWash 900"), one_way=True))
    assert rows.replace(kb.id, one.id, GlossaryDraft(("WM-900", "washer"))).id == one.id
    assert [each.draft.terms for each in rows.all(kb.id)] == [("WM-900", "washer"), ("TW", "TurboWash 900")]
    rows.remove(kb.id, short.id)
    with pytest.raises(NotFound):
        rows.remove(kb.id, short.id)


def test_a_glossary_belongs_to_its_base_and_goes_with_it(engine: Engine, kb: KnowledgeBase) -> None:
    rows, catalog = Glossary(engine), Catalog(engine)
    other = catalog.create_knowledge_base("other")
    kept = rows.add(kb.id, GlossaryDraft(("a", "b")))
    with pytest.raises(NotFound):
        rows.remove(other.id, kept.id)
    with pytest.raises(NotFound):
        rows.replace(other.id, kept.id, GlossaryDraft(("a", "c")))
    catalog.delete_knowledge_base("kb")
    assert rows.all(kb.id) == []
    with pytest.raises(NotFound):
        rows.add(kb.id, GlossaryDraft(("a", "b")))


def test_a_table_brings_back_what_was_written(engine: Engine, kb: KnowledgeBase) -> None:
    rows = Glossary(engine)
    drafts = [
        GlossaryDraft(("=WM-900", "Turbo, Wash", 'the "big" one')),
        GlossaryDraft(("退货", "退换")),
        GlossaryDraft(("AC", "air conditioner"), one_way=True),
    ]
    for draft in drafts:
        rows.add(kb.id, draft)
    table = to_csv(rows.all(kb.id))
    assert "'=WM" in table
    assert [draft for _, draft in from_csv("\ufeff" + table)] == drafts
    assert rows.bring_in(kb.id, from_csv(table)) == (0, 3)
    other = Catalog(engine).create_knowledge_base("other")
    assert rows.bring_in(other.id, from_csv(table)) == (3, 0)
    assert [each.draft for each in rows.all(other.id)] == drafts


def test_a_table_is_brought_in_whole_or_not_at_all(engine: Engine, kb: KnowledgeBase) -> None:
    rows = Glossary(engine)
    rows.add(kb.id, GlossaryDraft(("old", "older")))
    rows.add(kb.id, GlossaryDraft(("new", "newer")))
    with pytest.raises(UnusableValue, match="entry 2"):
        rows.bring_in(kb.id, from_csv('terms\n"one\nuno"\nalone\n'))
    # Terms of two entries cannot be put into one of them.
    with pytest.raises(AlreadyExists, match="entry 1: 'new'"):
        rows.bring_in(kb.id, from_csv('terms\n"old\nnew"\n'))
    assert len(rows.all(kb.id)) == 2
    # A term that an entry of the table gives up may be used by a later one.
    table = 'terms,one_way\n"old\nancient",yes\n"older\nelder",\n"uno\none",false\n'
    assert rows.bring_in(kb.id, from_csv(table)) == (2, 1)
    found = [(each.draft.terms, each.draft.one_way) for each in rows.all(kb.id)]
    assert found[0] == (("old", "ancient"), True)
    assert sorted(found[2:]) == [(("older", "elder"), False), (("uno", "one"), False)]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("words\na\n", "no column 'terms'"),
        ("terms,colour\na,b\n", "unknown column"),
        ('terms,one_way\n"a\nb",maybe\n', "entry 1: one_way is 'maybe'"),
    ],
)
def test_a_table_that_cannot_be_read(table: str, said: str) -> None:
    with pytest.raises(UnusableValue, match=said):
        from_csv(table)


def test_a_glossary_has_an_end(engine: Engine, kb: KnowledgeBase) -> None:
    rows = Glossary(engine)
    drafts = [("", GlossaryDraft((f"term{n}", f"word{n}"))) for n in range(MOST_ENTRIES + 1)]
    with pytest.raises(UnusableValue, match="5000 entries"):
        rows.bring_in(kb.id, drafts)
    assert rows.bring_in(kb.id, drafts[1:]) == (MOST_ENTRIES, 0)
    with pytest.raises(UnusableValue, match="5000 entries"):
        rows.add(kb.id, drafts[0][1])
