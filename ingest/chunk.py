"""Elements to chunks that follow the document's structure. Pure: no I/O.

- A chunk never crosses a heading of the same or a higher level; a section's short introduction is merged with its
  first subsection.
- Lists, code and table rows stay whole while they fit; a table is split between rows and its header repeated.
- The budget is counted in the embedder's tokens and includes title and heading path, which are indexed with the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from ingest.language import detect_language
from ingest.places import merged
from ingest.schema import Box, Chunk, Element, ElementKind, ParsedDocument, Table

CHUNKER_VERSION = "structure-3"
CountTokens = Callable[[Sequence[str]], list[int]]

# After Latin punctuation only before white space ("3.5", "FD-200.pdf" stay whole); after Chinese punctuation always.
_LATIN_END = re.compile(r"([.!?][\"')\]”’]*)\s+(?=[^a-z\s])")
_ASIAN_END = re.compile(r"([。！？；][”」』）]*)")
# A full stop that ends no sentence: after an abbreviation, an initial, or a list number.
NO_END = re.compile(
    r"(?:\b(?:e\.g|i\.e|no|nr|approx|ca|vs|mr|mrs|ms|dr|st|fig|p|pp|tel|max|min|incl|excl|[a-z])|^\s*\d{1,2})\.$",
    re.IGNORECASE,
)
# A line break is an end unless the sentence plainly goes on.
_LINE_END = re.compile(r"\n+(?!\s*[a-z])")
# Parts that a window may be cut at when even a sentence is too long.
_SOFT_BREAK = re.compile(r"(?<=[,，、:：;])(?=\S)|(?<=\s)(?=\S)")
_CELL = re.compile(r"(?<!\\)\|")
_MIN_BODY_TOKENS = 48


@dataclass(frozen=True, slots=True)
class _Block:
    """Something to be kept together, with its cost in tokens."""

    text: str
    kind: ElementKind
    tokens: int
    page: int | None = None
    sheet: str | None = None
    boxes: tuple[Box, ...] = ()
    # Of a table over several pages, the page of each row.
    row_pages: tuple[int, ...] = ()


@dataclass(slots=True)
class _Section:
    """The blocks below one heading, up to the next heading of any level."""

    path: tuple[str, ...]
    blocks: list[_Block] = field(default_factory=list)
    has_subsection: bool = False


def chunk_document(document: ParsedDocument, title: str, budget: int, count_tokens: CountTokens) -> list[Chunk]:
    """Cut a document into chunks of at most ``budget`` tokens (title and heading path included).

    title:        shown with each chunk; the document's own, or its file name.
    count_tokens: texts to token counts, by the embedder's tokenizer.
    """
    chunks: list[Chunk] = []
    for section in _merge_introductions(_sections(document.elements, count_tokens), budget, count_tokens):
        overhead = count_tokens([" > ".join((title, *section.path))])[0] + 2
        # A path that eats the budget would leave no room for the passage; the model's limit then cuts its tail.
        room = max(budget - overhead, _MIN_BODY_TOKENS)
        for blocks in _pack(_fit(section.blocks, room, count_tokens), room):
            chunks.append(_chunk(len(chunks), section.path, blocks))
    return chunks


def split_sentences(text: str) -> list[str]:
    """Sentences of a paragraph, English and Chinese; joined again they miss white space only."""
    sentences: list[str] = []
    for line in _LINE_END.split(text):
        held = ""
        for part in _marked(" ".join(line.split("\n"))).split("\0"):
            held = f"{held} {part}".strip() if held else part.strip()
            if held and not NO_END.search(held):
                sentences.append(held)
                held = ""
        if held:
            sentences.append(held)
    return sentences


def _marked(line: str) -> str:
    """The line with a NUL behind every sentence end; closing quotes stay with their sentence."""
    return _ASIAN_END.sub("\\1\0", _LATIN_END.sub("\\1\0", line))


class _Row(NamedTuple):
    """A row of a table that is split: its text, its cost in tokens, its page (0 where there is one page only)."""

    text: str
    tokens: int
    page: int


def render_table(table: Table) -> list[str]:
    """A table as Markdown lines; the first two are its header when it has one."""
    lines = []
    if table.header:
        lines = [_line(table.header), "|" + "---|" * len(table.header)]
    return lines + [_line(row) for row in table.rows]


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _sections(elements: Sequence[Element], count_tokens: CountTokens) -> list[_Section]:
    sections = [_Section(())]
    stack: list[tuple[int, str]] = []
    for position, element in enumerate(elements):
        if element.kind is not ElementKind.HEADING:
            sections[-1].blocks.extend(_blocks(element, count_tokens))
            continue
        level = element.level or 1
        stack = [entry for entry in stack if entry[0] < level]
        if _is_bare(elements, position, level):
            # Nothing stands below it (or a parser took a line for a heading): its words must not get lost.
            sections.append(_Section(tuple(text for _, text in stack)))
            sections[-1].blocks.extend(_blocks(replace(element, kind=ElementKind.PARAGRAPH), count_tokens))
            continue
        stack.append((level, " ".join(element.text.split())))
        sections.append(_Section(tuple(text for _, text in stack)))
    return _join_same_path([section for section in sections if section.blocks])


def _is_bare(elements: Sequence[Element], position: int, level: int) -> bool:
    following = elements[position + 1] if position + 1 < len(elements) else None
    return following is None or (following.kind is ElementKind.HEADING and (following.level or 1) <= level)


def _join_same_path(sections: list[_Section]) -> list[_Section]:
    joined: list[_Section] = []
    for section in sections:
        # Bare headings in a row are lines of one passage.
        if joined and joined[-1].path == section.path and section.blocks[0].kind is ElementKind.PARAGRAPH:
            joined[-1].blocks.extend(section.blocks)
        else:
            joined.append(section)
    return joined


def _blocks(element: Element, count_tokens: CountTokens) -> Iterator[_Block]:
    if element.kind is ElementKind.TABLE and element.table is not None:
        lines = render_table(element.table)
        text = "\n".join(([element.text] if element.text.strip() else []) + lines)
    else:
        text = element.text.strip("\n") if element.kind is ElementKind.CODE else element.text.strip()
    if text.strip():
        pages = element.table.pages if element.table is not None else ()
        yield _Block(text, element.kind, count_tokens([text])[0], element.page, element.sheet, element.boxes, pages)


def _merge_introductions(sections: list[_Section], budget: int, count_tokens: CountTokens) -> list[_Section]:
    """Let a short introduction move in with the first subsection, whose heading becomes a line of the text."""
    merged: list[_Section] = []
    for section in sections:
        previous = merged[-1] if merged else None
        if previous is not None and not previous.has_subsection and _is_below(section.path, previous.path):
            cost = sum(block.tokens for block in (*previous.blocks, *section.blocks))
            if cost + count_tokens([" > ".join(section.path)])[0] <= budget // 2:
                heading = " > ".join(section.path[len(previous.path) :])
                line = _Block(
                    heading,
                    ElementKind.PARAGRAPH,
                    count_tokens([heading])[0],
                    section.blocks[0].page,
                    section.blocks[0].sheet,
                )
                merged[-1] = _Section(previous.path, [*previous.blocks, line, *section.blocks], has_subsection=True)
                continue
        merged.append(section)
    return merged


def _is_below(path: tuple[str, ...], parent: tuple[str, ...]) -> bool:
    return bool(parent) and len(path) > len(parent) and path[: len(parent)] == parent


def _fit(blocks: Iterable[_Block], room: int, count_tokens: CountTokens) -> Iterator[_Block]:
    """Split every block that is larger than the room."""
    for block in blocks:
        if block.tokens <= room:
            yield block
        elif block.kind is ElementKind.TABLE:
            yield from _split_table(block, room, count_tokens)
        else:
            joiner = "\n" if block.kind in (ElementKind.CODE, ElementKind.LIST) else " "
            yield from _group(block, _parts(block, room, count_tokens), joiner, room, count_tokens, prefix=())


def _parts(block: _Block, room: int, count_tokens: CountTokens) -> list[str]:
    if block.kind in (ElementKind.CODE, ElementKind.LIST):
        parts = block.text.split("\n")
    else:
        parts = split_sentences(block.text)
    return [
        piece
        for part, tokens in zip(parts, count_tokens(parts), strict=True)
        for piece in ([part] if tokens <= room else _windows(part, room, count_tokens))
    ]


def _windows(text: str, room: int, count_tokens: CountTokens) -> Iterator[str]:
    """Cut a sentence that is too long: at commas and spaces first, between characters last. No character is lost."""
    parts = [part for part in _SOFT_BREAK.split(text) if part]
    if len(parts) < 2:
        middle = len(text) // 2
        parts = [text[:middle], text[middle:]] if middle else [text]
    window, used = "", 0
    for part, tokens in zip(parts, count_tokens(parts), strict=True):
        if window and used + tokens > room:
            yield window.strip()
            window, used = "", 0
        if tokens > room and len(part) > 1:
            yield from _windows(part, room, count_tokens)
        else:
            window += part
            used += tokens
    if window.strip():
        yield window.strip()


def _split_table(block: _Block, room: int, count_tokens: CountTokens) -> Iterator[_Block]:
    lines = block.text.split("\n")
    rule = next((i for i, line in enumerate(lines) if line.startswith("|---")), None)
    # Caption and header are repeated, unless they alone fill half of the room.
    head = lines[: rule + 1] if rule is not None else [line for line in lines[:1] if not line.startswith("|")]
    rows = lines[len(head) :]
    names = head[-2] if rule is not None else ""
    if head and count_tokens(["\n".join(head)])[0] > room // 2:
        head = []
    left = room - (count_tokens(["\n".join(head)])[0] if head else 0)
    fitting: list[_Row] = []
    pages = block.row_pages if len(block.row_pages) == len(rows) else (0,) * len(rows)
    for row, tokens, page in zip(rows, count_tokens(rows), pages, strict=True):
        if tokens <= left:
            fitting.append(_Row(row, tokens, page))
            continue
        yield from _table_parts(block, fitting, head, room, count_tokens)
        fitting = []
        # A row with a page in one cell is read as text, or its tail would never reach the embedder.
        for piece in _windows(_row_as_text(names, row), room, count_tokens):
            part = replace(block, text=piece, kind=ElementKind.PARAGRAPH, tokens=count_tokens([piece])[0])
            yield _on_pages(part, {page})
    yield from _table_parts(block, fitting, head, room, count_tokens)


def _table_parts(
    block: _Block, rows: list[_Row], head: list[str], room: int, count_tokens: CountTokens
) -> Iterator[_Block]:
    start = 0
    for part in _group(block, [row.text for row in rows], "\n", room, count_tokens, prefix=tuple(head)):
        end = start + part.text.count("\n") + 1 - len(head)
        yield _on_pages(part, {row.page for row in rows[start:end]})
        start = end


def _on_pages(part: _Block, pages: set[int]) -> _Block:
    """A part of a table over several pages stands on the pages of its rows alone."""
    if 0 in pages or not pages:
        return part
    return replace(part, page=min(pages), boxes=tuple(box for box in part.boxes if box.page in pages))


def _row_as_text(header: str, row: str) -> str:
    names, cells = ([cell.strip() for cell in _CELL.split(line)[1:-1]] for line in (header, row))
    if len(names) != len(cells):
        return " ".join(cell for cell in cells if cell)
    return " ".join(f"{name}: {cell}" if name else cell for name, cell in zip(names, cells, strict=True) if cell)


def _group(
    block: _Block, parts: Sequence[str], joiner: str, room: int, count_tokens: CountTokens, prefix: tuple[str, ...]
) -> Iterator[_Block]:
    """Fill blocks with parts in order; every block begins with the prefix."""
    base = count_tokens(["\n".join(prefix)])[0] if prefix else 0
    group: list[str] = []
    used = base
    for part, tokens in zip(parts, count_tokens(parts), strict=True):
        if group and used + tokens > room:
            yield replace(block, text=_assemble(prefix, group, joiner), tokens=used)
            group, used = [], base
        group.append(part)
        used += tokens
    if group:
        yield replace(block, text=_assemble(prefix, group, joiner), tokens=used)


def _assemble(prefix: tuple[str, ...], group: list[str], joiner: str) -> str:
    return "\n".join([*prefix, joiner.join(group)])


def _pack(blocks: Iterable[_Block], room: int) -> Iterator[list[_Block]]:
    """Put neighbouring blocks together while they fit."""
    pack: list[_Block] = []
    for block in blocks:
        if pack and sum(b.tokens for b in pack) + block.tokens > room:
            yield pack
            pack = []
        pack.append(block)
    if pack:
        yield pack


def _chunk(ordinal: int, path: tuple[str, ...], blocks: list[_Block]) -> Chunk:
    text = "\n\n".join(block.text for block in blocks)
    kinds = {block.kind for block in blocks}
    return Chunk(
        ordinal=ordinal,
        text=text,
        heading_path=path,
        pages=tuple(sorted({page for block in blocks for page in _pages(block)})),
        sheet=next((block.sheet for block in blocks if block.sheet), None),
        language=detect_language("\n".join((*path, text))),
        tokens=sum(block.tokens for block in blocks),
        kind=kinds.pop().value if len(kinds) == 1 else "mixed",
        boxes=merged(box for block in blocks for box in block.boxes),
    )


def _pages(block: _Block) -> set[int]:
    """The pages a block covers: those of its places, and its own where it has none."""
    return {box.page for box in block.boxes} or ({block.page} if block.page is not None else set())
