"""frontdesk curated: answers that a person wrote, given as they stand."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import Annotated

import typer
from rich.table import Column, Table

from app.commands.common import JsonOption, KbOption, out, print_json, reported
from app.commands.curate import Moment, moment_of
from app.commands.tables import FileArgument, read_table, write_table

app = typer.Typer(no_args_is_help=True, help="Answers that a person wrote, given as they stand, without a model.")
_SHOWN = 60


@app.command("list")
@reported
def list_(
    kb: KbOption = None,
    search: Annotated[str, typer.Option(help="Words of a question or an answer.")] = "",
    as_json: JsonOption = False,
) -> None:
    """List the curated answers; those that are stale have a source that changed since somebody looked at them."""
    from app.commands.desk import open_desk

    with open_desk() as desk:
        found = desk.curated(kb, search)
    if as_json:
        print_json({"kb": kb or desk.default_kb, "curated": found})
        return
    if not found:
        out.print("No curated answers: `frontdesk curated add` writes one.")
        return
    # Whole in a narrow window, too: `curated remove` wants it.
    table = Table(Column("id", min_width=32), "state", "question", "answer", "source", box=None)
    for each in found:
        more = f" (+{len(each['questions']) - 1})" if len(each["questions"]) > 1 else ""
        table.add_row(each["id"], each["state"], each["questions"][0] + more, _short(each["answer"]), each["source"])
    out.print(table, markup=False)


@app.command("add")
@reported
def add(
    question: Annotated[list[str], typer.Option("--question", help="In customers' words; given again, several.")],
    answer: Annotated[str, typer.Option(help="What customers read, in Markdown; `-` reads it from standard input.")],
    kb: KbOption = None,
    source: Annotated[str, typer.Option(help="A document of the knowledge base by its name, or an address.")] = "",
    language: Annotated[str, typer.Option(help="Its code, like en; told from the question when not given.")] = "",
    valid_from: Moment = None,
    valid_until: Moment = None,
    as_json: JsonOption = False,
) -> None:
    """Write a curated answer; it is given to whoever asks one of its questions from now on."""
    from app.commands.desk import open_desk
    from ingest.curated import CuratedDraft

    text = sys.stdin.read() if answer == "-" else answer
    begin, end = _bound("valid_from", valid_from), _bound("valid_until", valid_until)
    draft = CuratedDraft(tuple(question), text, language, source, valid_from=begin, valid_until=end)
    with open_desk() as desk:
        made = desk.add_curated(kb, draft)
    if as_json:
        print_json({"kb": kb or desk.default_kb, **made})
    else:
        out.print(f"Curated answer {made['id']} to {made['questions'][0]!r}.", markup=False)


@app.command("remove")
@reported
def remove(
    curated: Annotated[str, typer.Argument(help="Its id, as `curated list` shows it.")],
    kb: KbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Forget a curated answer."""
    from app.commands.desk import open_desk

    with open_desk() as desk:
        desk.remove_curated(kb, curated)
    if as_json:
        print_json({"kb": kb or desk.default_kb, "removed": curated})
    else:
        out.print(f"Removed curated answer {curated}.", markup=False)


@app.command("import")
@reported
def import_(file: FileArgument, kb: KbOption = None, as_json: JsonOption = False) -> None:
    """Bring in a CSV with the columns that `curated export` writes; `questions` and `answer` are enough.

    All of it or nothing. A row whose id or question is known replaces what is there.
    """
    from app.commands.desk import open_desk

    text = read_table(file)
    with open_desk() as desk:
        new, replaced = desk.import_curated(kb, text)
    if as_json:
        print_json({"kb": kb or desk.default_kb, "new": new, "replaced": replaced})
    else:
        out.print(f"{new} new, {replaced} replaced.")


@app.command("export")
@reported
def export(file: FileArgument, kb: KbOption = None) -> None:
    """Write all curated answers as CSV."""
    from app.commands.desk import open_desk

    with open_desk() as desk:
        text = desk.export_curated(kb)
    write_table(file, text)


def _bound(name: str, given: str | None) -> datetime | None:
    return None if given in (None, "never") else moment_of(name, str(given))


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"{line[: _SHOWN - 1]}…"
