"""frontdesk curated: answers that a person wrote, given as they stand."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import Annotated, Any

import typer

from app.commands.common import JsonOption, KbOption, reported
from app.commands.curate import Moment, moment_of
from app.commands.tables import FileArgument
from app.commands.written import Written

app = typer.Typer(no_args_is_help=True, help="Answers that a person wrote, given as they stand, without a model.")
_SHOWN = 60


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"{line[: _SHOWN - 1]}…"


def _cells(each: dict[str, Any]) -> tuple[str, ...]:
    more = f" (+{len(each['questions']) - 1})" if len(each["questions"]) > 1 else ""
    return each["state"], each["questions"][0] + more, _short(each["answer"]), each["source"]


_CURATED = Written(
    "curated",
    ("curated answer", "curated answers"),
    lambda desk, kb: desk.curated(kb),
    ("state", "question", "answer", "source"),
    _cells,
)


@app.command("list")
@reported
def list_(
    kb: KbOption = None,
    search: Annotated[str, typer.Option(help="Words of a question or an answer.")] = "",
    as_json: JsonOption = False,
) -> None:
    """List the curated answers; those that are stale have a source that changed since somebody looked at them."""
    _CURATED.show(kb, search, as_json)


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
    from ingest.curated import CuratedDraft

    text = sys.stdin.read() if answer == "-" else answer
    begin, end = _bound("valid_from", valid_from), _bound("valid_until", valid_until)
    draft = CuratedDraft(tuple(question), text, language, source, valid_from=begin, valid_until=end)
    _CURATED.add(kb, draft, as_json, lambda made: f"Curated answer {made['id']} to {made['questions'][0]!r}.")


@app.command("remove")
@reported
def remove(
    curated: Annotated[str, typer.Argument(help="Its id, as `curated list` shows it.")],
    kb: KbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Forget a curated answer."""
    _CURATED.forget(kb, curated, as_json)


@app.command("import")
@reported
def import_(file: FileArgument, kb: KbOption = None, as_json: JsonOption = False) -> None:
    """Bring in a CSV with the columns that `curated export` writes; `questions` and `answer` are enough.

    All of it or nothing. A row whose id or question is known replaces what is there.
    """
    _CURATED.bring_in(kb, file, as_json)


@app.command("export")
@reported
def export(file: FileArgument, kb: KbOption = None) -> None:
    """Write all curated answers as CSV."""
    _CURATED.write_out(kb, file)


def _bound(name: str, given: str | None) -> datetime | None:
    return None if given in (None, "never") else moment_of(name, str(given))
