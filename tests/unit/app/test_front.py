"""In front of the chain: what is given again, what never is, who shares, and what a person wrote."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.rag.answer import Answer, Ask, Citation, Done, Fall, Outcome, Sentence
from app.rag.cache import AnswerCache
from app.rag.counts import CacheCounts
from app.rag.curated import CuratedShelf
from app.rag.front import AnswerFront
from app.rag.semantic import SemanticMatcher
from ingest.catalog import Catalog
from ingest.curated import CuratedAnswers, CuratedDraft
from ingest.database import open_database
from ingest.errors import IndexUnavailable
from ingest.schema import Filters, Principal
from serving.prompts import Message
from tests.fakes import HashEmbedder

SOURCE = Citation(1, "a.md", "A", "v", None, None, "", "Ten years.")
ANSWER = Answer(
    "Ten years [1].", Outcome.ANSWERED, (SOURCE,), engine="extractive", timings_ms={"embed": 5.0, "total": 90.0}
)


@dataclass
class Chain:
    """Answers what it is told to, and counts; it waits for ``go_on`` where there is one."""

    answer: Answer = ANSWER
    error: Exception | None = None
    asked: list[str] = field(default_factory=list)
    go_on: asyncio.Event | None = None
    given_up: int = 0

    async def stream(self, ask: Ask) -> AsyncIterator[Any]:
        self.asked.append(ask.question)
        try:
            yield Sentence(self.answer.answer, self.answer.citations)
            if self.go_on is not None:
                await self.go_on.wait()
            if self.error is not None:
                raise self.error
            yield Done(replace(self.answer, standalone_question=ask.question))
        except (asyncio.CancelledError, GeneratorExit):
            self.given_up += 1
            raise


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


class Rig:
    def __init__(self, catalog: Catalog, **answers: Any) -> None:
        self.catalog, self.rows = catalog, CuratedAnswers(catalog.engine)
        catalog.create_knowledge_base("kb")
        self.chain, self.clock, self.wall = Chain(**answers), Clock(), Clock(datetime.now(UTC).timestamp())
        self.cache = AnswerCache(10, 60, self.clock, self.wall)
        self.released = (("packaged", "base"),)
        self.embedder = HashEmbedder(languages=("en",))
        self.counts = CacheCounts()
        self.front = self.made(SemanticMatcher(self.embedder, 0.5, 10))

    def made(self, semantic: SemanticMatcher | None) -> AnswerFront:
        shelf = CuratedShelf(self.rows, self.embedder, 0.5)
        parts = {"shelf": shelf, "cache": self.cache, "semantic": semantic, "counts": self.counts}
        return AnswerFront(self.chain, self.catalog, lambda _ask: self.released, **parts)  # type: ignore[arg-type] # a fake

    def ask(self, question: str = "How long is it?", **what: Any) -> Ask:
        return Ask(question, self.catalog.knowledge_base("kb"), **what)

    def answered(self, question: str = "How long is it?", **what: Any) -> Answer:
        return asyncio.run(self.front.answer(self.ask(question, **what)))


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    engine = open_database(f"sqlite:///{tmp_path / 'front.db'}")
    yield Rig(Catalog(engine))
    engine.dispose()


def test_the_same_question_gets_the_same_answer_and_says_so(rig: Rig) -> None:
    first, again = rig.answered(), rig.answered("  HOW long is it ??")
    assert rig.chain.asked == ["How long is it?"]
    assert (first.cached, again.cached) == (None, "exact")
    assert (again.answer, again.citations, again.engine) == (first.answer, first.citations, "extractive")
    # Its times are its own, and so is its question.
    assert set(again.timings_ms) == {"cache", "total"}
    assert again.standalone_question == "HOW long is it ??"
    assert rig.counts.now()["exact", "hit"] == 1
    assert rig.counts.now()["exact", "miss"] == 1


def test_its_sentences_are_streamed_as_the_first_time(rig: Rig) -> None:
    async def events() -> list[Any]:
        async with aclosing(rig.front.stream(rig.ask())) as found:
            return [event async for event in found]

    first, again = asyncio.run(events()), asyncio.run(events())
    assert first[:-1] == again[:-1] == [Sentence("Ten years [1].", (SOURCE,))]


OTHERS: dict[str, Callable[[Rig], dict[str, Any]]] = {
    "question": lambda _: {"question": "Who is it?"},
    "style": lambda _: {"style": "short"},
    "engine": lambda _: {"engine": "extractive"},
    "filters": lambda _: {"filters": Filters(("x",))},
    "principal": lambda _: {"principal": Principal(groups=frozenset({"public", "staff"}))},
    "history": lambda _: {"history": (Message("user", "Hello?"), Message("assistant", "Yes."))},
    "knowledge base": lambda r: {"knowledge_base": r.catalog.create_knowledge_base("other")},
}


@pytest.mark.parametrize("name", OTHERS)
def test_any_other_footing_is_another_question(rig: Rig, name: str) -> None:
    rig.answered()
    asked = replace(rig.ask(), **OTHERS[name](rig))
    assert asyncio.run(rig.front.answer(asked)).cached is None
    assert len(rig.chain.asked) == 2


def test_another_release_answers_anew(rig: Rig) -> None:
    rig.answered()
    rig.released = (("packaged", "support"),)
    assert rig.answered().cached is None


def test_a_change_of_the_corpus_ends_it(rig: Rig) -> None:
    rig.answered()
    rig.catalog.touch(rig.ask().knowledge_base.id)
    assert rig.answered().cached is None
    assert rig.answered().cached == "exact"


def test_an_answer_that_was_begun_before_a_change_is_not_given_after_it(rig: Rig) -> None:
    async def scene() -> None:
        rig.chain.go_on = asyncio.Event()
        asked = asyncio.create_task(rig.front.answer(rig.ask()))
        while not rig.chain.asked:
            await asyncio.sleep(0)
        await asyncio.to_thread(rig.catalog.touch, rig.ask().knowledge_base.id)
        rig.chain.go_on.set()
        await asked
        assert (await rig.front.answer(rig.ask())).cached is None

    asyncio.run(scene())


def test_it_ends_with_its_time(rig: Rig) -> None:
    rig.answered()
    rig.clock.now = 59.9
    assert rig.answered().cached == "exact"
    rig.clock.now = 60
    assert rig.answered().cached is None


def test_it_ends_when_a_document_begins_or_ends_to_hold(rig: Rig) -> None:
    kb = rig.ask().knowledge_base
    end = datetime.now(UTC) + timedelta(seconds=30)
    version = rig.catalog.begin_version(kb, "a.md", "1", "f", 1)
    assert version is not None
    rig.catalog.curate(version.document_id, lambda said: replace(said, valid_until=end))
    rig.answered()
    rig.wall.now = end.timestamp() - 0.1
    assert rig.answered().cached == "exact"
    rig.wall.now = end.timestamp()
    assert rig.answered().cached is None


def test_the_least_lately_asked_goes_first(rig: Rig) -> None:
    for number in range(11):
        rig.answered(f"Where is room {number}?")
    assert len(rig.cache) == 10
    assert rig.answered("Where is room 10?").cached == "exact"
    assert rig.answered("Where is room 0?").cached is None


@pytest.mark.parametrize(
    "answer",
    [
        replace(ANSWER, outcome=Outcome.REFUSED),
        replace(ANSWER, outcome=Outcome.ASKED_BACK),
        replace(ANSWER, outcome=Outcome.HANDED_OFF),
        replace(ANSWER, fallen=(Fall("endpoint", "away", "no"),)),
        replace(ANSWER, engine="tool"),
        replace(ANSWER, engine=None),
    ],
)
def test_what_is_never_kept(rig: Rig, answer: Answer) -> None:
    rig.chain.answer = answer
    rig.answered()
    assert rig.answered().cached is None
    assert len(rig.cache) == 0


@pytest.mark.parametrize("question", ["My card is 4111 1111 1111 1111, why?", "Why did ada.lovelace@gmail.com get it?"])
def test_a_question_with_personal_data_is_never_kept_or_shared(rig: Rig, question: str) -> None:
    async def twice() -> list[Answer]:
        return list(await asyncio.gather(*(rig.front.answer(rig.ask(question)) for _ in range(2))))

    assert [answer.cached for answer in asyncio.run(twice())] == [None, None]
    assert len(rig.chain.asked) == 2
    assert len(rig.cache) == 0
    assert rig.counts.now()["exact", "skipped"] == 2


def test_an_error_is_everybodys_and_is_not_kept(rig: Rig) -> None:
    rig.chain.error = IndexUnavailable("away")
    for _ in range(2):
        with pytest.raises(IndexUnavailable):
            rig.answered()
    assert len(rig.chain.asked) == 2


def test_ten_who_ask_at_once_are_answered_by_one(rig: Rig) -> None:
    async def scene() -> list[Answer]:
        rig.chain.go_on = asyncio.Event()
        asked = [asyncio.create_task(rig.front.answer(rig.ask())) for _ in range(10)]
        while rig.counts.now().get(("exact", "shared"), 0) < 9:
            await asyncio.sleep(0.001)
        rig.chain.go_on.set()
        return list(await asyncio.gather(*asked))

    found = asyncio.run(scene())
    assert len(rig.chain.asked) == 1
    assert sorted(str(answer.cached) for answer in found) == ["None", *["shared"] * 9]
    assert {answer.answer for answer in found} == {"Ten years [1]."}


def test_a_leader_that_goes_away_fails_nobody_and_the_last_one_stops_it(rig: Rig) -> None:
    async def scene() -> None:
        rig.chain.go_on = asyncio.Event()
        leader = asyncio.create_task(rig.front.answer(rig.ask()))
        follower = asyncio.create_task(rig.front.answer(rig.ask()))
        while rig.counts.now().get(("exact", "shared"), 0) < 1:
            await asyncio.sleep(0.001)
        leader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leader
        assert rig.chain.given_up == 0
        rig.chain.go_on.set()
        assert (await follower).answer == "Ten years [1]."
        assert len(rig.chain.asked) == 1

        rig.chain.go_on = asyncio.Event()
        alone = asyncio.create_task(rig.front.answer(rig.ask("Who is alone?")))
        while len(rig.chain.asked) < 2:
            await asyncio.sleep(0.001)
        alone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await alone
        assert rig.chain.given_up == 1
        rig.chain.go_on.set()
        # What was given up is begun anew.
        assert (await rig.front.answer(rig.ask("Who is alone?"))).cached is None

    asyncio.run(scene())


def test_a_question_that_means_the_same_gets_the_kept_answer(rig: Rig) -> None:
    rig.answered("How do I cancel my order?")
    again = rig.answered("Hi, how can I cancel my order please?")
    assert (again.cached, rig.chain.asked) == ("semantic", ["How do I cancel my order?"])
    assert rig.answered("How do I cancel my order 7?").cached is None
    assert rig.answered("How do I not cancel my order?").cached is None
    rig.catalog.touch(rig.ask().knowledge_base.id)
    assert rig.answered("Hi, how can I cancel my order please?").cached is None


def test_a_private_question_gets_no_kept_answer_by_its_meaning(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.answered("How do I cancel my order?")
    # Words that are equal but for the data: none are, so the rule is told that this one has some.
    monkeypatch.setattr("app.rag.front.is_private", lambda question: "please" in question)
    assert rig.answered("How can I cancel my order please?").cached is None
    assert rig.answered("How can I cancel my order?").cached == "semantic"


def test_without_the_setting_it_is_another_question(rig: Rig) -> None:
    rig.front = rig.made(None)
    rig.answered("How do I cancel my order?")
    assert rig.answered("Hi, how can I cancel my order please?").cached is None


def curated(rig: Rig, question: str = "How long is it?", **what: Any) -> str:
    draft = replace(CuratedDraft((question,), "Call **us**."), **what)
    return rig.rows.add(rig.ask().knowledge_base.id, draft).id


def test_what_a_person_wrote_is_given_from_the_next_question_on(rig: Rig) -> None:
    rig.answered()
    name = curated(rig)
    found = rig.answered("how long is it")
    assert (found.engine, found.outcome, found.answer, found.cached) == (
        "curated",
        "answered",
        "Call **us**. [1]",
        None,
    )
    assert [(c.n, c.document, c.text) for c in found.citations] == [(1, f"curated/{name}", "Call **us**.")]
    assert len(rig.chain.asked) == 1
    # Now it is in memory.
    at_once = rig.front.at_once(rig.ask())
    assert at_once is not None
    assert at_once.engine == "curated"
    rig.rows.remove(rig.ask().knowledge_base.id, name)
    assert rig.front.at_once(rig.ask()) is None
    assert rig.answered().engine == "extractive"


def test_its_source_is_named_and_ends_it(rig: Rig) -> None:
    kb = rig.ask().knowledge_base
    version = rig.catalog.begin_version(kb, "terms.pdf", "1", "f", 1)
    assert version is not None
    rig.catalog.publish(version, title="Terms", format="pdf", pages=1, chunks=1)
    curated(rig, source="terms.pdf")
    found = rig.answered()
    assert [(c.n, c.document, c.title, c.version) for c in found.citations][1] == (2, "terms.pdf", "Terms", version.id)
    assert found.answer.endswith(" [1][2]")
    rig.catalog.delete_document(kb, "terms.pdf")
    assert rig.answered().engine == "extractive"


def test_a_question_that_means_the_same_gets_it_too(rig: Rig) -> None:
    curated(rig, "How do I cancel my order?")
    found = rig.answered("Hello, how can I cancel my order?")
    assert (found.engine, "it means" in found.verdict) == ("curated", True)
    assert rig.answered("How do I cancel my card?").engine == "extractive"


@pytest.mark.parametrize(
    "what",
    [
        {"engine": "extractive"},
        {"style": "short"},
        {"filters": Filters(("x",))},
        {"principal": Principal(tenant="other")},
        # A follow-up: it points back.
        {"history": (Message("user", "The door?"), Message("assistant", "Oak."))},
    ],
)
def test_who_does_not_get_it(rig: Rig, what: dict[str, Any]) -> None:
    curated(rig)
    assert rig.answered(**what).engine == "extractive"


def test_a_whole_question_within_a_conversation_gets_it(rig: Rig) -> None:
    question = "How long does delivery to Leeds take?"
    curated(rig, question)
    history = (Message("user", "The door?"), Message("assistant", "Oak."))
    assert rig.answered(question, history=history).engine == "curated"


def test_it_is_given_within_its_time_only(rig: Rig) -> None:
    now = datetime.now(UTC)
    name = curated(rig, valid_from=now - timedelta(hours=2), valid_until=now - timedelta(hours=1))
    assert rig.answered().engine == "extractive"
    kb = rig.ask().knowledge_base
    rig.rows.change(kb.id, name, lambda draft: replace(draft, valid_until=now + timedelta(hours=1)))
    assert rig.answered().engine == "curated"
    rig.rows.change(kb.id, name, lambda draft: replace(draft, enabled=False))
    assert rig.answered().engine == "extractive"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Yes.", "Yes. [1]"),
        ("See [1].", "See [1]."),
        ("|a|\n|---|\n|b|", "|a|\n|---|\n|b|\n\n[1]"),
        ("```\nx\n```", "```\nx\n```\n\n[1]"),
    ],
)
def test_where_its_mark_stands(rig: Rig, text: str, shown: str) -> None:
    curated(rig, answer=text)
    assert rig.answered().answer == shown
