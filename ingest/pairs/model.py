"""Pairs with a model's help, answer first: a sentence is taken out of the passage, and the model writes only its question.

What the model says is never an answer: answers are verbatim. Several candidates are asked for, the best is kept; the
filters have the last word.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from ingest.pairs import checks
from ingest.pairs.likeness import overlap
from ingest.pairs.records import Draft, PassageFinder, SourceChunk, Style, Turn
from ingest.pairs.topics import Corpus, is_chinese, led_by_topic, names_something
from ingest.pairs.units import sentences_of, verbatim
from ingest.pairs.words import STATING
from ingest.sparse import codes

MOST_A_CHUNK = 5
_SHORTEST, _LONGEST = 25, 320
_LEANS = re.compile(
    r"^(?:it|they|this|these|those|that|he|she|here|however|also|otherwise|then|so|but|and|see|note|for example)\b|^(?:它|其|该|此|这|那|上述|因此|同时|另外|但|例如)",
    re.IGNORECASE,
)
_STATES = re.compile(
    r"\b(?:is|are|was|were|must|can|may|costs?|takes?|lasts?|includes?|supports?|requires?|needs?)\b|是|为|可以|必须|需要|支持|包括|包含|不得"
)


@dataclass(frozen=True, slots=True)
class QuestionTask:
    """What a model is asked to write questions for.

    span:     the words that answer, verbatim; "" for questions of the model's own choice (self-instruct).
    examples: (passage's words, question) that a person wrote, to be followed in manner.
    history:  turns before a follow-up.
    other:    the second passage of a comparison, with its own words that answer.
    count:    how many candidates.
    """

    chunk: SourceChunk
    span: str
    style: Style = Style.PLAIN
    examples: tuple[tuple[str, str], ...] = ()
    history: tuple[Turn, ...] = ()
    other: tuple[SourceChunk, str] | None = None
    count: int = 4


class AsksQuestions(Protocol):
    """A model behind a prompt; the composition root hands it in."""

    name: str

    def ask(self, task: QuestionTask) -> Sequence[str]:
        """Candidates as the model wrote them, unchecked; may be empty."""
        ...


class ModelWriter:
    """Pairs with a model's help; a PairWriter.

    finder:   puts candidates in order by where retrieval finds the passage; None for by words alone.
    examples: a few labelled ones grow into many.
    styles:   taken in turn, passage by passage.
    """

    def __init__(
        self,
        asks: AsksQuestions,
        corpus: Corpus,
        finder: PassageFinder | None = None,
        examples: Sequence[tuple[str, str]] = (),
        styles: Sequence[Style] = (Style.PLAIN,),
        most: int = MOST_A_CHUNK,
    ) -> None:
        self._asks, self._corpus, self._finder = asks, corpus, finder
        self._examples, self._styles, self._most = tuple(examples), tuple(styles), most

    @property
    def name(self) -> str:
        """ "model:" and the model's name."""
        return f"model:{self._asks.name}"

    def write(self, chunk: SourceChunk) -> Iterator[Draft]:
        """One question for each of the sentences that state most, at most five."""
        for number, span in enumerate(spans_of(chunk)[: self._most]):
            style = self._styles[(chunk.ordinal + number) % len(self._styles)]
            if style is Style.FOLLOW_UP:
                style = Style.PLAIN
            if draft := self._draft(QuestionTask(chunk, span, style, self._examples)):
                yield draft

    def self_instruct(self, chunk: SourceChunk) -> Iterator[Draft]:
        """Questions of the model's own choice; the answer is the sentence that holds most of a question's words."""
        task = QuestionTask(chunk, "", Style.PLAIN, self._examples, count=self._most)
        sentences = spans_of(chunk)
        for question in self._asks.ask(task):
            span = max(sentences, key=lambda sentence: overlap(question, sentence), default="")
            if span and overlap(question, span) > 0 and (draft := self._checked(question, span, task)):
                yield draft

    def dialogue(self, chunk: SourceChunk, turns: int = 3) -> Iterator[Draft]:
        """Questions that follow on one another; each after the first is a follow-up with the turns before it."""
        history: tuple[Turn, ...] = ()
        for span in spans_of(chunk)[:turns]:
            style = Style.FOLLOW_UP if history else Style.PLAIN
            draft = self._draft(QuestionTask(chunk, span, style, self._examples, history))
            if draft is None:
                continue
            yield draft
            history = (*history, Turn("user", draft.question), Turn("assistant", draft.answer))

    def compare(self, first: SourceChunk, second: SourceChunk) -> Draft | None:
        """A question that needs a sentence of each of two passages; None where the model finds none."""
        spans, others = spans_of(first), spans_of(second)
        if not spans or not others:
            return None
        task = QuestionTask(first, spans[0], Style.COMPARISON, self._examples, other=(second, others[0]))
        draft = self._draft(task)
        if draft is None:
            return None
        return replace(draft, sources=(first, second), answer=f"{spans[0]} {others[0]}")

    def _draft(self, task: QuestionTask) -> Draft | None:
        """The best of the candidates; None where none will do."""
        drafts = [draft for question in self._asks.ask(task) if (draft := self._checked(question, task.span, task))]
        return max(drafts, key=self._worth, default=None)

    def _checked(self, question: str, span: str, task: QuestionTask) -> Draft | None:
        """A candidate as a draft, if it is a question that stands by itself."""
        chunk, question = task.chunk, " ".join(question.split())
        language = "zh" if is_chinese(span) else "en"
        asks = question.endswith(("?", "？")) or task.style is Style.KEYWORD
        draft = Draft(
            question,
            span,
            (chunk,),
            self.name,
            language,
            verbatim(span, chunk.text),
            style=task.style,
            history=task.history,
        )
        if task.style is Style.COMPARISON and task.other:
            draft = replace(draft, sources=(chunk, task.other[0]))
        if not asks or _gives_away(question, span) or not checks.shape(draft).passed:
            return None
        if task.style in (Style.PLAIN, Style.COLLOQUIAL) and not names_something(question, chunk):
            question = led_by_topic(question, chunk, self._corpus, len(question)) or question
        draft = replace(draft, question=question)
        cheap = (checks.shape, checks.length, checks.language, checks.self_contained)
        return draft if all(check(draft).passed for check in cheap) else None

    def _worth(self, draft: Draft) -> tuple[int, float]:
        """Sort key: found by retrieval, then words of the span that it takes up without repeating it."""
        rank = 0
        if self._finder is not None and not draft.history:
            found = self._finder.find(draft.question, 5)
            rank = next((-i for i, f in enumerate(found) if f.text_hash == draft.sources[0].text_hash), -len(found) - 1)
        shared = overlap(draft.question, draft.answer)
        return rank, -abs(shared - 0.5)


def spans_of(chunk: SourceChunk) -> list[str]:
    """Sentences of a passage that state something by themselves, those with most figures and names first."""
    found = [
        sentence
        for sentence in sentences_of(chunk.text)
        if _least(sentence) <= len(sentence) <= _LONGEST and not _LEANS.match(sentence) and _states(sentence)
    ]
    return sorted(dict.fromkeys(found), key=lambda sentence: -_facts(sentence))


def _states(sentence: str) -> bool:
    """Whether a sentence states something: it has a figure, or a verb of statements."""
    return any(codes(sentence)) or bool(_STATES.search(sentence)) or any(w in STATING for w in sentence.lower().split())


def _least(sentence: str) -> int:
    return _SHORTEST // 2 if is_chinese(sentence) else _SHORTEST


def _facts(sentence: str) -> int:
    return 2 * len(set(codes(sentence))) + len(re.findall(r"(?<!^)\b[A-Z][a-z]+", sentence))


def _gives_away(question: str, span: str) -> bool:
    """Whether a question holds what it asks for: every figure of the words that answer, or all of its words."""
    figures = set(codes(span))
    return bool(figures and figures <= set(codes(question)) and len(figures) > 1) or overlap(span, question) > 0.9
