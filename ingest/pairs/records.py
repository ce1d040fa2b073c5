"""What pairs are: plain data, shared by writers, filters, store, split and export."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class PairKind(StrEnum):
    """What the model is to learn from a pair."""

    # The sources hold the answer.
    ANSWERABLE = "answerable"
    # They do not: the target is a refusal. Why stands in ``Draft.style``: withheld, swapped or out_of_scope.
    UNANSWERABLE = "unanswerable"


class Style(StrEnum):
    """How the question is put."""

    PLAIN = "plain"
    KEYWORD = "keyword"
    COLLOQUIAL = "colloquial"
    SLIP = "slip"
    FOLLOW_UP = "follow_up"
    COMPARISON = "comparison"
    # Unanswerable ones.
    WITHHELD = "withheld"
    SWAPPED = "swapped"
    OUT_OF_SCOPE = "out_of_scope"


class ReviewState(StrEnum):
    """What a person said of a pair."""

    PENDING = "pending"
    APPROVED = "approved"
    # Worded anew by a person; counts as approved.
    EDITED = "edited"
    REJECTED = "rejected"


class Side(StrEnum):
    """The side of the split that a pair stands on."""

    TRAIN = "train"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class SourceChunk:
    """A live passage as pairs are made of it.

    text:      the passage without its heading path, as customers are shown it.
    text_hash: ``Chunk.text_hash``: hash of heading path and text; pairs follow it, not the place.
    kind:      "text" or "table", where the index knows.
    ordinal:   0-based place in its document.
    """

    id: str
    text_hash: str
    version: str
    document: str
    title: str
    text: str
    heading_path: tuple[str, ...] = ()
    language: str = "en"
    ordinal: int = 0
    kind: str = "text"

    @property
    def section(self) -> str:
        """The section it stands in: a split keeps a section on one side."""
        return "\n".join((self.document, *self.heading_path))


@dataclass(frozen=True, slots=True)
class Turn:
    """One earlier message of a dialogue; role is user or assistant."""

    role: str
    text: str


@dataclass(frozen=True, slots=True)
class Draft:
    """A pair as a writer makes it, before any filter.

    sources:  the passages that it was made of, the first one first; those of an unanswerable pair are the ones that a
              retrieval would find and that do not hold the answer. Empty for questions that are out of scope.
    evidence: a verbatim span of the first source that holds the answer; "" for an unanswerable pair.
    answer:   the answer in full sentences, without marks; "" for an unanswerable pair.
    short:    the bare answer, copied from the source; "" where there is none (steps) or nothing to answer.
    history:  the turns before a follow-up, oldest first.
    writer:   who made it: "rule:faq", "model:base", "import:NAME", "person".
    absent:   of an unanswerable pair, what no source of it may hold: the evidence and the bare answer that were withheld.
    """

    question: str
    answer: str
    sources: tuple[SourceChunk, ...]
    writer: str
    language: str
    evidence: str = ""
    short: str = ""
    kind: PairKind = PairKind.ANSWERABLE
    style: Style = Style.PLAIN
    history: tuple[Turn, ...] = ()
    absent: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SourceRef:
    """Where a kept pair came from."""

    chunk_id: str
    text_hash: str
    version: str
    document: str
    heading_path: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pair:
    """A pair as it is kept.

    filters:  what each filter said of it, by the filter's name; all of them passed, or it would not be here.
    stale:    a text that it was made of has changed or is gone; stale pairs are neither exported nor trained on.
    reviewer: who approved, edited or rejected it; "" while nobody did.
    side:     None until a split was made.
    """

    id: str
    knowledge_base_id: str
    question: str
    answer: str
    kind: PairKind
    style: Style
    language: str
    writer: str
    sources: tuple[SourceRef, ...]
    evidence: str = ""
    short: str = ""
    history: tuple[Turn, ...] = ()
    filters: Mapping[str, str] = field(default_factory=dict)
    review: ReviewState = ReviewState.PENDING
    reviewer: str = ""
    reviewed_at: datetime | None = None
    stale: bool = False
    side: Side | None = None
    created_at: datetime | None = None


class PairWriter(Protocol):
    """Makes pairs of passages: rules, or a model."""

    @property
    def name(self) -> str:
        """Who wrote: "rules", "model:NAME"."""
        ...

    def write(self, chunk: SourceChunk) -> Iterable[Draft]:
        """Pairs of one passage, at most five that are answerable; none where it says nothing to ask about."""
        ...


@dataclass(frozen=True, slots=True)
class Judged:
    """What the filters said of a draft.

    draft:      as it is to be kept: personal data masked.
    notes:      what each filter found, by its name, in the order they were asked.
    dropped_by: the filter that did not let it pass; "" where all did. A filter that cannot decide drops.
    reason:     why, in words for a person.
    """

    draft: Draft
    notes: Mapping[str, str] = field(default_factory=dict)
    dropped_by: str = ""
    reason: str = ""

    @property
    def kept(self) -> bool:
        """Whether every filter let it pass."""
        return not self.dropped_by


class PairJudge(Protocol):
    """The filters as one; it remembers the questions that it kept, to find near-duplicates among them."""

    def judge(self, draft: Draft) -> Judged:
        """Ask the filters, cheapest first; the first that says no ends it."""
        ...

    def remember(self, question: str) -> None:
        """A question that was kept in an earlier run: its near-duplicates are dropped from now on."""
        ...


@dataclass(frozen=True, slots=True)
class FoundChunk:
    """A passage that retrieval found, as the round trip needs it."""

    chunk_id: str
    text_hash: str
    text: str
    score: float


class PassageFinder(Protocol):
    """What pairs ask of retrieval; the composition root hands it in."""

    def find(self, question: str, limit: int = 5) -> Sequence[FoundChunk]:
        """Passages of the same knowledge base for a standalone question, best first."""
        ...
