"""A document's life from file to live points, over a real catalog and an index in memory."""

from __future__ import annotations

import pytest

from ingest.errors import IndexMismatch, NotFound
from ingest.index.base import chunk_id
from ingest.pipeline import WINDOW, Ingested, Upload
from ingest.reading import chunk_budget
from ingest.records import State
from ingest.schema import PUBLIC
from ingest.sparse import SparseEncoder
from ingest.worklist import OVERTAKEN
from tests.fakes import HashEmbedder, MemoryIndex
from tests.stored import stored
from tests.unit.ingest.shop import Shop


def test_three_uploads_one_of_them_broken(shop: Shop) -> None:
    results = shop.ingest(
        shop.upload("a.txt", "Returns take seven days."),
        shop.upload("b.pdf", b"this is no PDF"),
        shop.upload("c.md", "# Care\n\nClean the filter.", title="Manual"),
    )
    assert {r.document: (r.state, r.chunks) for r in results} == {
        "a.txt": (State.READY, 1),
        "b.pdf": (State.FAILED, 0),
        "c.md": (State.READY, 1),
    }
    reason = next(r.reason for r in results if r.document == "b.pdf")
    assert "not a PDF" in reason
    assert shop.catalog.document(shop.kb, "b.pdf").latest.reason == reason
    assert shop.catalog.document(shop.kb, "c.md").title == "Manual"
    assert shop.texts() == ["Clean the filter.", "Returns take seven days."]
    assert shop.answers("filter")[0] == "Clean the filter."
    assert shop.catalog.purges() == []


def test_a_point_carries_what_an_answer_cites(shop: Shop) -> None:
    shop.put("c.md", "# Care\n\n## Filter\n\nClean it.\n")
    (writing,) = shop.index.writings(shop.kb.id)
    (hit,) = shop.index.points(shop.kb.id, *writing)
    version = shop.catalog.document(shop.kb, "c.md").latest
    assert hit.id == chunk_id(version.id, 1, 0)
    assert {
        key: hit.payload[key] for key in hit.payload if key not in ("text_hash", "embed_hash", "pages", "sheet")
    } == {
        "tenant": "default",
        "acl": ["public"],
        "document": "c.md",
        "title": "Care",
        "version": version.id,
        "generation": 1,
        "live": 1,
        "ordinal": 0,
        "text": "Clean it.",
        "heading_path": ["Care", "Filter"],
        "language": "en",
        "tokens": 2,
        "boxes": [],
        "flags": [],
    }


def test_the_same_bytes_again_change_nothing(shop: Shop) -> None:
    shop.put("a.txt", "Returns take seven days.")
    again = shop.put("a.txt", "Returns take seven days.")
    assert (again.state, again.unchanged, again.chunks) == (State.READY, True, 1)
    assert shop.catalog.document(shop.kb, "a.txt").latest.generation == 1


def test_a_changed_file_replaces_the_old_version_and_no_old_point_stays(shop: Shop) -> None:
    for content in ("Returns take seven days.", "Returns take ten days.", "Returns take seven days."):
        assert shop.put("a.txt", content).state is State.READY
        assert shop.texts() == [content] == shop.answers("returns")
        assert shop.stored() == [content]
    assert shop.catalog.purges() == []


def test_a_new_version_that_cannot_be_read_leaves_the_old_one_answering(shop: Shop) -> None:
    shop.put("a.txt", "Returns take seven days.")
    assert shop.put("a.txt", "  ").state is State.FAILED
    assert shop.answers("returns") == ["Returns take seven days."]
    assert not shop.catalog.document(shop.kb, "a.txt").latest.live


def test_delete_leaves_no_point_and_no_file(shop: Shop) -> None:
    shop.put("a.txt", "Returns take seven days.")
    shop.put("b.txt", "Open on Sundays.")
    shop.pipeline.delete(shop.kb, "a.txt")
    assert shop.texts() == ["Open on Sundays."] == shop.stored()
    with pytest.raises(NotFound):
        shop.pipeline.delete(shop.kb, "a.txt")


def test_a_file_that_two_documents_share_stays_until_both_are_gone(shop: Shop) -> None:
    shop.put("a.txt", "Open on Sundays.")
    shop.put("b.txt", "Open on Sundays.")
    shop.pipeline.delete(shop.kb, "a.txt")
    assert shop.stored() == ["Open on Sundays."]
    assert shop.answers("sundays") == ["Open on Sundays."]
    shop.pipeline.delete(shop.kb, "b.txt")
    assert shop.stored() == []


def test_delete_a_knowledge_base(shop: Shop) -> None:
    shop.put("a.txt", "Open on Sundays.")
    shop.pipeline.delete_knowledge_base(shop.catalog.knowledge_base("shop"))
    assert (shop.texts(), shop.stored(), shop.catalog.purges()) == ([], [], [])


def test_an_index_that_fails_in_the_middle(shop: Shop) -> None:
    shop.put("a.txt", "Returns take seven days.")
    shop.index.fails_after = 1  # the first window is written, the second is not
    long = "\n\n".join(f"# Heading {i}\n\nReturns of kind {i} take ten days." for i in range(WINDOW + 10))
    results = shop.ingest(shop.upload("a.txt", "# A\n\nReturns take ten days."), shop.upload("b.md", long))
    assert [(r.document, r.state, r.reason) for r in results] == [
        (name, State.FAILED, "the index has gone away") for name in ("a.txt", "b.md")
    ]
    assert shop.texts() == ["Returns take seven days."] == shop.answers("returns")
    shop.index.fails_after = None
    assert [r.state for r in shop.pipeline.reprocess(shop.kb, ["a.txt", "b.md"])] == [State.READY, State.READY]
    assert len(shop.texts()) == WINDOW + 11


class ForgetfulIndex(MemoryIndex):
    """Takes points and loses one of each call."""

    def upsert(self, knowledge_base: str, points: list) -> None:  # type: ignore[type-arg]
        super().upsert(knowledge_base, points[:-1])


def test_points_are_counted_before_they_go_live(shop: Shop) -> None:
    shop.index = ForgetfulIndex()
    result = shop.put("a.md", "# A\n\none\n\n# B\n\ntwo")
    assert (result.state, result.reason) == (State.FAILED, "the index holds 1 of its 2 chunks; ingest the file again")
    assert shop.texts() == []


def test_what_was_received_before_an_update_is_ingested_by_the_new_pipeline(shop: Shop) -> None:
    content_hash, size = stored(shop.files, shop.upload("a.txt", "Returns take ten days.").path)
    shop.catalog.begin_version(shop.kb, "a.txt", content_hash, "the pipeline of yesterday", size)
    assert [v.fingerprint for v in shop.pipeline.recover()] == [shop.pipeline.fingerprint]
    assert [r.state for r in shop.pipeline.work_off()] == [State.READY]
    assert shop.texts() == ["Returns take ten days."]


def test_a_version_is_worked_on_once(shop: Shop) -> None:
    content_hash, size = stored(shop.files, shop.upload("a.txt", "Returns take ten days.").path)
    version = shop.catalog.begin_version(shop.kb, "a.txt", content_hash, shop.pipeline.fingerprint, size)
    assert version is not None
    assert (shop.catalog.claim(version), shop.catalog.claim(version)) == (True, False)


def test_the_live_bytes_again_leave_the_live_points_alone_until_they_are_live_themselves(shop: Shop) -> None:
    shop.put("a.txt", "Open on Sundays.")
    live = shop.catalog.live_writing(shop.catalog.document(shop.kb, "a.txt").id)
    shop.pipeline.accept(shop.kb, shop.upload("a.txt", "Open on Mondays."))
    again = shop.pipeline.accept(shop.kb, shop.upload("a.txt", "Open on Sundays."))
    assert not isinstance(again, Ingested)
    assert live is not None
    assert (again.id, again.generation) == (live[0], 3)
    # It is written, and then fails before it can be published.
    shop.catalog.claim(again)
    read = shop.pipeline.stages.read(again, "", lambda *_: None)
    shop.pipeline.stages.write(shop.kb, [(again, read.title, chunk) for chunk in read.chunks])
    assert shop.answers("open") == ["Open on Sundays."]
    shop.pipeline.stages.fail(again, "no room")
    shop.pipeline.purge()
    assert shop.answers("open") == ["Open on Sundays."]
    assert shop.pipeline.verify(shop.kb) == []
    # Its points lost, it is seen although its row speaks of the later writing.
    shop.index.delete(shop.kb.id, *live)
    (wrong,) = shop.pipeline.verify(shop.kb)
    assert (wrong.document, wrong.found, wrong.queued) == ("a.txt", 0, True)
    list(shop.pipeline.work_off())
    assert "Open on Sundays." in shop.texts()
    assert shop.pipeline.verify(shop.kb) == []


def test_what_a_newer_upload_has_overtaken_is_not_begun(shop: Shop) -> None:
    older = shop.pipeline.accept(shop.kb, shop.upload("a.txt", "Open on Sundays."))
    newer = shop.pipeline.accept(shop.kb, shop.upload("a.txt", "Open on Mondays."))
    assert not isinstance(older, Ingested)
    assert not isinstance(newer, Ingested)
    # Both wait: the older one's file must not go with what is discarded meanwhile.
    shop.pipeline.stages.discard_unneeded({older.content_hash, newer.content_hash})
    assert sorted(shop.stored()) == ["Open on Mondays.", "Open on Sundays."]
    shop.catalog.claim(newer)
    read = shop.pipeline.stages.read(newer, "", lambda *_: None)
    shop.pipeline.stages.write(shop.kb, [(newer, read.title, chunk) for chunk in read.chunks])
    shop.pipeline.stages.publish(shop.kb, newer, read, len(read.chunks))
    assert shop.catalog.begin(older.id, older.generation) is None
    row = next(v for v in shop.catalog.versions(shop.catalog.document(shop.kb, "a.txt")) if v.id == older.id)
    assert (row.state, row.reason) == (State.FAILED, OVERTAKEN)
    shop.pipeline.purge()
    assert shop.texts() == ["Open on Mondays."]


def test_the_live_bytes_again_win_over_other_bytes_that_wait(shop: Shop) -> None:
    shop.put("a.txt", "Open on Sundays.")
    waiting = shop.pipeline.accept(shop.kb, shop.upload("a.txt", "Open on Mondays."))
    assert not isinstance(waiting, Ingested)
    again = shop.pipeline.accept(shop.kb, shop.upload("a.txt", "Open on Sundays."))
    assert not isinstance(again, Ingested)
    assert {r.document: r.state for r in shop.pipeline.work_off()}
    assert shop.answers("open") == ["Open on Sundays."]
    assert shop.texts() == ["Open on Sundays."]
    assert shop.catalog.document(shop.kb, "a.txt").latest.content_hash == again.content_hash
    assert shop.pipeline.verify(shop.kb) == []


def test_the_live_bytes_again_after_other_bytes_that_failed(shop: Shop) -> None:
    shop.put("a.txt", "Open on Sundays.")
    shop.put("a.txt", "")
    assert shop.catalog.document(shop.kb, "a.txt").latest.state is State.FAILED
    assert shop.put("a.txt", "Open on Sundays.").state is State.READY
    assert shop.catalog.document(shop.kb, "a.txt").latest.state is State.READY
    assert shop.texts() == ["Open on Sundays."]


def test_unchanged_text_keeps_its_vectors(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    sections = {f"Part {i}": f"Section {i} tells about thing number {i}." for i in range(20)}
    shop.put("a.md", "\n\n".join(f"# {head}\n\n{text}" for head, text in sections.items()))
    asked: list[str] = []
    embed = shop.embedder.embed_documents
    monkeypatch.setattr(shop.embedder, "embed_documents", lambda texts: asked.extend(texts) or embed(texts))
    sections["Part 7"] = "Section 7 says something else now."
    shop.put("a.md", "\n\n".join(f"# {head}\n\n{text}" for head, text in sections.items()))
    assert len(asked) == 1
    assert "something else" in asked[0]
    assert shop.answers("Section 7 says something else now")[0] == "Section 7 says something else now."
    assert shop.answers("Section 3 tells about thing number 3")[0] == "Section 3 tells about thing number 3."
    assert shop.pipeline.verify(shop.kb) == []


def test_another_embedder_is_refused(shop: Shop) -> None:
    shop.put("a.txt", "Open on Sundays.")
    shop.embedder = HashEmbedder(name="other")
    with pytest.raises(
        IndexMismatch, match=r"'shop' was indexed with 'hash' \(256 dimensions\).*FRONTDESK_EMBEDDING_MODEL"
    ):
        shop.put("b.txt", "Closed on Mondays.")
    shop.embedder = HashEmbedder(size=128)
    with pytest.raises(IndexMismatch, match=r"\(128\)"):
        shop.put("b.txt", "Closed on Mondays.")


def test_another_pipeline_writes_unchanged_files_again(shop: Shop) -> None:
    shop.put("a.txt", "Open on Sundays.")
    shop.embedder = HashEmbedder(max_tokens=32)
    result = shop.put("a.txt", "Open on Sundays.")
    assert (result.state, result.unchanged) == (State.READY, False)
    assert shop.texts() == ["Open on Sundays."]
    assert shop.catalog.knowledge_base("shop").fingerprint == shop.pipeline.fingerprint


@pytest.mark.parametrize(("setting", "model", "budget"), [(256, 512, 254), (256, 128, 126)])
def test_the_budget_is_no_more_than_the_model_reads(setting: int, model: int, budget: int) -> None:
    assert chunk_budget(HashEmbedder(max_tokens=model), setting) == budget


def test_chunks_in_a_language_that_the_embedder_does_not_know_have_no_vector(shop: Shop) -> None:
    shop.embedder = HashEmbedder(languages=("en",))
    shop.put("a.md", "# Warranty\n\nTwo years.\n\n# 保修\n\n保修期为两年。\n\n# 123\n\n456")
    vector, encoder = shop.embedder.embed_query("保修期"), SparseEncoder()
    found = shop.index.search(shop.kb.id, dense=vector, sparse=None, principal=PUBLIC, limit=9).dense
    # "und" may mean anything: a vector does no harm there.
    assert sorted(hit.payload["language"] for hit in found) == ["en", "und"]
    words = shop.index.search(
        shop.kb.id, dense=None, sparse=encoder.encode_query("保修期"), principal=PUBLIC, limit=9
    ).sparse
    assert [hit.payload["text"] for hit in words] == ["保修期为两年。"]


class CountingIndex(MemoryIndex):
    """Remembers the size of each upsert."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    def upsert(self, knowledge_base: str, points: list) -> None:  # type: ignore[type-arg]
        self.sizes.append(len(points))
        super().upsert(knowledge_base, points)


def test_neighbouring_documents_share_a_batch_and_none_is_larger_than_the_window(shop: Shop) -> None:
    shop.index = index = CountingIndex()
    small = [shop.upload(f"{i}.txt", f"Shop number {i} is open.") for i in range(5)]
    long = shop.upload("long.md", "\n\n".join(f"# H{i}\n\nLine {i} of many." for i in range(WINDOW + 44)))
    last = shop.upload("last.txt", "The end.")
    results = shop.ingest(*small, long, last)
    assert [r.document for r in results] == [*(f"{i}.txt" for i in range(5)), "long.md", "last.txt"]
    assert {r.state for r in results} == {State.READY}
    assert index.sizes == [WINDOW, 49, 1]
    assert len(shop.texts()) == 5 + WINDOW + 44 + 1


def test_a_file_that_cannot_be_copied_costs_one_document(shop: Shop) -> None:
    results = shop.ingest(Upload("gone.txt", shop.folder / "gone.txt"), shop.upload("a.txt", "Open on Sundays."))
    assert [(r.document, r.state) for r in results] == [("gone.txt", State.FAILED), ("a.txt", State.READY)]
    assert "cannot be copied" in results[0].reason


def test_progress_names_document_and_stage(shop: Shop) -> None:
    seen: list[tuple[str, str, int, int]] = []
    list(shop.pipeline.ingest(shop.kb, [shop.upload("a.txt", "Open.")], lambda *step: seen.append(step)))
    assert seen == [("a.txt", "parsing", 0, 1), ("a.txt", "embedding", 0, 1)]


def test_reprocessing_an_unknown_document(shop: Shop) -> None:
    with pytest.raises(NotFound, match=r"nowhere\.txt"):
        list(shop.pipeline.reprocess(shop.kb, ["nowhere.txt"]))
