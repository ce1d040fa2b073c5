"""Pairs for the commands: in this process, or asked of the server that owns the folder."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

import httpx

from app import pairs as of_pairs
from app.commands.written_desk import Asks
from app.errors import UsageError
from app.pair_samples import PairSamples, Row
from ingest import errors
from ingest.errors import FrontdeskError
from ingest.pairs.formats import Format, lines
from ingest.pairs.records import ReviewState
from ingest.pairs.store import Wanted
from ingest.records import KnowledgeBase
from ingest.stages import Progress

POLL_S = 0.5
# Over HTTP, the names of what is asked for that are not said by a text.
_FLAGS = ("stale", "kept")


class PairsDesk(Protocol):
    """What the commands ask for; everything comes back as JSON."""

    def page(self, wanted: Wanted, limit: int, offset: int) -> tuple[list[dict[str, Any]], int]:
        """Some of the pairs that are asked for, and how many there are."""
        ...

    def show(self, pair_id: str) -> dict[str, Any]:
        """A pair with its passages."""
        ...

    def summary(self) -> dict[str, Any]:
        """What there is, in numbers."""
        ...

    def review(self, pair_id: str, state: ReviewState, reviewer: str, wording: Mapping[str, str]) -> dict[str, Any]:
        """Approve, edit or reject a pair; as it is now."""
        ...

    def make(self, limit: int | None, report: Progress, *, model: bool) -> dict[str, Any]:
        """Run the writers; the run."""
        ...

    def export(self, shape: Format, wanted: Wanted, *, with_passages: bool, array: bool) -> Iterator[str]:
        """The text of a file, in pieces."""
        ...

    def bring_in(self, data: bytes, name: str, shape: Format | None, report: Progress) -> dict[str, Any]:
        """Bring in a file; the report."""
        ...

    def split(self, seed: int | None, share: float | None, *, anew: bool, report: Progress) -> dict[str, Any]:
        """Put pairs on sides; what came of it."""
        ...

    def check(self, report: Progress) -> dict[str, Any]:
        """Look for what stands on both sides."""
        ...

    def evalset(self, folder: Path, *, reviewed: bool) -> dict[str, Any]:
        """Write the test side as a dataset."""
        ...

    def samples(self, *, reviewed: bool, languages: Sequence[str], report: Progress) -> Iterator[Row]:
        """What training reads (app/pair_samples.py), row by row; the last row is the end."""
        ...


class LocalPairs:
    """Those in the open database."""

    def __init__(self, pairs: of_pairs.KnowledgePairs, kb: KnowledgeBase, sampled: Callable[[], PairSamples]) -> None:
        self._pairs = pairs
        self._kb = kb
        self._sampled = sampled

    def page(self, wanted: Wanted, limit: int, offset: int) -> tuple[list[dict[str, Any]], int]:
        """Some of the pairs that are asked for."""
        page = self._pairs.page(self._kb, wanted, limit, offset)
        return [of_pairs.pair_json(pair) for pair in page.found], page.total

    def show(self, pair_id: str) -> dict[str, Any]:
        """A pair with its passages."""
        pair, chunks = self._pairs.show(self._kb, pair_id)
        return {**of_pairs.pair_json(pair), "passages": [of_pairs.chunk_json(chunk) for chunk in chunks]}

    def summary(self) -> dict[str, Any]:
        """What there is, in numbers."""
        return self._pairs.summary(self._kb)

    def review(self, pair_id: str, state: ReviewState, reviewer: str, wording: Mapping[str, str]) -> dict[str, Any]:
        """Approve, edit or reject a pair."""
        return of_pairs.pair_json(self._pairs.review(self._kb, pair_id, state, reviewer, **wording))

    def make(self, limit: int | None, report: Progress, *, model: bool) -> dict[str, Any]:
        """Run the writers."""
        return of_pairs.run_json(self._pairs.make(self._kb, report, limit=limit, model=model))

    def export(self, shape: Format, wanted: Wanted, *, with_passages: bool, array: bool) -> Iterator[str]:
        """The text of a file."""
        return lines(self._pairs.export(self._kb, shape, wanted, with_passages=with_passages), array=array)

    def bring_in(self, data: bytes, name: str, shape: Format | None, report: Progress) -> dict[str, Any]:
        """Bring in a file."""
        return self._pairs.bring_in(self._kb, data, name, report, shape=shape)

    def split(self, seed: int | None, share: float | None, *, anew: bool, report: Progress) -> dict[str, Any]:
        """Put pairs on sides."""
        return self._pairs.split(self._kb, report, seed, share, anew=anew)

    def check(self, report: Progress) -> dict[str, Any]:
        """Look for what stands on both sides."""
        return self._pairs.check(self._kb, report)

    def evalset(self, folder: Path, *, reviewed: bool) -> dict[str, Any]:
        """Write the test side as a dataset."""
        return self._pairs.evalset(self._kb, folder, reviewed=reviewed)

    def samples(self, *, reviewed: bool, languages: Sequence[str], report: Progress) -> Iterator[Row]:
        """What training reads."""
        return self._sampled().rows(self._kb, reviewed=reviewed, languages=languages, report=report)


class RemotePairs:
    """Those of a server.

    ask:    sends a request and raises the server's error as ours.
    stream: the same for replies that are too large to be held.
    """

    def __init__(self, ask: Asks, stream: Callable[..., AbstractContextManager[httpx.Response]], kb: str) -> None:
        self._ask = ask
        self._stream = stream
        self._kb = kb
        self._url = f"/api/knowledge-bases/{quote(kb, safe='')}/pairs"

    def page(self, wanted: Wanted, limit: int, offset: int) -> tuple[list[dict[str, Any]], int]:
        """Some of the pairs that are asked for."""
        params = {**_params(wanted), "limit": limit, "offset": offset}
        page = self._ask("GET", self._url, params=params).json()
        return page["pairs"], page["total"]

    def show(self, pair_id: str) -> dict[str, Any]:
        """A pair with its passages."""
        found: dict[str, Any] = self._ask("GET", f"{self._url}/{quote(pair_id, safe='')}").json()
        return found

    def summary(self) -> dict[str, Any]:
        """What there is, in numbers."""
        found: dict[str, Any] = self._ask("GET", f"{self._url}/summary").json()
        del found["kb"]
        return found

    def review(self, pair_id: str, state: ReviewState, reviewer: str, wording: Mapping[str, str]) -> dict[str, Any]:
        """Approve, edit or reject a pair."""
        body = {"state": state.value, "by": reviewer, **wording}
        found: dict[str, Any] = self._ask("PUT", f"{self._url}/{quote(pair_id, safe='')}/review", json=body).json()
        return found

    def make(self, limit: int | None, report: Progress, *, model: bool) -> dict[str, Any]:
        """Run the writers; Ctrl-C stops them there, too."""
        self._ask("POST", f"{self._url}/make", json={"limit": limit, "model": model})
        try:
            return self._finished(report)
        except KeyboardInterrupt:
            self._ask("DELETE", f"{self._url}/work")
            raise

    def export(self, shape: Format, wanted: Wanted, *, with_passages: bool, array: bool) -> Iterator[str]:
        """The text of a file, as it comes."""
        params = {**_params(wanted), "format": shape.value, "passages": with_passages, "array": array}
        with self._stream("GET", f"{self._url}/export", params=params) as reply:
            yield from reply.iter_text()

    def bring_in(self, data: bytes, name: str, shape: Format | None, report: Progress) -> dict[str, Any]:
        """Bring in a file."""
        params = {"name": name, **({"format": shape.value} if shape else {})}
        headers = {"Content-Type": "application/octet-stream"}
        self._ask("POST", f"{self._url}/import", content=data, params=params, headers=headers)
        return self._finished(report)

    def split(self, seed: int | None, share: float | None, *, anew: bool, report: Progress) -> dict[str, Any]:
        """Put pairs on sides."""
        self._ask("POST", f"{self._url}/split", json={"seed": seed, "share": share, "anew": anew})
        return self._finished(report)

    def check(self, report: Progress) -> dict[str, Any]:
        """Look for what stands on both sides."""
        self._ask("POST", f"{self._url}/split", json={"check": True})
        return self._finished(report)

    def evalset(self, folder: Path, *, reviewed: bool) -> dict[str, Any]:
        """Write the test side as a dataset."""
        reply = self._ask("GET", f"{self._url}/evalset", params={"reviewed": reviewed})
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with zipfile.ZipFile(io.BytesIO(reply.content)) as packed:
                made: dict[str, Any] = _manifest(packed)
                for name in ("documents.jsonl", "questions.jsonl"):
                    (folder / name).write_bytes(packed.read(name))
        except OSError as exc:
            raise UsageError(f"{folder} cannot be written: {exc.strerror}") from exc
        return made

    def samples(self, *, reviewed: bool, languages: Sequence[str], report: Progress) -> Iterator[Row]:
        """What training reads, as it comes."""
        done = 0
        asked = {"reviewed": reviewed, "language": list(languages)}
        with self._stream("GET", f"{self._url}/samples", params=asked) as reply:
            for line in reply.iter_lines():
                row: Row = json.loads(line)
                if "error" in row:
                    raise FrontdeskError(str(row["error"]))
                done += "pair" in row
                # How many there will be is not known here.
                report(self._kb, "finding passages", done, 0)
                yield row

    def _finished(self, report: Progress) -> dict[str, Any]:
        while True:
            work = self._ask("GET", f"{self._url}/work").json()["work"]
            if work["state"] == "done":
                return dict(work["result"])
            if work["state"] == "failed":
                kind = UsageError if work["error"] == "UsageError" else getattr(errors, work["error"], FrontdeskError)
                raise kind(work["problem"])
            report(work["document"], work["stage"], work["done"], work["total"])
            time.sleep(POLL_S)


def _manifest(packed: zipfile.ZipFile) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(packed.read("manifest.json"))
    return found


def _params(wanted: Wanted) -> dict[str, Any]:
    """What is asked for, as parameters of a query; what does not matter is left out."""
    found: dict[str, Any] = {"state": [state.value for state in wanted.review]}
    for name in ("side", "writer", "language", "kind", "style", "document", "search"):
        if value := getattr(wanted, name):
            found[name] = str(value)
    found |= {name: value for name in _FLAGS if (value := getattr(wanted, name)) is not None}
    return found
