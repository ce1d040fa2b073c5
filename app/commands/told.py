"""What a command says of the files it was given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer

from app.commands.common import err, out, print_json

if TYPE_CHECKING:
    from ingest.pipeline import Ingested


def tell(
    results: Sequence[Ingested], skipped: Sequence[str], kb: str, seconds: float, *, as_json: bool, **more: Any
) -> None:
    """Print what became of files, for a person or as JSON (with ``more``).

    Raises:
        typer.Exit: with 1, where one failed.
    """
    from ingest.records import State

    failed = [{"document": r.document, "reason": r.reason} for r in results if r.state is State.FAILED]
    ready = [r for r in results if r.state is State.READY]
    chunks = sum(r.chunks for r in ready)
    unchanged = sum(r.unchanged for r in ready)
    warnings = [{"document": r.document, "warning": warning} for r in ready for warning in r.warnings]
    if as_json:
        counts = {"chunks": chunks, "seconds": round(seconds, 2), "unchanged": unchanged}
        about = {"kb": kb, "ready": len(ready), "failed": failed, "skipped": list(skipped)}
        print_json(about | counts | {"warnings": warnings} | more)
    else:
        out.print(
            f"{len(ready)} documents ready ({unchanged} unchanged), {chunks} chunks, "
            f"{len(failed)} failed, {len(skipped)} skipped, {seconds:.1f} s"
        )
        for entry in failed:
            err.print(f"  failed   {entry['document']}: {entry['reason']}", markup=False)
        for document in skipped:
            err.print(f"  skipped  {document}: no parser for this kind of file", markup=False)
        for about_one in warnings:
            err.print(f"  warning  {about_one['document']}: {about_one['warning']}", markup=False)
    if failed:
        raise typer.Exit(1)
