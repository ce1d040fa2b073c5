"""frontdesk bulk-ingest: many files, read and embedded by a Ray cluster."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from app.commands.common import JsonOption, KbOption, err, out, print_json, progress_bar, reported


@reported
def bulk_ingest(
    paths: Annotated[list[Path], typer.Argument(help="Files and folders; folders are read with all below them.")],
    kb: KbOption = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes that read files, and as many that embed.")] = 2,
    cluster: Annotated[
        str | None,
        typer.Option(help="Address of a running Ray cluster; without one, Ray is started here for this command."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Ingest many files as a Ray Data job (needs the extra `bulk`); an unknown knowledge base is created.

    The data folder must lie where every machine of the cluster sees it. Ends with 1 only if a file failed.
    """
    from app.errors import UsageError
    from app.uploads import collect
    from app.workspace import open_workspace
    from ingest.bulk import BulkIngestor, check_installed
    from ingest.errors import NotFound
    from ingest.records import State

    check_installed()
    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        raise UsageError(f"no such file or folder: {', '.join(missing)}")
    found = collect(paths)
    begun = time.perf_counter()
    with open_workspace() as workspace, progress_bar("starting") as report:
        name = kb or workspace.settings.app.kb
        try:
            base = workspace.catalog.knowledge_base(name)
        except NotFound:
            base = workspace.catalog.create_knowledge_base(name)
        # What an interrupted process left behind is put back before anything else.
        _ = workspace.pipeline
        parts = (workspace.catalog, workspace.files, workspace.index, workspace.model)
        bulk = BulkIngestor(*parts, workspace.model.counter(), workspace.sparse, workspace.settings.ingest)
        results = list(bulk.ingest(base, found.uploads, workers, report, cluster))
    seconds = time.perf_counter() - begun
    failed = [{"document": r.document, "reason": r.reason} for r in results if r.state is State.FAILED]
    ready = [r for r in results if r.state is State.READY]
    chunks = sum(r.chunks for r in ready)
    if as_json:
        print_json(
            {
                "kb": name,
                "ready": len(ready),
                "failed": failed,
                "skipped": found.skipped,
                "chunks": chunks,
                "seconds": round(seconds, 2),
                "unchanged": sum(r.unchanged for r in ready),
                "workers": workers,
            }
        )
    else:
        out.print(f"{len(ready)} documents ready, {chunks} chunks, {len(failed)} failed, {seconds:.1f} s")
        for entry in failed:
            err.print(f"  failed   {entry['document']}: {entry['reason']}", markup=False)
        for document in found.skipped:
            err.print(f"  skipped  {document}: no parser for this kind of file", markup=False)
    if failed:
        raise typer.Exit(1)
