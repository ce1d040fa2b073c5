"""Another embedder, another engine, an index built anew, an archive: nothing is lost, and questions go on."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from qdrant_client import QdrantClient

from app.commands.desk import LocalDesk
from app.indexing import SNAPSHOTS
from ingest import moving
from ingest.curated import CuratedAnswers, CuratedDraft, CuratedState
from ingest.errors import AlreadyExists, BuildGivenUp, IndexMismatch, SnapshotUnusable
from ingest.glossary import Glossary, GlossaryDraft
from tests.fakes import HashEmbedder
from tests.integration.moving_rig import TOPICS, MovingRig

STEPS = ("begun", "copying", "optimizing", "closing", "comparing", "switched")


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[MovingRig]:
    rig = MovingRig(tmp_path / "one").filled()
    yield rig
    rig.close()


def nothing(*_: object) -> None:
    pass


def is_whole(rig: MovingRig, model: str, size: int) -> None:
    """The one index there is holds the catalog's passages, with vectors of that embedder."""
    kb = rig.kb
    assert (kb.embedding_model, kb.embedding_size) == (model, size)
    assert rig.shards() == [kb.address.space]
    expected = dict.fromkeys(rig.catalog.writings(kb.id), 1)
    assert rig.index.writings(kb.id) == rig.index.writings(kb.id, live=True) == expected
    for writing in expected:
        assert [len(vector) for vector in rig.index.vectors(kb.id, *writing).values()] == [size]
    assert rig.catalog.builds() == rig.catalog.purges() == rig.pipeline.verify(kb) == []


def test_a_migration_under_questions_loses_none_and_leaves_no_old_point(
    rig: MovingRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moving, "WINDOW", 2)
    stop, asked, wrong = threading.Event(), [], []
    switched = threading.Event()
    after: list[str] = []

    def ask() -> None:
        while not stop.is_set():
            for topic in TOPICS:
                before = switched.is_set()
                try:
                    found = rig.answers(topic)
                except BaseException as exc:  # noqa: BLE001 - any failure of a question fails the test
                    wrong.append(repr(exc))
                    continue
                asked.append(topic)
                if before:
                    after.append(topic)
                if found != f"{topic}.txt":
                    wrong.append(f"{topic}: {found}")

    def write() -> None:
        # Ingested, replaced, deleted, curated and edited while the index moves.
        try:
            for i in range(3):
                rig.ingest(
                    (f"new {i}.txt", f"The chimney {i} is of brick."), ("again.txt", f"The roof is of slate {i}.")
                )
            rig.pipeline.delete(rig.kb, "new 0.txt")
            document = rig.catalog.document(rig.kb, "new 1.txt")
            rig.pipeline.stages.curator.change(rig.kb, document, lambda said: replace(said, tags=("brick",)))
            passage = next(rig.index.points(rig.kb.id, *rig.catalog.live_writing(document.id))).id
            rig.pipeline.stages.edits.edit(rig.kb, document, passage, "The chimney is of concrete.")
        except BaseException as exc:  # noqa: BLE001 - any failure of a write fails the test
            wrong.append(repr(exc))

    def report(_kb: str, stage: str, done: int, total: int) -> None:
        if stage == "copying" and done == total and not writer.is_alive() and not writer.ident:
            writer.start()
        if stage == "switched":
            switched.set()

    writer = threading.Thread(target=write)
    askers = [threading.Thread(target=ask) for _ in range(2)]
    for asker in askers:
        asker.start()
    moved = rig.mover.migrate(rig.kb, report, model="other")
    writer.join(60)
    while len(after) < 2 * len(TOPICS) and not wrong:
        time.sleep(0.01)
    stop.set()
    for asker in askers:
        asker.join(30)
    assert wrong == []
    assert len(asked) > 2 * len(TOPICS)
    assert (moved.switched, moved.model, moved.lost) == (True, "other", ())
    is_whole(rig, "other", 96)
    edited = [hit.payload for hit in rig.index.payloads(rig.kb.id, document="new 1.txt")]
    assert [(p["text"], p["tags"]) for p in edited] == [("The chimney is of concrete.", ["brick"])]
    assert {d.name for d in rig.catalog.documents(rig.kb)} == {
        *(f"{topic}.txt" for topic in TOPICS), "new 1.txt", "new 2.txt", "again.txt",
    }  # fmt: skip


class Killed(BaseException):
    """Stands for the end of the process: nothing handles it."""


@pytest.mark.parametrize("step", STEPS)
def test_a_migration_that_was_killed_goes_on(tmp_path: Path, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moving, "WINDOW", 3)

    def report(_kb: str, stage: str, done: int, _total: int) -> None:
        if stage == step and (stage != "copying" or done):
            raise Killed

    first = MovingRig(tmp_path / "one").filled()
    with pytest.raises(Killed):
        first.mover.migrate(first.kb, report, model="other")
    first.close()

    again = MovingRig(tmp_path / "one")
    over = step == "switched"
    # One of the two answers, whole.
    assert again.kb.embedding_model == ("other" if over else "hash")
    assert again.all_answer()
    embedded: list[int] = []
    other = again.embedders["other"]
    counted = type("Counted", (HashEmbedder,), {
        "embed_documents": lambda self, texts: (embedded.append(len(texts)), HashEmbedder.embed_documents(self, texts))[1]
    })  # fmt: skip
    again.embedders["other"] = counted(size=other.size, name="other")
    moved = again.mover.migrate(again.kb, nothing, model="other")
    assert moved.switched != over
    # What the first run had copied is not embedded again.
    expected = {"begun": 8, "copying": 5, "optimizing": 0, "closing": 0, "comparing": 0, "switched": 0}
    assert sum(embedded) == expected[step]
    is_whole(again, "other", 96)
    assert again.all_answer()
    again.close()


def test_a_process_that_ends_in_the_middle_of_the_switch_leaves_the_old_index_answering(tmp_path: Path) -> None:
    MovingRig(tmp_path / "one").filled().close()
    child = f"""
import os, sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from tests.integration.moving_rig import MovingRig
rig = MovingRig(Path({str(tmp_path / "one")!r}))
switch = rig.catalog.switch
def cut_off(session, build, chunks):
    switch(session, build, chunks)
    session.flush()
    os._exit(9)
type(rig.catalog).switch = staticmethod(cut_off)
rig.mover.migrate(rig.kb, lambda *_: None, model="other")
"""
    ended = subprocess.run([sys.executable, "-c", child], capture_output=True, text=True, timeout=240, check=False)
    assert ended.returncode == 9, ended.stderr
    again = MovingRig(tmp_path / "one")
    assert again.kb.embedding_model == "hash"
    assert again.all_answer()
    assert again.mover.resume(again.catalog.builds()[0], nothing).switched
    is_whole(again, "other", 96)
    again.close()


def test_a_build_is_given_up_and_another_must_wait_for_that(rig: MovingRig) -> None:
    def report(_kb: str, stage: str, *_: int) -> None:
        if stage == "optimizing":
            with pytest.raises(AlreadyExists, match="being built"):
                rig.mover.rebuild(rig.kb, nothing)
            assert rig.mover.give_up(rig.kb)

    with pytest.raises(BuildGivenUp, match="the old one answers"):
        rig.mover.migrate(rig.kb, report, model="other")
    assert not rig.mover.give_up(rig.kb)
    is_whole(rig, "hash", 64)
    assert rig.all_answer()


def test_an_index_that_answers_is_optimized_as_a_copy(rig: MovingRig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.moving.IN_PASSING", 1)
    before, answered = rig.kb.address.space, []

    def report(_kb: str, stage: str, *_: int) -> None:
        if stage == "optimizing":
            rig.ingest(("new.txt", "The chimney is of brick."))
            answered.append(rig.answers("door"))

    assert rig.mover.optimize(rig.kb, report) == len(TOPICS) + 1
    assert answered == ["door.txt"]
    assert rig.kb.address.space != before
    is_whole(rig, "hash", 64)
    assert rig.answers("chimney") == "new.txt"


def test_an_index_that_lost_passages_is_rebuilt_from_the_files(rig: MovingRig) -> None:
    kb = rig.kb
    lost = {name: rig.catalog.document(kb, name) for name in ("door.txt", "cellar.txt")}
    for document in lost.values():
        rig.index.delete(kb.id, *rig.catalog.live_writing(document.id))
    rig.files.path(lost["cellar.txt"].latest.content_hash).unlink()
    moved = rig.mover.rebuild(kb, nothing)
    assert (moved.from_files, moved.lost, moved.points) == (("door.txt",), ("cellar.txt",), len(TOPICS) - 1)
    assert rig.answers("door") == "door.txt"
    assert rig.kb.address.space != kb.address.space
    assert rig.shards() == [rig.kb.address.space]


def test_from_edge_to_a_server_and_back_not_run_on_a_server(tmp_path: Path) -> None:
    client = QdrantClient(":memory:")
    rig = MovingRig(tmp_path / "one", client).filled()
    rig.mover.migrate(rig.kb, nothing, engine="server")
    assert (rig.kb.index_engine, rig.shards()) == ("server", [])
    assert rig.all_answer()
    rig.ingest(("new.txt", "The chimney is of brick."))
    assert rig.answers("chimney") == "new.txt"
    rig.mover.migrate(rig.kb, nothing, engine="edge", model="other")
    is_whole(rig, "other", 96)
    (collection,) = client.get_collections().collections
    assert client.count(collection.name).count == 0
    assert rig.all_answer()
    rig.close()


def test_an_embedder_that_is_gone_is_named_and_is_a_reason_to_migrate(rig: MovingRig) -> None:
    rig.mover.migrate(rig.kb, nothing, model="other")
    del rig.embedders["other"]
    with pytest.raises(IndexMismatch, match=r"'other' \(96 dimensions\).*FRONTDESK_EMBEDDING_MODEL"):
        rig.search.search(rig.kb, "door")
    with pytest.raises(IndexMismatch):
        rig.pipeline.check_index(rig.kb)
    rig.mover.migrate(rig.kb, nothing, model="hash")
    is_whole(rig, "hash", 64)
    assert rig.all_answer()


def test_a_knowledge_base_that_moved_is_deleted_with_its_index(rig: MovingRig) -> None:
    rig.mover.migrate(rig.kb, nothing, model="other")
    rig.pipeline.delete_knowledge_base(rig.kb)
    assert rig.shards() == []


def test_a_snapshot_is_restored_into_another_folder(rig: MovingRig, tmp_path: Path) -> None:
    document = rig.catalog.document(rig.kb, "door.txt")
    rig.pipeline.stages.curator.change(rig.kb, document, lambda said: replace(said, tags=("oak",)))
    archive = tmp_path / "kb.zip"
    taken = rig.snapshots.take(rig.kb, archive, nothing)
    assert (taken.documents, taken.points, taken.files, taken.missing) == (8, 8, 8, ())
    assert list(archive.parent.glob(".snapshot-*")) == []
    with pytest.raises(SnapshotUnusable, match="is here already"):
        rig.snapshots.restore(archive, nothing)

    other = MovingRig(tmp_path / "two")
    restored = other.snapshots.restore(archive, nothing, name="kb")
    is_whole(other, "hash", 64)
    assert other.all_answer()
    assert other.pipeline.verify(restored) == []
    shown = other.catalog.document(restored, "door.txt")
    assert shown.curation.tags == ("oak",)
    assert other.files.path(shown.latest.content_hash).read_bytes() == b"The door is made of oak number 0."
    # What is there is known: the same bytes change nothing.
    path = tmp_path / "door.txt"
    path.write_text("The door is made of oak number 0.")
    assert (
        other.catalog.begin_version(restored, "door.txt", shown.latest.content_hash, other.pipeline.fingerprint, 1)
        is None
    )
    other.close()


def test_a_snapshot_carries_curated_answers_and_the_glossary(rig: MovingRig, tmp_path: Path) -> None:
    begin, end = datetime(2030, 1, 1, tzinfo=UTC), datetime(2031, 1, 1, 12, tzinfo=UTC)
    written, glossary = CuratedAnswers(rig.engine), Glossary(rig.engine)
    written.add(rig.kb.id, CuratedDraft(("Of oak?", "Is it oak?"), "**Yes.**", source="door.txt"), by="Ann")
    written.add(rig.kb.id, CuratedDraft(("When?",), "Soon.", enabled=False, valid_from=begin, valid_until=end))
    glossary.add(rig.kb.id, GlossaryDraft(("door", "gate")), by="Ann")
    glossary.add(rig.kb.id, GlossaryDraft(("RMA", "return"), one_way=True))
    # The first one is stale: its source has other bytes now than those that Ann saw.
    rig.ingest(("door.txt", "The door is made of steel."))
    curated, entries, now = written.all(rig.kb.id), glossary.all(rig.kb.id), datetime.now(UTC)
    assert [each.state(now) for each in curated] == [CuratedState.STALE, CuratedState.DISABLED]
    archive, before = tmp_path / "kb.zip", rig.kb
    rig.snapshots.take(before, archive, nothing)

    # Answers are kept by the corpus version: no number that was used here may come again with other answers.
    written.remove(before.id, curated[0].id)
    changed = rig.kb.corpus_version
    assert changed > before.corpus_version
    rig.pipeline.delete_knowledge_base(rig.kb)
    rig.snapshots.restore(archive, nothing)
    assert rig.kb.corpus_version > changed

    other = MovingRig(tmp_path / "two")
    restored = other.snapshots.restore(archive, nothing)
    for each in (rig, other):
        assert CuratedAnswers(each.engine).all(restored.id) == curated
        assert Glossary(each.engine).all(restored.id) == entries
        assert [c.state(now) for c in CuratedAnswers(each.engine).all(restored.id)] == [c.state(now) for c in curated]
    other.close()


def test_a_snapshot_of_before_they_were_carried_is_restored(rig: MovingRig, tmp_path: Path) -> None:
    archive, old, newer = tmp_path / "kb.zip", tmp_path / "old.zip", tmp_path / "newer.zip"
    rig.snapshots.take(rig.kb, archive, nothing)
    for target, kind in ((old, "frontdesk-snapshot-1"), (newer, "frontdesk-snapshot-99")):
        with zipfile.ZipFile(archive) as whole, zipfile.ZipFile(target, "w") as copied:
            for entry in whole.namelist():
                content = whole.read(entry)
                copied.writestr(entry, content.replace(b"frontdesk-snapshot-3", kind.encode()))
    other = MovingRig(tmp_path / "two")
    with pytest.raises(SnapshotUnusable, match="another kind"):
        other.snapshots.restore(newer, nothing)
    restored = other.snapshots.restore(old, nothing)
    is_whole(other, "hash", 64)
    assert other.all_answer()
    assert CuratedAnswers(other.engine).all(restored.id) == Glossary(other.engine).all(restored.id) == []
    other.close()


def test_a_snapshot_that_does_not_fit_is_refused_and_leaves_nothing(rig: MovingRig, tmp_path: Path) -> None:
    archive, damaged = tmp_path / "kb.zip", tmp_path / "damaged.zip"
    rig.snapshots.take(rig.kb, archive, nothing)
    with zipfile.ZipFile(archive) as whole, zipfile.ZipFile(damaged, "w") as part:
        for entry in whole.namelist():
            content = whole.read(entry)
            part.writestr(entry, content[: content.rindex(b"\n", 0, -1) + 1] if entry == "points.jsonl" else content)
    other = MovingRig(tmp_path / "two")
    with pytest.raises(SnapshotUnusable, match="7 of its 8 passages"):
        other.snapshots.restore(damaged, nothing)
    (tmp_path / "text.zip").write_text("no archive")
    with pytest.raises(SnapshotUnusable, match="no whole snapshot"):
        other.snapshots.restore(tmp_path / "text.zip", nothing)
    # A model of the same name and size that makes other vectors.
    other.embedders["hash"] = type("Other", (HashEmbedder,), {
        "embed_query": lambda self, text: HashEmbedder.embed_query(self, text[::-1])
    })(size=64)  # fmt: skip
    with pytest.raises(IndexMismatch, match="not made by the embedder"):
        other.snapshots.restore(archive, nothing)
    other.embedders["hash"] = HashEmbedder(size=128)
    with pytest.raises(IndexMismatch, match=r"has 64 dimensions.*makes 128"):
        other.snapshots.restore(archive, nothing)
    other.pipeline.purge()
    assert other.catalog.knowledge_bases() == other.catalog.builds() == other.catalog.purges() == []
    assert not (tmp_path / "two" / "index").exists() or other.shards() == []
    other.close()
    shutil.rmtree(tmp_path / "two")


def test_tasks_of_the_commands_end_in_what_they_print(rig: MovingRig, tmp_path: Path) -> None:
    def workspace(of: MovingRig) -> Any:
        settings = SimpleNamespace(
            ingest=SimpleNamespace(home=of.folder, shared=False, embedding_model="other"),
            app=SimpleNamespace(kb="kb"),
        )
        parts = {name: getattr(of, name) for name in ("catalog", "index", "mover", "snapshots", "pipeline")}
        return SimpleNamespace(settings=settings, **parts)

    desk = LocalDesk(workspace(rig))
    (rig.folder / SNAPSHOTS).mkdir()
    shown = desk.index(None, {"task": "show"}, nothing)
    assert shown == {
        "kb": "kb", "engine": "edge", "model": "hash", "dimensions": 64, "points": 8, "building": None,
    }  # fmt: skip
    assert desk.index("kb", {"task": "optimize"}, nothing) == {"kb": "kb", "points": 8}
    moved = desk.index(None, {"task": "migrate"}, nothing)
    assert (moved["model"], moved["points"], moved["switched"]) == ("other", 8, True)
    assert not desk.index(None, {"task": "migrate"}, nothing)["switched"]
    assert desk.index(None, {"task": "cancel"}, nothing) == {"kb": "kb", "cancelled": False}
    taken = desk.index(None, {"task": "snapshot", "archive": "a.zip"}, nothing)
    assert (taken["documents"], taken["points"], taken["archive"]) == (8, 8, "a.zip")

    other = MovingRig(tmp_path / "two")
    shutil.copytree(rig.folder / SNAPSHOTS, other.folder / SNAPSHOTS)
    restored = LocalDesk(workspace(other)).index(
        None, {"task": "restore", "archive": "a.zip", "name": "again"}, nothing
    )
    assert restored == {"kb": "again", "model": "other", "documents": 8, "points": 8, "again": []}
    other.close()
