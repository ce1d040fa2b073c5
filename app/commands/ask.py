"""frontdesk ask: one question, one cited answer."""

from __future__ import annotations

import asyncio
from enum import StrEnum
from typing import Annotated

import typer

from app.commands.common import JsonOption, KbOption, err, out, print_json, reported


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
    as_json: JsonOption = False,
) -> None:
    """Ask a question; prints the answer with its sources. A refusal is an answer, too (exit code 0)."""
    from app.rag.answer import Answer, Ask, Done, Sentence
    from app.workspace import open_workspace

    async def run() -> Answer:
        asked = Ask(question, base, engine=engine.value if engine else None, style=style.value)
        with err.status("Looking it up…") as status:
            async for event in workspace.chain.stream(asked):
                if isinstance(event, Done):
                    return event.answer
                if isinstance(event, Sentence):
                    status.update("Writing…")
        raise RuntimeError("the chain ended without an answer")

    with open_workspace() as workspace:
        base = workspace.catalog.knowledge_base(kb or workspace.settings.app.kb)
        answer = asyncio.run(run())
    if as_json:
        print_json(answer.as_json())
        return
    out.print(answer.answer, markup=False)
    for citation in answer.citations:
        out.print(f"  [{citation.n}] {citation.place}", markup=False, style="cyan")
    by = f"{answer.engine} ({answer.release})" if answer.release else answer.engine or "no engine"
    out.print(f"{answer.outcome.value} by {by} in {answer.timings_ms['total'] / 1e3:.1f} s", style="dim", markup=False)
    for fall in answer.fallen:
        err.print(f"{fall.engine} did not answer: {fall.detail}", style="dim", markup=False)
