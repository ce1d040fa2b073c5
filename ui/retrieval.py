"""The client's call that shows what answering finds; part of ui.client.Client."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ui.curation import filters_of
from ui.replies import read_reply


@dataclass(frozen=True, slots=True)
class LegHit:
    """What one leg of the search found, with its own score."""

    chunk_id: str
    document: str
    page: int | None
    heading: str
    score: float


@dataclass(frozen=True, slots=True)
class Legs:
    """Both legs, best first."""

    dense: list[LegHit]
    sparse: list[LegHit]


@dataclass(frozen=True, slots=True)
class FusedHit:
    """A passage in the fused order; a leg's score and rank are None when the leg did not find it.

    also: other documents that say the same and take no place of their own.
    """

    n: int
    chunk_id: str
    document: str
    title: str
    page: int | None
    sheet: str | None
    heading: str
    text: str
    score: float
    dense: float | None
    sparse: float | None
    dense_rank: int | None = None
    sparse_rank: int | None = None
    also: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Evidence:
    """A sentence or row that speaks for an answer, in passage ``n``."""

    n: int
    text: str
    score: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the passages hold an answer."""

    answerable: bool
    sure: bool
    score: float
    reason: str
    evidence: list[Evidence]
    outcome: str = ""
    meant: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the best passage of a document stands among those found; ``rank`` is None where it is absent."""

    rank: int | None
    score: float | None
    among: int


@dataclass(frozen=True, slots=True)
class Expected:
    """The document that should be found, in each leg and in the fused order; ``visible``: customers are answered from it."""

    document: str
    visible: bool
    dense: Standing
    sparse: Standing
    fused: Standing


@dataclass(frozen=True, slots=True)
class Retrieval:
    """What answering finds and how it judges it."""

    kb: str
    question: str
    standalone_question: str
    language: str
    legs: Legs
    fused: list[FusedHit]
    verdict: Verdict
    timings_ms: dict[str, float]
    expected: Expected | None = None
    standalone_by: str = "asked"
    carried: list[str] = field(default_factory=list)


class RetrievalCalls:
    """Search without an answer. Every method raises ApiError."""

    def _call(self, method: str, path: str, **arguments: Any) -> Any:
        raise NotImplementedError

    def retrieve(
        self,
        question: str,
        *,
        kb: str | None = None,
        limit: int = 10,
        tags: Sequence[str] = (),
        source: str = "",
        expected: str | None = None,
        history: Sequence[tuple[str, str]] = (),
    ) -> Retrieval:
        """What answering would find, and how it would judge it.

        expected: name of the document that should be found.
        history:  (role, text) of the messages before the question, oldest first.
        """
        body = {
            "question": question,
            "history": [{"role": role, "text": text} for role, text in history],
            "kb": kb,
            "limit": limit,
            "expected": expected,
            **filters_of(tags, source),
        }
        return read_reply(Retrieval, self._call("POST", "/api/retrieve", json=body))
