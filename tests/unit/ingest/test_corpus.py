"""Whatever could change an answer raises its knowledge base's number: every operation that writes, and nothing else."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from ingest.address import Address
from ingest.builds import Build
from ingest.catalog import Catalog
from ingest.corpus import EXEMPT
from ingest.curated import CuratedAnswers, CuratedDraft
from ingest.database import Base, open_database
from ingest.edits import EditRows
from ingest.glossary import Glossary, GlossaryDraft
from ingest.index.base import Point, VectorIndex
from ingest.index.routed import RoutedIndex
from ingest.records import KnowledgeBase, State, Version
from ingest.sources.rows import Sources
from ingest.sparse import SparseVector
from tests.fakes import MemoryIndex

NOW = datetime(2026, 11, 21, tzinfo=UTC)


class Rig:
    """A catalog with a live document, a draft of it, a curated answer, a glossary entry, an edit, a source; and another base."""

    def __init__(self, engine: Engine) -> None:
        self.catalog, self.rows, self.sources = Catalog(engine), CuratedAnswers(engine), Sources(engine)
        self.edits, self.glossary = EditRows(engine), Glossary(engine)
        self.kb = self.catalog.create_knowledge_base("kb")
        self.other = self.catalog.create_knowledge_base("other")
        self.live = self.published("a.md", "1")
        self.draft = self.written("a.md", "2", draft=True)
        self.catalog.keep_draft(self.draft, format="md", pages=None, chunks=1)
        self.waiting = self.written("b.md", "3")
        self.curated = self.rows.add(self.kb.id, CuratedDraft(("What?",), "That.", source="a.md"))
        self.entry = self.glossary.add(self.kb.id, GlossaryDraft(("WM-900", "TurboWash")))
        self.edit = self.edits.keep(
            self.live.document_id, {"text_hash": "h", "heading_path": [], "text": "t"}, "u", "", None
        )
        self.source = self.sources.keep(self.kb.id, "file:///share", None, None)

    def written(self, name: str, content: str, *, draft: bool = False, kb: KnowledgeBase | None = None) -> Version:
        version = self.catalog.begin_version(kb or self.kb, name, content, "f", 1, draft=draft)
        assert version is not None
        return version

    def published(self, name: str, content: str, kb: KnowledgeBase | None = None) -> Version:
        version = self.written(name, content, kb=kb)
        assert self.catalog.publish(version, title=name, format="md", pages=None, chunks=1)
        return version

    def curate(self, **what: Any) -> None:
        self.catalog.curate(self.live.document_id, lambda said: replace(said, **what))

    def build(self) -> Build:
        return self.catalog.begin_build(
            self.kb.id, "rebuild", Address("edge", "m", 8, "new"), Address("edge", "m", 8, "old")
        )

    def switch(self) -> None:
        build = self.build()
        with self.catalog.moving(self.kb.id) as session:
            self.catalog.switch(session, build, {})

    def number(self, kb: KnowledgeBase) -> int:
        return self.catalog.knowledge_base_by_id(kb.id).corpus_version


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    engine = open_database(f"sqlite:///{tmp_path / 'catalog.db'}")
    yield Rig(engine)
    engine.dispose()


Act = Callable[[Rig], Any]
# Everything by which customers may be answered otherwise.
CHANGES: dict[str, Act] = {
    "publish": lambda r: r.catalog.publish(r.waiting, title="b", format="md", pages=None, chunks=1),
    "publish (draft)": lambda r: r.catalog.publish(r.draft, title="a", format="md", pages=None, chunks=1),
    "unpublish": lambda r: r.catalog.unpublish(r.live, "broken"),
    "delete_document": lambda r: r.catalog.delete_document(r.kb, "a.md"),
    "curate (disable)": lambda r: r.curate(enabled=False),
    "curate (from)": lambda r: r.curate(valid_from=NOW),
    "curate (until)": lambda r: r.curate(valid_until=NOW),
    "curate (tags)": lambda r: r.curate(tags=("x",)),
    "curate (source)": lambda r: r.curate(source="s3://b/a"),
    "rename_knowledge_base": lambda r: r.catalog.rename_knowledge_base("kb", "kb2"),
    "bind_index": lambda r: r.catalog.bind_index(r.kb.id, "model", 8, "f"),
    "set_thresholds": lambda r: r.catalog.set_thresholds(r.kb.id, "{}"),
    "touch": lambda r: r.catalog.touch(r.kb.id),
    "switch": lambda r: r.switch(),
    "curated add": lambda r: r.rows.add(r.kb.id, CuratedDraft(("Why?",), "So.")),
    "curated change": lambda r: r.rows.change(r.kb.id, r.curated.id, lambda d: replace(d, answer="Other.")),
    "curated remove": lambda r: r.rows.remove(r.kb.id, r.curated.id),
    "curated bring_in": lambda r: r.rows.bring_in(r.kb.id, [("", CuratedDraft(("How?",), "So."))]),
    "glossary add": lambda r: r.glossary.add(r.kb.id, GlossaryDraft(("e-bike", "pedelec"))),
    "glossary replace": lambda r: r.glossary.replace(r.kb.id, r.entry.id, GlossaryDraft(("WM-900", "washer"))),
    "glossary remove": lambda r: r.glossary.remove(r.kb.id, r.entry.id),
    "glossary bring_in": lambda r: r.glossary.bring_in(r.kb.id, [("", GlossaryDraft(("e-bike", "pedelec")))]),
    "source settle": lambda r: r.sources.settle(r.source, "a", SEEN, "file:///share/a"),
    "source release": lambda r: r.sources.release(r.kb.id, ["a.md"]),
}  # fmt: skip
# What is written on the way, and read by nobody who answers. Edits: their points raise the number.
QUIET: dict[str, Act] = {
    "begin_build": lambda r: r.build(),
    "give_up_build": lambda r: r.catalog.give_up_build(r.build()),
    "bind_engines": lambda r: r.catalog.bind_engines("edge"),
    "begin_version": lambda r: r.written("c.md", "9"),
    "set_state": lambda r: r.catalog.set_state([r.waiting], State.PARSING),
    "claim": lambda r: r.catalog.claim(r.waiting),
    "begin": lambda r: r.catalog.begin(r.waiting.id, r.waiting.generation),
    "read_whole": lambda r: r.catalog.read_whole(r.waiting),
    "beat": lambda r: r.catalog.beat([(r.waiting.id, r.waiting.generation, 1, 2)]),
    "cancel": lambda r: r.catalog.cancel(r.waiting.document_id),
    "requeue": lambda r: r.catalog.requeue(r.waiting),
    "fail": lambda r: r.catalog.fail(r.waiting, "no"),
    "discard_draft": lambda r: r.catalog.discard_draft(r.draft),
    "keep_draft": lambda r: r.catalog.keep_draft(r.draft, format="md", pages=None, chunks=1),
    "purged": lambda r: [r.catalog.purged(purge) for purge in r.catalog.purges()],
    "edit keep": lambda r: r.edits.keep(
        r.live.document_id, {"text_hash": "i", "heading_path": [], "text": "t"}, "u", "", None
    ),
    "edit drop": lambda r: r.edits.drop(r.live.document_id, r.edit.id),
    "edit settle": lambda r: r.edits.settle({r.edit.id: "moved"}),
}


class _Seen:
    mark, content_hash, document = "m", "1", "a.md"


SEEN: Any = _Seen()


@pytest.mark.parametrize("name", CHANGES)
def test_what_could_change_an_answer_raises_the_number(rig: Rig, name: str) -> None:
    # Sources write to documents that came from one.
    rig.catalog.curate(rig.live.document_id, lambda said: replace(said, source="file:///share/old"))
    before, beside = rig.number(rig.kb), rig.number(rig.other)
    CHANGES[name](rig)
    assert rig.number(rig.kb) > before
    assert rig.number(rig.other) == beside


@pytest.mark.parametrize("name", QUIET)
def test_what_is_written_on_the_way_does_not(rig: Rig, name: str) -> None:
    before = rig.number(rig.kb)
    QUIET[name](rig)
    assert rig.number(rig.kb) == before


def test_no_operation_of_the_catalog_is_forgotten() -> None:
    reading = {
        "address", "all_knowledge_bases", "build", "builds", "children", "content_hashes", "count_documents", "count_waiting", "counts", "curation",
        "depth", "document", "document_by_id", "documents", "draft", "drafts", "engine", "family", "holding", "is_cancelled",
        "knowledge_base", "knowledge_base_by_id", "knowledge_bases", "live_among", "live_writing", "next_change", "owns",
        "purges", "reading", "received", "silent", "unfinished", "versions", "versions_of", "working", "writings",
    }  # fmt: skip
    # A base that is new or gone has no answers.
    bases = {"create_knowledge_base", "delete_knowledge_base"}
    # Sessions, in which what is written is watched.
    sessions = {"changing", "moving"}
    tested = {name.split(" ")[0] for name in (*CHANGES, *QUIET)}
    public = {name for name, _ in inspect.getmembers(Catalog) if not name.startswith("_")}
    assert public - reading - bases - sessions - tested == set()


def test_every_table_is_watched_but_those_named() -> None:
    known = {mapper.class_ for mapper in Base.registry.mappers}
    assert {row.__tablename__ for row in known - EXEMPT} == {
        "knowledge_bases", "documents", "curated_answers", "glossary_entries",
    }  # fmt: skip


def test_a_transaction_that_is_rolled_back_raises_nothing(rig: Rig) -> None:
    before = rig.number(rig.kb)

    def broken(said: Any) -> Any:
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError):
        rig.catalog.curate(rig.live.document_id, broken)
    assert rig.number(rig.kb) == before


def test_the_next_moment_when_something_begins_or_ends(rig: Rig) -> None:
    assert rig.catalog.next_change(rig.kb.id, NOW) is None
    rig.curate(valid_from=NOW - timedelta(days=1), valid_until=NOW + timedelta(days=9))
    rig.rows.change(rig.kb.id, rig.curated.id, lambda d: replace(d, valid_from=NOW + timedelta(days=3)))
    assert rig.catalog.next_change(rig.kb.id, NOW) == NOW + timedelta(days=3)
    assert rig.catalog.next_change(rig.kb.id, NOW + timedelta(days=3)) == NOW + timedelta(days=9)
    assert rig.catalog.next_change(rig.other.id, NOW) is None


def routed(inner: VectorIndex, told: list[str]) -> RoutedIndex:
    """An index that notes of which knowledge base it was told."""
    catalog = Catalog(open_database("sqlite://"))
    return RoutedIndex(catalog, "memory", lambda: ("test", 8), lambda *_: inner, told.append)


def test_writing_to_the_index_is_told_after_it_is_done() -> None:
    told: list[str] = []
    index = routed(MemoryIndex(), told)

    def point(live: int) -> Point:
        payload = {
            "document": "a",
            "version": "v",
            "generation": 1,
            "live": live,
            "tenant": "default",
            "acl": ["public"],
        }
        return Point("1", SparseVector([1], [1.0]), payload)

    index.upsert("kb", [point(0)])
    assert told == []
    writes: list[Callable[[], None]] = [
        lambda: index.upsert("kb", [point(1)]),
        lambda: index.set_live("kb", "v", 1),
        lambda: index.set_payload("kb", "a", {"enabled": 0}),
        lambda: index.delete("kb", "v", 1),
        lambda: index.optimize("kb"),
        lambda: index.drop("kb"),
    ]
    for count, write in enumerate(writes, start=1):
        write()
        assert told == ["kb"] * count
    assert index.count("kb") == 0


def test_an_index_write_that_fails_is_told_too() -> None:
    told: list[str] = []
    inner = MemoryIndex()
    inner.drop = _fail  # type: ignore[method-assign] # an engine that fails
    with pytest.raises(RuntimeError):
        routed(inner, told).drop("kb")
    assert told == ["kb"]


def _fail(_knowledge_base: str) -> None:
    raise RuntimeError("away")


def test_every_method_of_an_index_is_told_of_or_reads() -> None:
    reading = {"count", "search", "fetch", "points", "payloads", "writings", "vectors", "close"}
    writing = {"upsert", "set_live", "set_payload", "delete", "drop", "optimize"}
    methods = {name for name, _ in inspect.getmembers(VectorIndex, inspect.isfunction) if not name.startswith("_")}
    assert methods == reading | writing
