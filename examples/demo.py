"""`make demo`: ingest the example company's files with the real command, ask, and hold the answers to what they must be.

English questions must be written by the packaged model and cited, the Chinese one quoted from the files, and what the
files do not hold refused; anything else ends with 1.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILES = Path(__file__).parent / "files"
COMMAND = [sys.executable, "-c", "from app.cli import main; main()"]


@dataclass(frozen=True)
class Expected:
    """A question and how its answer must come about."""

    question: str
    engine: str | None
    document: str | None
    pin: str | None = None


QUESTIONS = [
    Expected("How long is the motor of the WM-900 guaranteed?", "packaged", "en/warranty.docx", "packaged"),
    Expected(
        "How long does the repair of an FD-200 under the safety notice take?",
        "packaged",
        "en/safety-notice.txt",
        "packaged",
    ),
    Expected("RF-360N 的变频压缩机保修多少年？", "extractive", "zh/warranty-zh.docx"),
    Expected("What is the noise level of the FD-180?", None, None),
]


def run(*arguments: str) -> dict[str, Any]:
    """Run a frontdesk command with --json and read its answer."""
    print(f"\n$ frontdesk {shlex.join(arguments)}", flush=True)
    done = subprocess.run([*COMMAND, *arguments, "--json"], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"demo failed: the command ended with {done.returncode}")
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def ask(expected: Expected) -> None:
    """Ask one question and print its answer with sources."""
    pin = ["--engine", expected.pin] if expected.pin else []
    answer = run("ask", expected.question, "--kb", "demo", *pin)
    print(answer["answer"])
    for citation in answer["citations"]:
        place = [citation["document"], *([f"p. {citation['page']}"] if citation["page"] else []), citation["heading"]]
        print(f"  [{citation['n']}] {', '.join(part for part in place if part)}")
    seconds = answer["timings_ms"]["total"] / 1000
    print(f"  ({answer['outcome']}{' by ' + answer['engine'] if answer['engine'] else ''}, {seconds:.1f} s)")
    first = answer["citations"][0]["document"] if answer["citations"] else None
    if (answer["engine"], first) != (expected.engine, expected.document):
        sys.exit(
            f"demo failed: expected {expected.engine} citing {expected.document}, got {answer['engine']} citing {first}"
        )


def main() -> None:
    """Command line."""
    started = time.perf_counter()
    result = run(
        "ingest", str(FILES.relative_to(Path.cwd()) if FILES.is_relative_to(Path.cwd()) else FILES), "--kb", "demo"
    )
    print(f"{result['ready']} documents ready, {result['chunks']} chunks, {result['seconds']} s")
    if not result["ready"]:
        sys.exit("demo failed: nothing was ingested")
    for expected in QUESTIONS:
        ask(expected)
    print(f'\nDone in {time.perf_counter() - started:.0f} s. Ask your own: .venv/bin/frontdesk ask "..." --kb demo')


if __name__ == "__main__":
    main()
