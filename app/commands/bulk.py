"""frontdesk bulk-ingest: many files, read and embedded by a Ray cluster."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from app.commands.common import JsonOption, KbOption, progress_bar, reported
from app.commands.told import tell


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
    tell(results, found.skipped, name, time.perf_counter() - begun, as_json=as_json, workers=workers)
