"""frontdesk releases quantize: a release in a smaller or another form, which is a release of its own."""

from __future__ import annotations

from typing import Annotated

import typer

from app.commands.common import JsonOption, out, print_json, progress_bar, reported


@reported
def quantize(
    release: Annotated[
        str, typer.Argument(metavar="[RELEASE]", help="A release by name, label or id; `live` is what answers now.")
    ] = "live",
    to: Annotated[str, typer.Option("--to", help="bf16, int8, gguf, w8a8, awq or gptq.")] = "int8",
    name: Annotated[str | None, typer.Option(help="Its name; the release's with the method when not given.")] = None,
    kind: Annotated[str, typer.Option("--type", help="Of a GGUF file's numbers: bf16, f16, q8_0 or q4_0.")] = "q8_0",
    calibrate: Annotated[
        str, typer.Option(metavar="KB", help="Knowledge base whose pairs w8a8, awq and gptq are calibrated on.")
    ] = "",
    texts: Annotated[int, typer.Option(min=16, max=4096, help="Pairs that are read for it, at most.")] = 256,
    cpu: Annotated[bool, typer.Option("--on-cpu", help="Calibrate without a GPU: for small models.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Make a release smaller, or another server's: a new release, which must pass its gate beside its parent.

    bf16 merges the adapter into whole weights; int8 is for the model in-process (and vLLM reads it); gguf is one file
    for llama.cpp, answered in-process, too; w8a8, awq and gptq are for vLLM and need a GPU and llm-compressor.
    """
    from app.quantizing import quantize as make
    from app.workspace import Settings
    from serving.conversion import Wanted

    with progress_bar("quantize") as report:
        made = make(Settings.load(), release, Wanted(to, name, kind), report, calibrate=calibrate, texts=texts, cpu=cpu)
    if as_json:
        shown = {"id": made.id, "label": made.label, "kind": made.manifest.kind, "bytes": made.size}
        print_json({**shown, "parent": made.parent, "method": made.packed})
    else:
        out.print(f"{made.label} ({made.packed}, {made.size / 2**20:.0f} MiB), made from {made.parent}.", markup=False)
        out.print(f"Before it may answer: frontdesk releases gate {made.label} GATE.yaml", style="dim")
