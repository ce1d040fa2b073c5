"""One look at a source: what is new, changed, gone, left alone; over a store in memory and a real catalog."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ingest.errors import SourceError
from ingest.sources.base import LATER, Found, Listing, Note, NotRead, document_name, taken
from ingest.sources.sync import MOST_AWAY, Stopped
from tests.fakes import MemoryIndex
from tests.source_shop import SourceShop, md

ADDRESS = "s3://bucket/manuals"


class Held:
    """A file that is being read."""

    def __init__(
        self, name: str, address: str, content: bytes, mark: str, changes: bool, reads: list[str] | None = None
    ) -> None:
        self.name, self.address, self._reads = name, address, reads if reads is not None else []
        self._left, self._mark, self._changes = [content, b""], mark, changes

    def read(self, size: int = -1, /) -> bytes:
        if len(self._left) == 2:
            self._reads.append(self.name)
        return self._left.pop(0) if self._left else b""

    def mark(self) -> str:
        if self._changes:
            raise NotRead(LATER, skip=True)
        return self._mark


@dataclass
class MemoryStore:
    """Files in a dictionary, with marks or without; parts of it can be told to fail."""

    files: dict[str, str] = field(default_factory=dict)
    marked: bool = True
    named: bool = True
    unread: list[Note] = field(default_factory=list)
    broken: dict[str, NotRead] = field(default_factory=dict)
    changing: set[str] = field(default_factory=set)
    fails: bool = False
    reads: list[str] = field(default_factory=list)

    def mark_of(self, path: str) -> str:
        return f"{hash(self.files[path])}" if self.marked else ""

    def list(self) -> Listing:
        if self.fails:
            raise SourceError("the share is away")
        listing = Listing(unread=[*self.unread])
        for path in sorted(self.files):
            found = taken(path, self.mark_of(path) if self.named else "")
            if isinstance(found, Note):
                listing.skipped.append(found)
            else:
                listing.files.append(found if self.named else Found(path))
        return listing

    @contextmanager
    def open(self, found: Found, known_mark: str) -> Iterator[Held | None]:
        if found.path in self.broken:
            raise self.broken[found.path]
        if not self.named and known_mark and known_mark == self.mark_of(found.path):
            yield None
            return
        content, changes = self.files[found.path].encode(), found.path in self.changing
        yield Held(found.path, f"{ADDRESS}/{found.path}", content, self.mark_of(found.path), changes, self.reads)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[SourceShop]:
    made = SourceShop(tmp_path, MemoryIndex())
    yield made
    made.close()


def reasons(notes: list[Note]) -> dict[str, str]:
    return {note.file: note.reason for note in notes}


@pytest.mark.parametrize(
    ("marked", "named"), [(True, True), (False, True), (True, False)], ids=["s3", "no marks", "web"]
)
def test_new_changed_gone_and_unchanged(shop: SourceShop, marked: bool, named: bool) -> None:
    store = MemoryStore({"a.md": md("salt"), "sub/b.md": md("pepper"), "c.md": md("sugar")}, marked, named)
    first = shop.look(ADDRESS, store)
    assert (sorted(first.new), first.changed, first.gone, first.unchanged) == (["a.md", "c.md", "sub/b.md"], [], [], 0)
    assert set(shop.texts()) == {"a.md", "c.md", "sub/b.md"}

    store.files |= {"a.md": md("salt and more"), "d.md": md("thyme")}
    del store.files["c.md"]
    store.reads.clear()
    second = shop.look(ADDRESS, store)
    assert (second.new, second.changed, second.gone, second.unchanged) == (["d.md"], ["a.md"], ["c.md"], 1)
    assert set(shop.texts()) == {"a.md", "d.md", "sub/b.md"}
    assert "salt and more" in shop.texts()["a.md"]
    assert ("sub/b.md" in store.reads) is (not marked)

    third = shop.look(ADDRESS, store)
    assert (third.new, third.changed, third.gone, third.unchanged) == ([], [], [], 3)
    assert shop.held() == shop.chunks() == 3


def test_a_document_knows_where_it_came_from(shop: SourceShop) -> None:
    shop.look(ADDRESS, MemoryStore({"a.md": md("salt")}))
    shop.upload("b.md", md("pepper"))
    assert shop.rows.origins(shop.kb.id) == {"a.md": f"{ADDRESS}/a.md", "b.md": ""}


def test_a_touched_file_is_read_and_found_unchanged(shop: SourceShop, monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore({"a.md": md("salt")})
    shop.look(ADDRESS, store)
    generation = shop.catalog.document(shop.kb, "a.md").latest.generation
    monkeypatch.setattr(store, "mark_of", lambda path: "touched")
    assert shop.look(ADDRESS, store).unchanged == 1
    store.reads.clear()
    assert shop.look(ADDRESS, store).unchanged == 1
    assert store.reads == []
    assert shop.catalog.document(shop.kb, "a.md").latest.generation == generation


def test_a_source_that_shows_nothing_deletes_nothing(shop: SourceShop) -> None:
    store = MemoryStore({"a.md": md("salt"), "b.md": md("pepper")})
    shop.look(ADDRESS, store)
    store.files = {"readme.exe": "the folder under the mount"}
    with pytest.raises(
        SourceError, match=r"shows no file, although 2 came from there; nothing was deleted.*--allow-empty"
    ):
        shop.look(ADDRESS, store)
    store.fails = True
    with pytest.raises(SourceError, match="away"):
        shop.look(ADDRESS, store, allow_empty=True)
    assert len(shop.texts()) == 2
    store.fails = False
    assert sorted(shop.look(ADDRESS, store, allow_empty=True).gone) == ["a.md", "b.md"]
    assert shop.held() == 0


def test_what_lies_below_an_unreadable_folder_is_not_gone(shop: SourceShop) -> None:
    store = MemoryStore({"a.md": md("salt"), "sub/b.md": md("pepper"), "subway.md": md("trains")})
    shop.look(ADDRESS, store)
    store.files = {"a.md": store.files["a.md"]}
    store.unread = [Note("sub", "the folder cannot be read")]
    outcome = shop.look(ADDRESS, store)
    assert (outcome.gone, reasons(outcome.failed)) == (["subway.md"], {"sub": "the folder cannot be read"})
    assert set(shop.texts()) == {"a.md", "sub/b.md"}


def test_files_that_fail_or_change_leave_what_was_there(shop: SourceShop) -> None:
    store = MemoryStore({"a.md": md("salt"), "b.md": md("pepper")})
    shop.look(ADDRESS, store)
    store.files = {"a.md": md("salt 2"), "b.md": md("pepper 2"), "n.md": md("new")}
    store.broken = {"a.md": NotRead("it cannot be read (Permission denied)")}
    store.changing = {"b.md", "n.md"}
    outcome = shop.look(ADDRESS, store)
    assert reasons(outcome.failed) == {"a.md": "it cannot be read (Permission denied)"}
    assert reasons(outcome.skipped) == {"b.md": LATER, "n.md": LATER}
    assert "salt 2" not in shop.texts()["a.md"]
    assert "n.md" not in shop.rows.origins(shop.kb.id)
    store.broken, store.changing = {}, set()
    outcome = shop.look(ADDRESS, store)
    assert (outcome.new, sorted(outcome.changed)) == (["n.md"], ["a.md", "b.md"])
    assert len(list((shop.folder / "store").glob("tmp*"))) == 0


def test_a_store_that_goes_away_in_the_middle_stops_the_look(shop: SourceShop) -> None:
    store = MemoryStore({f"{n:02}.md": md(f"thing {n}") for n in range(30)})
    store.broken = {f"{n:02}.md": NotRead("the server does not answer", away=True) for n in range(5, 30)}
    with pytest.raises(SourceError, match=f"stopped after {MOST_AWAY}"):
        shop.look(ADDRESS, store)
    store.broken = {}
    outcome = shop.look(ADDRESS, store)
    assert (len(outcome.new), outcome.unchanged) == (25, 5)


def test_a_page_that_the_server_denies_is_gone_but_not_all_of_them(shop: SourceShop) -> None:
    store = MemoryStore({"a.md": md("salt"), "b.md": md("pepper")}, named=False)
    shop.look(ADDRESS, store)
    store.broken = {"a.md": NotRead("no such page", gone=True), "never.md": NotRead("no such page", gone=True)}
    store.files["never.md"] = ""
    outcome = shop.look(ADDRESS, store)
    assert (outcome.gone, reasons(outcome.failed)) == (["a.md"], {"never.md": "no such page"})
    del store.files["never.md"]
    store.broken["b.md"] = NotRead("no such page", gone=True)
    store.files.pop("a.md")
    with pytest.raises(SourceError, match="nothing was deleted"):
        shop.look(ADDRESS, store)
    assert set(shop.texts()) == {"b.md"}


def test_an_uploaded_document_is_never_overwritten(shop: SourceShop) -> None:
    shop.upload("a.md", md("what a person wrote"))
    store = MemoryStore({"a.md": md("salt"), "b.md": md("pepper")})
    outcome = shop.look(ADDRESS, store)
    assert outcome.new == ["b.md"]
    assert "was uploaded; it is not overwritten" in reasons(outcome.skipped)["a.md"]
    assert store.reads == ["b.md"]
    del store.files["a.md"]
    assert shop.look(ADDRESS, store).gone == []
    assert "what a person wrote" in shop.texts()["a.md"]


def test_an_upload_over_a_sources_document_is_the_persons_from_then_on(shop: SourceShop) -> None:
    store = MemoryStore({"a.md": md("salt"), "b.md": md("pepper")})
    shop.look(ADDRESS, store)
    shop.upload("a.md", md("what a person wrote"))
    shop.rows.release(shop.kb.id, ["a.md"])
    assert shop.rows.origins(shop.kb.id) == {"a.md": "", "b.md": f"{ADDRESS}/b.md"}
    store.files["a.md"] = md("sea salt")
    outcome = shop.look(ADDRESS, store)
    assert "was uploaded; it is not overwritten" in reasons(outcome.skipped)["a.md"]
    del store.files["a.md"]
    assert shop.look(ADDRESS, store).gone == []
    assert "what a person wrote" in shop.texts()["a.md"]


def test_where_an_uploaded_document_is_said_to_come_from_stays(shop: SourceShop) -> None:
    shop.look(ADDRESS, MemoryStore({"b.md": md("pepper")}))
    shop.upload("a.md", md("salt"))
    document = shop.catalog.document(shop.kb, "a.md")
    shop.catalog.curate(document.id, lambda said: replace(said, source="https://example.com/a"))
    shop.rows.release(shop.kb.id, ["a.md"])
    assert shop.rows.origins(shop.kb.id)["a.md"] == "https://example.com/a"


def test_two_sources_with_one_name_do_not_overwrite_each_other(shop: SourceShop) -> None:
    other = "s3://other"

    class Other(MemoryStore):
        @contextmanager
        def open(self, found: Found, known_mark: str) -> Iterator[Held | None]:
            content = self.files[found.path].encode()
            yield Held(found.path, f"{other}/{found.path}", content, self.mark_of(found.path), False)

    shop.look(ADDRESS, MemoryStore({"a.md": md("salt")}))
    second = Other({"a.md": md("pepper")})
    outcome = shop.look(other, second)
    assert f"comes from {ADDRESS}/a.md" in reasons(outcome.skipped)["a.md"]
    # A prefix keeps them apart.
    assert shop.look(other, second, prefix="two").new == ["a.md"]
    assert "salt" in shop.texts()["a.md"]
    assert "pepper" in shop.texts()["two/a.md"]
    # The other's end leaves the first alone.
    second.files = {"z.md": md("zest")}
    assert shop.look(other, second).gone == ["a.md"]
    assert set(shop.texts()) == {"a.md", "two/z.md"}


def test_another_prefix_renames_the_documents(shop: SourceShop) -> None:
    store = MemoryStore({"a.md": md("salt"), "b.md": md("pepper")})
    shop.look(ADDRESS, store)
    outcome = shop.look(ADDRESS, store, prefix="kitchen/")
    assert (sorted(outcome.new), sorted(outcome.gone)) == (["a.md", "b.md"], ["a.md", "b.md"])
    assert set(shop.texts()) == {"kitchen/a.md", "kitchen/b.md"}
    assert shop.look(ADDRESS, store).unchanged == 2


def test_a_document_deleted_by_hand_comes_back(shop: SourceShop) -> None:
    store = MemoryStore({"a.md": md("salt"), "b.md": md("pepper")})
    shop.look(ADDRESS, store)
    shop.pipeline.delete(shop.kb, "a.md")
    assert shop.look(ADDRESS, store).new == ["a.md"]
    assert set(shop.texts()) == {"a.md", "b.md"}


def test_a_source_that_was_removed_knows_its_documents_again(shop: SourceShop) -> None:
    store = MemoryStore({"a.md": md("salt")})
    shop.look(ADDRESS, store)
    shop.rows.remove(shop.source(ADDRESS).id)
    store.files["a.md"] = md("salt 2")
    assert shop.look(ADDRESS, store).new == ["a.md"]
    assert "salt 2" in shop.texts()["a.md"]


def test_names_that_fall_together_are_told_apart(shop: SourceShop) -> None:
    composed, decomposed = "caf\u00e9.md", "cafe\u0301.md"
    outcome = shop.look(ADDRESS, MemoryStore({composed: md("salt"), decomposed: md("pepper")}))
    assert len(outcome.new) == 1
    assert "has the same name as a document" in outcome.skipped[0].reason


def test_a_preview_writes_nothing(shop: SourceShop) -> None:
    store = MemoryStore({"a.md": md("salt"), "b.md": md("pepper"), "c.md": md("sugar")})
    shop.look(ADDRESS, store)
    before = shop.rows.seen(shop.source(ADDRESS).id)
    store.files = {"a.md": store.files["a.md"], "b.md": md("pepper 2"), "n.md": md("new")}
    outcome = shop.look(ADDRESS, store, dry_run=True)
    assert (outcome.new, outcome.changed, outcome.gone, outcome.unchanged) == (["n.md"], ["b.md"], ["c.md"], 1)
    assert shop.rows.seen(shop.source(ADDRESS).id) == before
    assert set(shop.texts()) == {"a.md", "b.md", "c.md"}


def test_a_stopped_look_is_gone_on_with(shop: SourceShop) -> None:
    store = MemoryStore({f"{n}.md": md(f"thing {n}") for n in range(6)})
    with pytest.raises(Stopped):
        shop.look(ADDRESS, store, stopping=lambda: len(store.reads) >= 3)
    assert 0 < len(shop.texts()) < 6
    shop.look(ADDRESS, store)
    assert len(shop.texts()) == 6
    assert shop.held() == shop.chunks() == 6


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("a/b.md", "a/b.md"),
        ("a//b.md", "a/b.md"),
        ("../../etc/passwd.txt", "etc/passwd.txt"),
        ("a/./b/../c.md", "a/b/c.md"),
        ("a\\b.md", "a/b.md"),
        ("na\u202eme.md", "name.md"),
        ("line\nbreak.md", "linebreak.md"),
        (" spaced / name.md", "spaced/name.md"),
    ],
)
def test_document_names(path: str, name: str) -> None:
    assert document_name(path) == name


@pytest.mark.parametrize("path", ["", "/", "..", "\u200b", "x" * 600 + ".md", "bad\udce4.md"])
def test_names_that_no_document_can_have(path: str) -> None:
    with pytest.raises(ValueError, match="its name"):
        document_name(path)


def test_what_is_written_down_of_a_look_is_bounded(shop: SourceShop) -> None:
    outcome = shop.look(ADDRESS, MemoryStore({f"{n}.md": md(f"thing {n}") for n in range(4)}))
    kept = outcome.as_json(3)
    assert (len(kept["new"]), kept["left_off"], len(kept["documents"])) == (3, 1, 3)
    assert set(outcome.as_json()) == {"new", "changed", "gone", "unchanged", "skipped", "failed", "seconds"}


def test_which_sources_are_due(shop: SourceShop) -> None:
    never = shop.rows.keep(shop.kb.id, "s3://never", None, 60)
    shop.rows.keep(shop.kb.id, "s3://by-hand", None, 0)
    just = shop.rows.keep(shop.kb.id, "s3://just", None, 60)
    shop.rows.looked(just.id, None, "it was away")
    now = datetime.now(UTC)
    assert [source.id for source in shop.rows.due(now)] == [never.id]
    assert [source.id for source in shop.rows.due(now + timedelta(seconds=61))] == [never.id, just.id]
    # Two processes over one database: one of them begins.
    assert shop.rows.take(never) is True
    assert shop.rows.take(never) is False
    again = shop.rows.source(just.id)
    assert shop.rows.take(again) is True
    assert shop.rows.take(again) is False
