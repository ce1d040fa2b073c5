"""frontdesk ingest: files and folders into a knowledge base."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from app.commands.common import JsonOption, KbOption, err, out, print_json, progress_bar, reported


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
    from ingest.records import State

    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        raise UsageError(f"no such file or folder: {', '.join(missing)}")
    found = collect(paths)
    started = time.perf_counter()
    with open_desk() as desk, progress_bar("starting") as report:
        name = kb or desk.default_kb
        results = desk.ingest(kb, [replace(upload, draft=draft) for upload in found.uploads], report)
    seconds = time.perf_counter() - started
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
                "warnings": [{"document": r.document, "warning": w} for r in ready for w in r.warnings],
            }
        )
    else:
        unchanged = sum(r.unchanged for r in ready)
        out.print(
            f"{len(ready)} documents ready ({unchanged} unchanged), {chunks} chunks, "
            f"{len(failed)} failed, {len(found.skipped)} skipped, {seconds:.1f} s"
        )
        for entry in failed:
            err.print(f"  failed   {entry['document']}: {entry['reason']}", markup=False)
        for document in found.skipped:
            err.print(f"  skipped  {document}: no parser for this kind of file", markup=False)
        for result in ready:
            for warning in result.warnings:
                err.print(f"  warning  {result.document}: {warning}", markup=False)
    if failed:
        raise typer.Exit(1)
