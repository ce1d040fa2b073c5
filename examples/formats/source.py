"""The source of the example files: a small Markdown, read into blocks that every writer understands."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Kind = Literal["h1", "h2", "p", "ul", "ol", "table", "box", "figure", "notes"]

_LINES: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    ("h2", re.compile(r"## (.*)")),
    ("h1", re.compile(r"# (.*)")),
    ("ul", re.compile(r"- (.*)")),
    ("ol", re.compile(r"\d+\. (.*)")),
    ("box", re.compile(r"> (.*)")),
    ("table", re.compile(r"\| (.*) \|")),
    ("figure", re.compile(r"!figure (\w+)")),
    ("notes", re.compile(r"(?:Notes|备注): (.*)")),
)


@dataclass
class Block:
    """One heading, paragraph, list, table, box, figure or speaker note."""

    kind: Kind
    text: str = ""
    items: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)


@dataclass
class Source:
    """The blocks of one source file and the `% name: value` lines at its top."""

    info: dict[str, str]
    blocks: list[Block]

    def sections(self) -> list[tuple[str, list[Block]]]:
        """The blocks under each `#` heading, with that heading."""
        found: list[tuple[str, list[Block]]] = []
        for block in self.blocks:
            if block.kind == "h1":
                found.append((block.text, []))
            else:
                found[-1][1].append(block)
        return found


def load(path: Path) -> Source:
    """Read a source file.

    List items and table rows that follow each other become one block; a paragraph is one line.
    """
    info: dict[str, str] = {}
    blocks: list[Block] = []
    last: Kind | None = None
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("% "):
            name, _, value = line[2:].partition(": ")
            info[name] = value
            continue
        if not line.strip():
            last = None
            continue
        kind, text = _classify(line)
        if kind in ("ul", "ol", "table") and kind != last:
            blocks.append(Block(kind))
        if kind in ("ul", "ol"):
            blocks[-1].items.append(text)
        elif kind == "table":
            blocks[-1].rows.append([cell.strip() for cell in text.split(" | ")])
        else:
            blocks.append(Block(kind, text))
        last = kind
    return Source(info, blocks)


def plain(text: str) -> str:
    """Text without the marks for bold."""
    return text.replace("**", "")


def bold_runs(text: str) -> list[tuple[str, bool]]:
    """Split text at its `**` marks: each run and whether it is bold."""
    return [(run, number % 2 == 1) for number, run in enumerate(text.split("**")) if run]


def _classify(line: str) -> tuple[Kind, str]:
    for kind, pattern in _LINES:
        if match := pattern.fullmatch(line):
            return kind, match.group(1)
    return "p", line
