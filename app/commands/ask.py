"""frontdesk ask: one question, one cited answer."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

import typer

from app.commands.common import JsonOption, KbOption, SourceOption, TagOption, err, out, print_json, reported


class EngineName(StrEnum):
    """The rungs of the ladder."""

    ENDPOINT = "endpoint"
    PACKAGED = "packaged"
    EXTRACTIVE = "extractive"


class StyleName(StrEnum):
    """The prompt's styles."""

    SENTENCE = "sentence"
    SHORT = "short"


@reported
def ask(
    question: Annotated[str, typer.Argument(help="The question, in any language.")],
    kb: KbOption = None,
    engine: Annotated[EngineName | None, typer.Option(help="Pin a rung; it fails instead of falling.")] = None,
    style: Annotated[StyleName, typer.Option(help="`short` gives the bare answer, for scoring.")] = StyleName.SENTENCE,
    tag: TagOption = None,
    source: SourceOption = "",
    release: Annotated[
        str | None, typer.Option(help="A release of the packaged engine, by name or id; it fails instead of falling.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Ask a question; prints the answer with its sources. A refusal is an answer, too (exit code 0)."""
    from app.commands.desk import open_desk
    from ingest.schema import Filters

    with open_desk() as desk, err.status("Looking it up…"):
        answer = desk.ask(
            question, kb, engine.value if engine else None, style.value, Filters(tuple(tag or ()), source), release
        )
    if as_json:
        print_json(answer)
        return
    out.print(answer["answer"], markup=False)
    for citation in answer["citations"]:
        out.print(f"  [{citation['n']}] {place_of(citation)}", markup=False, style="cyan")
    by = f"{answer['engine']} ({answer['release']})" if answer["release"] else answer["engine"] or "no engine"
    seconds = answer["timings_ms"]["total"] / 1e3
    out.print(f"{answer['outcome']} by {by} in {seconds:.1f} s", style="dim", markup=False)
    for fall in answer["fallen"]:
        err.print(f"{fall['engine']} did not answer: {fall['detail']}", style="dim", markup=False)


def place_of(citation: Mapping[str, Any]) -> str:
    """Where to look, for people: document, page or sheet, heading."""
    parts = [str(citation["document"])]
    if citation["page"] is not None:
        parts.append(f"p. {citation['page']}")
    if citation["sheet"]:
        parts.append(f"sheet {citation['sheet']}")
    if citation["heading"] and citation["heading"] != citation["sheet"]:
        parts.append(str(citation["heading"]))
    return ", ".join(parts)
