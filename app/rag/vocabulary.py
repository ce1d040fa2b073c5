"""The words of each knowledge base, read from its live passages when a question first needs them.

They are read in a thread of their own and kept by corpus version. A question waits for the first reading a moment, and for no
other: until a newer one is done the words of before serve as well. A reading takes at most a twentieth of the time, however
often the knowledge base changes.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from cachetools import LRUCache

from app.rag.spelling import Vocabulary, words_of
from ingest.bindings import Place
from ingest.errors import FrontdeskError
from ingest.records import KnowledgeBase
from ingest.schema import PUBLIC

# Passages read and words kept of a knowledge base, and knowledge bases kept: some 5 MB each. The engines give passages in the
# order of their ids, which are hashes: the first ones are a sample.
MOST_PASSAGES = 20_000
MOST_WORDS = 50_000
BASES = 8
FIRST_WAIT_S = 0.3
# Between two readings of a base, as many times what the last one took.
PAUSE = 20.0
# After a reading that failed, in any case.
LEAST_PAUSE_S = 1.0
_FIELDS = ("text", "title", "heading_path", "acl")
# The corpus version of words that could not be read.
_NEVER = -1
log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Kept:
    """Words of a knowledge base as of a corpus version, and when they may be read again (time.monotonic)."""

    corpus_version: int
    words: Vocabulary
    again: float


class Vocabularies:
    """Vocabularies of knowledge bases; for many threads."""

    def __init__(self, most_passages: int = MOST_PASSAGES) -> None:
        self._most_passages = most_passages
        self._kept: LRUCache[str, _Kept] = LRUCache(BASES)
        self._reading: dict[str, Future[None]] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._pool: ThreadPoolExecutor | None = None

    def of(self, kb: KnowledgeBase, place: Place, wait_s: float | None = FIRST_WAIT_S) -> Vocabulary | None:
        """The words of a knowledge base; None while they are being read for the first time.

        wait_s: how long to wait for that; None for as long as it takes.
        """
        with self._lock:
            kept = self._kept.get(kb.id)
            if kept is not None and (kept.corpus_version >= kb.corpus_version or time.monotonic() < kept.again):
                return kept.words
            reading = self._begin(kb, place)
        if kept is not None or reading is None:
            return kept.words if kept is not None else None
        wait([reading], wait_s)
        with self._lock:
            first = self._kept.get(kb.id)
        return first.words if first is not None else None

    def close(self) -> None:
        """End the reading; the index may be closed then."""
        self._stopping.set()
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def _begin(self, kb: KnowledgeBase, place: Place) -> Future[None] | None:
        if self._stopping.is_set():
            return None
        if kb.id not in self._reading:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(1, "vocabulary")
            self._reading[kb.id] = self._pool.submit(self._read, kb, place)
        return self._reading[kb.id]

    def _read(self, kb: KnowledgeBase, place: Place) -> None:
        started = time.monotonic()
        words: Vocabulary | None = None
        try:
            words = self._words(kb, place)
        except FrontdeskError as exc:
            # Without it slips are searched for as they stand.
            log.warning("the words of knowledge base %s could not be read: %s", kb.name, exc)
        finally:
            now = time.monotonic()
            again = now + PAUSE * (now - started)
            with self._lock:
                del self._reading[kb.id]
                before = self._kept.get(kb.id)
                if words is not None:
                    self._kept[kb.id] = _Kept(kb.corpus_version, words, again)
                else:
                    words = before.words if before is not None else Vocabulary(Counter())
                    self._kept[kb.id] = _Kept(_NEVER, words, max(again, now + LEAST_PAUSE_S))

    def _words(self, kb: KnowledgeBase, place: Place) -> Vocabulary:
        counts: Counter[str] = Counter()
        public: set[str] = set()
        whole = True
        for number, hit in enumerate(place.index.payloads(place.space, _FIELDS, live=True)):
            if self._stopping.is_set():
                break
            if number >= self._most_passages:
                whole = False
                break
            payload = hit.payload
            text = "\n".join((payload.get("title", ""), *payload.get("heading_path", ()), payload.get("text", "")))
            found = Counter(match.group().lower() for match in words_of(text))
            counts.update(found)
            # What some may not see is known, but told to nobody.
            if PUBLIC.groups & set(payload.get("acl", ())):
                public.update(found)
        if len(counts) > MOST_WORDS:
            counts, whole = Counter(dict(counts.most_common(MOST_WORDS))), False
        return Vocabulary(counts, public & counts.keys(), whole=whole)
