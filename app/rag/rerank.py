"""The best candidates once more, by a model that reads question and passage together.

One batch, in a thread of its own with a deadline: what is late or fails leaves the order as it was. One at a time, so that
a model that is too slow for the machine makes nobody wait longer than the deadline.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from app.rag.fusion import Fused
from serving.verifier import PairScorer

log = logging.getLogger(__name__)


class Reranking:
    """A reranker and how it is used.

    candidates: how many of the best are scored.
    share:      what the reranker has to say beside the order so far; 1 replaces it.
    deadline_s: seconds after which the order stays as it was.
    """

    def __init__(self, scorer: PairScorer, candidates: int = 10, share: float = 1.0, deadline_s: float = 1.0) -> None:
        self.scorer = scorer
        self.candidates, self.share, self.deadline_s = candidates, share, deadline_s
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="rerank")

    def order(self, question: str, fused: Sequence[Fused]) -> list[Fused]:
        """All candidates in their new order, scores 0 to 1; the order so far where the scorer fails or is late."""
        close = list(fused[: self.candidates])
        if len(close) < 2:
            return list(fused)
        job = self._pool.submit(self.scorer.score, question, [_text(f) for f in close])
        try:
            scores = job.result(self.deadline_s)
        except TimeoutError:
            job.cancel()
            log.warning("the reranker %s needed more than %.1f s: the order stays", self.scorer.name, self.deadline_s)
            return list(fused)
        # A model may raise anything; a question is answered all the same.
        except Exception:
            log.warning("the reranker %s failed: the order stays", self.scorer.name, exc_info=True)
            return list(fused)
        return blended(fused, scores, self.share)


def blended(fused: Sequence[Fused], scores: Sequence[float], share: float) -> list[Fused]:
    """The first candidates ordered by both scores; the others stay below them in their own order.

    Both are stretched over the range that the first candidates' scores have, so that neither scale decides.
    """
    close, rest = fused[: len(scores)], list(fused[len(scores) :])
    before, now = _stretched([f.score for f in close]), _stretched(scores)
    mixed = [share * n + (1 - share) * b for n, b in zip(now, before, strict=True)]
    least, most = min(f.score for f in close), max(f.score for f in close)
    ranked = [replace(f, score=least + (most - least) * m) for f, m in zip(close, mixed, strict=True)]
    order = sorted(range(len(close)), key=lambda i: (-mixed[i], i))
    return [ranked[i] for i in order] + rest


def _stretched(values: Sequence[float]) -> list[float]:
    low, high = min(values), max(values)
    return [(value - low) / (high - low) if high > low else 1.0 for value in values]


def _text(fused: Fused) -> str:
    payload = fused.hit.payload
    path = payload.get("heading_path") or ()
    head = str(path[-1]) if path else str(payload.get("title", ""))
    text = str(payload.get("text", ""))
    return f"{head}: {text}" if head else text
