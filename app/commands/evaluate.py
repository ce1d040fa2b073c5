"""frontdesk eval: figures on a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.commands.common import JsonOption, KbOption, out, print_json, progress_bar, reported
from app.commands.evaluate_answers import answers, write_html

app = typer.Typer(no_args_is_help=True, help="Evaluate on a dataset folder.")
app.command("answers")(answers)
app.command("report")(write_html)


@app.callback()
def group() -> None:
    """Keep `eval` a group: more than retrieval is evaluated."""


@app.command("retrieval")
@reported
def retrieval(
    dataset: Annotated[Path, typer.Argument(help="Folder with documents.jsonl and questions.jsonl.")],
    save: Annotated[Path | None, typer.Option(help="Write the run to this file: the ranking of each question.")] = None,
    against: Annotated[
        Path | None, typer.Option(help="Compare with a run that --save wrote on the same questions.")
    ] = None,
    misses: Annotated[int, typer.Option(min=0, help="Misses, questions won and lost to print; --json gives all.")] = 10,
    as_json: JsonOption = False,
) -> None:
    """Index a dataset into a temporary data folder and report recall, MRR and nDCG.

    Impossible questions are skipped; documents are ranked by their best passage. Figures come
    with 95 % intervals, by language and by question type, and with the questions whose right
    document was not first.
    """
    from app.commands.evaluate_tables import print_comparison, print_report
    from app.evaluation import run_retrieval
    from finetune.compare import check_comparable, compare
    from finetune.evaluate import read_questions
    from finetune.runs import read_run, write_run

    other = read_run(against) if against else None
    if other is not None:
        # Before the work begins: a wrong file should not cost minutes.
        check_comparable(read_questions(dataset), other)
    with progress_bar("reading") as report:
        result = run_retrieval(dataset, report, lambda done, total: report("questions", "asking", done, total))
    comparison = compare(result.run, other) if other is not None else None
    if as_json:
        print_json(result.as_json() | ({"against": comparison.as_json()} if comparison else {}))
    else:
        print_report(out, result, misses)
        if comparison:
            print_comparison(out, comparison, misses)
    # Last: figures that took minutes are not lost to a folder that cannot be written.
    if save:
        write_run(save, result.run)


@app.command("refusals")
@reported
def refusals(
    questions: Annotated[
        Path | None, typer.Option(help="JSONL file: {question, is_impossible?}; at least 10 of each kind.")
    ] = None,
    kb: KbOption = None,
    keep: Annotated[float, typer.Option(min=0.5, max=1.0, help="Share of answerable questions to answer.")] = 0.9,
    ask_keep: Annotated[
        float, typer.Option(min=0.5, max=1.0, help="Share of them to answer or ask back about, not refuse.")
    ] = 0.98,
    store: Annotated[bool, typer.Option(help="Store the thresholds with the knowledge base.")] = True,
    forget: Annotated[bool, typer.Option("--forget", help="Go back to the shipped thresholds.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Fit when a knowledge base answers, asks back and refuses, on its own questions.

    Prints risk and coverage, and stores the thresholds: page, API and evaluation use them from then
    on. No engine is asked. Fit again when the documents or the verifier have changed much.
    """
    from app.commands.evaluate_tables import print_refusals
    from app.errors import UsageError
    from app.evaluation import fit_refusals, judge_questions
    from app.workspace import open_workspace
    from finetune.refusals import read_asked

    if questions is None and not forget:
        raise UsageError("--questions: name a file of questions to fit on")
    asked = read_asked(questions) if questions and not forget else []
    with open_workspace() as workspace:
        base = workspace.catalog.knowledge_base(kb or workspace.settings.app.kb)
        if forget:
            workspace.catalog.set_thresholds(base.id, "")
            out.print(f"{base.name} answers by the shipped thresholds again")
            return
        with progress_bar("asking") as report:
            judged = judge_questions(
                workspace.chain, base, asked, lambda done, total: report("questions", "asking", done, total)
            )
        reports, thresholds = fit_refusals(judged, keep, ask_keep)
        if store:
            workspace.catalog.set_thresholds(base.id, thresholds)
    if as_json:
        print_json({"kb": base.name, "stored": store, "fitted": [r.as_json() for r in reports]})
    else:
        print_refusals(out, reports)
