"""What can be told of a question from its words. Pure: no I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass

from app.rag.leaning import Lacks, leaning
from ingest.chunk import split_sentences
from ingest.sparse import product_codes, product_names
from serving.passages import content_tokens

_ASKS = (
    r"(?:do|does|did|can|could|will|would|is|are|was|were|may|must|should|shall|have|has|what|which|who|whose|when|where|"
    r"why|how)\b"
)
_CLAUSE = re.compile(rf"[,;]?\s+(?:and|but|or)\s+(?={_ASKS})|[,;]\s+(?={_ASKS})", re.IGNORECASE)
_QUESTION = re.compile(rf"{_ASKS}|.*[?？]\s*$|.*[吗呢么]\s*$", re.IGNORECASE)
# What a message is about, put before it: "Hotel Rose: is there a pool?".
_LABEL = re.compile(r"\s*([^:：,.;!?，。；！？\n]{1,60})[:：]\s")
_MAX_PARTS = 2
_ENOUGH_WORDS = 1


@dataclass(frozen=True, slots=True)
class Wording:
    """A way to put a question, and its share in the ranking and in the verdict.

    judged:     False for one that only helps to find.
    instead_of: the wording that it says in other words; the verdict takes the better of the two.
    """

    text: str
    weight: float = 1.0
    judged: bool = True
    instead_of: str = ""


def wordings_of(question: str) -> tuple[Wording, ...]:
    """A question that stands alone as it is searched for: whole, and by its parts."""
    return tuple(Wording(text) for text in (question, *question_parts(question)))


def question_parts(question: str) -> list[str]:
    """The questions inside a message that tells a story first or asks two things; none when it asks one thing only.

    "I bought it second-hand. Does the guarantee still hold?" is about the guarantee: searched for as a whole, the
    story drowns the question. A part that leans on the rest ("How can I stop that?") means nothing by itself and is left to
    the whole; the products of a message, and what it is labelled with, go with each part.
    """
    label = _LABEL.match(question)
    rest = question[label.end() :] if label else question
    parts = [part for sentence in split_sentences(rest) for part in _CLAUSE.split(sentence)]
    if len(parts) < 2:
        return []
    asking = [part for part in parts if _QUESTION.match(part) and len(content_tokens(part)) >= _ENOUGH_WORDS]
    whole = [part for part in asking if not _leans(part)]
    return [_about(label.group(1) if label else "", question, part) for part in whole[:_MAX_PARTS]]


def _leans(part: str) -> bool:
    found = leaning(part)
    # Few words are no matter here, as long as none of them points back.
    return found.lacks is Lacks.PREDICATE or (found.lacks is Lacks.SUBJECT and found.at < len(found.text))


def _about(label: str, question: str, part: str) -> str:
    names = [] if product_codes(part) else list(dict.fromkeys(product_names(question)))
    said = ", ".join([*([label] if label else []), *(name for name in names if name not in label)])
    return f"{said}: {part}" if said else part
