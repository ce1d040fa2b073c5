"""What the commands share: output, progress, errors to exit codes."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Annotated, Any, ParamSpec, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from ingest.errors import FrontdeskError

P = ParamSpec("P")
R = TypeVar("R")

out = Console(soft_wrap=True, highlight=False)
err = Console(stderr=True, soft_wrap=True, highlight=False)

KbOption = Annotated[str | None, typer.Option("--kb", help="Knowledge base; FRONTDESK_KB or `default` when not given.")]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, nothing else there.")]

DocumentArgument = Annotated[str, typer.Argument(help="Document name as `documents list` shows it.")]
TagOption = Annotated[
    list[str] | None, typer.Option("--tag", help="Documents with this tag only; given again, with any of them.")
]
SourceOption = Annotated[str, typer.Option(help="Documents from this address only, or from one that begins with it.")]


def print_json(value: dict[str, Any]) -> None:
    """One JSON object on stdout."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")


def reported(command: Callable[P, R]) -> Callable[P, R]:
    """Turn our errors into one line on stderr and exit code 1; wrong requests are 2."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        from app.errors import UsageError
        from ingest.errors import InvalidName

        logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s", stream=sys.stderr)
        try:
            return command(*args, **kwargs)
        except FrontdeskError as exc:
            err.print(f"[bold red]Error:[/] {_escaped(str(exc))}")
            raise typer.Exit(2 if isinstance(exc, UsageError | InvalidName) else 1) from exc
        except KeyboardInterrupt:
            err.print("Stopped.")
            raise typer.Exit(1) from None

    return run


@contextmanager
def progress_bar(title: str) -> Iterator[Callable[[str, str, int, int], None]]:
    """A progress bar on stderr; yields the callback of the pipeline."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task(title, total=None)

        def report(document: str, stage: str, done: int, total: int) -> None:
            name = document if len(document) <= 40 else "…" + document[-39:]
            bar.update(task, description=f"{stage} {_escaped(name)}", completed=done, total=total or None)

        yield report


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)
