"""Answerable or not: evidence for a question in the retrieved passages, and the verdict on it.

Each window (sentence or table row) of the best passages gets a score from two signals:

- coverage: the share of the question's words, weighted by how rare they are among what retrieval found, that stand in
  the window with its neighbours, heading and title;
- similarity: cosine of question and window, where the embedder knows the language.

Words name the thing exactly, similarity carries paraphrases that share no word. A product code in the question that
stands in no window settles it: whatever else the passages say, they say it of another product.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.rag.retrieve import Retrieved
from ingest.embed import Embedder
from ingest.sparse import codes
from serving.extractive import Evidence
from serving.passages import Passage, Window, content_tokens, windows

# Thresholds and weights: fitted as docs/experiments.md tells, on sets that the product is not measured on.
SIMILARITY_SHARE = 0.5
ENOUGH_WITH_SIMILARITY = 0.42
ENOUGH_BY_WORDS = 0.5
MAX_WINDOWS = 48
# A code names a product: letters and digits together.
_PRODUCT = re.compile(r"(?=.*[a-z])(?=.*\d)")


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the passages hold an answer, with the evidence, best first."""

    answerable: bool
    reason: str
    score: float
    evidence: list[Evidence]


class AnswerabilityJudge:
    """Judges retrieved passages; blocking (it embeds windows), so the event loop calls it in a thread."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    def judge(self, question: str, retrieved: Retrieved, passages: Sequence[Passage]) -> Verdict:
        """Find the evidence and decide."""
        found = [window for passage in passages for window in windows(passage)]
        if not found:
            return Verdict(False, "nothing was found", 0.0, [])
        coverage = self._coverage(question, retrieved, found)
        knows = self._embedder.knows(retrieved.language)
        similarity = self._similarity(question, found, coverage) if knows else [0.0] * len(found)
        share = SIMILARITY_SHARE if knows else 0.0
        evidence = [
            Evidence(window, share * s + (1 - share) * c)
            for window, s, c in zip(found, similarity, coverage, strict=True)
        ]
        evidence = _without_other_products(question, evidence)
        if not evidence:
            named = ", ".join(sorted(_products(question)))
            return Verdict(False, f"no passage speaks of {named}", 0.0, [])
        evidence.sort(key=lambda e: (-e.score, e.window.passage.n, e.window.position))
        best = evidence[0].score
        enough = ENOUGH_WITH_SIMILARITY if knows else ENOUGH_BY_WORDS
        reason = f"evidence {best:.2f}, {enough:.2f} needed"
        return Verdict(best >= enough, reason, best, evidence)

    def _coverage(self, question: str, retrieved: Retrieved, found: Sequence[Window]) -> list[float]:
        asked = content_tokens(question)
        pool = [content_tokens(_text(fused.hit.payload)) for fused in retrieved.fused]
        weights = {t: math.log(1 + (len(pool) + 1) / (1 + sum(t in p for p in pool))) for t in asked}
        total = sum(weights.values())
        if not total:
            return [0.0] * len(found)
        return [sum(weights[t] for t in asked & content_tokens(window.context)) / total for window in found]

    def _similarity(self, question: str, found: Sequence[Window], coverage: Sequence[float]) -> list[float]:
        # The windows with most words first; the rest only as far as the time for embedding goes.
        order = sorted(range(len(found)), key=lambda i: (-coverage[i], found[i].passage.n, found[i].position))
        chosen = sorted(order[:MAX_WINDOWS])
        vectors = self._embedder.embed_documents([_shown(found[i]) for i in chosen])
        cosines = vectors @ np.asarray(self._embedder.embed_query(question))
        scores = [0.0] * len(found)
        for i, cosine in zip(chosen, cosines, strict=True):
            scores[i] = max(float(cosine), 0.0)
        return scores


def _without_other_products(question: str, evidence: list[Evidence]) -> list[Evidence]:
    """Evidence whose window speaks of every product that the question names."""
    asked = _products(question)
    return [e for e in evidence if asked <= set(codes(e.window.context))] if asked else evidence


def _products(text: str) -> set[str]:
    return {code for code in codes(text) if _PRODUCT.match(code)}


def _shown(window: Window) -> str:
    """A window with its nearest heading: a sentence in a manual rarely names what it is about."""
    path = window.passage.heading_path
    head = path[-1] if path else window.passage.title
    return f"{head}: {window.text}" if head else window.text


def _text(payload: dict[str, object]) -> str:
    return f"{payload.get('title', '')}\n{payload.get('heading_path', '')}\n{payload.get('text', '')}"
