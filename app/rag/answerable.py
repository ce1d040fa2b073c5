"""Answerable or not: evidence for a question in the retrieved passages, and the verdict on it.

Each window (sentence or table row) of the best passages gets a score from two signals:

- coverage: the share of the question's words, weighted by how rare they are among what retrieval found, that stand in
  the window with its neighbours, heading and title;
- similarity: cosine of question and window, where the embedder knows the language.

Words name the thing exactly, similarity carries paraphrases that share no word. Two things settle a question whatever
the score: a product code of the question that stands in no window (the passages then speak of another product), and a
kind of answer (an amount of money, a length of time) that no window with enough evidence can give.

The evidence and the best passage's cosine make a calibrated probability. A verifier, where there is one and it knows the language, reads
the question with the best windows; what it says is one more sign. What follows from it: app/rag/deciding.py.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from operator import mul
from typing import Literal

import numpy as np
from cachetools import LRUCache

from app.rag.answer_type import AnswerType, expected_type, gives
from app.rag.deciding import (
    BY_SIMILARITY,
    ENOUGH,
    MOST_SUBJECTS,
    SIMILARITY,
    WORDS,
    Thresholds,
    products_meant,
    subjects,
)
from app.rag.leaning import Lacks, leaning
from app.rag.products import by_product, of_products_meant, products_of, strange_names
from app.rag.question import wordings_of
from app.rag.retrieve import Retrieved
from ingest.embed import Embedder, Vectors
from ingest.sparse import codes, product_codes
from serving.extractive import Evidence
from serving.passages import Passage, Window, content_tokens, windows
from serving.verifier import Verifier, shown

log = logging.getLogger(__name__)
# Thresholds and weights: fitted as docs/experiments.md tells, on sets that the product is not measured on.
SIMILARITY_SHARE = 0.5
SURE = 0.40
MAX_WINDOWS = 48
# Windows whose products are named to a customer who named one that nobody knows.
NEAREST = 3
# Windows that the verifier reads. The best of five told answerable from not worse than the first alone (docs/experiments.md).
VERIFIED = 1
# Window vectors kept: 1.5 kB each with the packaged embedder, so 30 MB at most.
REMEMBERED = 20_000
# How much the passage's own retrieval score has to say beside its windows'.
PRIOR = 0.3
# Share of a word's weight when it stands in the heading or a neighbour only, and when it stands in no passage at all.
AROUND = 0.8
ABSENT = 0.5
# What a window's score is worth when it cannot give the kind of answer asked for; between the ratios seen, see
# docs/experiments.md.
WRONG_KIND, RIGHT_UNIT = 0.75, 1.25
# Words from which on a follow-up wants a kind of answer of its own.
_OWN_WORDS = 2
_KIND_WORDS = (
    "cost costs price prices priced expensive cheap charge amount money pay pounds euros size big large small heavy weigh weight "
    "loud noise stock available old new colour 价格 价钱 多少钱 钱 费用 收费 贵 便宜 尺寸 重量 重 大小 有货 现货 库存 颜色 "
    "價格 價錢 多少錢 錢 費用 收費 貴 有貨 現貨 庫存 顏色"
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the passages hold an answer, with the evidence, best first.

    sure:     enough for a model that cannot tell by itself; below it, quotes are given as the closest passage only.
    support:  what the outcome was decided by: the calibrated probability, or by words alone the evidence's score;
              0 when something settles the question whatever the score.
    verified: the verifier's best score; None when it was not asked.
    scale:    what support is measured on: the verifier's name where there is one that knows the language, whether or not it was
              needed; else "similarity", or "words" where the embedder does not know it.
    meant:    subjects or products to choose from; when there are any, the customer is asked back.
    """

    answerable: bool
    reason: str
    score: float
    evidence: list[Evidence]
    sure: bool = False
    support: float = 0.0
    verified: float | None = None
    scale: str = ""
    meant: tuple[str, ...] = ()

    @property
    def outcome(self) -> Literal["answer", "ask_back", "refuse"]:
        """What follows from it."""
        if self.answerable:
            return "answer"
        return "ask_back" if self.meant else "refuse"


class AnswerabilityJudge:
    """Judges retrieved passages; blocking (it embeds windows), so the event loop calls it in a thread."""

    def __init__(self, embedder: Embedder, verifier: Verifier | None = None, *, calibrated: bool = True) -> None:
        """Judge by an embedder.

        calibrated: whether its cosines are those that the calibrations were fitted to; other models' stand on another scale, and
                    the words decide alone.
        """
        self._embedder = embedder
        self._calibrated = calibrated
        self._verifier = verifier
        # The same windows come back with every question on the same subject, and embedding them is what judging costs.
        self._remembered: LRUCache[str, Vectors] = LRUCache(maxsize=REMEMBERED)
        self._lock = threading.Lock()

    def judge(
        self,
        question: str,
        retrieved: Retrieved,
        passages: Sequence[Passage],
        asked: str | None = None,
        stored: str = "",
    ) -> Verdict:
        """Find the evidence and decide.

        stored: thresholds of the knowledge base, as text (deciding.Thresholds); "" for the shipped ones.
        asked: a follow-up as the customer put it; what it names itself must be spoken of, what was carried into
               ``question`` from the turns before may be left open ("And how do I return it?").
        """
        asked = asked or question
        knows = self._embedder.knows(retrieved.language)
        scale = self._scale(retrieved)
        found = [window for passage in passages for window in windows(passage)]
        if not found:
            return Verdict(False, "nothing was found", 0.0, [], scale=scale)
        judged = [w for w in retrieved.wordings or wordings_of(question) if w.judged]
        wordings = [wording for wording in judged if not wording.instead_of]
        shares = [wording.weight / sum(w.weight for w in wordings) for wording in wordings]
        scores = [
            # Said in other words that mean the same, a question has no less of an answer.
            [max(each) for each in zip(*(self._scores(w.text, retrieved, found, knows) for w in same), strict=True)]
            for same in ([w, *(o for o in judged if o.instead_of == w.text)] for w in wordings)
        ]
        evidence = [
            Evidence(window, (1 - PRIOR + PRIOR * window.passage.score) * sum(map(mul, shares, each)))
            for window, *each in zip(found, *scores, strict=True)
        ]
        named_itself = product_codes(asked)
        carried = product_codes(question) - named_itself
        if not content_tokens(asked) - _kind_words():
            # "And how much does it cost?" asks about the product and nothing else: another thing's price is no answer.
            named_itself, carried = named_itself | carried, set()
        evidence = of_products_meant(named_itself, carried, retrieved.named, evidence)
        if not evidence:
            names = ", ".join(sorted(named_itself or carried))
            return Verdict(False, f"no passage speaks of {names or 'the product'}", 0.0, [], scale=scale)
        if not (named_itself or carried) and (strange := self._strange(asked, retrieved)):
            others, evidence = by_product(evidence)
            if others and others[0].score >= max((each.score for each in evidence), default=0.0):
                meant = products_of(others[:NEAREST], MOST_SUBJECTS) if others[0].score >= ENOUGH else ()
                return Verdict(False, f"no passage speaks of {', '.join(strange)}", 0.0, [], scale=scale, meant=meant)
        # "And in Scotland?" wants what the question before it wanted; "Do you install it?", "And if it arrives damaged?"
        # do not.
        inherits = leaning(asked).lacks is Lacks.PREDICATE and len(content_tokens(asked)) < _OWN_WORDS
        kind = expected_type(asked) or (expected_type(question) if inherits else None)
        if kind is not None:
            evidence = [_weighed_by_kind(e, kind) for e in evidence]
        evidence.sort(key=lambda e: (-e.score, e.window.passage.n, e.window.position))
        best = evidence[0]
        if kind is not None and best.score >= ENOUGH and not gives(kind, best.window.text):
            return Verdict(False, f"no passage gives {kind.name} for it", best.score, evidence, scale=scale)
        nearest = retrieved.nearest or 0.0
        verdict = self._decided(evidence, scale, nearest, self._verified(question, scale, evidence), stored)
        if not verdict.answerable and _looked_up(kind, named_itself, best):
            verdict = replace(
                verdict, answerable=True, meant=(), reason=f"{verdict.reason}; gives what was asked for it"
            )
        if verdict.answerable and (several := products_meant(question, evidence)):
            reason = f"the same is said of {', '.join(several)}"
            return replace(verdict, answerable=False, sure=False, reason=reason, meant=several)
        return verdict

    def _scale(self, retrieved: Retrieved) -> str:
        # Also of what is settled without it: a question without a support still counts to its scale.
        if retrieved.nearest is None or not self._calibrated:
            return WORDS
        verifier = self._verifier
        return verifier.name if verifier is not None and verifier.knows(retrieved.language) else SIMILARITY

    def _strange(self, asked: str, retrieved: Retrieved) -> list[str]:
        if retrieved.language not in ("en", "zh"):
            return []
        said = [*(_text(f.hit.payload) for f in retrieved.fused), *(n.term for n in retrieved.named)]
        return strange_names(asked, lambda word: any(word in text.lower() for text in said))

    def _decided(
        self, evidence: list[Evidence], scale: str, nearest: float, verified: float | None, stored: str
    ) -> Verdict:
        score = evidence[0].score
        support, shipped = score, ENOUGH
        reason = f"evidence {score:.2f}"
        if verified is not None and self._verifier is not None:
            calibration = self._verifier.calibration
            support, shipped = calibration.probability(score, nearest, verified), calibration.answer_from
            reason += f", nearest {nearest:.2f}, verifier {verified:.2f}, together {support:.2f}"
        elif scale != WORDS:
            # A verifier that failed leaves its scale to those that do not.
            scale = SIMILARITY
            support, shipped = BY_SIMILARITY.probability(score, nearest), BY_SIMILARITY.answer_from
            reason += f", nearest {nearest:.2f}, together {support:.2f}"
        thresholds = Thresholds.of(stored, scale, shipped)
        reason += f", {thresholds.answer_from:.2f} needed, sure from {SURE:.2f}"
        answerable = support >= thresholds.answer_from
        meant = subjects(evidence) if not answerable and support >= thresholds.ask_from else ()
        return Verdict(
            answerable, reason, score, evidence, answerable and score >= SURE, support, verified, scale, meant
        )

    def _verified(self, question: str, scale: str, evidence: Sequence[Evidence]) -> float | None:
        verifier = self._verifier
        if verifier is None or verifier.name != scale:
            return None
        texts = list(dict.fromkeys(shown(each.window) for each in evidence[:VERIFIED]))
        try:
            return max(verifier.score(question, texts))
        # A damaged model may raise anything; the question is judged by the evidence then.
        except Exception:
            log.warning("the verifier %s failed: judged without it", verifier.name, exc_info=True)
            return None

    def _scores(self, wording: str, retrieved: Retrieved, found: Sequence[Window], knows: bool) -> list[float]:
        coverage = self._coverage(wording, retrieved, found)
        if not knows:
            return coverage
        similarity = self._similarity(wording, found, coverage, retrieved.vectors.get(wording))
        return [SIMILARITY_SHARE * s + (1 - SIMILARITY_SHARE) * c for s, c in zip(similarity, coverage, strict=True)]

    def _coverage(self, question: str, retrieved: Retrieved, found: Sequence[Window]) -> list[float]:
        asked = content_tokens(question)
        pool = [content_tokens(_text(fused.hit.payload)) for fused in retrieved.fused]
        weights = {}
        for token in asked:
            held = sum(token in passage for passage in pool)
            # A word that stands nowhere may be the point of the question or just the customer's way to put it.
            weights[token] = math.log(1 + (len(pool) + 1) / (1 + held)) * (1.0 if held else ABSENT)
        total = sum(weights.values())
        if not total:
            return [0.0] * len(found)
        return [_covered(weights, window) / total for window in found]

    def _similarity(
        self, question: str, found: Sequence[Window], coverage: Sequence[float], asked: Vectors | None
    ) -> list[float]:
        # The windows with most words first; the rest only as far as the time for embedding goes.
        order = sorted(range(len(found)), key=lambda i: (-coverage[i], found[i].passage.n, found[i].position))
        chosen = sorted(order[:MAX_WINDOWS])
        vectors = self._vectors([shown(found[i]) for i in chosen])
        cosines = vectors @ (self._embedder.embed_query(question) if asked is None else asked)
        scores = [0.0] * len(found)
        for i, cosine in zip(chosen, cosines, strict=True):
            scores[i] = max(float(cosine), 0.0)
        return scores

    def _vectors(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors of texts, shape (len(texts), size), embedding only what was not met lately."""
        with self._lock:
            known = {text: vector for text in texts if (vector := self._remembered.get(text)) is not None}
        new = [text for text in dict.fromkeys(texts) if text not in known]
        known.update(zip(new, self._embedder.embed_documents(new), strict=True))
        with self._lock:
            self._remembered.update((text, known[text]) for text in new)
        return np.stack([known[text] for text in texts])


@lru_cache(maxsize=1)
def _kind_words() -> frozenset[int]:
    """Words that say which kind of answer is wanted, and not of what."""
    return content_tokens(_KIND_WORDS)


def _weighed_by_kind(evidence: Evidence, kind: AnswerType) -> Evidence:
    if not gives(kind, evidence.window.text):
        return Evidence(evidence.window, evidence.score * WRONG_KIND)
    return Evidence(evidence.window, min(evidence.score * RIGHT_UNIT, 1.0)) if kind.names_unit else evidence


def _looked_up(kind: AnswerType | None, products: set[str], best: Evidence) -> bool:
    """Whether a window gives the very unit for the very product: a row of a data sheet shares few other words with a question."""
    if kind is None or not kind.names_unit or not products or best.score < ENOUGH:
        return False
    return products <= set(codes(best.window.text)) and gives(kind, best.window.text)


def _covered(weights: dict[int, float], window: Window) -> float:
    own, around = content_tokens(window.text), content_tokens(window.context)
    return sum(w * (1.0 if token in own else AROUND) for token, w in weights.items() if token in own | around)


def _text(payload: dict[str, object]) -> str:
    return f"{payload.get('title', '')}\n{payload.get('heading_path', '')}\n{payload.get('text', '')}"
