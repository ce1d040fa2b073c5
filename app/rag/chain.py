"""The chain: history + question -> standalone question -> passages -> verdict -> prompt -> tokens -> checked sentences.

LangChain runnables: ``prepare`` (condense | retrieve | judge) piped into ``write``, a generator of answer events. One
path serves the command line, the API, the retrieval test and the evaluation.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from langchain_core.runnables import Runnable, RunnableGenerator, RunnableLambda

from app.errors import UsageError
from app.rag.answer import Answer, AnswerEvent, Ask, Done, Fall, Outcome, Retracted, Sentence
from app.rag.answerable import AnswerabilityJudge, Verdict
from app.rag.condense import Standalone
from app.rag.draft import Draft
from app.rag.followup import FollowUps
from app.rag.refusals import asking_back, closest, refusal
from app.rag.retrieve import HybridSearch, Retrieved
from app.rag.showing import focused, in_order
from ingest.embed import Embedder
from ingest.errors import SettingsError
from ingest.index.base import LegHits
from serving.citations import Similarity
from serving.engines import ENDPOINT, EXTRACTIVE, PACKAGED, ChatEngine
from serving.errors import EngineError, NothingSupported, ThinEvidence, WrongLanguage
from serving.extractive import MAX_QUOTES, extract
from serving.passages import Passage
from serving.prompts import render_answer
from serving.tracing import Span
from serving.verifier import Verifier

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A question with everything an engine needs to answer it."""

    ask: Ask
    worded: Standalone
    retrieved: Retrieved
    passages: list[Passage]
    verdict: Verdict
    timings_ms: dict[str, float]
    started: float

    @property
    def standalone(self) -> str:
        """The question as it is judged, answered and shown."""
        return self.worded.question


class AnswerChain:
    """Answers questions; built once, shared by all requests.

    engines:    the rungs that write, best first; the extractive answer and the refusal stand below them.
    top_k:      passages that reach judge and prompt.
    neighbours: whether they are shown with the chunks that they go on in.
    calibrated: whether the embedder's cosines are those that the judge was fitted to.
    verifier:   a second opinion of the judge; without one, verdicts are made from retrieval alone.
    stable_order: whether prompts hold their passages in an order that does not depend on the question, so that a server that keeps
                what it has read reads them once; not those of a small model, which sees sentences of them.
    """

    def __init__(
        self,
        search: HybridSearch,
        embedder: Embedder,
        engines: Sequence[ChatEngine],
        top_k: int = 5,
        question_max: int = 2000,
        verifier: Verifier | None = None,
        neighbours: bool = False,
        *,
        calibrated: bool = True,
        stable_order: bool = False,
    ) -> None:
        self._search = search
        self._follow_ups = FollowUps(search)
        self._embedder = embedder
        self._judge = AnswerabilityJudge(embedder, verifier, calibrated=calibrated)
        self._engines = list(engines)
        self._top_k = top_k
        self._question_max = question_max
        self._neighbours = neighbours
        self._stable_order = stable_order
        self.prepare: Runnable[Ask, Prepared] = (
            RunnableLambda(self._condense).with_config(run_name="condense")
            | RunnableLambda(self._retrieve).with_config(run_name="retrieve")
            | RunnableLambda(self._judged).with_config(run_name="judge")
        )
        self.runnable: Runnable[Ask, AnswerEvent] = self.prepare | RunnableGenerator(self._write)

    async def answer(self, ask: Ask) -> Answer:
        """The whole answer.

        Raises:
            UsageError: the question is empty or too long.
            EngineError: the pinned engine failed.
        """
        answer = None
        async for event in self.stream(ask):
            if isinstance(event, Done):
                answer = event.answer
        if answer is None:
            raise RuntimeError("the chain ended without an answer")
        return answer

    async def stream(self, ask: Ask) -> AsyncGenerator[AnswerEvent, None]:
        """Sentences as they are ready, then Done; raises as ``answer`` does."""
        if not ask.question.strip():
            raise UsageError("the question is empty")
        if len(ask.question) > self._question_max:
            raise UsageError(f"the question has more than {self._question_max} characters")
        self._check_pin(ask)
        events = self.runnable.astream(ask)
        try:
            async for event in events:
                yield event
        finally:
            # A reader that stops reading must stop the engine as well; the runnable's stream does not close by itself.
            close = getattr(events, "aclose", None)
            if close is not None:
                await close()

    def _check_pin(self, ask: Ask) -> None:
        engine = ask.pin
        if ask.release is not None and engine != PACKAGED:
            raise UsageError(f"a release is asked for, and the engine `{engine}` has none: leave one of the two out")
        known = [e.name for e in self._engines if e.present]
        if engine in (None, EXTRACTIVE) or engine in known:
            return
        if engine == ENDPOINT:
            raise SettingsError(
                "FRONTDESK_ENDPOINT_URL: no endpoint is set and no `frontdesk serve-model` runs, so the engine `endpoint` cannot be asked"
            )
        if engine == PACKAGED:
            raise SettingsError("FRONTDESK_PACKAGED: it is off, so the engine `packaged` cannot be asked")
        raise UsageError(f"no engine {engine!r}: use {ENDPOINT}, {PACKAGED} or {EXTRACTIVE}")

    # prepare

    async def _condense(self, ask: Ask) -> Prepared:
        started = time.perf_counter()
        endpoint = next((e for e in self._engines if e.words_questions and e.present), None)
        writer = endpoint if ask.pin in (None, ENDPOINT) else None
        with ask.span.child("wording") as span:
            worded = await self._follow_ups.standalone(ask, writer, span)
            span.note(by=worded.by, turns=len(ask.history))
        timings = {"condense": _since(started)}
        nothing = Retrieved([], LegHits([], []), "und", {})
        return Prepared(ask, worded, nothing, [], Verdict(False, "", 0.0, []), timings, started)

    async def _retrieve(self, prepared: Prepared) -> Prepared:
        ask, search = prepared.ask, self._search
        scope = (ask.principal, ask.filters)
        with ask.span.child("retrieval") as span:
            asked = (ask.knowledge_base, prepared.standalone, *scope, prepared.worded.wordings)
            found = await asyncio.to_thread(search.search, *asked)
            clock = time.perf_counter()
            wanted = (ask.knowledge_base, found, self._top_k, *scope)
            passages = await asyncio.to_thread(search.passages, *wanted, neighbours=self._neighbours)
            span.note(language=found.language, hits=len(found.fused), passages=len(passages))
        timings = {**prepared.timings_ms, **found.timings_ms}
        if self._neighbours:
            timings["neighbours"] = _since(clock)
        return replace(prepared, retrieved=found, passages=passages, timings_ms=timings)

    async def _judged(self, prepared: Prepared) -> Prepared:
        clock, ask = time.perf_counter(), prepared.ask
        given = (prepared.standalone, prepared.retrieved, prepared.passages)
        with ask.span.child("verdict") as span:
            verdict = await asyncio.to_thread(self._judge.judge, *given, ask.question, ask.knowledge_base.thresholds)
            # The scale names the verifier, where one was asked.
            span.note(answerable=verdict.answerable, sure=verdict.sure, scale=verdict.scale)
        return replace(prepared, verdict=verdict, timings_ms={**prepared.timings_ms, "judge": _since(clock)})

    # write

    async def _write(self, inputs: AsyncIterator[Prepared]) -> AsyncIterator[AnswerEvent]:
        async for prepared in inputs:
            if not prepared.verdict.answerable:
                yield Done(self._asked_back(prepared) if prepared.verdict.meant else self._refused(prepared, [], None))
                return
            async for event in self._climb_down(prepared):
                yield event

    async def _climb_down(self, prepared: Prepared) -> AsyncIterator[AnswerEvent]:
        """Ask one rung after the other until one answers."""
        ask = prepared.ask
        pin = ask.pin
        falls: list[Fall] = []
        withheld: tuple[str, ...] = ()
        for rung in self._engines:
            if pin not in (None, rung.name) or not rung.present:
                continue
            clock = time.perf_counter()
            try:
                engine, fell = await asyncio.to_thread(rung.chosen, ask.conversation, ask.release)
            except EngineError as exc:
                ask.span.past("rung", clock, engine=rung.name, fell=exc.reason)
                if pin is not None:
                    raise
                falls.append(_fall(rung, exc))
                continue
            if fell is not None:
                falls.append(_fall(rung, fell))
            similarity = self._similarity(prepared.retrieved.language)
            draft = Draft(
                prepared.standalone,
                prepared.passages,
                prepared.verdict.evidence,
                similarity,
                small=engine.small,
                bare=ask.style == "short",
            )
            clock = time.perf_counter()
            try:
                with ask.span.child("rung", engine=engine.name, release=engine.release) as span:
                    async for sentence in self._ask_engine(engine, prepared, draft, span):
                        yield Sentence(sentence, draft.citations)
                    span.note(found=not draft.not_found, shown=len(draft.sentences), withheld=len(draft.withheld))
            except EngineError as exc:
                withheld += tuple(draft.withheld)
                # A pinned engine that fails is an error. One that was not fit for the question, or wrote nothing that
                # holds, has not failed: the answer contract says what comes then.
                unfit = isinstance(exc, NothingSupported | ThinEvidence | WrongLanguage)
                if pin is not None and not unfit:
                    raise
                falls.append(_fall(engine, exc, unfit=unfit))
                if draft.sentences:
                    yield Retracted(falls[-1])
                continue
            timings = {**prepared.timings_ms, "generate": _since(clock)}
            prepared = replace(prepared, timings_ms=timings)
            withheld += tuple(draft.withheld)
            if draft.not_found:
                yield Done(self._refused(prepared, falls, engine, withheld))
            else:
                yield Done(self._done(prepared, draft, engine.name, engine.release, falls, withheld))
            return
        async for event in self._quote(prepared, falls, withheld):
            yield event

    async def _ask_engine(self, engine: ChatEngine, prepared: Prepared, draft: Draft, span: Span) -> AsyncIterator[str]:
        language = prepared.retrieved.language
        if language != "und" and not engine.speaks(language):
            raise WrongLanguage(f"the {engine.name} engine does not write {language!r}")
        if engine.small and not prepared.verdict.sure:
            raise ThinEvidence(f"the {engine.name} engine is not asked on so little evidence")
        engine.ensure_ready()
        ask = prepared.ask
        passages = focused(prepared.verdict.evidence) if engine.small else prepared.passages
        if self._stable_order and not engine.small:
            passages = await asyncio.to_thread(in_order, passages, prepared.standalone, engine, draft)
        messages = await asyncio.to_thread(
            render_answer,
            prepared.standalone,
            passages,
            style=ask.style,
            brief=engine.brief,
            budget=engine.context,
            count_tokens=engine.count_tokens,
        )
        # Closing the stream stops the engine, also when the customer has gone away.
        async with aclosing(engine.stream(messages, span.headers() | engine.tells_of(ask.principal.tenant))) as pieces:
            async for piece in pieces:
                for sentence in await _checked(span, draft, partial(draft.push, piece)):
                    yield sentence
                if draft.not_found or draft.full:
                    break
        for sentence in await _checked(span, draft, draft.finish):
            yield sentence
        if not draft.sentences and not draft.not_found:
            raise NothingSupported(f"nothing that the {engine.name} engine wrote is supported by a passage")

    async def _quote(
        self, prepared: Prepared, falls: list[Fall], withheld: tuple[str, ...]
    ) -> AsyncIterator[AnswerEvent]:
        clock = time.perf_counter()
        draft = Draft(prepared.standalone, prepared.passages, prepared.verdict.evidence, None)
        verdict = prepared.verdict
        if not verdict.sure:
            yield Sentence(draft.say(closest(prepared.retrieved.language)), draft.citations)
        for window in extract(verdict.evidence, MAX_QUOTES if verdict.sure else 1):
            yield Sentence(draft.quote(window), draft.citations)
        timings = {**prepared.timings_ms, "generate": _since(clock)}
        prepared.ask.span.past("rung", clock, engine=EXTRACTIVE, shown=len(draft.sentences))
        yield Done(self._done(replace(prepared, timings_ms=timings), draft, EXTRACTIVE, None, falls, withheld))

    def _similarity(self, language: str) -> Similarity | None:
        if not self._embedder.knows(language):
            return None

        def cosines(text: str, others: Sequence[str]) -> list[float]:
            vectors = self._embedder.embed_documents([text, *others])
            return [float(value) for value in vectors[1:] @ vectors[0]]

        return cosines

    def _done(
        self,
        prepared: Prepared,
        draft: Draft,
        engine: str,
        release: str | None,
        falls: list[Fall],
        withheld: tuple[str, ...],
    ) -> Answer:
        return Answer(
            answer=draft.text,
            outcome=Outcome.ANSWERED,
            citations=draft.citations,
            release=release,
            engine=engine,
            fallen=tuple(falls),
            withheld=withheld,
            **_common(prepared),
        )

    def _asked_back(self, prepared: Prepared) -> Answer:
        text = asking_back(prepared.retrieved.language, prepared.verdict.meant)
        return Answer(answer=text, outcome=Outcome.ASKED_BACK, **_common(prepared))

    def _refused(
        self,
        prepared: Prepared,
        falls: list[Fall],
        engine: ChatEngine | None,
        withheld: tuple[str, ...] = (),
    ) -> Answer:
        return Answer(
            answer=refusal(prepared.retrieved.language),
            outcome=Outcome.REFUSED,
            release=engine.release if engine else None,
            engine=engine.name if engine else None,
            fallen=tuple(falls),
            withheld=withheld,
            **_common(prepared),
        )


def _fall(engine: ChatEngine, exc: EngineError, *, unfit: bool = False) -> Fall:
    log.log(logging.INFO if unfit else logging.WARNING, "engine %s fell: %s", engine.name, exc)
    return Fall(engine.name, exc.reason, str(exc))


async def _checked(span: Span, draft: Draft, take: Callable[[], list[str]]) -> list[str]:
    """What a draft lets through of what it takes; a check is told of only where a sentence came to its end."""
    clock, shown, withheld = time.perf_counter(), len(draft.sentences), len(draft.withheld)
    sentences = await asyncio.to_thread(take)
    shown, withheld = len(draft.sentences) - shown, len(draft.withheld) - withheld
    if shown or withheld:
        span.past("citation check", clock, shown=shown, withheld=withheld)
    return sentences


def _common(prepared: Prepared) -> dict[str, Any]:
    return {
        "timings_ms": {**prepared.timings_ms, "total": _since(prepared.started)},
        "language": prepared.retrieved.language,
        "standalone_question": prepared.standalone,
        "standalone_by": prepared.worded.by,
        "verdict": prepared.verdict.reason,
    }


def _since(clock: float) -> float:
    return 1e3 * (time.perf_counter() - clock)
