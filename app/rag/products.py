"""Products that a question names, and whether the evidence speaks of them. Pure: no I/O.

A passage about another product reads as if it answered: same words, same kind of answer. So a product that is named, by its code
or by a name that nothing found knows, must be spoken of, or nothing about another product is evidence.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from app.rag.synonyms import Named
from ingest.english import is_english
from ingest.sparse import codes, product_codes, product_names
from ingest.terms import holds
from serving.extractive import Evidence

# A word that begins with a capital, or holds one ("TurboWash"); three letters at least.
_NAME = re.compile(r"(?<![\w-])(?:[A-Z][a-z]{2,}|[A-Za-z]+[a-z][A-Z]\w*)(?:[A-Z]?[a-z]+)*(?![\w-])")
_INNER = re.compile(r"[a-z][A-Z]")
# What a sentence or a quotation begins with has a capital whatever it is.
_BEGINS = re.compile(r"(?:^|[.!?:;\"“”‘(\[•-]|\n)\s*$")
# "the Titan", "my Breeze": a name even where the word is one of the language.
_BEFORE_NAME = re.compile(r"\b(?:the|a|an|my|our|your|this|that|his|her|their)\s+$", re.IGNORECASE)
_TIMES = frozenset(
    [
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
        "sunday",
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
        "christmas",
        "easter",
        "internet",
    ]
)
_WORD = re.compile(r"[A-Za-z]{4,}")


def of_products_meant(
    asked: set[str], carried: set[str], named: Sequence[Named], evidence: Iterable[Evidence]
) -> list[Evidence]:
    """Evidence whose window speaks of every product that the question names, and not of others alone.

    carried: products that the turns before spoke of; a window may speak of none, but not of others alone.
    named:   terms with what they also mean: by which a product may be spoken of, too.
    """
    also = {code: each.others for each in named for code in product_codes(each.term)}
    meant = asked | carried | {code for each in named for other in each.others for code in product_codes(other)}
    if not meant:
        return list(evidence)

    def spoken_of(code: str, context: str) -> bool:
        return code in codes(context) or any(holds(context, other) for other in also.get(code, ()))

    return [
        e
        for e in evidence
        if all(spoken_of(code, e.window.context) for code in asked)
        and (not (own := product_codes(e.window.text)) or own & meant)
    ]


def strange_names(question: str, known: Callable[[str], bool]) -> list[str]:
    """Names in a question that may be a product's and that nothing found holds: "TurboWash" where the files know the WM-700.

    known: whether what was found holds a word, given in lower case.
    """
    # Where every word has a capital, a capital means nothing; the first one has it anyway.
    words = [match.group() for match in _WORD.finditer(question) if match.start()]
    if sum(word[0].isupper() for word in words) > max(1, len(words) // 2):
        return []
    return list(dict.fromkeys(m.group() for m in _NAME.finditer(question) if _strange(question, m, known)))


def _strange(question: str, match: re.Match[str], known: Callable[[str], bool]) -> bool:
    word, before = match.group(), question[: match.start()]
    low = word.lower()
    if low in _TIMES or known(low):
        return False
    if _INNER.search(word):
        return True
    if _BEGINS.search(before):
        return False
    return bool(_BEFORE_NAME.search(before)) or not is_english(low)


def by_product(evidence: Iterable[Evidence]) -> tuple[list[Evidence], list[Evidence]]:
    """Evidence that speaks of a product by its code, in its words, heading or title, best first; and the rest as it was."""
    about: list[Evidence] = []
    rest: list[Evidence] = []
    for each in evidence:
        (about if product_codes(each.window.context) else rest).append(each)
    return sorted(about, key=lambda e: -e.score), rest


def products_of(evidence: Iterable[Evidence], most: int) -> tuple[str, ...]:
    """The products that evidence speaks of, as they are written, in order."""
    names = (
        name for each in evidence for name in product_names(each.window.text) or product_names(each.window.context)
    )
    return tuple(dict.fromkeys(names))[:most]
