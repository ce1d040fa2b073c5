"""frontdesk documents: what a knowledge base holds."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.table import Table

from app.commands import curate
from app.commands.common import (
    DocumentArgument,
    JsonOption,
    KbOption,
    SourceOption,
    TagOption,
    err,
    out,
    print_json,
    progress_bar,
    reported,
)
from ingest.records import Document, State, Version

app = typer.Typer(no_args_is_help=True, help="List, show, curate, edit, delete, reprocess and verify documents.")
curate.add_to(app)


@app.command("list")
@reported
def list_(kb: KbOption = None, tag: TagOption = None, source: SourceOption = "", as_json: JsonOption = False) -> None:
    """List the documents of a knowledge base with their state."""
    from app.workspace import open_workspace
    from ingest.schema import Filters

    with open_workspace(own=False) as workspace:
        name = kb or workspace.settings.app.kb
        base = workspace.catalog.knowledge_base(name)
        documents = workspace.catalog.documents(base, filters=Filters(tuple(tag or ()), source))
    if as_json:
        print_json({"kb": name, "documents": [_as_json(document) for document in documents]})
        return
    table = Table("document", "state", "live", "pages", "chunks", "reason", box=None)
    for document in documents:
        latest = document.latest
        live = "no" if not document.live_version_id else "yes" if document.curation.enabled else "disabled"
        cells = (document.name, latest.state, live, str(latest.pages or "-"), str(latest.chunks), latest.reason)
        table.add_row(*cells)
    out.print(table if documents else f"Knowledge base {name!r} has no documents.")


@app.command("show")
@reported
def show(
    document: DocumentArgument,
    kb: KbOption = None,
    chunks: Annotated[bool, typer.Option("--chunks", help="Print the chunks of the live version.")] = False,
    draft: Annotated[bool, typer.Option("--draft", help="Print those of the draft instead.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show a document: its versions, what is said of it and, with --chunks, what is indexed."""
    from app.commands.desk import open_desk
    from app.curation import said_json
    from app.workspace import open_workspace

    with open_workspace(own=False) as workspace:
        name = kb or workspace.settings.app.kb
        base = workspace.catalog.knowledge_base(name)
        found = workspace.catalog.document(base, document)
        versions = workspace.catalog.versions(found)
    indexed: list[dict[str, Any]] = []
    if chunks or draft:
        with open_desk() as desk:
            indexed = desk.chunks(name, document, draft=draft)
    if as_json:
        shown = {"versions": [_version_json(v) for v in versions], **({"chunks": indexed} if chunks or draft else {})}
        print_json({**_as_json(found), **shown})
        return
    out.print(f"[bold]{found.name}[/]  {found.title}")
    for name, value in said_json(found.curation).items():
        if value not in (None, "", [], True):
            out.print(f"  {name}: {', '.join(value) if isinstance(value, list) else value}", markup=False)
    for version in versions:
        state = f"{version.state}{' (live)' if version.live else ' (draft)' if version.draft else ''}"
        detail = version.reason or f"{version.chunks} chunks, {version.size_bytes} bytes"
        out.print(f"  {version.id[:8]} generation {version.generation}: {state}, {detail}", markup=False)
        for warning in version.warnings:
            out.print(f"    warning: {warning}", markup=False)
    for payload in indexed:
        place = " > ".join(payload["heading_path"])
        pages = f" p. {payload['pages']}" if payload["pages"] else ""
        about = f"{payload['tokens']} tokens, {payload['id']}{', edited' if payload.get('edited') else ''}"
        out.print(f"\n#{payload['ordinal']}{pages} {place} ({about})", markup=False, style="dim")
        out.print(payload["text"], markup=False)


@app.command("delete")
@reported
def delete(document: DocumentArgument, kb: KbOption = None, as_json: JsonOption = False) -> None:
    """Delete a document with what was found inside its file; no point of it stays. Says what went."""
    from app.commands.desk import open_desk

    with open_desk() as desk:
        gone = desk.delete(kb, document)
    if as_json:
        print_json({"kb": kb or desk.default_kb, "deleted": document, "gone": gone})
    else:
        for each in gone:
            versions = f"{each['versions']} version{'s' if each['versions'] > 1 else ''}"
            out.print(
                f"Deleted {each['document']!r}: {each['passages']} passages, {versions}, {each['bytes']} bytes.",
                markup=False,
            )
            for kind in ("releases", "embedders"):
                if each[kind]:
                    said = f"  {kind.capitalize()} that learnt from it: {', '.join(each[kind])}"
                    out.print(said, markup=False, style="yellow")


@app.command("reprocess")
@reported
def reprocess(
    documents: Annotated[list[str] | None, typer.Argument(help="Documents; all when none is named.")] = None,
    kb: KbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ingest documents again from their stored files, after an update of frontdesk or a failure.

    A document whose bytes and pipeline are unchanged stays as it is.
    """
    from app.commands.desk import open_desk

    with open_desk() as desk, progress_bar("reprocessing") as report:
        results = desk.reprocess(kb, documents, report)
    failed = [{"document": r.document, "reason": r.reason} for r in results if r.state is State.FAILED]
    unchanged = sum(r.unchanged for r in results)
    if as_json:
        name = kb or desk.default_kb
        print_json({"kb": name, "ready": len(results) - len(failed), "unchanged": unchanged, "failed": failed})
    else:
        out.print(f"{len(results) - len(failed)} ready ({unchanged} unchanged), {len(failed)} failed.")
        for entry in failed:
            out.print(f"  {entry['document']}: {entry['reason']}", markup=False)
    if failed:
        raise typer.Exit(1)


@app.command("verify")
@reported
def verify(kb: KbOption = None, as_json: JsonOption = False) -> None:
    """Compare catalog and index both ways and repair: orphan points go, documents that lost some are ingested again."""
    from app.commands.desk import open_desk

    with open_desk() as desk:
        wrong = desk.verify(kb)
    lost = [
        {"document": m.document, "expected": m.expected, "found": m.found, "queued": m.queued}
        for m in wrong
        if m.document
    ]
    orphans = sum(m.found for m in wrong if not m.document)
    if as_json:
        print_json({"kb": kb or desk.default_kb, "lost": lost, "orphans_removed": orphans})
    elif not wrong:
        out.print("Catalog and index agree.")
    else:
        if orphans:
            err.print(f"Removed {orphans} points that no live document owns.")
        for m in wrong:
            if m.document:
                again = "it is ingested again" if m.queued else "mended, or upload its file again"
                err.print(f"  {m.document}: {m.found} of {m.expected} chunks; {again}", markup=False)
    # Something was not as it should have been: scripts hear of it, although it is mended.
    if lost:
        raise typer.Exit(1)


def _as_json(document: Document) -> dict[str, Any]:
    from app.curation import said_json

    latest = document.latest
    return {
        "document": document.name,
        "title": document.title,
        "live": document.live_version_id is not None,
        **_version_json(latest),
        **said_json(document.curation),
    }


def _version_json(version: Version) -> dict[str, Any]:
    return {
        "version": version.id,
        "generation": version.generation,
        "state": version.state.value,
        "reason": version.reason,
        "warnings": list(version.warnings),
        "format": version.format,
        "pages": version.pages,
        "chunks": version.chunks,
        "bytes": version.size_bytes,
        "draft": version.draft,
    }
