"""Sentences of a written answer, checked one by one against the passages. Pure but for the similarity it is handed.

A factual sentence reaches the customer only with a mark whose passage supports it: its numbers (with their units), its
names and codes, its negation, and then its words, in one window of the passage. A sentence without a mark is given the
mark of the window that supports it; if none does, it is withheld.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ingest.chunk import NO_END
from ingest.sparse import codes, product_codes, without_product_codes
from serving.negation import denies, same_denial
from serving.passages import Passage, Window, content_tokens, windows

_MARK = re.compile(r"[\[【]\s*(\d{1,2}(?:\s*[,，、]\s*\d{1,2})*)\s*[\]】]")
_END = re.compile(
    r"(?:[.!?](?=[\"')\]”’」』）]*(?:\s|$|[\[【]))|[。！？]|\n)[\"')\]”’」』）]*(?:\s*[\[【]\s*\d{1,2}(?:\s*[,，、]\s*\d{1,2})*\s*[\]】])*"
)
_NUMBERING = re.compile(r"^[\d.]+\s*")
# A mark may still follow.
_MARK_AHEAD = re.compile(r"\s*(?:[\[【][\d\s,，、]*)?")
# A number and the unit that follows or leads it; only units are compared, other words around numbers are free.
_UNITS = (
    r"%|percent|°\s?c|°|kwh|kw|watts?|w|db(?:\(a\))?|kg|g|mm|cm|m|km|l|ml|litres?|liters?|bar|v|hz|rpm|"
    r"seconds?|minutes?|mins?|hours?|hrs?|days?|weeks?|months?|years?|yrs?|pounds?|euros?|dollars?|yuan|gbp|eur|usd|"
    r"元|块|天|日|周|个?月|年|个?小时|分钟|秒|升|毫升|千克|公斤|克|毫米|厘米|米|公里|瓦|千瓦|度|分贝|折|次|件|套|点"
)
_MEASURE = re.compile(rf"([£$€¥])?\s?(\d+(?:[.,]\d+)*)\s?-?\s?({_UNITS})?(?![a-z])", re.IGNORECASE)
_PERCENT = re.compile(r"\bper ?cent\b", re.IGNORECASE)
_NAME = re.compile(r"(?<![.!?。！？:]\s)(?<!^)\b[A-Z][a-z]{2,}\b")
_SAME_UNIT = {
    "percent": "%",
    "min": "minute",
    "hr": "hour",
    "yr": "year",
    "liter": "litre",
    "l": "litre",
    "w": "watt",
    "日": "天",
}
# Fitted on what an untuned small model makes up over the example company (docs/experiments.md).
RECALL_ENOUGH = 0.8
RECALL_WITH_SIMILARITY = 0.5
SIMILARITY_ENOUGH = 0.75
Similarity = Callable[[str, Sequence[str]], list[float]]


@dataclass(frozen=True, slots=True)
class Checked:
    """A sentence with its verdict; ``marks`` are passage numbers, empty when it was withheld.

    window: where the support stands, None when withheld.
    """

    text: str
    marks: tuple[int, ...] = ()
    window: Window | None = None
    withheld: str = ""


class SentenceBuffer:
    """Cuts a stream of text into sentences; a mark after the full stop belongs to the sentence before it."""

    def __init__(self) -> None:
        self._text = ""

    def push(self, text: str) -> list[str]:
        """Add text; returns the sentences that are complete now."""
        self._text += text
        done = []
        start = 0
        while (match := _END.search(self._text, start)) and match.end() < len(self._text):
            sentence, rest = self._text[: match.end()], self._text[match.end() :]
            if _MARK_AHEAD.fullmatch(rest):
                break
            if NO_END.search(sentence):
                start = match.end()
                continue
            done.append(sentence.strip())
            self._text, start = rest, 0
        return [sentence for sentence in done if sentence]

    def flush(self) -> list[str]:
        """What is left when the stream has ended."""
        rest, self._text = self._text.strip(), ""
        return [rest] if rest else []


def strip_marks(text: str) -> str:
    """The text without its [n] marks."""
    bare = re.sub(r"[ \t]{2,}", " ", _MARK.sub("", text)).strip()
    return re.sub(r"\s+(?=[.,!?;:。，！？；：])", "", bare)


def marks_of(text: str) -> tuple[int, ...]:
    """Passage numbers that a text names, in order, each once."""
    numbers = [int(n) for group in _MARK.findall(text) for n in re.split(r"\s*[,，、]\s*", group)]
    return tuple(dict.fromkeys(numbers))


def renumbered(text: str, numbers: Mapping[int, int]) -> str:
    """The text with other numbers in its marks; one that is not named stays."""

    def other(mark: re.Match[str]) -> str:
        return re.sub(r"\d+", lambda n: str(numbers.get(int(n[0]), int(n[0]))), mark[0])

    return _MARK.sub(other, text) if numbers else text


def check_sentence(
    sentence: str,
    passages: Sequence[Passage],
    question: str,
    similarity: Similarity | None,
    *,
    verbatim: bool = False,
    bare: bool = False,
) -> Checked:
    """Hold one written sentence against the passages.

    similarity: cosine of a sentence with each of several texts, for languages the embedder knows; None otherwise.
    verbatim:   every word must be the window's or the question's own; for writers that are not to be trusted with words.
    bare:       a single word or number may be an answer.
    """
    text = strip_marks(sentence)
    words = content_tokens(_PERCENT.sub("%", text))
    if len(words) < (1 if bare else 2):
        return Checked(text, withheld="it says nothing")
    # Product codes are checked by themselves; counted here they would make up for words that nobody said.
    plain = content_tokens(_PERCENT.sub("%", without_product_codes(text))) or words
    own_words = words - content_tokens(question)
    named = marks_of(sentence)
    candidates = [p for p in passages if not named or p.n in named]
    if not candidates:
        return Checked(text, withheld=f"cites [{named[0]}], which was not given")
    best, reason = None, ""
    for window in sorted((w for p in candidates for w in windows(p)), key=lambda w: _closeness(words, w)):
        recall = _recall(words, window)
        if recall < RECALL_WITH_SIMILARITY:
            break
        problem = _contradiction(text, window, question) or (verbatim and _strays(text, own_words, window)) or ""
        if problem:
            # The closest window's objection is the one to read.
            reason = reason or problem
        elif _recall(plain, window) >= RECALL_ENOUGH or (
            similarity is not None and similarity(text, [window.text])[0] >= SIMILARITY_ENOUGH
        ):
            best = window
            break
    if best is None:
        return Checked(text, withheld=reason or "no passage says so")
    return Checked(text, marks=(best.passage.n,), window=best)


def _closeness(words: frozenset[int], window: Window) -> tuple[float, float]:
    """Sort key: windows that hold the words with their context, those that hold them by themselves first."""
    return -_recall(words, window), -len(words & content_tokens(window.text)) / len(words)


def _recall(words: frozenset[int], window: Window) -> float:
    return len(words & content_tokens(window.context)) / len(words)


def _contradiction(text: str, window: Window, question: str) -> str:
    """Why a window does not support a sentence that uses its words; "" when nothing speaks against it."""
    told = _told_of(text, window)
    missing = set(codes(text)) - set(codes(told))
    if missing:
        return f"{', '.join(sorted(missing))} does not stand there"
    here = product_codes(window.text) or product_codes("\n".join(_head(window)))
    if not _numbers(text):
        # A neighbour may say which product is meant; it may not lend a product to this sentence's numbers.
        here = here or product_codes(window.context)
    if other := product_codes(text) - here:
        return f"it speaks of {', '.join(sorted(here))}, not of {', '.join(sorted(other))}"
    # A number taken from a neighbour belongs to something else, more often than not.
    if astray := _numbers(text) - set(codes("\n".join((*_head(window), window.text)))):
        return f"{', '.join(sorted(astray))} stands in another sentence"
    if window.is_row and (elsewhere := _words_of_other_rows(window) & content_tokens(text)):
        return f"{len(elsewhere)} of its words stand in another row"
    known = _measures(told)
    for number, unit in _measures(text):
        units = {u for n, u in known if n == number}
        if unit and units and unit not in units:
            return f"{number} {unit} does not stand there"
    source = f"{window.context}\n{question}".lower()
    names = [name for name in _NAME.findall(text) if name.lower() not in source]
    if names:
        return f"{names[0]} is not named there"
    return "one of the two is negated" if _is_flipped(text, window) else ""


def _told_of(text: str, window: Window) -> str:
    """The context without neighbours that speak of other products alone: their numbers are not this product's."""
    asked = product_codes(text)
    lines = window.context.split("\n")
    return "\n".join(line for line in lines if not asked or not (own := product_codes(line)) or own & asked)


def _is_flipped(text: str, window: Window) -> bool:
    """Whether the text denies what stands there, or affirms what is denied there."""
    words = content_tokens(text)
    if window.is_row:
        # A cell that says "none" denies its own column only.
        cells = [cell for cell in window.text.split("; ") if denies(cell)]
        return not cells if denies(text) else any(content_tokens(cell) & words for cell in cells)
    if denies(text):
        return not same_denial(text, "\n".join([*_head(window), *_nearest(words, window)]))
    # A heading denies what stands below it only to a text that repeats it: "What is not covered", not "Does not drain".
    heads = (_NUMBERING.sub("", line) for line in _head(window) if denies(line))
    if any(content_tokens(line) and content_tokens(line) <= words for line in heads):
        return True
    return all(denies(line) for line in _nearest(words, window))


def _head(window: Window) -> tuple[str, ...]:
    return (window.passage.title, *window.passage.heading_path)


def _nearest(words: frozenset[int], window: Window) -> list[str]:
    """Of a window's text and its neighbours those that hold most of the words: a neighbour's "not" is its own."""
    lines = window.context.split("\n")[len(_head(window)) :]
    shared = [len(words & content_tokens(line)) for line in lines]
    return [line for line, share in zip(lines, shared, strict=True) if share == max(shared)]


def _strays(text: str, own_words: frozenset[int], window: Window) -> str:
    """Why a writer that must keep to the window has not; "" when it has."""
    if not own_words <= content_tokens(window.context):
        return "it has words of its own"
    mixed = any(codes(text)) and window.text not in _nearest(content_tokens(text), window)
    return "its number belongs to another sentence" if mixed else ""


def _numbers(text: str) -> set[str]:
    return set(codes(text)) - product_codes(text)


def _measures(text: str) -> set[tuple[str, str]]:
    found = set()
    for currency, number, unit in _MEASURE.findall(unicodedata.normalize("NFKC", text)):
        unit = (currency or unit).lower().replace(" ", "")
        unit = unit.removeprefix("个")
        singular = unit[:-1] if len(unit) > 2 and unit.endswith("s") else unit
        found.add((number.replace(",", ""), _SAME_UNIT.get(singular, singular)))
    return found


def _words_of_other_rows(window: Window) -> frozenset[int]:
    """Words that set the other rows of the same table apart from this one."""
    rows = [w.text for w in windows(window.passage) if w.is_row and w.position != window.position]
    others = frozenset(token for row in rows for token in content_tokens(row))
    return others - content_tokens(window.context)
