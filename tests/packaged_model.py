"""The packaged model in the form that loads fast, made once a run: it takes half a minute of all cores."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from filelock import FileLock

NAME = "smollm2-135m-instruct"
# Where it is made; the same for all processes of a run. Set by tests/conftest.py.
folder: Path | None = None


def lend(home: Path) -> None:
    """Put the model into a data folder before a server starts on it."""
    assert folder is not None
    with FileLock(folder / "packaged-model.lock"):
        if not (folder / NAME / "config.json").exists():
            # In a process of its own: what torch takes is given back.
            subprocess.run([sys.executable, "-m", "serving.packaged", str(folder)], check=True, timeout=280)
    target = home / "models" / NAME
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(folder / NAME)
