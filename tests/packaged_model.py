"""The packaged models made ready for this machine, once a run: it takes most of a minute of all cores."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from filelock import FileLock

from ingest.embed import packaged_model_folder

# Of every data folder of a run.
VARIABLE = "FRONTDESK_MODELS"


def prepare(folder: Path) -> None:
    """Make both ready in a folder; a second process that wants the same waits for the first."""
    script = "import sys; from pathlib import Path; from ingest.embed_onnx import exported; exported(Path(sys.argv[1]), Path(sys.argv[2]))"
    folder.mkdir(exist_ok=True)
    with FileLock(folder / "run.lock"):
        done = folder / "done"
        if not done.exists():
            # In processes of their own, side by side: what torch takes is given back.
            commands = (
                ["-m", "serving.packaged", str(folder)],
                ["-c", script, str(packaged_model_folder()), str(folder)],
            )
            for process in [subprocess.Popen([sys.executable, *command]) for command in commands]:
                assert process.wait(280) == 0
            done.touch()


def environment() -> dict[str, str]:
    """The environment for a program of ours: no setting of the developer's, and where the prepared models are."""
    return {n: value for n, value in os.environ.items() if not n.startswith("FRONTDESK_") or n == VARIABLE}
