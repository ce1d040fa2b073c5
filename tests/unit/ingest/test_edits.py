"""Persons' wordings over a real catalog and an index in memory; over HTTP in tests/integration/test_http_curation.py."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ingest.catalog import Catalog
from ingest.database import open_database
from ingest.edits import Edits
from ingest.errors import IndexUnavailable, UnusableValue
from ingest.files import FileStore
from ingest.index.base import Hit, writing_of
from ingest.pipeline import Pipeline, Upload
from ingest.records import Document, KnowledgeBase, State
from ingest.sparse import SparseEncoder
from tests.fakes import HashEmbedder, MemoryIndex

FEE = "A visit costs 65 pounds."


class Shop:
    """A pipeline over fakes, with one knowledge base."""

    def __init__(self, folder: Path, catalog: Catalog) -> None:
        self.folder, self.catalog, self.index = folder, catalog, MemoryIndex()
        files = FileStore(folder / "store")
        self.pipeline = Pipeline(catalog, files, self.index, HashEmbedder(max_tokens=40), SparseEncoder(), 32)
        self.kb: KnowledgeBase = catalog.create_knowledge_base("shop")

    @property
    def edits(self) -> Edits:
        return self.pipeline.stages.edits

    def put(self, *passages: str, draft: bool = False) -> Document:
        path = self.folder / "source.md"
        path.write_text("\n\n".join(f"# Part {i}\n\n{text}" for i, text in enumerate(passages)))
        (result,) = self.pipeline.ingest(self.kb, [Upload("a.md", path, draft=draft)])
        assert result.state is State.READY, result.reason
        return self.catalog.document(self.kb, "a.md")

    def points(self) -> list[Hit]:
        live = {w for w, writing in self.catalog.writings(self.kb.id).items() if writing.live}
        found = [hit for hit in self.index.payloads(self.kb.id, live=True) if writing_of(hit.payload) in live]
        return sorted(found, key=lambda hit: int(hit.payload["ordinal"]))

    def texts(self) -> list[str]:
        return [hit.payload["text"] for hit in self.points()]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    engine = open_database(f"sqlite:///{tmp_path / 'catalog.db'}")
    yield Shop(tmp_path, Catalog(engine))
    engine.dispose()


def test_vectors_and_words_follow_the_wording(shop: Shop) -> None:
    document = shop.put(FEE, "Closed on Sundays.")
    before = shop.points()[0]
    edit, after = shop.edits.edit(shop.kb, document, before.id, "A visit costs 77 pounds.", "Ada")
    assert (edit.state, edit.original, edit.edited_by) == ("applied", FEE, "Ada")
    assert (after.payload["text_hash"], after.payload["live"]) == (before.payload["text_hash"], 1)
    writing = (after.payload["version"], after.payload["generation"])
    vectors = shop.index.vectors(shop.kb.id, *writing)
    assert after.payload["embed_hash"] in vectors
    assert before.payload["embed_hash"] not in vectors
    again, _ = shop.edits.edit(shop.kb, document, before.payload["text_hash"], "A visit costs 78 pounds.")
    assert (again.id, again.original, again.edited_by) == (edit.id, FEE, "Ada")
    assert shop.texts() == ["A visit costs 78 pounds.", "Closed on Sundays."]
    shop.edits.undo(shop.kb, document, edit.id)
    (back, _) = shop.points()
    assert (back.payload["text"], back.payload["embed_hash"]) == (FEE, before.payload["embed_hash"])
    assert "original" not in back.payload


def test_flags_follow_the_wording_and_come_back_with_the_original(shop: Shop) -> None:
    called = "Mobile of Jane Miller, who visits for 65 pounds: +44 7911 123456."
    document = shop.put(called, "Closed on Sundays.")
    before = shop.points()[0]
    assert "personal_data:mobile" in before.payload["flags"]
    edit, after = shop.edits.edit(shop.kb, document, before.id, FEE)
    assert [flag for flag in after.payload["flags"] if flag.startswith("personal_data")] == []
    # A later version with the same text has the wording, and its flags, from the start.
    shop.put(called, "Closed on Sundays.", "Open on Mondays.")
    assert shop.points()[0].payload["flags"] == after.payload["flags"]
    shop.edits.undo(shop.kb, document, edit.id)
    assert shop.points()[0].payload["flags"] == before.payload["flags"]
    assert "original_flags" not in shop.points()[0].payload
    # What a person writes is looked at like any text.
    shop.edits.edit(shop.kb, document, shop.points()[1].id, called)
    assert "personal_data:mobile" in shop.points()[1].payload["flags"]


def test_an_unchanged_wording_keeps_its_vector_through_a_new_version(shop: Shop) -> None:
    document = shop.put(FEE)
    shop.edits.edit(shop.kb, document, shop.points()[0].id, "A visit costs 77 pounds.")
    path = shop.folder / "next.md"
    path.write_text(f"# Part 0\n\n{FEE}\n\n# Part 1\n\nClosed on Sundays.")
    shop.pipeline.reconciler.verify(shop.kb)
    list(shop.pipeline.ingest(shop.kb, [Upload("a.md", path)]))
    assert shop.texts() == ["A visit costs 77 pounds.", "Closed on Sundays."]
    assert shop.points()[0].payload["original"] == FEE


def test_moved_wordings_are_offered_where_they_fit_best_in_any_language(shop: Shop) -> None:
    document = shop.put("签收后七天内可以无理由退货。", FEE)
    shop.edits.edit(shop.kb, document, shop.points()[0].id, "签收后七日内可以无理由退货。")
    shop.put("签收后十五天内可以无理由退货。", FEE, "Closed on Sundays.")
    (offered,) = shop.edits.offered(shop.kb, document)
    assert (offered.edit.state, offered.chunk_id) == ("moved", None)
    assert offered.suggestions[0].payload["text"] == "签收后十五天内可以无理由退货。"
    assert all(a.likeness >= b.likeness for a, b in zip(offered.suggestions, offered.suggestions[1:], strict=False))


def test_a_process_that_dies_between_database_and_index_is_mended(shop: Shop) -> None:
    document = shop.put(FEE)
    shop.index.fails_after = 0
    with pytest.raises(IndexUnavailable):
        shop.edits.edit(shop.kb, document, shop.points()[0].id, "A visit costs 77 pounds.")
    shop.index.fails_after = None
    assert shop.texts() == [FEE]
    shop.pipeline.verify(shop.kb)
    assert shop.texts() == ["A visit costs 77 pounds."]


def test_what_is_said_and_never_reached_the_points_is_mended(shop: Shop) -> None:
    document = shop.put(FEE)
    shop.catalog.curate(document.id, lambda said: replace(said, tags=("x",), enabled=False))
    assert shop.points()[0].payload.get("tags") is None
    assert shop.pipeline.stages.curator.mend(shop.kb) == ["a.md"]
    assert (shop.points()[0].payload["tags"], shop.points()[0].payload["enabled"]) == (["x"], 0)
    assert shop.pipeline.stages.curator.mend(shop.kb) == []


def test_a_new_version_carries_what_is_said_of_its_document(shop: Shop) -> None:
    document = shop.put(FEE)
    shop.pipeline.stages.curator.change(shop.kb, document, lambda said: replace(said, tags=("x",)))
    shop.put("A visit costs 80 pounds.")
    assert [hit.payload["tags"] for hit in shop.points()] == [["x"]]


def test_a_wording_may_be_as_long_as_the_embedder_reads(shop: Shop) -> None:
    document = shop.put(FEE)
    with pytest.raises(UnusableValue, match="shorten it"):
        shop.edits.edit(shop.kb, document, shop.points()[0].id, "word " * 40)
    assert (shop.texts(), shop.edits.offered(shop.kb, document)) == ([FEE], [])
