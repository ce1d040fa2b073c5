"""What `frontdesk curated` and `frontdesk glossary` do alike: list, forget, bring in and write out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Column, Table

from app.commands.common import out, print_json
from app.commands.tables import read_table, write_table

if TYPE_CHECKING:
    from app.commands.desk import Desk
    from app.commands.written_desk import WrittenDesk


@dataclass(frozen=True, slots=True)
class Written:
    """One kind of what persons write for a knowledge base.

    name:    of its command, and in JSON.
    noun:    one of them, and several.
    of:      those of a knowledge base.
    columns: heads of the columns beside the id, and the cells of one of them.
    """

    name: str
    noun: tuple[str, str]
    of: Callable[[Desk, str | None], WrittenDesk[Any]]
    columns: Sequence[str]
    cells: Callable[[dict[str, Any]], Sequence[str]]

    def show(self, kb: str | None, search: str, as_json: bool) -> None:
        """List those with all words of a search."""
        from app.commands.desk import open_desk

        with open_desk() as desk:
            found = self.of(desk, kb).entries(search)
        if as_json:
            print_json({"kb": kb or desk.default_kb, self.name: found})
            return
        if not found:
            out.print(f"No {self.noun[1]}: `frontdesk {self.name} add` writes one.")
            return
        # The id whole in a narrow window, too: `remove` wants it.
        table = Table(Column("id", min_width=32), *self.columns, box=None)
        for each in found:
            table.add_row(each["id"], *self.cells(each))
        out.print(table, markup=False)

    def add(self, kb: str | None, draft: object, as_json: bool, say: Callable[[dict[str, Any]], str]) -> None:
        """Write one; ``say`` tells a person of it."""
        from app.commands.desk import open_desk

        with open_desk() as desk:
            made = self.of(desk, kb).add(draft)
        if as_json:
            print_json({"kb": kb or desk.default_kb, **made})
        else:
            out.print(say(made), markup=False)

    def forget(self, kb: str | None, entry: str, as_json: bool) -> None:
        """Forget one."""
        from app.commands.desk import open_desk

        with open_desk() as desk:
            self.of(desk, kb).remove(entry)
        if as_json:
            print_json({"kb": kb or desk.default_kb, "removed": entry})
        else:
            out.print(f"Removed {self.noun[0]} {entry}.", markup=False)

    def bring_in(self, kb: str | None, file: Path, as_json: bool) -> None:
        """Bring in a CSV, all of it or nothing."""
        from app.commands.desk import open_desk

        text = read_table(file)
        with open_desk() as desk:
            new, replaced = self.of(desk, kb).bring_in(text)
        if as_json:
            print_json({"kb": kb or desk.default_kb, "new": new, "replaced": replaced})
        else:
            out.print(f"{new} new, {replaced} replaced.")

    def write_out(self, kb: str | None, file: Path) -> None:
        """Write all of them as CSV."""
        from app.commands.desk import open_desk

        with open_desk() as desk:
            text = self.of(desk, kb).table()
        write_table(file, text)
