"""The answer contract: what every way in gives back. Pure data."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from ingest.records import KnowledgeBase
from ingest.schema import EVERYTHING, PUBLIC, Filters, Principal
from serving.passages import Passage
from serving.prompts import Message, Style
from serving.tracing import NO_SPAN, Span

MAX_SOURCES = 3


class Outcome(StrEnum):
    """How a question ended."""

    ANSWERED = "answered"
    ASKED_BACK = "asked_back"
    REFUSED = "refused"
    HANDED_OFF = "handed_off"


@dataclass(frozen=True, slots=True)
class Ask:
    """A question on its way through the chain.

    engine:       pins a rung; a pinned rung that fails is an error, not a fall.
    release:      pins a release of the packaged engine, and with it that rung; None for what is live.
    conversation: which one it belongs to: all of its answers come from one release; "" for none.
    span:         the trace that tells what was done about it.
    """

    question: str
    knowledge_base: KnowledgeBase
    history: tuple[Message, ...] = ()
    principal: Principal = PUBLIC
    engine: str | None = None
    style: Style = "sentence"
    filters: Filters = EVERYTHING
    release: str | None = None
    conversation: str = ""
    span: Span = field(default=NO_SPAN, compare=False, repr=False)

    @property
    def pin(self) -> str | None:
        """The rung that it is pinned to: releases are the packaged engine's (``serving.engines.PACKAGED``)."""
        return self.engine or ("packaged" if self.release is not None else None)


@dataclass(frozen=True, slots=True)
class Citation:
    """A numbered source with the exact passage."""

    n: int
    document: str
    title: str
    version: str
    page: int | None
    sheet: str | None
    heading: str
    text: str

    @classmethod
    def of(cls, n: int, passage: Passage) -> Citation:
        """The passage as source number ``n``."""
        page = passage.pages[0] if passage.pages else None
        return cls(
            n=n,
            document=passage.document,
            title=passage.title,
            version=passage.version,
            page=page,
            sheet=passage.sheet,
            heading=passage.heading,
            text=passage.text,
        )

    def as_json(self) -> dict[str, Any]:
        """The source as scripts read it; keys are stable."""
        # By hand: asdict copies every value, and this is what an answer from memory costs most.
        return {
            "n": self.n,
            "document": self.document,
            "title": self.title,
            "version": self.version,
            "page": self.page,
            "sheet": self.sheet,
            "heading": self.heading,
            "text": self.text,
        }


@dataclass(frozen=True, slots=True)
class Fall:
    """A rung that did not answer, and why."""

    engine: str
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What the customer gets, and what the company can see about it.

    release, engine: None when nobody wrote (a refusal before any engine was asked).
    timings_ms:      milliseconds of each stage.
    standalone_by:   who worded the standalone question: ``asked`` (the customer), ``rules`` or ``model``.
    withheld:        sentences that were written but not shown, each with its reason.
    cached:          "exact" or "semantic" when it was made for an earlier question, by the engine named; "shared" when it
                     was just being made for somebody else; None when it was made for this one.
    """

    answer: str
    outcome: Outcome
    citations: tuple[Citation, ...] = ()
    release: str | None = None
    engine: str | None = None
    fallen: tuple[Fall, ...] = ()
    timings_ms: dict[str, float] = field(default_factory=dict)
    language: str = "en"
    standalone_question: str = ""
    standalone_by: str = "asked"
    verdict: str = ""
    withheld: tuple[str, ...] = ()
    cached: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The answer as scripts read it; keys are stable."""
        return {
            "answer": self.answer,
            "outcome": self.outcome.value,
            "citations": [c.as_json() for c in self.citations],
            "release": self.release,
            "engine": self.engine,
            "fallen": [{"engine": f.engine, "reason": f.reason, "detail": f.detail} for f in self.fallen],
            "timings_ms": {stage: round(ms, 1) for stage, ms in self.timings_ms.items()},
            "language": self.language,
            "standalone_question": self.standalone_question,
            "standalone_by": self.standalone_by,
            "verdict": self.verdict,
            "withheld": list(self.withheld),
            "cached": self.cached,
        }


@dataclass(frozen=True, slots=True)
class Sentence:
    """Event: a checked sentence, its marks in place; what a customer may read now.

    citations: all sources numbered so far, in order.
    """

    text: str
    citations: tuple[Citation, ...] = ()


@dataclass(frozen=True, slots=True)
class Retracted:
    """Event: the engine failed in the middle; forget the sentences so far, the next rung begins again."""

    fall: Fall


@dataclass(frozen=True, slots=True)
class Done:
    """Event: the whole answer; always the last."""

    answer: Answer


AnswerEvent = Sentence | Retracted | Done
