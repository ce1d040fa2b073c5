"""frontdesk eval answers, frontdesk eval report: figures of what is answered."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from app.commands.ask import EngineName, StyleName
from app.commands.common import JsonOption, out, print_json, progress_bar, reported


class PassagesName(StrEnum):
    """What the model has before it."""

    GIVEN = "given"
    RETRIEVED = "retrieved"
    NONE = "none"


@reported
def answers(
    dataset: Annotated[Path, typer.Argument(help="Folder with documents.jsonl and questions.jsonl.")],
    release: Annotated[str, typer.Option(help="A release's name or id, or `live`.")] = "live",
    passages: Annotated[
        PassagesName,
        typer.Option(
            help="`given`: the model alone, with the right document; `none`: without any; `retrieved`: the product."
        ),
    ] = PassagesName.RETRIEVED,
    style: Annotated[StyleName, typer.Option(help="`short` asks for the bare answer.")] = StyleName.SENTENCE,
    engine: Annotated[
        EngineName, typer.Option(help="The rung that writes; it fails instead of falling.")
    ] = EngineName.PACKAGED,
    general: Annotated[
        bool, typer.Option("--general", help="Ask the packaged general questions, too (forgetting).")
    ] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Questions at most, always the same ones.")] = None,
    save: Annotated[Path | None, typer.Option(help="Write the run to this file as well.")] = None,
    against: Annotated[
        Path | None, typer.Option(help="Compare with a run that --save wrote on the same questions.")
    ] = None,
    worst: Annotated[int, typer.Option(min=0, help="Questions won and lost to print; --json gives all.")] = 10,
    as_json: JsonOption = False,
) -> None:
    """Ask a dataset's questions and score the answers: words, refusals, citations.

    With `given` and `none` the model answers alone, in batches; with `retrieved` the dataset is
    indexed into a temporary data folder and the product answers. Figures come with 95 %
    intervals. Each run is kept in the data folder, under runs/evaluations.
    """
    from app.answer_evaluation import Asked, Evaluation
    from app.commands.answer_tables import print_answer_comparison, print_answers
    from app.workspace import Settings
    from finetune.answer_compare import compare_answers
    from finetune.answer_runs import check_same, read_answer_run

    other = read_answer_run(against) if against else None
    settings = Settings.load()
    asked = Asked(dataset, release, passages.value, style.value, engine.value, general, limit)
    evaluation = Evaluation(asked, settings)
    if other is not None:
        # Before the work begins: a wrong file should not cost minutes.
        check_same(evaluation.about.dataset_hash, other)
    with progress_bar("reading") as report:
        run = evaluation.run(report)
    kept = run.keep(settings.ingest.home)
    comparison = compare_answers(run, other) if other is not None else None
    if as_json:
        about = {"run": run.id, "release": run.about.release, "passages": passages.value, "style": style.value}
        print_json({**run.report, **about, **({"against": comparison.as_json()} if comparison else {})})
    else:
        print_answers(out, run)
        out.print(f"kept in {kept}", style="dim", markup=False)
        if comparison:
            print_answer_comparison(out, comparison, worst)
    # Last: figures that took minutes are not lost to a folder that cannot be written.
    if save:
        run.write(save)


@reported
def write_html(
    runs: Annotated[
        list[Path], typer.Argument(help="Files that `eval answers` kept or --save wrote; the first is compared with.")
    ],
    html: Annotated[Path, typer.Option(help="The file to write.")],
) -> None:
    """Write a report of runs as one HTML file: figures with intervals, releases with and without passages, what changed."""
    from finetune.answer_html import write_report
    from finetune.answer_runs import read_answer_run

    write_report([read_answer_run(path) for path in runs], html)
    out.print(f"written: {html}", markup=False)
