"""frontdesk ingest: files and folders into a knowledge base."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from app.commands.common import JsonOption, KbOption, progress_bar, reported
from app.commands.told import tell


@reported
def ingest(
    paths: Annotated[list[Path], typer.Argument(help="Files and folders; folders are read with all below them.")],
    kb: KbOption = None,
    draft: Annotated[bool, typer.Option("--draft", help="Do not let them go live before they are published.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Ingest files and folders; an unknown knowledge base is created.

    Unsupported files are listed as skipped. Ends with 1 only if a file failed.
    """
    from app.commands.desk import open_desk
    from app.errors import UsageError
    from app.uploads import collect

    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        raise UsageError(f"no such file or folder: {', '.join(missing)}")
    found = collect(paths)
    started = time.perf_counter()
    with open_desk() as desk, progress_bar("starting") as report:
        name = kb or desk.default_kb
        results = desk.ingest(kb, [replace(upload, draft=draft) for upload in found.uploads], report)
    tell(results, found.skipped, name, time.perf_counter() - started, as_json=as_json)
