"""frontdesk index: where the passages are, and long work on them. Questions are answered meanwhile."""

from __future__ import annotations

import os
import shutil
import uuid
import zipfile
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from app.commands.common import JsonOption, KbOption, err, out, print_json, progress_bar, reported

app = typer.Typer(no_args_is_help=True, help="Optimize, rebuild, migrate, snapshot and restore indexes.")
ArchiveArgument = Annotated[Path, typer.Argument(help="A zip file.")]


@app.command("show")
@reported
def show(kb: KbOption = None, as_json: JsonOption = False) -> None:
    """Show where an index is, how large it is, and what is being built beside it."""
    found = _carry_out(kb, {"task": "show"}, "looking")
    if as_json:
        print_json(found)
        return
    out.print(
        f"{found['kb']}: {found['points']} passages in {found['engine']}, embedder {found['model']}", markup=False
    )
    if (building := found["building"]) is not None:
        out.print(
            f"  being built ({building['task']}): {building['points']} passages in {building['engine']}, embedder "
            f"{building['model']}",
            markup=False,
        )


@app.command("optimize")
@reported
def optimize(
    kb: KbOption = None,
    every: Annotated[bool, typer.Option("--all", help="All knowledge bases, one after the other.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Build what makes questions fast, after much was ingested; a Qdrant server does so by itself."""
    from app.commands.desk import open_desk
    from app.workspace import open_workspace

    names: list[str | None] = [kb]
    if every:
        with open_workspace(own=False) as workspace:
            names = [base.name for base in workspace.catalog.knowledge_bases()]
    with open_desk() as desk, progress_bar("optimizing") as report:
        done = [desk.index(name, {"task": "optimize"}, report) for name in names]
    if as_json:
        print_json({"optimized": done})
        return
    for each in done:
        out.print(f"{each['kb']}: {each['points']} passages optimized.", markup=False)


@app.command("rebuild")
@reported
def rebuild(
    kb: KbOption = None,
    embed: Annotated[bool, typer.Option("--embed", help="Make every vector anew, too.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Build an index anew beside the old one, then put it in its place.

    Passages are taken from the old index, and read again from the stored files where it has lost some. Ends with 1 when a
    document is not whole: its passages and its file are gone.
    """
    moved = _carry_out(kb, {"task": "reembed" if embed else "rebuild"}, "rebuilding")
    _tell_moved(moved, as_json, "rebuilt")


@app.command("migrate")
@reported
def migrate(
    kb: KbOption = None,
    model: Annotated[
        str | None, typer.Option(help="The new embedder; FRONTDESK_EMBEDDING_MODEL when not given.")
    ] = None,
    engine: Annotated[
        Literal["edge", "server"] | None, typer.Option(help="The new engine; as it is when not given.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Move an index to another embedder or engine; the old one answers until the new one is whole.

    Killed in the middle, it goes on at the next start of the server, or when it is run again.
    """
    moved = _carry_out(kb, {"task": "migrate", "model": model, "engine": engine}, "migrating")
    _tell_moved(moved, as_json, "migrated" if moved["switched"] else "is so already")


@app.command("cancel")
@reported
def cancel(kb: KbOption = None, as_json: JsonOption = False) -> None:
    """Give up an index that is being built; the one that answers stays."""
    done = _carry_out(kb, {"task": "cancel"}, "cancelling")
    if as_json:
        print_json(done)
    else:
        out.print("Given up; the old index answers." if done["cancelled"] else "Nothing was being built.")


@app.command("snapshot")
@reported
def snapshot(archive: ArchiveArgument, kb: KbOption = None, as_json: JsonOption = False) -> None:
    """Write a knowledge base into an archive: passages with their vectors, catalog, curated answers, glossary, files."""
    from app.errors import UsageError

    if archive.exists():
        raise UsageError(f"{archive} exists already: name another file")
    folder = _folder()
    name = f"{uuid.uuid4().hex}.zip"
    try:
        done = _carry_out(kb, {"task": "snapshot", "archive": name}, "reading")
        archive.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(folder / name, archive)
    finally:
        (folder / name).unlink(missing_ok=True)
    done["archive"] = str(archive)
    if as_json:
        print_json(done)
    else:
        out.print(
            f"{done['documents']} documents, {done['points']} passages, {done['files']} files in {archive}.",
            markup=False,
        )
        for name in done["missing"]:
            err.print(f"  {name}: its stored file was gone", markup=False)


@app.command("restore")
@reported
def restore(archive: ArchiveArgument, kb: KbOption = None, as_json: JsonOption = False) -> None:
    """Bring a knowledge base back from an archive, under its own name or another (--kb).

    Refused where it is here already, and where the embedder that made its vectors is not the one of that name here.
    """
    name = kb or _name_in(archive)
    folder = _folder()
    given = folder / f"{uuid.uuid4().hex}.zip"
    try:
        try:
            os.link(archive, given)
        except OSError:
            shutil.copyfile(archive, given)
        done = _carry_out(None, {"task": "restore", "archive": given.name, "name": name}, "restoring")
    finally:
        given.unlink(missing_ok=True)
    if as_json:
        print_json(done)
    else:
        out.print(f"Restored {done['kb']!r}: {done['documents']} documents, {done['points']} passages.", markup=False)


def _carry_out(kb: str | None, asked: dict[str, Any], title: str) -> dict[str, Any]:
    from app.commands.desk import open_desk

    with open_desk() as desk, progress_bar(title) as report:
        return desk.index(kb, asked, report)


def _folder() -> Path:
    from app.indexing import SNAPSHOTS
    from app.workspace import Settings

    folder = Settings.load().ingest.home / SNAPSHOTS
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _name_in(archive: Path) -> str:
    from ingest.errors import SnapshotUnusable
    from ingest.snapshot_format import name_in

    if not archive.is_file():
        raise SnapshotUnusable(f"{archive} is no file")
    with zipfile.ZipFile(archive) if zipfile.is_zipfile(archive) else _refused(archive) as packed:
        return name_in(packed, archive)


def _refused(archive: Path) -> Any:
    from ingest.errors import SnapshotUnusable

    raise SnapshotUnusable(f"{archive.name} is no snapshot of a knowledge base")


def _tell_moved(moved: dict[str, Any], as_json: bool, done: str) -> None:
    if as_json:
        print_json(moved)
    else:
        out.print(
            f"{moved['kb']} {done}: {moved['points']} passages in {moved['engine']}, embedder {moved['model']}.",
            markup=False,
        )
        for name in moved["from_files"]:
            err.print(f"  {name}: read again from its file", markup=False)
        for name in moved["lost"]:
            err.print(f"  {name}: passages are lost and its file is gone; upload it again", markup=False)
    if moved["lost"]:
        raise typer.Exit(1)
