"""How we use `unstructured`: mark the document, let it walk, read the marks back.

`unstructured` walks HTML and Word well (white space, inline and block content, list numbering, merged cells), but it
guesses what a paragraph is from its words, which were English. So each paragraph is marked beforehand with what its
tags and styles say it is, in characters that no document holds, and the marks survive the walk.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from ingest.parse.blocks import Blocks
from ingest.schema import Table

# Private-use characters of plane 15: allowed in XML, and used by no font.
_OPEN, _CLOSE = "\U000f0000", "\U000f0001"


def mark(kind: str, value: object = "") -> str:
    """A mark to put before a paragraph's text.

    Kinds: H level, P, L "depth,mark", C (a line of code), B and T (the number of a code block or table put aside).
    """
    return f"{_OPEN}{kind}{value}{_CLOSE}"


def is_marked(text: str) -> bool:
    """Whether a text begins with a mark."""
    return text.startswith(_OPEN)


def load_unstructured() -> None:
    """Make `unstructured` work offline and quickly; call before importing any of its partitioners.

    Its tokenizer downloads an English spaCy model at first use, and fails where there is no network. A blank
    multilingual pipeline with a sentencizer takes its place: what the tagger would tell us (is this a title?) our
    marks say better, and this is faster.
    """
    os.environ.setdefault("UNSTRUCTURED_DISABLE_NOTICE", "1")
    os.environ.setdefault("SCARF_NO_ANALYTICS", "true")
    with without_models():
        import spacy
        from unstructured.nlp import tokenize

        if getattr(tokenize._get_nlp, "frontdesk", False):
            return
        pipeline = spacy.blank("xx")
        pipeline.add_pipe("sentencizer")
    # The limit guards the memory of taggers; this pipeline has none, and a long paragraph is no error.
    pipeline.max_length = 1_000_000_000

    def blank_pipeline() -> Any:
        return pipeline

    blank_pipeline.frontdesk = True  # type: ignore[attr-defined]  # a flag that the work is done
    tokenize._get_nlp = blank_pipeline


@contextmanager
def without_models() -> Iterator[None]:
    """Let libraries be imported as if torch and transformers were not installed.

    spaCy's thinc imports torch when it finds it, and presidio's plug-in, which every spaCy pipeline looks for, imports
    transformers: 8 s and hundreds of MB that a tokenizer never uses. What is loaded already stays as it is.
    """
    absent = [name for name in ("torch", "transformers") if name not in sys.modules]
    for name in absent:
        sys.modules[name] = None  # type: ignore[assignment]  # documented: None blocks an import
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]


class MarkedReader:
    """Reads what a partitioner made of a marked document into Blocks."""

    def __init__(
        self, blocks: Blocks, tables: list[tuple[Table | None, str]], codes: list[str], numbered: bool = False
    ) -> None:
        self._blocks = blocks
        self._tables = tables
        self._codes = codes
        # unstructured puts the number that Word draws ("2.3.") before the text, and so before our mark.
        self._numbered = numbered

    def read(self, elements: Iterable[Any]) -> None:
        """Add every element of the partitioner's answer."""
        for element in elements:
            self.text(element.text)

    def text(self, text: str) -> None:
        """Add one text; the partitioner may join what we marked apart, so it may hold several marks."""
        for kind, value, piece in _pieces(text, self._numbered):
            self._piece(kind, value, piece)

    def _piece(self, kind: str, value: str, text: str) -> None:
        if kind == "B":
            self._blocks.code(self._codes[int(value)])
        elif kind == "T":
            self._blocks.table(*self._tables[int(value)])
        elif kind == "C":
            self._blocks.code_line(text.rstrip())
            return
        if text.strip():
            self._block(kind, value, text)

    def _block(self, kind: str, value: str, text: str) -> None:
        if kind == "H":
            self._blocks.heading(text, int(value))
        elif kind == "L":
            depth, _, bullet = value.partition(",")
            self._blocks.item(text, bullet or "-", int(depth))
        else:
            self._blocks.paragraph(text)


def _pieces(text: str, numbered: bool) -> Iterable[tuple[str, str, str]]:
    """(kind, value, text) for each mark; where ``numbered``, what stands before the first mark is its number."""
    head, *marked = text.split(_OPEN)
    number = f"{head.strip()} " if numbered and marked and head.strip() else ""
    if head and not number:
        yield "", "", head
    for part in marked:
        label, _, rest = part.partition(_CLOSE)
        yield label[:1], label[1:], number + rest
        number = ""
