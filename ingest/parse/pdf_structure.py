"""What a PDF says about itself: encryption, title, outline."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_FEWEST_ENTRIES = 3
_MOST_ENTRIES = 5000
_DEEPEST = 6


@dataclass(slots=True)
class Structure:
    """``outline`` maps a title without white space to its (level, page) entries; ``depth`` is its deepest level."""

    needs_password: bool = False
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


def read_structure(path: Path) -> Structure:
    """Read what pypdf can tell; a file that it cannot read is left to pdfium, which is more forgiving."""
    from pypdf import PdfReader

    # It logs each oddity of a file it repairs; ours to report is only what changes the text.
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    try:
        reader = PdfReader(path)
        with reader:
            if reader.is_encrypted and not reader.decrypt(""):
                return Structure(needs_password=True)
            return _read(reader)
    except Exception:  # noqa: BLE001  # pypdf raises anything on damaged files; outline and title are extras
        return Structure()


def _read(reader: Any) -> Structure:
    structure = Structure()
    metadata = reader.metadata
    if metadata is not None and isinstance(metadata.title, str):
        structure.title = metadata.title.strip()
    entries: list[tuple[str, int, int]] = []
    _collect(reader, reader.outline, 1, entries)
    if len(entries) >= _FEWEST_ENTRIES:
        for title, level, page in entries:
            structure.outline.setdefault(_key(title), []).append((level, page))
        structure.depth = min(max(level for _, level, _ in entries), 3)
    return structure


def _collect(reader: Any, outline: list[Any], level: int, entries: list[tuple[str, int, int]]) -> None:
    for item in outline:
        if len(entries) >= _MOST_ENTRIES or level > _DEEPEST:
            return
        if isinstance(item, list):
            _collect(reader, item, level + 1, entries)
        elif item.title and item.title.strip():
            number = reader.get_destination_page_number(item)
            entries.append((item.title.strip(), level, (number + 1) if number is not None else 0))


def _key(text: str) -> str:
    return re.sub(r"\s+", "", text).casefold()
