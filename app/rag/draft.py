"""An answer in the making: streamed text in, checked and numbered sentences out. Blocking only by its similarity."""

from __future__ import annotations

import re
from collections.abc import Sequence

from app.rag.answer import MAX_SOURCES
from serving.citations import Checked, SentenceBuffer, Similarity, check_sentence
from serving.extractive import Evidence
from serving.passages import Passage, Window, content_tokens
from serving.prompts import NOT_FOUND

MAX_SENTENCES = 6
# A true sentence that leans on a passage with far less to say on the question answers something else.
RELEVANT = 0.6
_FINAL = re.compile(r"([.!?。！？]*)$")
_ASIAN_END = re.compile(r"[。！？；]$")


class Draft:
    """Collects one engine's answer; sources are numbered in the order in which the text cites them.

    similarity: cosine of a sentence with texts, or None where the embedder does not know the language.
    """

    def __init__(
        self,
        question: str,
        passages: Sequence[Passage],
        evidence: Sequence[Evidence],
        similarity: Similarity | None,
    ) -> None:
        self._question = question
        self._passages = passages
        self._scores = {(e.window.passage.n, e.window.position): e.score for e in evidence}
        self._best = max(self._scores.values(), default=0.0)
        self._similarity = similarity
        self._buffer = SentenceBuffer()
        self.sentences: list[str] = []
        self.withheld: list[str] = []
        self.sources: list[Passage] = []
        self.not_found = False

    @property
    def full(self) -> bool:
        """Whether the answer is long enough; small models do not know when to stop."""
        return len(self.sentences) >= MAX_SENTENCES

    @property
    def text(self) -> str:
        """The answer so far."""
        parts = [s if _ASIAN_END.search(s) else f"{s} " for s in self.sentences]
        return "".join(parts).strip()

    def push(self, piece: str) -> list[str]:
        """Take a piece of the stream; returns the sentences that may be shown now."""
        return self._take(self._buffer.push(piece))

    def finish(self) -> list[str]:
        """The stream has ended; returns what may still be shown."""
        return self._take(self._buffer.flush())

    def quote(self, window: Window) -> str:
        """Take a window as it stands in the passage."""
        return self._keep(window.text, window.passage)

    def _take(self, written: Sequence[str]) -> list[str]:
        shown = []
        for sentence in written:
            if NOT_FOUND in sentence:
                self.not_found = not self.sentences
                continue
            if self.full or self.not_found:
                break
            checked = self._checked(sentence)
            if checked.window is None:
                self.withheld.append(f"{checked.text} ({checked.withheld})")
            elif checked.text not in {s.rsplit(" [", 1)[0] for s in self.sentences}:
                shown.append(self._keep(checked.text, checked.window.passage))
        return shown

    def _checked(self, sentence: str) -> Checked:
        checked = check_sentence(sentence, self._passages, self._question, self._similarity)
        window = checked.window
        if window is None:
            return checked
        if content_tokens(checked.text) <= content_tokens(self._question):
            return Checked(checked.text, withheld="it only repeats the question")
        if self._scores.get((window.passage.n, window.position), 0.0) < RELEVANT * self._best:
            return Checked(checked.text, withheld="it answers something else")
        if window.passage not in self.sources and len(self.sources) == MAX_SOURCES:
            return Checked(checked.text, withheld=f"it would need more than {MAX_SOURCES} sources")
        return checked

    def _keep(self, text: str, passage: Passage) -> str:
        if passage not in self.sources:
            self.sources.append(passage)
        mark = f" [{self.sources.index(passage) + 1}]"
        sentence = _FINAL.sub(lambda end: mark + end.group(1), text, count=1)
        self.sentences.append(sentence)
        return sentence
