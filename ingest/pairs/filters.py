"""The filters of pairs as one, cheapest first; whatever a filter cannot decide is dropped.

Other generators' filters fail open: an unreadable verdict passes, a score is stored and not used. Here a filter that raises,
or says something that is no verdict, drops the pair and says so.
"""

from __future__ import annotations

import logging
import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Protocol

from ingest.chunk import split_sentences
from ingest.pairs import checks
from ingest.pairs.checks import Verdict
from ingest.pairs.likeness import KnownQuestions, content, overlap
from ingest.pairs.records import Draft, FoundChunk, Judged, PairKind, PassageFinder, SourceChunk, Style
from ingest.pairs.topics import naming_codes
from ingest.pairs.units import squeezed, tables_of, units_of
from ingest.sparse import codes

log = logging.getLogger(__name__)
# Passages among which the round trip must find the source: as many as answers are made of.
TOP_K = 5
# Below it the entailment vote is against a pair; it drops what is not found first, and what it is sure of whatever else speaks for it.
AGAINST, SURELY_NOT = 0.1, 0.005
# An unanswerable question whose words stand in one passage to this share may be answered there.
_TOO_CLOSE = 0.8
# Another place of the passage may hold this much more of a question's words than its answer does.
_BETTER_ELSEWHERE = 0.25
Filter = Callable[[Draft], Verdict]


class Supports(Protocol):
    """Whether a passage supports a sentence; the composition root hands in the check that answers to customers go through."""

    def problem(self, answer: str, question: str, source: SourceChunk) -> str:
        """Why the passage does not support the answer; "" where it does."""
        ...


class Entails(Protocol):
    """A model that reads question and passage together."""

    def vote(self, question: str, text: str, language: str) -> float | None:
        """How likely the text answers the question, 0 to 1; None where the model does not know the language."""
        ...


class PairFilters:
    """Every filter in order; a PairJudge.

    finder:   retrieval over the knowledge base; without it there is no round trip, and unanswerable questions do not pass.
    supports: the check of sentences against passages; None for none.
    entails:  a vote on question and passage; None for none.
    """

    def __init__(
        self,
        finder: PassageFinder | None,
        supports: Supports | None = None,
        entails: Entails | None = None,
        top_k: int = TOP_K,
    ) -> None:
        self._finder, self._supports, self._entails, self._top_k = finder, supports, entails, top_k
        self._known = KnownQuestions()
        self._ranks: dict[tuple[str, str], int] = {}
        self.counts: Counter[str] = Counter()

    def filters(self) -> list[tuple[str, Filter]]:
        """Names and filters, in the order in which they are asked."""
        asked: list[tuple[str, Filter]] = [
            ("shape", checks.shape),
            ("length", checks.length),
            ("language", checks.language),
            ("digits", checks.digits),
            ("span", checks.span),
            ("negation", checks.negation),
            ("self_contained", checks.self_contained),
            ("instructions", checks.instructions),
            ("personal_data", checks.personal_data),
            ("best_span", best_span),
            ("duplicate", self._duplicate),
        ]
        if self._supports is not None:
            asked.append(("supported", self._supported))
        if self._finder is not None:
            asked.append(("round_trip", self._round_trip))
        asked.append(("no_answer", self._no_answer))
        if self._entails is not None:
            asked.append(("entailment", self._entailment))
        return asked

    def judge(self, draft: Draft) -> Judged:
        """Ask the filters; the first that says no, or nothing that can be read, ends it."""
        notes: dict[str, str] = {}
        for name, ask in self.filters():
            try:
                verdict = ask(draft)
                passed, note = verdict.passed, verdict.note
                if passed is not True and passed is not False:
                    raise TypeError(f"{passed!r} is no verdict")
            except Exception as exc:  # noqa: BLE001 - whatever goes wrong in a filter, its pair must not pass
                log.warning("filter %s could not judge a pair of %s: %s", name, draft.writer, exc)
                passed, note = False, f"the filter could not decide ({type(exc).__name__}: {exc})"
            else:
                draft = verdict.draft or draft
            notes[name] = note
            if not passed:
                self.counts[name] += 1
                return Judged(draft, notes, name, note)
        self.counts["kept"] += 1
        self._known.add(_asked(draft), _group(draft))
        return Judged(draft, notes)

    def remember(self, question: str) -> None:
        """A question that was kept in an earlier run."""
        self._known.add(question, "earlier")

    def _duplicate(self, draft: Draft) -> Verdict:
        for group in (_group(draft), "earlier"):
            if known := self._known.like(_asked(draft), group):
                return Verdict(False, f"asked already: {known}")
        return Verdict(True, "new")

    def _supported(self, draft: Draft) -> Verdict:
        if draft.kind is PairKind.UNANSWERABLE:
            return Verdict(True, "nothing to answer")
        if self._supports is None:
            raise RuntimeError("no check was handed in")
        evidence = squeezed(draft.evidence)
        if all(squeezed(line) in evidence for line in draft.answer.split("\n")):
            return Verdict(True, "verbatim")
        lines = without_column_units(draft).split("\n")
        for sentence in (sentence for line in lines for sentence in split_sentences(line)):
            problems = [self._supports.problem(sentence, draft.question, source) for source in draft.sources]
            if any(not isinstance(problem, str) for problem in problems):
                raise TypeError("the check gave no text")
            # Of a comparison each source supports its side.
            if all(problems):
                return Verdict(False, problems[0])
        return Verdict(True, "supported")

    def _round_trip(self, draft: Draft) -> Verdict:
        """Whether retrieval finds the source of a question, among as many passages as answers are made of."""
        if draft.kind is PairKind.UNANSWERABLE:
            return Verdict(True, "nothing to find")
        found = self._find(draft)
        ranks = [_rank(source, draft.evidence if i == 0 else "", found) for i, source in enumerate(draft.sources)]
        shared = overlap(_asked(draft), draft.sources[0].text)
        if not all(ranks):
            return Verdict(False, f"not among the first {self._top_k}; {shared:.2f} of its words stand in the source")
        self._ranks[_key(draft)] = max(ranks)
        return Verdict(True, f"rank {max(ranks)}; {shared:.2f} of its words stand in the source")

    def _find(self, draft: Draft) -> Sequence[FoundChunk]:
        if self._finder is None:
            raise RuntimeError("no retrieval was handed in")
        return self._finder.find(
            _asked(draft), self._top_k * max(1, len(draft.sources)) if draft.answer else self._top_k
        )

    def _no_answer(self, draft: Draft) -> Verdict:
        """Proof that an unanswerable question has no answer: not in its sources, and not in what retrieval finds."""
        if draft.kind is not PairKind.UNANSWERABLE:
            return Verdict(True, "it has one")
        for text in (text for source in draft.sources for text in [source.text]):
            if holder := next((a for a in draft.absent if a and squeezed(a) in squeezed(text)), ""):
                return Verdict(False, f"a source holds {holder[:40]!r}")
        if draft.style is Style.WITHHELD:
            if not draft.absent or not draft.sources:
                return Verdict(False, "it does not say what was withheld, or has no sources")
            return Verdict(True, f"none of {len(draft.sources)} sources holds what was withheld")
        found = self._find(draft)
        named = naming_codes(draft.question)
        for passage in found:
            if any(a and squeezed(a) in squeezed(passage.text) for a in draft.absent):
                return Verdict(False, "a passage of the knowledge base holds what should be absent")
            spoken = not named or named <= naming_codes(passage.text)
            if spoken and content(draft.question) and overlap(draft.question, passage.text) >= _TOO_CLOSE:
                return Verdict(False, "a passage of the knowledge base holds nearly all of its words")
        return Verdict(True, f"none of {len(found)} passages holds an answer")

    def _entailment(self, draft: Draft) -> Verdict:
        """A vote: against a pair it drops what retrieval did not find first; sure against it, whatever was found."""
        if self._entails is None:
            raise RuntimeError("no vote was handed in")
        if draft.kind is PairKind.UNANSWERABLE:
            votes = [self._entails.vote(_asked(draft), s.text, draft.language) for s in draft.sources]
            cast = [_read(v) for v in votes if v is not None]
            if cast and max(cast) >= 1 - AGAINST:
                return Verdict(False, f"a source answers it ({max(cast):.2f})")
            return Verdict(True, f"against ({max(cast):.2f})" if cast else "abstained")
        vote = self._entails.vote(_asked(draft), draft.evidence, draft.language)
        if vote is None:
            return Verdict(True, "abstained")
        score = _read(vote)
        rank = self._ranks.get(_key(draft), 0)
        if score < SURELY_NOT or (score < AGAINST and rank != 1):
            return Verdict(False, f"the evidence does not answer it ({score:.3f}; rank {rank})")
        return Verdict(True, f"{score:.2f}")


def without_column_units(draft: Draft) -> str:
    """The answer without units that stand in a column's name: the check looks for them beside the figure."""
    answer = draft.answer
    if draft.evidence.startswith("|"):
        headers = "\n".join(
            name for source in draft.sources for block in tables_of(source.text) for name in block.header
        )
        for unit in re.findall(r"[(（]([^()（）]{1,14})[)）]", headers):
            answer = re.sub(rf"{re.escape(unit)}(?=\d)|(?<=\d) {re.escape(unit)}(?!\w)", "", answer)
    return answer


def best_span(draft: Draft) -> Verdict:
    """Whether no other sentence or row of the passage answers better than the one that was taken.

    Retrieval finds the passage whatever of it was taken for an answer; this sees the wrong sentence, row or column of the right
    one: another place holds the question's product or figure, or many more of its words.
    """
    if draft.kind is PairKind.UNANSWERABLE:
        return Verdict(True, "nothing to answer")
    source = draft.sources[0]
    head = "\n".join((source.title, *source.heading_path))
    told = f"{draft.answer}\n{draft.evidence}"
    if draft.style is not Style.FOLLOW_UP and not content(draft.question) & content(f"{head}\n{source.text}\n{told}"):
        return Verdict(False, "none of its words stands in its passage")
    places = [
        unit for unit in units_of(source.text) if _states(unit) and squeezed(unit) not in squeezed(draft.evidence)
    ]
    # What the headings name is spoken of all over the passage.
    named = set(codes(draft.question)) - set(codes(head)) - set(codes(told))
    if elsewhere := sorted(code for code in named if any(code in codes(place) for place in places)):
        return Verdict(False, f"{', '.join(elsewhere)} stands in another place of the passage")
    products, spoken = naming_codes(draft.question) - naming_codes(head), naming_codes(told)
    if products and spoken and not products & spoken:
        return Verdict(False, f"it asks for {', '.join(sorted(products))} and is told of {', '.join(sorted(spoken))}")
    asked = (content(draft.question) - content(head)) or content(draft.question)
    own = _share(asked, told)
    best = max((_share(asked, place) for place in places), default=0.0)
    if own < best - _BETTER_ELSEWHERE and 2 * len(draft.evidence) < len(source.text):
        return Verdict(False, f"another place of the passage holds {best:.2f} of its words, its answer {own:.2f}")
    return Verdict(True, f"{own:.2f} of its words, {best:.2f} at best elsewhere")


def _share(asked: frozenset[int], text: str) -> float:
    return len(asked & content(text)) / max(len(asked), 1)


def _states(unit: str) -> bool:
    """Whether a piece of a passage could answer: a whole sentence or a row, and no question or heading."""
    return unit.endswith((".", "!", "。", "！", "；", ";")) or ": " in unit


def _read(vote: float) -> float:
    if not isinstance(vote, (int, float)) or not math.isfinite(vote) or not 0 <= vote <= 1:
        raise ValueError(f"{vote!r} is no probability")
    return float(vote)


def _asked(draft: Draft) -> str:
    """The question as it can be searched for: a follow-up after the question before it."""
    asked = [turn.text for turn in draft.history if turn.role == "user"]
    return f"{asked[-1]} {draft.question}" if asked else draft.question


def _key(draft: Draft) -> tuple[str, str]:
    return (_asked(draft), draft.sources[0].id if draft.sources else "")


def _group(draft: Draft) -> str:
    """What near-duplicates are looked for among: a slip or a query of keywords repeats another question on purpose."""
    alike = draft.style if draft.style in (Style.SLIP, Style.KEYWORD, Style.COLLOQUIAL) else "plain"
    return f"{draft.kind}:{alike}"


def _rank(source: SourceChunk, evidence: str, found: Sequence[FoundChunk]) -> int:
    """Place of the source's text, or of another passage that holds the evidence; 0 when it was not found."""
    for place, passage in enumerate(found, start=1):
        if passage.text_hash == source.text_hash or (
            len(evidence) > 20 and squeezed(evidence) in squeezed(passage.text)
        ):
            return place
    return 0
