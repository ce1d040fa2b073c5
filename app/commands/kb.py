"""frontdesk kb: knowledge bases."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from app.commands.common import JsonOption, err, out, print_json, reported

app = typer.Typer(no_args_is_help=True, help="Create, list, rename and delete knowledge bases.")
NameArgument = Annotated[str, typer.Argument(help="Name of the knowledge base.")]


@app.command("create")
@reported
def create(name: NameArgument, as_json: JsonOption = False) -> None:
    """Create an empty knowledge base."""
    from app.workspace import open_workspace

    with open_workspace(own=False) as workspace:
        kb = workspace.catalog.create_knowledge_base(name)
    if as_json:
        print_json({"kb": kb.name, "id": kb.id})
    else:
        out.print(f"Created knowledge base {kb.name!r}.")


@app.command("list")
@reported
def list_(as_json: JsonOption = False) -> None:
    """List the knowledge bases with their documents."""
    from app.workspace import open_workspace

    rows = []
    with open_workspace(own=False) as workspace:
        for kb in workspace.catalog.knowledge_bases():
            documents = workspace.catalog.documents(kb)
            live = sum(document.live_version_id is not None for document in documents)
            rows.append(
                {"kb": kb.name, "id": kb.id, "documents": len(documents), "live": live, "embedder": kb.embedding_model}
            )
    if as_json:
        print_json({"knowledge_bases": rows})
        return
    if not rows:
        out.print("No knowledge base yet: `frontdesk ingest PATH` makes one.")
        return
    table = Table("name", "documents", "live", "embedder", box=None)
    for row in rows:
        table.add_row(str(row["kb"]), str(row["documents"]), str(row["live"]), str(row["embedder"]) or "-")
    out.print(table)


@app.command("rename")
@reported
def rename(
    name: NameArgument, new_name: Annotated[str, typer.Argument(help="Its new name.")], as_json: JsonOption = False
) -> None:
    """Rename a knowledge base; its documents stay."""
    from app.workspace import open_workspace

    with open_workspace(own=False) as workspace:
        kb = workspace.catalog.rename_knowledge_base(name, new_name)
    if as_json:
        print_json({"kb": kb.name, "id": kb.id})
    else:
        out.print(f"Renamed {name!r} to {kb.name!r}.")


@app.command("delete")
@reported
def delete(
    name: NameArgument,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Delete a knowledge base with its documents, index and stored files."""
    from app.commands.desk import open_desk
    from app.workspace import open_workspace

    with open_workspace(own=False) as workspace:
        count = len(workspace.catalog.documents(workspace.catalog.knowledge_base(name)))
    if not yes and not typer.confirm(f"Delete knowledge base {name!r} with {count} documents?", err=True):
        err.print("Nothing was deleted.")
        raise typer.Exit(1)
    with open_desk() as desk:
        desk.delete_knowledge_base(name)
    if as_json:
        print_json({"deleted": name, "documents": count})
    else:
        out.print(f"Deleted knowledge base {name!r} with {count} documents.")
