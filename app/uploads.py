"""Paths on this machine to uploads: which files to take, under which document names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ingest.parse import is_readable
from ingest.pipeline import Upload


@dataclass(frozen=True, slots=True)
class Collected:
    """Files to ingest and files that no parser reads, by document name."""

    uploads: list[Upload]
    skipped: list[str]


def collect(paths: Iterable[Path]) -> Collected:
    """Files below the given paths, in a stable order; hidden files and folders are left alone.

    A document is named by its path relative to the path given, so that the same folder gives the same names anywhere.
    """
    uploads: dict[str, Upload] = {}
    skipped: list[str] = []
    for path in paths:
        for file, name in _files(path):
            if is_readable(file):
                uploads[name] = Upload(name, file)
            else:
                skipped.append(name)
    return Collected(list(uploads.values()), skipped)


def _files(path: Path) -> list[tuple[Path, str]]:
    if path.is_file():
        return [(path, path.name)]
    found = []
    for file in sorted(path.rglob("*")):
        relative = file.relative_to(path)
        if file.is_file() and not any(part.startswith(".") for part in relative.parts):
            found.append((file, relative.as_posix()))
    return found
