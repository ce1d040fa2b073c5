"""Passages and the windows they are read through: sentences and table rows. Pure: no I/O.

A window is the smallest piece of a passage that can support a statement: a sentence with its neighbours, or one row of a
table with the header's names. Evidence, extractive answers and citation checks all speak of windows.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from ingest.chunk import split_sentences
from ingest.sparse import SparseEncoder

# Question words and politeness that the tokenizer keeps; they say nothing about what is asked.
_STOP_EN = (
    "what which who whom whose when where why how many much long often far does do did done can could may might shall should "
    "would will must need want like get give tell know let please thanks hello there here any some also just really "
    "still you your yours we our ours us they them their he she his her its my mine me i am is are was were be been "
    "being have has had having one ones thing things way kind sort someone something anything if so than then too very "
    "about into onto over under out off up down between during after before again only own same such each few more most "
    "other both all no nor not a an the and or of to in on at by for with from as this that these those it s t don won"
)
_STOP_ZH = (
    "的 了 吗 呢 吧 啊 呀 是 在 有 和 与 及 或 我 你 您 他 她 它 我们 你们 他们 这 那 这个 那个 哪 哪个 哪些 哪里 什么 怎么 怎样 怎么样 "
    "如何 为什么 多少 几 几个 多久 多长 多长时间 时候 可以 能 能否 能不能 是否 是不是 可否 请 请问 想 要 需要 应该 会 被 把 对 对于 关于 "
    "从 到 为 为了 而 且 但 但是 就 都 也 还 很 更 最 吗 一下 一个 个 种 些 之 其 由 于 以 将 如果 的话 有没有 没有 谁 何 何时 哪家 哪位"
)


@dataclass(frozen=True, slots=True)
class Part:
    """A chunk of a passage that is shown with its neighbours."""

    text: str
    pages: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Passage:
    """A retrieved chunk as prompts, checks and citations see it.

    n:     its number in the answer, from 1.
    text:  all that is shown, neighbours included.
    pages: those of the chunk that was found.
    score: fused retrieval score, 0 to 1.
    parts: the chunk and its neighbours in reading order; empty when it is shown alone.
    also:  other documents that say the same.
    """

    n: int
    chunk_id: str
    document: str
    title: str
    version: str
    text: str
    heading_path: tuple[str, ...] = ()
    pages: tuple[int, ...] = ()
    sheet: str | None = None
    language: str = "en"
    score: float = 0.0
    parts: tuple[Part, ...] = ()
    also: tuple[str, ...] = ()

    def pages_of(self, text: str) -> tuple[int, ...]:
        """The pages on which a sentence or row of it stands."""
        if not self.parts:
            return self.pages
        words = content_tokens(text)
        return max(self.parts, key=lambda part: len(words & content_tokens(part.text))).pages or self.pages

    @property
    def heading(self) -> str:
        """Heading path as one line."""
        return " > ".join(self.heading_path)


@dataclass(frozen=True, slots=True)
class Window:
    """A sentence or table row of a passage.

    text:    the words a customer may be shown.
    context: the words around it that statements may also lean on: neighbours, heading path, title.
    """

    passage: Passage
    position: int
    text: str
    context: str
    is_row: bool = False


@lru_cache(maxsize=1)
def _encoder() -> SparseEncoder:
    return SparseEncoder()


@lru_cache(maxsize=1)
def _stop_tokens() -> frozenset[int]:
    return frozenset(_encoder().encode_query(_STOP_EN).indices) | frozenset(
        index for word in _STOP_ZH.split() for index in _encoder().encode_query(word).indices
    )


@lru_cache(maxsize=20_000)
def content_tokens(text: str) -> frozenset[int]:
    """Hashes of the words that carry meaning, stemmed and segmented as the sparse leg does; numbers and codes too."""
    return frozenset(_encoder().encode_query(text).indices) - _stop_tokens()


def windows(passage: Passage) -> list[Window]:
    """The sentences and table rows of a passage, in order."""
    units = list(_units(passage.text))
    head = "\n".join((passage.title, *passage.heading_path))
    found = []
    for position, (text, is_row) in enumerate(units):
        # A row is read with its header only; a sentence with the one before and the one after it.
        around = [] if is_row else [u for u, row in units[max(0, position - 1) : position + 2] if not row]
        found.append(Window(passage, position, text, "\n".join((head, *around, text)), is_row))
    return found


_RULE = re.compile(r"\|(?:---\|)+")
_BULLET = re.compile(r"^\s*[-*•]\s+")
_ITEM = re.compile(r"^\s*(?:[-*•]|\d{1,2}[.)])\s+")
_MOST_ITEMS = 6
_CELL = re.compile(r"(?<!\\)\|")


def _units(text: str) -> list[tuple[str, bool]]:
    units: list[tuple[str, bool]] = []
    header: list[str] = []
    lines = text.split("\n")
    prose: list[str] = []

    def flush() -> None:
        for paragraph in "\n".join(prose).split("\n\n"):
            units.extend((sentence, False) for sentence in split_sentences(paragraph))
        prose.clear()

    for i, line in enumerate(lines):
        if not (line.startswith("|") and line.endswith("|")):
            if line.strip():
                header = []
            prose.append(line)
        elif i + 1 < len(lines) and _RULE.fullmatch(lines[i + 1]):
            flush()
            header = _cells(line)
        elif not _RULE.fullmatch(line):
            flush()
            units.append((_row_text(header, _cells(line)), True))
    flush()
    return [(_with_items(units, i), row) for i, (unit, row) in enumerate(units) if unit]


def _with_items(units: list[tuple[str, bool]], position: int) -> str:
    """A unit without its bullet; one that ends with a colon says nothing without the items that follow it."""
    text = _BULLET.sub("", units[position][0])
    items: list[str] = []
    if text.endswith((":", "：")):
        for unit, row in units[position + 1 : position + 1 + _MOST_ITEMS]:
            if row or not _ITEM.match(unit):
                break
            items.append(_BULLET.sub("", unit).rstrip(".;；。"))
    return f"{text} {'; '.join(items)}" if items else text


def _cells(line: str) -> list[str]:
    return [cell.strip().replace("\\|", "|") for cell in _CELL.split(line)[1:-1]]


def _row_text(header: list[str], cells: list[str]) -> str:
    """A row that can be read by itself: "Model: FD-200; Price: 429"."""
    if len(header) != len(cells):
        return "; ".join(dict.fromkeys(cell for cell in cells if cell))
    pairs = [
        f"{name}: {cell}" if name and name != cell else cell for name, cell in zip(header, cells, strict=True) if cell
    ]
    return "; ".join(dict.fromkeys(pairs))


def in_stable_order(passages: Sequence[Passage]) -> list[Passage]:
    """The same passages by document and chunk, numbered anew: prompts on the same passages begin alike, whatever was asked.

    A server that keeps what it has read (vLLM's prefix cache) reads them once.
    """
    ordered = sorted(passages, key=lambda passage: (passage.document, passage.version, passage.chunk_id))
    return [replace(passage, n=n) for n, passage in enumerate(ordered, start=1)]
