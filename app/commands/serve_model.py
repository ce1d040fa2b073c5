"""frontdesk serve-model: a release on vLLM, behind a front that lets through what frontdesk needs."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.commands.common import err, out, reported

if TYPE_CHECKING:
    from app.model_serving import Prepared

# The last when a terminal is closed.
_ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@reported
def serve_model(
    release: Annotated[
        str, typer.Argument(metavar="[RELEASE]", help="A release by name or id; `live` is what answers now.")
    ] = "live",
    host: Annotated[
        str, typer.Option(help="Address that the front binds. Others than loopback need FRONTDESK_ENDPOINT_API_KEY.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=1, max=65535, help="Port of the front; vLLM itself listens on loopback only.")
    ] = 8001,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Another value for one of the settings that are shown."),
    ] = None,
    extra: Annotated[
        list[str] | None,
        typer.Option("--vllm", metavar="ARGUMENT", help="An argument for vLLM as it stands; may be given again."),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            help="Questions a second that a tenant may ask, four seconds' worth at once; without it, what the server could begin.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the settings with their reasons; start nothing.")
    ] = False,
) -> None:
    """Serve a release with vLLM, on the GPUs of this machine or on its CPU.

    Settings are chosen from machine and release and shown with their reasons; `--set` changes one. It is
    ready when it has answered a first question. A frontdesk on the same data folder finds it by itself;
    others set FRONTDESK_ENDPOINT_URL, _MODEL and _API_KEY. Ctrl-C stops it; vLLM's log is in
    FRONTDESK_HOME/logs.
    """
    from app.commands.up import see_that_free
    from app.model_serving import prepare, serve
    from app.workspace import Settings

    settings = Settings.load()
    prepared = prepare(settings, release, tuple(changes or ()), tuple(extra or ()), rate=rate)
    _say(prepared)
    if dry_run:
        return
    # Before the minutes that the start takes.
    see_that_free(host, port)
    stop = threading.Event()
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in _ENDS}
    try:
        with err.status("Starting vLLM…") as status:

            def told(stage: str) -> None:
                status.update(f"Starting vLLM: {stage}…")

            def ready(url: str, log: Path, seconds: float) -> None:
                status.stop()
                out.print(
                    f"{prepared.release.label} answers at {url}/v1 after {seconds:.0f} s. Log: {log}", markup=False
                )
                out.print("Ctrl-C stops it.", style="dim")

            serve(prepared, settings, host, port, stop, told, ready)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say(prepared: Prepared) -> None:
    from rich.table import Table

    from serving.vllm_plan import shown

    table = Table(
        "setting", "value", "why", title=f"{prepared.release.label} on the {prepared.plan.device}", title_justify="left"
    )
    for row in shown(prepared.plan):
        table.add_row(*row)
    out.print(table)
