"""frontdesk glossary: terms that mean the same in the company's words."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Column, Table

from app.commands.common import JsonOption, KbOption, out, print_json, reported
from app.commands.tables import FileArgument, read_table, write_table

app = typer.Typer(
    no_args_is_help=True, help="Terms that mean the same: a question with one is searched for with the others, too."
)


@app.command("list")
@reported
def list_(
    kb: KbOption = None,
    search: Annotated[str, typer.Option(help="Words of a term.")] = "",
    as_json: JsonOption = False,
) -> None:
    """List the entries of the glossary."""
    from app.commands.desk import open_desk

    with open_desk() as desk:
        found = desk.glossary(kb).entries(search)
    if as_json:
        print_json({"kb": kb or desk.default_kb, "glossary": found})
        return
    if not found:
        out.print("No glossary entries: `frontdesk glossary add` writes one.")
        return
    # Whole in a narrow window, too: `glossary remove` wants it.
    table = Table(Column("id", min_width=32), "terms", box=None)
    for entry in found:
        first, *others = entry["terms"]
        table.add_row(entry["id"], f"{first} → {', '.join(others)}" if entry["one_way"] else " = ".join(entry["terms"]))
    out.print(table, markup=False)


@app.command("add")
@reported
def add(
    terms: Annotated[list[str], typer.Argument(help="Two terms or more that mean the same; quote those with spaces.")],
    one_way: Annotated[
        bool, typer.Option("--one-way", help="The first also means the others, but not they the first.")
    ] = False,
    kb: KbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write an entry; questions are searched for with it from now on."""
    from app.commands.desk import open_desk
    from ingest.glossary import GlossaryDraft

    with open_desk() as desk:
        made = desk.glossary(kb).add(GlossaryDraft(tuple(terms), one_way))
    if as_json:
        print_json({"kb": kb or desk.default_kb, **made})
    else:
        out.print(f"Glossary entry {made['id']} of {len(made['terms'])} terms.", markup=False)


@app.command("remove")
@reported
def remove(
    entry: Annotated[str, typer.Argument(help="Its id, as `glossary list` shows it.")],
    kb: KbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Forget an entry."""
    from app.commands.desk import open_desk

    with open_desk() as desk:
        desk.glossary(kb).remove(entry)
    if as_json:
        print_json({"kb": kb or desk.default_kb, "removed": entry})
    else:
        out.print(f"Removed glossary entry {entry}.", markup=False)


@app.command("import")
@reported
def import_(file: FileArgument, kb: KbOption = None, as_json: JsonOption = False) -> None:
    """Bring in a CSV with the columns that `glossary export` writes; `terms`, a term a line, is enough.

    All of it or nothing. A row whose id or term is known replaces what is there.
    """
    from app.commands.desk import open_desk

    text = read_table(file)
    with open_desk() as desk:
        new, replaced = desk.glossary(kb).bring_in(text)
    if as_json:
        print_json({"kb": kb or desk.default_kb, "new": new, "replaced": replaced})
    else:
        out.print(f"{new} new, {replaced} replaced.")


@app.command("export")
@reported
def export(file: FileArgument, kb: KbOption = None) -> None:
    """Write the glossary as CSV."""
    from app.commands.desk import open_desk

    with open_desk() as desk:
        text = desk.glossary(kb).table()
    write_table(file, text)
