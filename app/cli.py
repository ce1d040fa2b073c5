"""The command line. Exit codes: 0 done, 1 the work failed (and says what), 2 wrong usage.

Heavy libraries are imported inside the commands that need them: `frontdesk --help` must not load torch.
"""

from __future__ import annotations

import typer

from app.commands import (
    ask,
    bulk,
    curated,
    documents,
    evaluate,
    glossary,
    index,
    ingest,
    kb,
    pairs,
    plan,
    releases,
    serve_model,
    sync,
    train,
    trainer,
    up,
)

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="frontdesk answers a company's customers from the company's own files, every answer with its source.",
)
app.command("ingest")(ingest.ingest)
app.command("ask")(ask.ask)
app.command("train")(train.train)
app.command("trainer")(trainer.trainer)
app.command("up")(up.up)
app.command("plan")(plan.plan)
app.command("serve-model")(serve_model.serve_model)
app.command("bulk-ingest")(bulk.bulk_ingest)
app.add_typer(sync.app, name="sync")
app.add_typer(kb.app, name="kb")
app.add_typer(documents.app, name="documents")
app.add_typer(curated.app, name="curated")
app.add_typer(glossary.app, name="glossary")
app.add_typer(pairs.app, name="pairs")
app.add_typer(index.app, name="index")
app.add_typer(evaluate.app, name="eval")
app.add_typer(releases.app, name="releases")


def main() -> None:
    """Entry point of the `frontdesk` command."""
    app()


if __name__ == "__main__":
    main()
