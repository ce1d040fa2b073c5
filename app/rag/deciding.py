"""From support to one of three outcomes: answer, ask back, refuse. Pure: no I/O.

Support is the calibrated probability that the passages answer, from the evidence's score and the best passage's cosine, and with
a verifier from its score, too. Where the embedder does not know the language, or is not the one that this was fitted to, it is the
evidence's score alone, which is another scale. Thresholds are fitted for a knowledge base by `frontdesk eval refusals` and stored with it, by scale; where none
were, the shipped ones decide, which never ask back for want of evidence.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from ingest.sparse import product_codes, product_names, without_product_codes
from serving.extractive import MAX_QUOTES, NEARLY_AS_GOOD, Evidence
from serving.passages import content_tokens
from serving.verifier import Calibration

# Evidence that is some: fitted as docs/experiments.md tells, on sets that the product is not measured on.
ENOUGH = 0.18
# Names of the scales; a verifier's is its own name.
WORDS, SIMILARITY = "words", "similarity"
# Fitted on squad2 and its documents asked about other things; docs/experiments.md.
BY_SIMILARITY = Calibration(bias=-5.311, evidence=4.636, nearest=4.939, verifier=0.0, answer_from=0.1)
# Subjects that a customer can choose among.
MOST_SUBJECTS = 4
# Share of words that two sentences have in common when they say the same of two products.
_SAME_WORDS = 0.6
# Passages that are named when nothing answers for certain.
_NAMED_FROM = 0.7
_FIGURE = re.compile(r"\d[\d.,]*")


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Support from which a question is answered, and from which the customer is asked back rather than refused."""

    answer_from: float
    ask_from: float

    @classmethod
    def of(cls, stored: str, scale: str, shipped: float) -> Thresholds:
        """Those that were stored for a scale; the shipped one where none were."""
        found = json.loads(stored).get(scale) if stored else None
        return cls(**found) if found else cls(shipped, shipped)


def as_text(fitted: Mapping[str, Thresholds]) -> str:
    """Thresholds by scale, as they are stored with a knowledge base."""
    return json.dumps({scale: asdict(thresholds) for scale, thresholds in fitted.items()})


def subjects(evidence: Sequence[Evidence]) -> tuple[str, ...]:
    """What the best passages are about, in their own words: their nearest headings, or titles."""
    least = evidence[0].score * _NAMED_FROM if evidence else 0.0
    heads = []
    for each in evidence:
        passage = each.window.passage
        head = passage.heading_path[-1] if passage.heading_path else passage.title
        if each.score >= least and head:
            heads.append(head)
    return tuple(dict.fromkeys(heads))[:MOST_SUBJECTS]


def products_meant(question: str, evidence: Sequence[Evidence]) -> tuple[str, ...]:
    """The products of which the best windows say the same, when they are more than an answer can quote.

    A question that names a product, or passages that speak of few, leave nothing to ask.
    """
    if not evidence or product_codes(question):
        return ()
    best = evidence[0]
    said: dict[str, str] = {}
    wanted = _words(best)
    for each in evidence:
        own = product_codes(each.window.text)
        if each.score < best.score * NEARLY_AS_GOOD or len(own) != 1:
            continue
        words = _words(each)
        if len(words & wanted) >= _SAME_WORDS * max(len(words | wanted), 1):
            said.setdefault(min(own), product_names(each.window.text)[0])
    return tuple(said.values())[: MOST_SUBJECTS + 1] if len(said) > MAX_QUOTES else ()


def _words(evidence: Evidence) -> frozenset[int]:
    # Without what differs from product to product: its code and its figures.
    return content_tokens(_FIGURE.sub(" ", without_product_codes(evidence.window.text)))
