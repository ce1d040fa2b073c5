"""Questions that wait at the same time are embedded together: one pass over a batch costs little more than over one.

Measured with 8 callers on two cores: 66 questions a second one by one, 148 in batches (docs/experiments.md). The vectors
of questions that were asked lately are kept.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future
from queue import Empty, SimpleQueue

import numpy as np
from cachetools import LRUCache

from app.rag.counts import EMBEDDING, HIT, MISS, CacheCounts
from ingest.embed import Embedder, Vectors

MOST_AT_ONCE = 32
# Vectors kept when nothing else is said: 1.5 kB each with the packaged embedder.
REMEMBERED = 10_000


class BatchingEmbedder:
    """An embedder for many threads. A question that comes alone is embedded at once; nobody waits for company.

    remembered: vectors of questions that are kept, the least lately asked for goes first; 0 for none.
    counts:     where it is told how often one was there.
    """

    def __init__(self, inner: Embedder, remembered: int = REMEMBERED, counts: CacheCounts | None = None) -> None:
        self._inner = inner
        self._counts = counts or CacheCounts()
        # By model and text: a vector of another model means nothing here.
        self._kept: LRUCache[tuple[str, str], Vectors] = LRUCache(remembered)
        self._lock = threading.Lock()
        self.name, self.size, self.max_tokens = inner.name, inner.size, inner.max_tokens
        self._waiting: SimpleQueue[tuple[str, Future[Vectors]]] = SimpleQueue()
        threading.Thread(target=self._work, name="embed-queries", daemon=True).start()

    def knows(self, language: str) -> bool:
        """Whether vectors of this language mean anything."""
        return self._inner.knows(language)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, special tokens not counted."""
        return self._inner.count_tokens(texts)

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Passages to unit vectors, shape (len(texts), size)."""
        return self._inner.embed_documents(texts)

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Questions to unit vectors in one batch, shape (len(texts), size); those that are remembered are not made again."""
        with self._lock:
            found = {text: vector for text in texts if (vector := self._kept.get((self.name, text))) is not None}
        new = [text for text in dict.fromkeys(texts) if text not in found]
        if not found:
            made = self._inner.embed_queries(texts)
            return self._keep(texts, made)
        if new:
            found.update(zip(new, self._keep(new, self._inner.embed_queries(new)), strict=True))
        return np.stack([found[text] for text in texts])

    def _keep(self, texts: Sequence[str], made: Vectors) -> Vectors:
        if self._kept.maxsize:
            with self._lock:
                for text, vector in zip(texts, made, strict=True):
                    # A copy: a view would keep the whole batch alive.
                    kept = vector.copy()
                    # Many will hold it.
                    kept.flags.writeable = False
                    self._kept[self.name, text] = kept
        return made

    def embed_query(self, text: str) -> Vectors:
        """A question to a unit vector, shape (size,), read-only where it is remembered; made with whatever else waits now."""
        key = (self.name, text)
        with self._lock:
            kept = self._kept.get(key)
        self._counts.add(EMBEDDING, MISS if kept is None else HIT)
        if kept is not None:
            return kept
        future: Future[Vectors] = Future()
        self._waiting.put((text, future))
        return future.result()

    def _work(self) -> None:
        while True:
            batch = [self._waiting.get()]
            while len(batch) < MOST_AT_ONCE:
                try:
                    batch.append(self._waiting.get_nowait())
                except Empty:
                    break
            try:
                texts = [text for text, _ in batch]
                vectors = self._keep(texts, self._inner.embed_queries(texts))
            except Exception as exc:  # noqa: BLE001 - belongs to those who wait
                for _, future in batch:
                    future.set_exception(exc)
                continue
            for (_, future), vector in zip(batch, vectors, strict=True):
                future.set_result(vector)
