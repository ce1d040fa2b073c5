"""`frontdesk` in processes of its own, without each of them importing everything anew."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests import packaged_model

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Ended:
    """What a command left: exit code, stdout, stderr."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one JSON object that stdout must be."""
        assert self.out.count("\n") == 1, self.out
        value = json.loads(self.out)
        assert isinstance(value, dict)
        return value


# Importing torch and the rest takes each command seconds, so a parent that has done so forks one process a command.
FORKS = """
import json, os, sys
import app.cli, app.evaluation, app.uploads, ingest.index.edge, langchain_openai, sentence_transformers, serving.packaged

for line in sys.stdin:
    order = json.loads(line)
    child = os.fork()
    if not child:
        os.environ.clear()
        os.environ.update(order["env"])
        os.chdir(order["cwd"])
        for descriptor, name in enumerate(("in", "out", "err")):
            os.dup2(os.open(os.path.join(order["folder"], name), os.O_RDWR), descriptor)
        sys.argv = ["frontdesk", *order["arguments"]]
        break
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
else:
    sys.exit()
try:
    app.cli.main()
except SystemExit as exc:
    sys.stdout.flush()
    sys.stderr.flush()
    # Tearing down an interpreter full of torch takes two seconds more; the cold start test goes without this.
    os._exit(exc.code or 0)
"""


class Forks:
    """The parent of the commands' processes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._parent = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", FORKS],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, arguments: Sequence[str], env: dict[str, str], cwd: Path, stdin: str) -> Ended:
        for name, text in (("in", stdin), ("out", ""), ("err", "")):
            (self._folder / name).write_text(text, encoding="utf-8")
        order = {"arguments": arguments, "env": env, "cwd": str(cwd), "folder": str(self._folder)}
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        self._parent.stdin.write(json.dumps(order) + "\n")
        self._parent.stdin.flush()
        code = int(self._parent.stdout.readline())
        return Ended(code, *((self._folder / name).read_text(encoding="utf-8") for name in ("out", "err")))

    def close(self) -> None:
        self._parent.communicate()


class Cli:
    """`frontdesk` over one data folder."""

    def __init__(self, home: Path, forks: Forks) -> None:
        self.home = home
        self.forks = forks

    def __call__(self, *arguments: str | Path, stdin: str = "", **settings: str) -> Ended:
        kept = packaged_model.environment()
        env = {**kept, "FRONTDESK_HOME": str(self.home), **settings}
        return self.forks.run([str(a) for a in arguments], env, self.home.parent, stdin)
