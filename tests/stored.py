"""A file put into the store, as an upload does it."""

from __future__ import annotations

from pathlib import Path

from ingest.files import FileStore


def stored(files: FileStore, path: Path) -> tuple[str, int]:
    """Hash and size of a file that is in the store now; nothing needs it yet."""
    with path.open("rb") as reader, files.adding(reader) as found:
        return found
