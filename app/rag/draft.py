"""An answer in the making: streamed text in, checked and numbered sentences out. Blocking only by its similarity."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from app.rag.answer import MAX_SOURCES, Citation
from ingest.sparse import without_product_codes
from serving.citations import Checked, SentenceBuffer, Similarity, check_sentence, renumbered, strip_marks
from serving.extractive import Evidence
from serving.passages import Passage, Window, content_tokens
from serving.prompts import NOT_FOUND

MAX_SENTENCES, MAX_SENTENCES_SMALL = 6, 2
# A true sentence that leans on a passage with far less to say on the question answers something else.
RELEVANT = 0.6
# Share of the question's words that the window behind a small model's sentence must hold.
COVERED = 0.8
_FINAL = re.compile(r"([.!?。！？]*)$")
_ASIAN_END = re.compile(r"[。！？；]$")


class Draft:
    """Collects one engine's answer; sources are numbered in the order in which the text cites them.

    similarity: cosine of a sentence with texts, or None where the embedder does not know the language.
    small:      the writer is a small model: held to the passages' own words, and not heard once it has strayed.
    bare:       a bare answer is wanted, not a sentence.
    """

    def __init__(
        self,
        question: str,
        passages: Sequence[Passage],
        evidence: Sequence[Evidence],
        similarity: Similarity | None,
        *,
        small: bool = False,
        bare: bool = False,
    ) -> None:
        self._small = small
        self._bare = bare
        self._question = question
        self._passages = passages
        self._scores = {(e.window.passage.n, e.window.position): e.score for e in evidence}
        self._best = max(self._scores.values(), default=0.0)
        self._similarity = similarity
        self._buffer = SentenceBuffer()
        self.sentences: list[str] = []
        self.withheld: list[str] = []
        self.sources: list[Passage] = []
        # Pages of what was first said out of each source: a passage with its neighbours stands on several.
        self._pages: list[tuple[int, ...]] = []
        self.not_found = False
        # Numbers that the writer saw, where they are not the passages' own.
        self.numbers: Mapping[int, int] = {}

    @property
    def full(self) -> bool:
        """Whether the answer is long enough; a small model is not heard further once it has strayed."""
        if self._small and self.sentences and self.withheld:
            return True
        return len(self.sentences) >= (MAX_SENTENCES_SMALL if self._small else MAX_SENTENCES)

    @property
    def text(self) -> str:
        """The answer so far."""
        parts = [s if _ASIAN_END.search(s) else f"{s} " for s in self.sentences]
        return "".join(parts).strip()

    @property
    def citations(self) -> tuple[Citation, ...]:
        """The sources so far, numbered."""
        cited = zip(self.sources, self._pages, strict=True)
        return tuple(Citation.of(n, replace(passage, pages=pages)) for n, (passage, pages) in enumerate(cited, start=1))

    def push(self, piece: str) -> list[str]:
        """Take a piece of the stream; returns the sentences that may be shown now."""
        return self._take(self._buffer.push(piece))

    def finish(self) -> list[str]:
        """The stream has ended; returns what may still be shown."""
        return self._take(self._buffer.flush())

    def quote(self, window: Window) -> str:
        """Take a window as it stands in the passage."""
        return self._keep(window.text, window)

    def _take(self, written: Sequence[str]) -> list[str]:
        shown = []
        for sentence in written:
            if NOT_FOUND in sentence:
                self.not_found = not self.sentences
                continue
            if self.full or self.not_found:
                break
            checked = self._checked(renumbered(sentence, self.numbers))
            if checked.window is None:
                self.withheld.append(f"{checked.text} ({checked.withheld})")
            elif _bare(checked.text) not in map(_bare, self.sentences):
                shown.append(self._keep(checked.text, checked.window))
        return shown

    def _checked(self, sentence: str) -> Checked:
        checked = check_sentence(
            sentence, self._passages, self._question, self._similarity, verbatim=self._small, bare=self._bare
        )
        window = checked.window
        if window is None:
            return checked
        if content_tokens(checked.text) <= content_tokens(self._question):
            return Checked(checked.text, withheld="it only repeats the question")
        if self._small and self._leaves_out(window):
            return Checked(checked.text, withheld="it leaves out a part of the question")
        if self._relevance(window) < RELEVANT * self._best:
            return Checked(checked.text, withheld="it answers something else")
        if _names_heading_only(checked.text, window.passage):
            return Checked(checked.text, withheld="it only names a heading")
        if window.passage not in self.sources and len(self.sources) == MAX_SOURCES:
            return Checked(checked.text, withheld=f"it would need more than {MAX_SOURCES} sources")
        return checked

    def _leaves_out(self, window: Window) -> bool:
        """Whether a word of the question that the passages know, or too many of its words, are not in the window."""
        asked, held = content_tokens(self._question), content_tokens(window.context)
        known = (content_tokens("\n".join((p.title, *p.heading_path, p.text))) for p in self._passages)
        missing = asked - held
        return bool(missing & frozenset().union(*known)) or len(missing) > (1 - COVERED) * len(asked)

    def _relevance(self, window: Window) -> float:
        """Evidence of the window or of a neighbour: a statement often leans on two sentences."""
        n, position = window.passage.n, window.position
        return max(self._scores.get((n, near), 0.0) for near in (position - 1, position, position + 1))

    def say(self, text: str) -> str:
        """Take a sentence that states nothing about the company: it needs no source."""
        self.sentences.append(text)
        return text

    def _keep(self, text: str, window: Window) -> str:
        passage = window.passage
        if passage not in self.sources:
            self.sources.append(passage)
            self._pages.append(passage.pages_of(window.text))
        mark = f" [{self.sources.index(passage) + 1}]"
        sentence = _FINAL.sub(lambda end: mark + end.group(1), text, count=1)
        self.sentences.append(sentence)
        return sentence


def _bare(sentence: str) -> str:
    return _FINAL.sub("", strip_marks(sentence), count=1)


def _names_heading_only(text: str, passage: Passage) -> bool:
    """Whether all that is said stands in title and headings: product names put beside a heading state nothing of it."""
    said = content_tokens(without_product_codes(text))
    return said <= content_tokens("\n".join((passage.title, *passage.heading_path)))
