"""Write docs/cli.md from the real --help of every command: `make cli-docs`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import typer.main
import typer.rich_utils
from typer.testing import CliRunner

from app.cli import app

TARGET = Path(__file__).parent / "cli.md"
REMEDY = "make cli-docs"
WIDTH = 100
HEAD = f"""# The command line

Written by `{REMEDY}` from the commands' own `--help`; a test fails when it is stale.

Exit codes: 0 done, 1 the work failed (and says what), 2 wrong usage. A refusal is an answer: 0. With `--json` a command
prints one JSON object on stdout and nothing else there; progress and warnings go to stderr.
"""


def pages(command: click.Command, name: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The names of a command and of all below it."""
    yield name
    for child, inner in getattr(command, "commands", {}).items():
        yield from pages(inner, (*name, child))


def render() -> str:
    """The whole document."""
    # The width of this terminal, and whether it has colours, must not reach the file.
    typer.rich_utils.MAX_WIDTH = WIDTH
    typer.rich_utils.FORCE_TERMINAL = False
    runner = CliRunner(env={"NO_COLOR": "1", "TERM": "dumb", "COLUMNS": str(WIDTH)})
    parts = [HEAD]
    for _, *name in pages(typer.main.get_command(app), ("frontdesk",)):
        shown = runner.invoke(app, [*name, "--help"], prog_name="frontdesk", terminal_width=WIDTH)
        if shown.exit_code:
            raise RuntimeError(f"{name} --help failed: {shown.output}")
        text = "\n".join(line.rstrip() for line in shown.output.strip().splitlines())
        parts.append(f"## frontdesk {' '.join(name)}".rstrip() + f"\n\n```text\n{text}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    TARGET.write_text(render(), encoding="utf-8")
