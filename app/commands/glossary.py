"""frontdesk glossary: terms that mean the same in the company's words."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from app.commands.common import JsonOption, KbOption, reported
from app.commands.tables import FileArgument
from app.commands.written import Written

app = typer.Typer(
    no_args_is_help=True, help="Terms that mean the same: a question with one is searched for with the others, too."
)


def _cells(entry: dict[str, Any]) -> tuple[str]:
    first, *others = entry["terms"]
    return (f"{first} → {', '.join(others)}" if entry["one_way"] else " = ".join(entry["terms"]),)


_GLOSSARY = Written(
    "glossary", ("glossary entry", "glossary entries"), lambda desk, kb: desk.glossary(kb), ("terms",), _cells
)


@app.command("list")
@reported
def list_(
    kb: KbOption = None,
    search: Annotated[str, typer.Option(help="Words of a term.")] = "",
    as_json: JsonOption = False,
) -> None:
    """List the entries of the glossary."""
    _GLOSSARY.show(kb, search, as_json)


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
    from ingest.glossary import GlossaryDraft

    draft = GlossaryDraft(tuple(terms), one_way)
    _GLOSSARY.add(kb, draft, as_json, lambda made: f"Glossary entry {made['id']} of {len(made['terms'])} terms.")


@app.command("remove")
@reported
def remove(
    entry: Annotated[str, typer.Argument(help="Its id, as `glossary list` shows it.")],
    kb: KbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Forget an entry."""
    _GLOSSARY.forget(kb, entry, as_json)


@app.command("import")
@reported
def import_(file: FileArgument, kb: KbOption = None, as_json: JsonOption = False) -> None:
    """Bring in a CSV with the columns that `glossary export` writes; `terms`, a term a line, is enough.

    All of it or nothing. A row whose id or term is known replaces what is there.
    """
    _GLOSSARY.bring_in(kb, file, as_json)


@app.command("export")
@reported
def export(file: FileArgument, kb: KbOption = None) -> None:
    """Write the glossary as CSV."""
    _GLOSSARY.write_out(kb, file)
