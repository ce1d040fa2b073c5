"""frontdesk eval: figures on a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.commands.common import JsonOption, out, print_json, progress_bar, reported

app = typer.Typer(no_args_is_help=True, help="Evaluate on a dataset folder.")


@app.callback()
def group() -> None:
    """Keep `eval` a group: more than retrieval is evaluated."""


@app.command("retrieval")
@reported
def retrieval(
    dataset: Annotated[Path, typer.Argument(help="Folder with documents.jsonl and questions.jsonl.")],
    as_json: JsonOption = False,
) -> None:
    """Index a dataset into a temporary data folder and report recall, MRR and nDCG.

    Impossible questions are skipped; documents are ranked by their best passage.
    """
    from app.evaluation import run_retrieval

    with progress_bar("reading") as report:
        result = run_retrieval(dataset, report, lambda done, total: report("questions", "asking", done, total))
    values = result.as_json()
    if as_json:
        print_json(values)
        return
    for name, value in values.items():
        out.print(f"{name:14} {value}")
