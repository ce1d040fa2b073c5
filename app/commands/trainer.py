"""frontdesk trainer: carries out the training runs that the page and the API queue."""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import Annotated

import typer

from app.commands.common import err, reported


@reported
def trainer(quiet: Annotated[bool, typer.Option("--quiet", help="Say nothing but warnings.")] = False) -> None:
    """Carry out queued training runs, one at a time, until Ctrl-C; `frontdesk up` starts one.

    A run goes on from its last checkpoint when the trainer is stopped, or killed, and started again.
    """
    from app.trainer import lower_priority, serve
    from app.workspace import Settings

    settings = Settings.load()
    lower_priority()
    stop = threading.Event()
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        if not quiet:
            err.print("Waiting for training runs. Ctrl-C stops; a run that is being trained keeps a checkpoint.")
        again = serve(settings, stop)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if again and not stop.is_set():
        # The same program in the same place: what a training needs is a gigabyte that waiting does not need.
        sys.stderr.flush()
        os.execv(sys.executable, sys.orig_argv)  # noqa: S606 - ourselves, as we were started
