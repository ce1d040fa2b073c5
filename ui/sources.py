"""The client's calls about folders, buckets and pages that a knowledge base is kept in step with; part of Client."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import httpx

from ui.replies import field_of, path_of, read_reply

# Thousands of documents may go with a source, one after the other.
_REMOVE = httpx.Timeout(600.0, connect=3.0)


@dataclass(frozen=True, slots=True)
class FileNote:
    """A file of a source that is not, or not again, a document; and why."""

    file: str
    reason: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the last finished look found, by files.

    documents: names of the documents that were received, with their files.
    left_off:  entries that the server did not keep.
    """

    new: list[str]
    changed: list[str]
    gone: list[str]
    unchanged: int
    skipped: list[FileNote]
    failed: list[FileNote]
    seconds: float
    documents: dict[str, str] = field(default_factory=dict)
    left_off: int = 0


@dataclass(frozen=True, slots=True)
class Source:
    """An address that a knowledge base is kept in step with.

    every_s: seconds between two looks; 0 when only asked for.
    state:   idle, waiting or running.
    problem: why the last look could not be finished; ``outcome`` is then that of an earlier one.
    """

    id: str
    address: str
    prefix: str
    every_s: int
    state: str
    checked_at: str | None
    problem: str
    outcome: Outcome | None


class SourceCalls:
    """List, keep, look at, remove. Every method raises ApiError."""

    def _call(self, method: str, path: str, **arguments: Any) -> Any:
        raise NotImplementedError

    def sources(self, kb: str) -> list[Source]:
        """All sources of a knowledge base, oldest first."""
        return [read_reply(Source, each) for each in field_of(self._call("GET", _path(kb)), "sources")]

    def keep_source(self, kb: str, address: str, *, prefix: str | None = None, every_s: int | None = None) -> Source:
        """Add a source; the same address again changes its prefix and interval, and None leaves one as it is."""
        body = {"address": address, "prefix": prefix, "every_s": every_s}
        return read_reply(Source, self._call("POST", _path(kb), json=body))

    def sync_source(self, kb: str, source_id: str, *, allow_empty: bool = False) -> Source:
        """Have it looked at in the background.

        allow_empty: believe it when it shows no file any more, and delete what came from there.
        """
        url = f"{_path(kb)}/{path_of(source_id)}/sync"
        return read_reply(Source, self._call("POST", url, json={"allow_empty": allow_empty}))

    def remove_source(self, kb: str, source_id: str, *, documents: bool = False) -> None:
        """Stop keeping in step with it; its documents stay, unless ``documents`` asks for their deletion."""
        params = {"documents": documents}
        self._call("DELETE", f"{_path(kb)}/{path_of(source_id)}", params=params, timeout=_REMOVE)


def _path(kb: str) -> str:
    return f"/api/knowledge-bases/{path_of(kb)}/sources"
