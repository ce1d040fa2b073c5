"""Metrics of one written answer against the right ones. Pure: no I/O.

English and other languages with spaces: SQuAD's normalisation and token F1 (Rajpurkar et al. 2016, evaluate-v2.0.py).
Chinese: NFKC, without punctuation and spaces, F1 over characters. ROUGE-L: Lin 2004, the F-measure with equal weights.
Where a question has several right answers, the best score counts.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from finetune.metrics import mean

_HAN = re.compile(r"[㐀-䶿一-鿿豈-﫿]")
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def by_characters(question: str) -> bool:
    """Whether answers to a question are compared by characters: it is in Chinese."""
    return _HAN.search(question) is not None


def tokens(text: str, *, characters: bool = False) -> list[str]:
    """What is compared: normalised words, or characters."""
    if characters:
        folded = unicodedata.normalize("NFKC", text).casefold()
        return [c for c in folded if unicodedata.category(c)[0] not in "PSZC"]
    return _ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split()


def exact_match(answer: Sequence[str], right: Sequence[str]) -> float:
    """1.0 where both are the same tokens."""
    return float(list(answer) == list(right))


def token_f1(answer: Sequence[str], right: Sequence[str]) -> float:
    """Harmonic mean of precision and recall over tokens as bags; two empty texts agree."""
    if not answer or not right:
        return float(not answer and not right)
    shared = (Counter(answer) & Counter(right)).total()
    return 2 * shared / (len(answer) + len(right))


def contains(answer: Sequence[str], right: Sequence[str]) -> float:
    """1.0 where the right tokens stand in the answer, in a row."""
    size = len(right)
    found = (list(answer[at : at + size]) == list(right) for at in range(len(answer) - size + 1))
    return float(size > 0 and any(found))


def rouge_l(answer: Sequence[str], right: Sequence[str]) -> float:
    """F-measure of the longest common subsequence."""
    if not answer or not right:
        return float(not answer and not right)
    row = [0] * (len(right) + 1)
    for mine in answer:
        diagonal = 0
        for place, theirs in enumerate(right, start=1):
            above = row[place]
            row[place] = diagonal + 1 if mine == theirs else max(above, row[place - 1])
            diagonal = above
    return 2 * row[-1] / (len(answer) + len(right))


# What is reported of an answer's words, by the names that the output uses.
ANSWER_METRICS: Mapping[str, Callable[[Sequence[str], Sequence[str]], float]] = {
    "f1": token_f1,
    "exact_match": exact_match,
    "contains": contains,
    "rouge_l": rouge_l,
}


def scores(answer: str, right: Sequence[str], *, characters: bool = False) -> dict[str, float]:
    """Each of ANSWER_METRICS, the best over the right answers; 0.0 where there are none."""
    written = tokens(answer, characters=characters)
    wanted = [tokens(each, characters=characters) for each in right]
    return {
        name: max((metric(written, each) for each in wanted), default=0.0) for name, metric in ANSWER_METRICS.items()
    }


def label_of(answer: str, labels: Sequence[str]) -> str:
    """The label that an answer names: the longest of those that stand in it first; "" when none does.

    Underscores and dashes in labels count as spaces: models write them either way.
    """
    written = _label_tokens(answer)
    found = []
    for label in labels:
        wanted = _label_tokens(label)
        size = len(wanted)
        at = next((i for i in range(len(written) - size + 1) if written[i : i + size] == wanted), -1) if size else -1
        if at >= 0:
            found.append((at, -size, label))
    return min(found)[2] if found else ""


def _label_tokens(text: str) -> list[str]:
    spaced = re.sub(r"[_\-/]+", " ", text)
    return tokens(spaced, characters=by_characters(spaced))


@dataclass(frozen=True, slots=True)
class LabelFigures:
    """Of a set of labels: accuracy, and precision, recall and F1 averaged over the labels that occur (macro)."""

    accuracy: float
    precision: float
    recall: float
    f1: float

    def as_json(self) -> dict[str, float]:
        """The value of ``labels``."""
        values = {"accuracy": self.accuracy, "precision": self.precision, "recall": self.recall, "f1": self.f1}
        return {name: round(value, 4) for name, value in values.items()}


def label_figures(pairs: Sequence[tuple[str, str]]) -> LabelFigures:
    """Figures of (right label, predicted label); a prediction of "" is wrong and no label's false alarm."""
    each = []
    for label in sorted({right for right, _ in pairs}):
        hits = sum(right == said == label for right, said in pairs)
        said = sum(predicted == label for _, predicted in pairs)
        held = sum(right == label for right, _ in pairs)
        precision, recall = (hits / said if said else 0.0), hits / held
        each.append((precision, recall, 2 * hits / (said + held)))
    accuracy = mean([float(right == said) for right, said in pairs])
    return LabelFigures(accuracy, *(mean([values[i] for values in each]) for i in range(3)))
