"""Tables that commands read and write, from files or through standard input and output."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from app.commands.common import err

FileArgument = Annotated[Path, typer.Argument(help="A CSV file; `-` for standard input or output.")]


def read_table(file: Path) -> str:
    """The text of a CSV.

    Raises:
        UsageError: it cannot be read, or is not in UTF-8.
    """
    from app.errors import UsageError

    try:
        data = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        return data.decode("utf-8-sig")
    except OSError as exc:
        raise UsageError(f"{file} cannot be read: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise UsageError(f"{file} is not in UTF-8; save it as “CSV UTF-8”") from exc


def write_table(file: Path, text: str) -> None:
    """Write a CSV.

    Raises:
        UsageError: it cannot be written.
    """
    from app.errors import UsageError

    if str(file) == "-":
        sys.stdout.write(text)
        return
    try:
        # A spreadsheet reads UTF-8 only with its mark; line ends are the table's own.
        file.write_text(text, encoding="utf-8-sig", newline="")
    except OSError as exc:
        raise UsageError(f"{file} cannot be written: {exc.strerror}") from exc
    err.print(f"Written to {file}.", markup=False)
