"""Pairs in the database: made, resumed, listed, reviewed, stale and fresh again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from app.errors import UsageError
from ingest.database import open_database
from ingest.edits import Edits
from ingest.errors import NotFound, UnusableValue
from ingest.pairs.make import PairMaker
from ingest.pairs.records import Draft, Judged, PairKind, ReviewState, Side, SourceChunk, Style
from ingest.pairs.runs import Runs, RunState
from ingest.pairs.store import Pairs, Wanted, pair_of
from ingest.pairs.tables import PairBaseRow, PairChunkRow, PairRow, PairRunRow, PairSourceRow
from ingest.sparse import SparseEncoder
from tests.fakes import HashEmbedder
from tests.unit.ingest.pairs.pair_rig import Judge, Shelf, Writer, draft, quiet

TABLES = (PairRow, PairSourceRow, PairChunkRow, PairRunRow, PairBaseRow)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_database(f"sqlite:///{tmp_path / 'catalog.db'}")
    yield engine
    engine.dispose()


@pytest.fixture
def shelf(engine: Engine) -> Shelf:
    return Shelf(engine)


def test_pairs_are_made_with_their_provenance_and_counted(shelf: Shelf) -> None:
    shelf.put("washer.md", "It costs £499. It is rubbish", "The motor lasts ten years")
    run = shelf.pairs.make(shelf.base, quiet)
    assert (run.asked, run.skipped, run.kept, run.state) == (2, 0, 2, RunState.DONE)
    counts = run.writers["rules:sentence"]
    assert (counts.written, counts.kept, counts.dropped) == (3, 2, {"quality": 1})
    first, second = shelf.pairs.page(shelf.base).found
    assert (first.question, first.answer, first.evidence) == (
        "What of washer: It costs £499?",
        "It costs £499.",
        "It costs £499",
    )
    assert (first.writer, dict(first.filters), first.review) == (
        "rules:sentence",
        {"parse": "ok", "quality": "good"},
        "pending",
    )
    ref = second.sources[0]
    live = shelf.catalog.document(shelf.base, "washer.md").live_version_id
    assert (ref.document, ref.heading_path, ref.version) == ("washer.md", ("Section 1",), live)
    assert [run.kept for run in Runs(shelf.engine).all(shelf.base.id)] == [2]


def test_a_second_run_asks_about_changed_texts_only(shelf: Shelf) -> None:
    shelf.put("a.md", "One", "Two")
    shelf.make()
    shelf.writer = Writer()
    shelf.put("a.md", "One", "Three")
    shelf.make()
    assert shelf.writer.asked == ["Three"]
    assert shelf.all() == [("One.", False), ("Two.", True), ("Three.", False)]


def test_another_version_of_a_writer_asks_again_and_another_title_is_another_text(shelf: Shelf) -> None:
    shelf.put("a.md", "One")
    shelf.make()
    shelf.writer = Writer(version="2")
    shelf.make()
    assert shelf.writer.asked == ["One"]
    # The same question is not kept twice: the filters are told of what is there.
    assert shelf.all() == [("One.", False)]
    shelf.put("b.md", "One")
    shelf.make()
    assert shelf.writer.asked == ["One", "One"]


def test_a_run_that_is_cut_off_goes_on_and_asks_about_each_text_once(shelf: Shelf) -> None:
    for number in range(10):
        shelf.put(f"{number}.md", f"Text {number}a", f"Text {number}b")
    shelf.writer.fails_at = "6b"
    with pytest.raises(RuntimeError):
        shelf.make()
    assert Runs(shelf.engine).all(shelf.base.id)[0].state is RunState.FAILED
    before, shelf.writer = shelf.writer.asked, Writer()
    shelf.make()
    assert sorted(before + shelf.writer.asked) == sorted(f"Text {n}{x}" for n in range(10) for x in "ab")
    assert len(shelf.all()) == 20


def test_a_run_that_is_stopped_keeps_what_is_done(shelf: Shelf) -> None:
    shelf.put("a.md", *(f"Text {number}" for number in range(9)))
    run = shelf.pairs.make(shelf.base, quiet, cancelled=lambda: len(shelf.writer.asked) == 4)
    assert (run.state, run.asked, len(shelf.all())) == (RunState.STOPPED, 4, 4)
    run = shelf.pairs.make(shelf.base, quiet, limit=3)
    assert (run.asked, run.skipped, len(shelf.all())) == (3, 4, 7)


def test_a_run_that_was_killed_is_not_called_running_for_ever(shelf: Shelf) -> None:
    runs = Runs(shelf.engine)
    runs.begin(shelf.base.id)
    runs.begin(shelf.base.id)
    assert sorted(run.state for run in runs.all(shelf.base.id)) == [RunState.RUNNING, RunState.STOPPED]


def test_hidden_documents_are_not_asked_about_and_their_pairs_are_not_stale(shelf: Shelf) -> None:
    version = shelf.put("a.md", "One")
    shelf.put("b.md", "Two")
    shelf.make()
    shelf.catalog.curate(version.document_id, lambda said: replace(said, enabled=False))
    shelf.writer = Writer(version="2")
    shelf.make()
    assert shelf.writer.asked == ["Two"]
    assert shelf.all() == [("One.", False), ("Two.", False)]


def test_pairs_follow_the_text_there_and_back(shelf: Shelf) -> None:
    shelf.put("a.md", "One", "Two")
    shelf.make()
    for texts, stale in (
        (("One", "Other"), {"Two."}),
        (("Two", "Other"), {"One.", "Two."}),  # below another heading it is another text
        (("One", "Two"), set()),
    ):
        shelf.put("a.md", *texts)
        assert {answer for answer, gone in shelf.all() if gone} == stale
    shelf.delete("a.md")
    assert {gone for _, gone in shelf.all()} == {True}
    shelf.put("moved.md", "One")
    assert shelf.all() == [("One.", False), ("Two.", True)]


def test_a_wording_by_a_person_makes_the_pair_of_the_passage_stale(shelf: Shelf) -> None:
    shelf.put("a.md", "One", "Two")
    shelf.make()
    edits = Edits(shelf.catalog, shelf.index, HashEmbedder(), SparseEncoder())
    document = shelf.catalog.document(shelf.base, "a.md")
    pair = shelf.pairs.page(shelf.base).found[0]
    edit, _ = edits.edit(shelf.base, document, pair.sources[0].chunk_id, "One, but better")
    assert shelf.all() == [("One.", True), ("Two.", False)]
    edits.undo(shelf.base, document, edit.id)
    assert shelf.all() == [("One.", False), ("Two.", False)]


def test_a_pair_of_a_text_that_changed_while_it_was_written_is_stale(shelf: Shelf) -> None:
    shelf.put("a.md", "One")
    shelf.all()
    read_at = shelf.catalog.knowledge_base("kb").corpus_version
    chunk = next(shelf.pairs._live.walk(shelf.base))
    shelf.put("a.md", "Two")
    assert shelf.all() == []
    Pairs(shelf.engine).add(shelf.base.id, [pair_of(draft("Q?", "One.", chunk), shelf.base.id, {})], read_at)
    assert shelf.all() == [("One.", True)]


def test_nothing_is_walked_while_nothing_changes(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf.put("a.md", "One")
    shelf.make()
    shelf.all()
    monkeypatch.setattr(shelf.memory, "payloads", None)
    assert shelf.all() == [("One.", False)]


def test_pairs_are_listed_by_what_is_said_of_them(shelf: Shelf) -> None:
    shelf.put("a.md", "The kettle costs £25", "The 100% wool")
    shelf.put("b.md", "The iron_works")
    shelf.make()
    rows = Pairs(shelf.engine)
    chunk = next(shelf.pairs._live.walk(shelf.base))
    made = draft("Why?", "", chunk, kind=PairKind.UNANSWERABLE, style=Style.WITHHELD)
    rows.add(shelf.base.id, [pair_of(replace(made, language="zh"), shelf.base.id, {})], 0)
    kettle, wool, iron, why = (pair.id for pair in rows.page(shelf.base.id).found)
    rows.review(shelf.base.id, wool, ReviewState.REJECTED, "Ann")
    rows.put_on_sides(shelf.base.id, {iron: Side.TEST})

    def found(**what: object) -> list[str]:
        page = rows.page(shelf.base.id, Wanted(**what))  # type: ignore[arg-type] # named by the test
        assert page.total == len(page.found)
        return [pair.id for pair in page.found]

    assert found(review=(ReviewState.REJECTED,)) == found(kept=False) == [wool]
    assert found(kept=True) == [kettle, iron, why]
    assert found(side=Side.TEST) == found(document="b.md") == [iron]
    assert found(kind=PairKind.UNANSWERABLE) == found(language="zh") == found(writer="person") == [why]
    assert found(style=Style.WITHHELD) == [why]
    assert found(search="KETTLE 25") == [kettle]
    # Signs of LIKE are words like others.
    assert (found(search="100%"), found(search="n_w"), found(search="1%l")) == ([wool], [iron], [])
    assert found(stale=True) == []
    counts = rows.counts(shelf.base.id)
    assert (counts.total, dict(counts.review)) == (4, {"pending": 3, "rejected": 1})
    page = rows.page(shelf.base.id, limit=2, offset=1)
    assert ([pair.id for pair in page.found], page.total) == ([wool, iron], 4)


def test_batches_give_each_pair_once_in_order(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.pairs.store.BATCH", 3)
    shelf.put("a.md", *(f"Text {number}" for number in range(10)))
    shelf.make()
    batches = list(Pairs(shelf.engine).batches(shelf.base.id))
    assert [len(batch) for batch in batches] == [3, 3, 3, 1]
    assert [pair.answer for batch in batches for pair in batch] == [f"Text {number}." for number in range(10)]


def test_reviews(shelf: Shelf) -> None:
    shelf.put("a.md", "One")
    shelf.make()
    rows, kb = Pairs(shelf.engine), shelf.base.id
    pair = rows.page(kb).found[0]
    rows.put_on_sides(kb, {pair.id: Side.TEST})
    approved = rows.review(kb, pair.id, ReviewState.APPROVED, "Ann")
    assert (approved.review, approved.reviewer, approved.side) == (ReviewState.APPROVED, "Ann", Side.TEST)
    assert approved.reviewed_at is not None
    edited = rows.review(kb, pair.id, ReviewState.EDITED, "Bo", question=" How many? ", answer="Just one.")
    assert (edited.question, edited.answer, edited.review, edited.side) == ("How many?", "Just one.", "edited", None)
    assert rows.get(kb, pair.id) == edited
    again = rows.review(kb, pair.id, ReviewState.PENDING)
    assert (again.review, again.reviewer, again.reviewed_at) == (ReviewState.PENDING, "", None)
    for state, wording in (
        (ReviewState.EDITED, {}),
        (ReviewState.EDITED, {"question": "  "}),
        (ReviewState.EDITED, {"answer": ""}),
        (ReviewState.REJECTED, {"answer": "Other."}),
        (ReviewState.EDITED, {"answer": "x" * 20_001}),
    ):
        with pytest.raises(UnusableValue):
            rows.review(kb, pair.id, state, **wording)
    assert rows.get(kb, pair.id) == again
    with pytest.raises(NotFound):
        rows.review(shelf.catalog.create_knowledge_base("other").id, pair.id, ReviewState.APPROVED)


def test_a_knowledge_base_takes_its_pairs_with_it(shelf: Shelf) -> None:
    other = shelf.catalog.create_knowledge_base("other")
    shelf.put("a.md", "One")
    shelf.make()
    shelf.pairs.split(shelf.base, quiet)
    shelf.catalog.delete_knowledge_base("kb")
    with Session(shelf.engine) as session:
        assert [session.scalar(select(func.count()).select_from(table)) for table in TABLES] == [0] * 5
    with pytest.raises(NotFound):
        Pairs(shelf.engine).add(shelf.base.id, [], 0)
    assert shelf.pairs.summary(other)["total"] == 0


def test_pairs_change_no_answer(shelf: Shelf) -> None:
    shelf.put("a.md", "One", "Two")
    before = shelf.catalog.knowledge_base("kb").corpus_version
    shelf.make()
    pair = shelf.pairs.page(shelf.base).found[0]
    shelf.pairs.review(shelf.base, pair.id, ReviewState.APPROVED)
    shelf.pairs.split(shelf.base, quiet)
    assert shelf.catalog.knowledge_base("kb").corpus_version == before


def test_a_pair_is_shown_with_its_passage_wherever_that_is_now(shelf: Shelf) -> None:
    shelf.put("a.md", "One", "Two")
    shelf.make()
    pair = shelf.pairs.page(shelf.base).found[1]
    shelf.put("a.md", "Zero", (("Section 1",), "Two"))
    shown, passages = shelf.pairs.show(shelf.base, pair.id)
    assert (shown.stale, [passage.text for passage in passages]) == (False, ["Two"])
    assert passages[0].id != pair.sources[0].chunk_id
    shelf.put("a.md", "Zero")
    shown, passages = shelf.pairs.show(shelf.base, pair.id)
    assert (shown.stale, passages) == (True, [])


def test_one_side_is_not_exported_before_there_are_two(shelf: Shelf) -> None:
    with pytest.raises(UsageError, match="pairs split"):
        shelf.pairs.evalset(shelf.base, Path("nowhere"))


class Differences:
    """One pair of each two passages that follow each other, and a question about nothing."""

    name = "comparison"

    def write_all(self, chunks: Iterable[SourceChunk]) -> Iterator[Draft]:
        for first, second in pairwise(chunks):
            yield draft(f"{first.text} or {second.text}?", "Both.", first, second, style=Style.COMPARISON)
        yield draft("What is love?", "", kind=PairKind.UNANSWERABLE, style=Style.OUT_OF_SCOPE)


def test_whole_bases_and_kept_pairs_are_made_into_more_once(shelf: Shelf) -> None:
    judged: list[str] = []

    class Judging(Judge):
        def judge(self, asked: Draft) -> Judged:
            judged.append(asked.question)
            return super().judge(asked)

    def derive(kept: Draft) -> Iterator[Draft]:
        yield replace(
            kept, question=f"{kept.question} Not here.", answer="", kind=PairKind.UNANSWERABLE, style=Style.WITHHELD
        )

    def make() -> list[str]:
        judged.clear()
        maker = PairMaker(shelf.catalog, shelf.index, [shelf.writer], Judging(), derive, [Differences()])
        assert maker.make(shelf.base, quiet).state is RunState.DONE
        return judged

    shelf.put("a.md", "One", "Two", "rubbish")
    assert make() == [
        "What of a: One?", "What of a: One? Not here.", "What of a: Two?", "What of a: Two? Not here.", "What of a: rubbish?",
        "One or Two?", "One or Two? Not here.", "Two or rubbish?", "Two or rubbish? Not here.", "What is love?",
    ]  # fmt: skip
    assert make() == []
    shelf.put("a.md", "One", "Two", "Three")
    assert make() == ["What of a: Three?", "What of a: Three? Not here.", "Two or Three?", "Two or Three? Not here."]
    styles = Pairs(shelf.engine).counts(shelf.base.id).styles
    assert dict(styles) == {"comparison": 3, "out_of_scope": 1, "plain": 3, "withheld": 6}
