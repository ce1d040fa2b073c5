"""What training reads of a knowledge base: which pairs, with which passages; here, and as a server sends it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from app.commands.pairs_desk import RemotePairs
from app.pair_samples import PairSamples, Row
from ingest.errors import FrontdeskError, IndexUnavailable
from ingest.pairs.records import Draft, PairKind, ReviewState, Side, Style, Turn
from ingest.pairs.store import Pairs, pair_of
from ingest.records import KnowledgeBase
from serving.passages import Passage
from tests.unit.app.http_rigging import Desks, send
from tests.unit.ingest.pairs.pair_rig import Shelf

URL = "/api/knowledge-bases/kb/pairs/samples"


@dataclass
class Found:
    all: Sequence[Passage]

    def passages(self, limit: int) -> Sequence[Passage]:
        return self.all[:limit]


class Search:
    """Retrieval by words in common; it can be told to fail at a question."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self.fails_at = ""

    def search(self, kb: KnowledgeBase, question: str) -> Found:
        if self.fails_at and self.fails_at in question:
            raise IndexUnavailable("the index has gone away")
        hits = {hit.id: hit.payload for hit in self._shelf.index.payloads(kb.id, live=True)}
        found = []
        for n, each in enumerate(self._shelf.find(question), start=1):
            said = hits[each.chunk_id]
            place = (said["document"], said["title"], said["version"], said["text"], tuple(said["heading_path"]))
            found.append(Passage(n, each.chunk_id, *place, pages=(3,), score=each.score))
        return Found(found)


@dataclass
class Room:
    shelf: Shelf
    search: Search

    def draft(self, question: str, document: str, **said: Any) -> Draft:
        chunks = [c for c in self.shelf.pairs._live.walk(self.shelf.base) if c.document == document][:1]
        answer = "" if said.get("kind") is PairKind.UNANSWERABLE else "It is."
        return Draft(question, answer, tuple(chunks), "rule:x", "en", **said)

    def keep(self, *drafts: Draft) -> list[str]:
        pairs = [pair_of(draft, self.shelf.base.id, {}) for draft in drafts]
        Pairs(self.shelf.engine).add(self.shelf.base.id, pairs, self.shelf.base.corpus_version)
        return [pair.id for pair in pairs]

    def rows(self, **asked: Any) -> list[Row]:
        samples = PairSamples(self.shelf.catalog, self.shelf.index, self.search)
        return list(samples.rows(self.shelf.base, **asked))


@pytest.fixture
def room(make: Desks) -> Room:
    shelf = Shelf(make.engine)
    shelf.put("a.md", "Alpha is red")
    shelf.put("b.md", "Beta is blue")
    return Room(shelf, Search(shelf))


def questions(rows: list[Row]) -> list[str]:
    return [row["pair"]["question"] for row in rows if "pair" in row]


def test_a_pair_comes_after_its_passages_and_each_passage_once(room: Room) -> None:
    room.keep(room.draft("Is alpha red?", "a.md", short="red"), room.draft("Is alpha green?", "a.md"))
    rows = room.rows()
    assert [next(iter(row)) for row in rows] == ["passage", "passage", "pair", "pair", "end"]
    alpha = next(row["passage"] for row in rows if row.get("passage", {}).get("document") == "a.md")
    assert (alpha["text"], alpha["heading_path"], alpha["pages"]) == ("Alpha is red", ["Section 0"], [3])
    first = rows[2]["pair"]
    assert (first["gold"], first["short"], first["sentence"]) == ([alpha["chunk_id"]], "red", "It is.")
    assert (first["found"][0], len(first["found"]), first["group"]) == (alpha["chunk_id"], 2, "a.md\nSection 0")
    assert [document for document, _ in first["learnt"]] == ["a.md"]
    assert rows[-1]["end"] == {"kb": "kb", "kb_id": room.shelf.base.id, "pairs": 2, "left": 0}


def test_what_is_tested_rejected_or_a_follow_up_is_not_learnt(room: Room) -> None:
    ids = room.keep(
        room.draft("Trained on?", "a.md"),
        room.draft("Tested on?", "a.md"),
        room.draft("Rejected?", "a.md"),
        room.draft("And it?", "a.md", history=(Turn("user", "Alpha?"),), style=Style.FOLLOW_UP),
        room.draft("Gone?", "b.md"),
    )
    store = Pairs(room.shelf.engine)
    store.put_on_sides(room.shelf.base.id, {ids[0]: Side.TRAIN, ids[1]: Side.TEST})
    store.review(room.shelf.base.id, ids[2], ReviewState.REJECTED, "Ann")
    room.shelf.delete("b.md")
    assert questions(room.rows()) == ["Trained on?"]
    assert questions(room.rows(reviewed=True)) == []
    store.review(room.shelf.base.id, ids[0], ReviewState.APPROVED, "Ann")
    assert questions(room.rows(reviewed=True)) == ["Trained on?"]
    assert questions(room.rows(languages=("zh", "en"))) == ["Trained on?"]
    assert questions(room.rows(languages=("zh",))) == []


def test_the_sources_of_what_cannot_be_answered_are_what_retrieval_would_bring(room: Room) -> None:
    room.keep(room.draft("Is gamma red?", "b.md", kind=PairKind.UNANSWERABLE, style=Style.WITHHELD))
    pair = next(row["pair"] for row in room.rows() if "pair" in row)
    assert (pair["gold"], pair["sentence"], pair["short"]) == ([], "", "")
    texts = {row["passage"]["chunk_id"]: row["passage"]["document"] for row in room.rows() if "passage" in row}
    assert [texts[each] for each in pair["found"]] == ["b.md", "a.md"]


def served(make: Desks, room: Room) -> Any:
    """The application over the room's parts."""
    app = make.app()
    workspace: Any = make.service.workspace
    workspace.index, workspace.search = room.shelf.index, room.search
    workspace.rewordings = SimpleNamespace(prepare=lambda *_: None)
    return app


def asked(app: Any) -> Any:
    import httpx

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return send(httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1"), "GET", URL)


def test_a_server_sends_the_same_rows(room: Room, make: Desks) -> None:
    room.keep(*(room.draft(f"Is alpha {n}?", "a.md") for n in range(25)))
    reply = asked(served(make, room))
    assert reply.headers["content-type"].startswith("application/x-ndjson")
    assert [json.loads(line) for line in reply.text.splitlines()] == room.rows()


def test_what_breaks_off_says_why(room: Room, make: Desks) -> None:
    room.keep(room.draft("Is alpha red?", "a.md"), room.draft("Is beta blue?", "b.md"))
    room.search.fails_at = "beta"
    reply = asked(served(make, room))
    assert json.loads(reply.text.splitlines()[-1]) == {"error": "the index has gone away"}

    class Stream:
        def __enter__(self) -> Any:
            return SimpleNamespace(iter_lines=reply.iter_lines)

        def __exit__(self, *_: object) -> None:
            pass

    remote = RemotePairs(lambda *_, **__: reply, lambda *_, **__: Stream(), "kb")
    with pytest.raises(FrontdeskError, match="gone away"):
        list(remote.samples(reviewed=False, languages=(), report=lambda *_: None))
