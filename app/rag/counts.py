"""How often each cache had what was asked for."""

from __future__ import annotations

import threading
from collections import Counter

# Caches: vectors of questions; answers to the same question; to a question like it; answers that a person wrote.
EMBEDDING, EXACT, SEMANTIC, CURATED = "embedding", "exact", "semantic", "curated"
# "shared": the same question was just being answered. "skipped": no question for a cache.
HIT, MISS, SHARED, SKIPPED = "hit", "miss", "shared", "skipped"


class CacheCounts:
    """Counts by (cache, what came of it), for many threads."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()

    def add(self, cache: str, result: str) -> None:
        """One more."""
        with self._lock:
            self._counts[cache, result] += 1

    def now(self) -> dict[tuple[str, str], int]:
        """All counts so far."""
        with self._lock:
            return dict(self._counts)
