"""Questions that mean the same: near in meaning, and equal in everything that makes another question of it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import numpy as np
from cachetools import LRUCache

from app.rag.cache import Footing, Key
from app.rag.same_question import Asked, asked_of, same_question
from ingest.embed import Embedder, Vectors
from ingest.wording import normal_question

T = TypeVar("T")
# Footings whose questions are held; each change of a knowledge base makes a new one.
_FOOTINGS = 32


class QuestionShelf(Generic[T]):
    """Questions with something for each, found by meaning. Not for several threads at once."""

    def __init__(self, embedder: Embedder, threshold: float, most: int | None = None) -> None:
        self._embedder = embedder
        self._threshold = threshold
        self._most = most
        self._entries: OrderedDict[str, tuple[Asked, Vectors, T]] = OrderedDict()
        self._matrix: Vectors | None = None

    def add(self, questions: Sequence[tuple[str, T]]) -> None:
        """Put questions on it; those in a language that the embedder does not know are left out."""
        known = [(asked_of(text), text, value) for text, value in questions]
        known = [entry for entry in known if self._embedder.knows(entry[0].language)]
        if not known:
            return
        vectors = self._embedder.embed_queries([text for _, text, _ in known])
        for (asked, text, value), vector in zip(known, vectors, strict=True):
            self._entries[normal_question(text)] = (asked, vector, value)
        while self._most is not None and len(self._entries) > self._most:
            self._entries.popitem(last=False)
        self._matrix = None

    def find(self, question: str, fit: Callable[[T], bool] = lambda _: True) -> tuple[str, float, T] | None:
        """The nearest question that is the same: its normal wording, the cosine, and what was put there for it.

        fit: whether that may be taken now.
        """
        asked = asked_of(question)
        if not self._entries or not self._embedder.knows(asked.language):
            return None
        if self._matrix is None:
            self._matrix = np.stack([vector for _, vector, _ in self._entries.values()])
        cosines = self._matrix @ self._embedder.embed_query(question)
        entries = list(self._entries.items())
        for place in np.argsort(-cosines):
            if cosines[place] < self._threshold:
                return None
            normal, (other, _, value) = entries[place]
            if fit(value) and same_question(asked, other):
                return normal, float(cosines[place]), value
        return None


class SemanticMatcher:
    """Questions that were answered, by what they were asked on; for many threads, each of which may wait for the embedder.

    size: questions held of one footing.
    """

    def __init__(self, embedder: Embedder, threshold: float, size: int) -> None:
        self._embedder = embedder
        self._threshold = threshold
        self._size = size
        self._shelves: LRUCache[Footing, QuestionShelf[None]] = LRUCache(_FOOTINGS)
        self._lock = threading.Lock()

    def add(self, key: Key, question: str) -> None:
        """A question was answered, and its answer is kept."""
        # Embedded before the lock is taken; it is remembered.
        self._embedder.embed_query(question)
        with self._lock:
            shelf = self._shelves.get(key[0])
            if shelf is None:
                shelf = self._shelves[key[0]] = QuestionShelf(self._embedder, self._threshold, self._size)
            shelf.add([(question, None)])

    def find(self, key: Key, question: str) -> Key | None:
        """Where the answer of a question that means the same is kept."""
        with self._lock:
            if key[0] not in self._shelves:
                return None
        self._embedder.embed_query(question)
        with self._lock:
            shelf = self._shelves.get(key[0])
            found = shelf.find(question) if shelf is not None else None
        return (key[0], found[0]) if found is not None else None
