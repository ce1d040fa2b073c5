"""What goes over the wire about pairs: requests and replies."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Query
from pydantic import BaseModel, Field

from app.api.models import Author, Limit, Offset, Request, Search, Text
from ingest.pairs.records import PairKind, ReviewState, Side, Style
from ingest.pairs.store import LONGEST, REVIEWED, Wanted

Wording = Annotated[Text, Field(min_length=1, max_length=LONGEST)]
Name = Annotated[Text, Field(max_length=1000)]


class WantedBody(BaseModel):
    """Which pairs are asked for; what is not given does not matter."""

    state: list[ReviewState] = []
    kept: Annotated[bool | None, Field(description="True for those that nobody rejected.")] = None
    stale: Annotated[bool | None, Field(description="Whether a text that they were made of is gone.")] = None
    side: Side | None = None
    writer: Annotated[Text, Field(max_length=200)] = ""
    language: Annotated[Text, Field(max_length=10)] = ""
    kind: PairKind | None = None
    style: Style | None = None
    document: Name = ""
    search: Annotated[Search, Field(description="Words that question or answer hold.")] = ""

    def wanted(self, **more: Any) -> Wanted:
        """The same for the catalog; ``more`` says otherwise."""
        said = {
            "review": tuple(self.state), "kept": self.kept, "stale": self.stale, "side": self.side, "writer": self.writer,
            "language": self.language, "kind": self.kind, "style": self.style, "document": self.document,
            "search": self.search,
        }  # fmt: skip
        return Wanted(**{**said, **more})


class ListQuery(WantedBody):
    """A page of them."""

    model_config = {"extra": "forbid"}

    limit: Limit = 50
    offset: Offset = 0


class ExportQuery(WantedBody):
    """A file of them: fresh ones that nobody rejected, unless ``stale`` or ``kept`` say otherwise."""

    model_config = {"extra": "forbid"}

    format: Literal["alpaca", "sharegpt", "messages"] = "messages"
    passages: Annotated[bool, Field(description="With the passages in the prompt.")] = False
    reviewed: Annotated[bool, Field(description="Only those that a person approved or edited.")] = False
    array: Annotated[bool, Field(description="One JSON array; else JSON Lines.")] = False

    def to_export(self) -> Wanted:
        """Which pairs the file holds."""
        review = {"review": REVIEWED} if self.reviewed else {}
        kept = True if self.kept is None and not self.state else self.kept
        return self.wanted(kept=kept, stale=False if self.stale is None else self.stale, **review)


class SourceBody(BaseModel):
    """Where a pair came from, when it was made."""

    chunk_id: str
    text_hash: str
    version: str
    document: str
    heading_path: list[str]


class TurnBody(BaseModel):
    """A message before a follow-up."""

    role: str
    text: str


class PairBody(BaseModel):
    """A question with its answer.

    `evidence` is the part of the first source that holds the answer; `filters` says what each filter found; `stale`: a text
    that it was made of has changed or is gone; `side` is null until a split was made.
    """

    id: str
    question: str
    answer: str
    short: str
    evidence: str
    kind: PairKind
    style: Style
    language: str
    history: list[TurnBody]
    writer: str
    filters: dict[str, str]
    review: ReviewState
    reviewer: str
    reviewed_at: str | None
    stale: bool
    side: Side | None
    sources: list[SourceBody]
    created_at: str | None


class PassageBody(BaseModel):
    """A passage as it is now."""

    id: str
    text_hash: str
    version: str
    document: str
    title: str
    heading_path: list[str]
    text: str


class PairDetail(PairBody):
    """A pair with the live passages that it was made of; those whose text is gone are missing."""

    passages: list[PassageBody]


class PairList(BaseModel):
    """Some pairs, oldest first, and how many were asked for in all."""

    kb: str
    pairs: list[PairBody]
    total: int


class WriterBody(BaseModel):
    """What became of what a writer wrote; `dropped` by the filter that did not let it pass."""

    written: int
    kept: int
    dropped: dict[str, int]


class RunBody(BaseModel):
    """A run of the writers over a knowledge base."""

    id: str
    state: Literal["running", "done", "stopped", "failed"]
    asked: int
    skipped: int
    kept: int
    writers: dict[str, WriterBody]
    problem: str
    started_at: str | None
    ended_at: str | None


class LastSplitBody(BaseModel):
    """How pairs were put on sides last, and when."""

    seed: int
    share: float
    at: str | None


class SummaryBody(BaseModel):
    """How many pairs there are; `usable`: fresh and not rejected."""

    kb: str
    total: int
    stale: int
    usable: int
    review: dict[str, int]
    writers: dict[str, int]
    kinds: dict[str, int]
    styles: dict[str, int]
    languages: dict[str, int]
    sides: dict[str, int]
    runs: list[RunBody]
    split: LastSplitBody | None


class ReviewRequest(Request):
    """What a person thinks of a pair; another wording makes it `edited`."""

    state: ReviewState
    question: Wording | None = None
    answer: Wording | None = None
    short: Annotated[Text, Field(max_length=LONGEST)] | None = None
    by: Author = ""


class MakeRequest(Request):
    """`limit`: passages to ask about at most. `model`: ask the model that answers customers, too; it takes seconds a passage."""

    model: bool = False
    limit: Annotated[int, Field(ge=1, le=1_000_000_000)] | None = None


class SplitRequest(Request):
    """`seed` and `share` are those of the last split when not given; others, and `anew`, split from scratch.

    `check`: change nothing, and look for what stands on both sides.
    """

    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = None
    share: Annotated[float, Field(ge=0.01, le=0.9)] | None = None
    anew: bool = False
    check: bool = False


class WorkBody(BaseModel):
    """The last piece of long work; `problem` and `error` (its kind) say why it failed, `result` what came of it."""

    kind: Literal["make", "import", "split"]
    state: Literal["running", "done", "failed"]
    stage: str
    document: str
    done: int
    total: int
    problem: str
    error: str
    result: dict[str, Any]


class WorkState(BaseModel):
    """`work` is null before the first piece since the start."""

    kb: str
    work: WorkBody | None


PairsQuery = Annotated[ListQuery, Query()]
FileQuery = Annotated[ExportQuery, Query()]
