"""What a PDF says about itself: title, outline."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

_FEWEST_ENTRIES = 3
_MOST_ENTRIES = 5000
_DEEPEST = 6


@dataclass(slots=True)
class Structure:
    """``outline`` maps a title without white space to its (level, page) entries; ``depth`` is its deepest level."""

    title: str = ""
    outline: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    depth: int = 0

    def level(self, text: str, page: int) -> int | None:
        """The outline level of a heading on a page (1-based), or None."""
        for level, target in self.outline.get(_key(text), ()):
            # Targets are often a page off, or unknown.
            if not target or abs(target - page) <= 1:
                return level
        return None


def read_structure(document: Any) -> Structure:
    """Title and outline of an opened pypdfium2 document; an outline of one or two entries says nothing."""
    structure = Structure(title=str(document.get_metadata_value("Title")).strip())
    entries = [
        (title, bookmark.level + 1, _target(bookmark))
        # pdfium's own guard against outlines that run in circles looks at addresses; the number bounds the rest.
        for bookmark in islice(document.get_toc(max_depth=_DEEPEST), _MOST_ENTRIES)
        if (title := bookmark.get_title().strip())
    ]
    if len(entries) >= _FEWEST_ENTRIES:
        for title, level, page in entries:
            structure.outline.setdefault(_key(title), []).append((level, page))
        structure.depth = min(max(level for _, level, _ in entries), 3)
    return structure


def _target(bookmark: Any) -> int:
    """The page (1-based) that an entry leads to; 0 where it does not say."""
    destination = bookmark.get_dest()
    index = destination.get_index() if destination is not None else None
    return index + 1 if index is not None and index >= 0 else 0


def _key(text: str) -> str:
    return re.sub(r"\s+", "", text).casefold()
