"""Answers that were given before, for the same question on the same footing.

The same: the question but for case, width, white space and final punctuation (``normal_question``); knowledge base and its
corpus version; who asks; style, filters, pinned engine; what is released. Never kept: follow-ups, questions with personal
data, and answers that were refused, asked back, handed off, fell from a higher rung, or were not written by an engine
that reads documents alone.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, TypeAlias

from cachetools import LRUCache

from app.rag.answer import Answer, Ask, Outcome, Sentence
from ingest.cleaning.personal import find_personal
from ingest.schema import Filters, Principal
from ingest.wording import normal_question
from serving.engines import ENDPOINT, EXTRACTIVE, PACKAGED

Releases: TypeAlias = tuple[tuple[str, str], ...]
# Engines whose answers hold as long as documents do; what a tool looked up may change at any time.
LASTING: Final = frozenset({ENDPOINT, PACKAGED, EXTRACTIVE})


@dataclass(frozen=True, slots=True)
class Footing:
    """Everything beside the question that an answer depends on; ``released`` are (engine, release), best rung first."""

    knowledge_base: str
    corpus_version: int
    principal: Principal
    filters: Filters
    style: str
    engine: str | None
    released: Releases


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer with the sentences as they were shown.

    until: seconds since 1970 at which a document begins or ends to hold.
    """

    answer: Answer
    sentences: tuple[Sentence, ...]
    until: float = float("inf")


Key: TypeAlias = tuple[Footing, str]


def footing_of(ask: Ask, released: Releases) -> Footing:
    """What a question is asked on."""
    base = ask.knowledge_base
    return Footing(base.id, base.corpus_version, ask.principal, ask.filters, ask.style, ask.pin, released)


def key_of(ask: Ask, released: Releases) -> Key | None:
    """Where the answer to a question is kept; None for one that leans on a conversation, or says nothing."""
    question = normal_question(ask.question)
    if ask.history or not question:
        return None
    return footing_of(ask, released), question


def is_private(question: str) -> bool:
    """Whether a question holds somebody's data: its answer is nobody else's."""
    return bool(find_personal(question))


def is_lasting(answer: Answer) -> bool:
    """Whether an answer may be given again."""
    return answer.outcome is Outcome.ANSWERED and not answer.fallen and answer.engine in LASTING


class AnswerCache:
    """Answers by their key, the least lately asked for goes first; for many threads.

    size:  answers kept.
    ttl_s: seconds that an answer is given again.
    clock: seconds that only grow; wall: seconds since 1970.
    """

    def __init__(
        self,
        size: int,
        ttl_s: float,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._kept: LRUCache[Key, tuple[float, Kept]] = LRUCache(size)
        self._ttl_s = ttl_s
        self._clock, self._wall = clock, wall
        self._lock = threading.Lock()

    def get(self, key: Key) -> Kept | None:
        """What is kept and still holds."""
        with self._lock:
            found = self._kept.get(key)
            if found is None:
                return None
            end, kept = found
            if self._clock() < end and self._wall() < kept.until:
                return kept
            del self._kept[key]
            return None

    def put(self, key: Key, answer: Answer, sentences: tuple[Sentence, ...], until: datetime | None) -> None:
        """Keep an answer; until: the moment when a document begins or ends to hold."""
        end = until.timestamp() if until is not None else float("inf")
        with self._lock:
            self._kept[key] = (self._clock() + self._ttl_s, Kept(answer, sentences, end))

    def __len__(self) -> int:
        return len(self._kept)


def given_again(kept: Kept, how: str, question: str, milliseconds: float) -> Answer:
    """A kept answer for whoever asks now: its times are those of now, not of when it was made."""
    times = {"cache": milliseconds, "total": milliseconds}
    return replace(kept.answer, cached=how, timings_ms=times, standalone_question=question.strip())
