"""frontdesk sync: a knowledge base kept in step with a folder, a bucket or pages."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from typer.core import TyperGroup

from app.commands.common import JsonOption, KbOption, err, out, print_json, progress_bar, reported

_NOW = "now"


class _AddressFirst(TyperGroup):
    """`sync ADDRESS` is `sync now ADDRESS`; a folder that is named like a command is written ./list."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ("--help", "-h"):
            args = [_NOW, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_AddressFirst,
    no_args_is_help=True,
    help="Keep a knowledge base in step with a folder, an S3-compatible bucket or pages: `frontdesk sync ADDRESS`.",
)
AddressArgument = Annotated[
    str,
    typer.Argument(
        help="A folder, s3://BUCKET/PREFIX, or https:// addresses (a page, a file, a .xml map of a site, a .urls list)."
    ),
]


@app.command(_NOW)
@reported
def now(
    address: AddressArgument,
    kb: KbOption = None,
    every: Annotated[
        int | None, typer.Option(min=0, metavar="SECONDS", help="Let the server look again so often; 0 never.")
    ] = None,
    prefix: Annotated[str | None, typer.Option(help="Folder put in front of each document's name.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    allow_empty: Annotated[
        bool,
        typer.Option("--allow-empty", help="Believe a source that shows no file any more: delete what came from it."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Receive files that are new or changed, delete documents whose files are gone; `sync ADDRESS` does this.

    An unknown knowledge base is created. Ends with 1 if a file failed.
    """
    from app.commands.desk import SyncRequest, open_desk

    started = time.perf_counter()
    request = SyncRequest(_normal(address), prefix, every, allow_empty)
    with progress_bar("starting") as report:
        if dry_run:
            told = _dry(kb, request, report)
        else:
            with open_desk() as desk:
                synced = desk.sync(kb, request, report)
            told = {"kb": synced.kb, **_with_results(synced.outcome, synced.documents, synced.results)}
    told["seconds"] = round(time.perf_counter() - started, 2)
    if as_json:
        print_json(told)
    else:
        _print(told, dry_run)
    if told["failed"]:
        raise typer.Exit(1)


@app.command("list")
@reported
def list_(kb: KbOption = None, as_json: JsonOption = False) -> None:
    """List the sources of a knowledge base, and what the last look at each found."""
    from app.workspace import open_workspace
    from ingest.sources.rows import Sources

    with open_workspace(own=False) as workspace:
        base = workspace.catalog.knowledge_base(kb or workspace.settings.app.kb)
        found = Sources(workspace.engine).sources(base.id)
    if as_json:
        print_json({"kb": base.name, "sources": [
            {
                "address": source.address,
                "prefix": source.prefix,
                "every": source.every_s,
                "checked_at": source.checked_at.isoformat() if source.checked_at else None,
                "problem": source.problem,
                "outcome": _without_documents(json.loads(source.outcome)) if source.outcome else None,
            }
            for source in found
        ]})  # fmt: skip
        return
    table = Table("address", "every", "checked", "found", box=None)
    for source in found:
        checked = source.checked_at.strftime("%Y-%m-%d %H:%M") if source.checked_at else "never"
        last = source.problem or (_counts(json.loads(source.outcome)) if source.outcome else "")
        table.add_row(source.address, f"{source.every_s} s" if source.every_s else "-", checked, last)
    out.print(table if found else f"Knowledge base {base.name!r} has no sources: `frontdesk sync ADDRESS` adds one.")


@app.command("remove")
@reported
def remove(
    address: AddressArgument,
    kb: KbOption = None,
    documents: Annotated[
        bool, typer.Option("--documents", help="Delete the documents that came from it, too; else they stay.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Stop keeping a knowledge base in step with a source."""
    from app.commands.desk import open_desk

    normal = _normal(address)
    with open_desk() as desk:
        desk.remove_source(kb, normal, documents)
        name = kb or desk.default_kb
    if as_json:
        print_json({"kb": name, "removed": normal, "documents_deleted": documents})
    else:
        out.print(f"Removed {normal}; its documents {'were deleted' if documents else 'stay'}.", markup=False)


def _normal(address: str) -> str:
    from ingest.sources.addresses import normal_address

    home, rest = str(Path.home()), address
    if address == "~" or address.startswith("~/"):
        rest = home + address[1:]
    return normal_address(rest, base=Path.cwd())


def _dry(kb: str | None, request: Any, report: Any) -> dict[str, Any]:
    """What a look would do; it only reads, so that it needs no data folder of its own."""
    from app.sources import preview
    from app.workspace import open_workspace

    with open_workspace(own=False) as workspace:
        name = kb or workspace.settings.app.kb
        outcome = preview(workspace, name, request.address, request.prefix, request.allow_empty, report)
    return {"kb": name, **outcome.as_json()}


def _with_results(outcome: dict[str, Any], documents: dict[str, str], results: Any) -> dict[str, Any]:
    """The outcome with the files whose ingestion failed among the failed, instead of the new or changed."""
    reasons = {documents[r.document]: r.reason for r in results if r.document in documents and r.state == "failed"}
    told = dict(outcome)
    for kind in ("new", "changed"):
        told[kind] = [file for file in outcome[kind] if file not in reasons]
    told["failed"] = [*outcome["failed"], *({"file": file, "reason": reason} for file, reason in reasons.items())]
    return told


def _without_documents(outcome: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in outcome.items() if key != "documents"}


def _counts(told: dict[str, Any]) -> str:
    parts = [f"{len(told[kind])} {kind}" for kind in ("new", "changed", "gone")]
    return ", ".join(
        [*parts, f"{told['unchanged']} unchanged", *(f"{len(told[k])} {k}" for k in ("skipped", "failed"))]
    )


def _print(told: dict[str, Any], dry_run: bool) -> None:
    out.print(f"{'Would be: ' if dry_run else ''}{_counts(told)}, {told['seconds']:.1f} s", markup=False)
    for kind in ("new", "changed", "gone"):
        for file in told[kind] if dry_run else ():
            out.print(f"  {kind:8} {file}", markup=False)
    for kind in ("skipped", "failed"):
        for note in told[kind]:
            err.print(f"  {kind:8} {note['file']}: {note['reason']}", markup=False)
