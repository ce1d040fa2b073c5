"""What goes over the wire of /api/retrieve."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from app.api.models import FiltersBody, KbName, Question, Request, StandaloneBy, Text


class TurnBody(Request):
    """A message before the question."""

    role: Literal["user", "assistant"]
    text: Annotated[Text, Field(max_length=100_000)]


class RetrieveRequest(Request):
    """A question to try retrieval with, and the messages before it, oldest first, when it is a follow-up."""

    question: Question
    history: Annotated[list[TurnBody], Field(default_factory=list, max_length=50)]
    kb: KbName | None = None
    limit: Annotated[int, Field(ge=1, le=50)] = 10
    expected: Annotated[str, Field(min_length=1, max_length=1000)] | None = Field(
        None, description="Name of the document that should be found; the reply says where it stands."
    )
    filters: FiltersBody = FiltersBody()


class LegHit(BaseModel):
    """What one leg found, with its own score (cosine, or BM25)."""

    chunk_id: str
    document: str
    page: int | None
    heading: str
    score: float


class Legs(BaseModel):
    """Both legs, best first; a leg that was not asked is empty."""

    dense: list[LegHit]
    sparse: list[LegHit]


class FusedHit(BaseModel):
    """A passage in the fused order; a leg's score and rank are null when the leg did not find it.

    `also`: other documents that say the same below the same title and headings, and take no place of their own.
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
    dense_rank: int | None
    sparse_rank: int | None
    also: list[str] = []


class EvidenceBody(BaseModel):
    """A sentence or row that speaks for an answer; ``n`` is its passage's number in the fused order."""

    n: int
    text: str
    score: float


class WordingBody(BaseModel):
    """A way to put the question that was searched for, and its share in the ranking.

    `instead_of`: the wording that it was made of, with synonyms of the glossary or without slips; null for the others.
    """

    text: str
    weight: float
    instead_of: str | None = None


class VerdictBody(BaseModel):
    """Whether the passages hold an answer.

    ``outcome``: what follows from it. ``support``: what that was decided by, the calibrated probability or, by words
    alone, the evidence's score; ``verified``: the verifier's score, null when none was asked. ``meant``: what the customer
    is asked to choose from.
    """

    answerable: bool
    outcome: Literal["answer", "ask_back", "refuse"]
    sure: bool
    score: float
    support: float
    verified: float | None
    meant: list[str]
    reason: str
    evidence: list[EvidenceBody]


class Standing(BaseModel):
    """Where the best passage of a document stands among those found, from 1; null where it is absent."""

    rank: int | None
    score: float | None
    among: int


class ExpectedBody(BaseModel):
    """The document that should be found, in each leg and in the fused order.

    ``visible``: customers are answered from it at this moment; where not, it is absent for that reason.
    """

    document: str
    visible: bool
    dense: Standing
    sparse: Standing
    fused: Standing


class Retrieval(BaseModel):
    """The very path of answering, up to the verdict."""

    kb: str
    question: str
    standalone_question: str
    standalone_by: StandaloneBy
    carried: list[str]
    wordings: list[WordingBody]
    language: str
    legs: Legs
    fused: list[FusedHit]
    verdict: VerdictBody
    expected: ExpectedBody | None = None
    timings_ms: dict[str, float]
