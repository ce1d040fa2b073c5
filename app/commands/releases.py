"""frontdesk releases: what answers customers, what could, and how it got there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.commands.common import JsonOption, err, out, print_json, progress_bar, reported
from app.commands.quantize import quantize

if TYPE_CHECKING:
    from app.workspace import Settings
    from serving.live import LiveReleases, Roles
    from serving.release_store import ReleaseStore

app = typer.Typer(no_args_is_help=True, help="Releases of the model: add, quantize, gate, promote, roll back.")
app.command("quantize")(quantize)
ReleaseArgument = Annotated[str, typer.Argument(help="A release's name, label or id (its beginning is enough).")]


@contextmanager
def _opened() -> Iterator[tuple[Settings, ReleaseStore, LiveReleases]]:
    """The releases of the data folder and the database; beside a running server, which follows by itself."""
    from app.workspace import Settings
    from ingest.database import open_database
    from serving.live import LiveReleases
    from serving.loading import packaged_base
    from serving.release_store import ReleaseStore

    settings = Settings.load()
    engine = open_database(settings.ingest.sqlalchemy_url)
    try:
        yield settings, ReleaseStore(settings.ingest.releases_folder, packaged_base), LiveReleases(engine)
    finally:
        engine.dispose()


@app.command("list")
@reported
def list_releases(as_json: JsonOption = False) -> None:
    """List releases: what is live, what a canary is, what has passed its gate."""
    with _opened() as (_, store, live):
        roles = live.roles()
        rows = [_row(store, roles, release.reference) for release in store.all()]
    if as_json:
        print_json(
            {"live": _label(rows, "live"), "canary": _label(rows, "canary"), "share": roles.share, "releases": rows}
        )
        return
    for row in rows:
        role = f" {row['role']}" if row["role"] else ""
        share = f" ({roles.share:.0%} of conversations)" if row["role"] == "canary" else ""
        out.print(f"{row['label']}{role}{share}: {row['kind']}, prompt {row['prompt']}, {row['gate']}", markup=False)


@app.command("show")
@reported
def show(release: ReleaseArgument, as_json: JsonOption = False) -> None:
    """Show what a release is made of, what it learnt from, and what its gate said."""
    with _opened() as (_, store, live):
        found = store.get(_live_or(release, store, live))
        shown = {
            **found.as_json(),
            **_row(store, live.roles(), found.reference),
            "gate": store.gate_of(found),
            "promotable": not store.why_not(found),
            "history": [each for each in live.history() if found.reference in (each["live"], each["canary"])],
        }
    if as_json:
        print_json(shown)
    else:
        out.print_json(json.dumps(shown, ensure_ascii=False))


@app.command("add")
@reported
def add(
    folder: Annotated[
        Path, typer.Argument(help="A LoRA adapter or a whole model, in safetensors; or a release's folder.")
    ],
    name: Annotated[
        str | None,
        typer.Option(help="Its name; its release's or trainer's, or the folder's, when not given."),
    ] = None,
    prompt: Annotated[
        str | None, typer.Option(help="`full` for a tuned model, `brief` for an untuned small one.")
    ] = None,
    small: Annotated[
        bool | None, typer.Option(help="Hold it to the limits of a small model: sure evidence and short passages only.")
    ] = None,
    learnt_from: Annotated[
        Path | None, typer.Option(help="JSONL file {kb, document, text_hash?}: what it was trained on.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Add a folder as a release. Its files are hashed and copied; what could hold code is refused.

    The folder of a release from another machine stays that release: same id, same parent, learnt from the same passages.
    """
    from app.errors import UsageError
    from finetune.evaluate import read_rows
    from serving.releases import Learnt

    if prompt not in (None, "full", "brief"):
        raise UsageError(f"no prompt {prompt!r}: use full or brief")
    said: dict[str, Any] = {} if prompt is None else {"prompt": prompt}
    if small is not None:
        said["small"] = small
    rows = read_rows(learnt_from, ("kb", "document")) if learnt_from else ()
    learnt = [Learnt(str(row["kb"]), str(row["document"]), str(row.get("text_hash", ""))) for row in rows]
    with _opened() as (_, store, _live):
        release = store.add(folder, name, said, learnt)
    if as_json:
        print_json({"id": release.id, "label": release.label, "kind": release.manifest.kind})
    else:
        out.print(
            f"Added {release.label} ({release.manifest.kind}, {len(release.manifest.files)} files).", markup=False
        )


@app.command("gate")
@reported
def gate(
    release: ReleaseArgument,
    gate_file: Annotated[Path, typer.Argument(help="YAML: evaluations, and lines that it must pass.")],
    fresh: Annotated[bool, typer.Option("--fresh", help="Evaluate anew, even where a run is kept.")] = False,
    against: Annotated[
        str, typer.Option(metavar="RELEASE", help="Its parent; what it was converted from when not given.")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Put a release through a gate; not passed is exit code 1, and not promotable."""
    from app.release_gate import run_gate
    from finetune.gate import read_gate

    read = read_gate(gate_file)
    with _opened() as (settings, store, live):
        found = store.get(_live_or(release, store, live))
        with progress_bar("gate") as report:
            checked, said = run_gate(read, found, settings, report, fresh=fresh, against=against)
    if as_json:
        print_json({"release": found.label, **said})
    else:
        for line in checked:
            out.print(f"{'passed' if line.passed else 'FAILED'}  {line.reason}", markup=False)
        _say_beside(said.get("beside"))
    if not said["passed"]:
        err.print(f"{found.label} did not pass; it cannot be promoted.", markup=False)
        raise typer.Exit(1)


@app.command("promote")
@reported
def promote(
    release: ReleaseArgument,
    share: Annotated[
        float, typer.Option(min=0.001, max=1.0, help="Share of conversations; below 1 it is a canary.")
    ] = 1.0,
    as_json: JsonOption = False,
) -> None:
    """Let a release answer customers: all of them, or a share of the conversations. It must have passed its gate.

    Running servers go over to it within seconds, without a restart.
    """
    from serving.errors import NotPromotable

    with _opened() as (_, store, live):
        found = store.get(release)
        if why := store.why_not(found):
            raise NotPromotable(why)
        found.verify()
        live.promote(found.reference, share)
        _print_roles(store, live, as_json)


@app.command("rollback")
@reported
def rollback(as_json: JsonOption = False) -> None:
    """Go back: a canary ends, or the release that was live before comes back."""
    with _opened() as (_, store, live):
        live.rollback()
        _print_roles(store, live, as_json)


def _say_beside(beside: dict[str, Any] | None) -> None:
    """The release beside its parent, figure by figure."""
    if beside is None:
        return
    from rich.table import Table

    table = Table("", beside["parent"], beside["release"], title_justify="left")
    for name, pair in beside["figures"].items():
        values = pair if isinstance(pair, list) else ["", pair]
        table.add_row(
            name, *("-" if each is None else f"{each:.4g}" if isinstance(each, float) else str(each) for each in values)
        )
    out.print(table)


def _print_roles(store: ReleaseStore, live: LiveReleases, as_json: bool) -> None:
    roles = live.roles()
    answering = _named(store, roles.live or store.default)
    canary = _named(store, roles.canary) if roles.canary else None
    if as_json:
        print_json({"live": answering, "canary": canary, "share": roles.share})
        return
    beside = f"; {canary} answers {roles.share:.0%} of the conversations" if canary else ""
    out.print(f"{answering} is live{beside}.", markup=False)


def _named(store: ReleaseStore, reference: str) -> str:
    return store.get(reference).label


def _live_or(release: str, store: ReleaseStore, live: LiveReleases) -> str:
    return (live.roles().live or store.default) if release == "live" else release


def _row(store: ReleaseStore, roles: Roles, reference: str) -> dict[str, Any]:
    release = store.get(reference)
    verdict = store.gate_of(release)
    passed = (
        "shipped"
        if release.shipped
        else "no gate yet"
        if verdict is None
        else "passed"
        if verdict["passed"]
        else "not passed"
    )
    role = "live" if reference == (roles.live or store.default) else "canary" if reference == roles.canary else ""
    manifest = release.manifest
    return {
        "label": release.label,
        "name": release.name,
        "id": release.id,
        "kind": manifest.kind,
        "prompt": manifest.prompt,
        "role": role,
        "gate": passed,
        "added": release.added,
    }


def _label(rows: list[dict[str, Any]], role: str) -> str | None:
    return next((row["label"] for row in rows if row["role"] == role), None)
