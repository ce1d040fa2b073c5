"""What the reader of RTF keeps while it reads: what holds in a group, and the streams of paragraphs."""

from __future__ import annotations

from dataclasses import dataclass, field

from ingest.parse.rtf_model import Paragraph, Row


@dataclass(slots=True)
class State:
    """What holds until the end of the group."""

    skipped: bool = False
    place: str = ""
    uc: int = 1
    font: int = -1
    bold: bool = False
    hidden: bool = False
    size: int = 24
    style: int = 0
    outline: int | None = None
    in_table: bool = False
    depth: int = 1
    # In the group that defines the row of a table inside a cell.
    inner: bool = False
    level: int = 0
    is_item: bool = False


@dataclass(slots=True)
class Flow:
    """A stream of paragraphs: the body, a text box, a note, a page header."""

    items: list[Paragraph | Row] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)
    # What is put after the paragraph that is being read: its text boxes.
    after: list[Paragraph | Row] = field(default_factory=list)
    # Of the cell and the row that are being read, and of a table inside the cell.
    cell: list[Paragraph | Row] = field(default_factory=list)
    cells: list[list[Paragraph | Row]] = field(default_factory=list)
    inner_cell: list[Paragraph | Row] = field(default_factory=list)
    inner_cells: list[list[Paragraph | Row]] = field(default_factory=list)
    mark: str = ""
    all_bold: bool = True
    size: int = 0
    font: int = -1

    def begin_paragraph(self) -> None:
        """Forget what the last paragraph left."""
        self.parts, self.after, self.mark, self.all_bold, self.size = [], [], "", True, 0
