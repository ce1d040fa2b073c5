"""The client's calls about pairs; part of ui.client.Client."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ui.replies import path_of, read_reply


@dataclass(frozen=True, slots=True)
class Turn:
    """A message before a follow-up."""

    role: str
    text: str


@dataclass(frozen=True, slots=True)
class PairSource:
    """Where a pair came from, when it was made."""

    document: str
    heading_path: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A question with its answer; ``side`` is None until a split was made, ``answer`` "" where no passage holds one."""

    id: str
    question: str
    answer: str
    short: str
    evidence: str
    kind: str
    style: str
    language: str
    history: list[Turn]
    writer: str
    filters: dict[str, str]
    review: str
    reviewer: str
    stale: bool
    side: str | None
    sources: list[PairSource]


@dataclass(frozen=True, slots=True)
class PairPassage:
    """A passage that a pair was made of, as it is now."""

    document: str
    title: str
    heading_path: list[str]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PairDetail(Pair):
    """A pair with its live passages; those whose text is gone are missing."""

    passages: list[PairPassage]


@dataclass(frozen=True, slots=True)
class PairPage:
    """Some pairs, and how many were asked for in all."""

    kb: str
    pairs: list[Pair]
    total: int


@dataclass(frozen=True, slots=True)
class PairRun:
    """A run of the writers; ``writers`` is {written, kept, dropped: {filter: count}} by name."""

    state: str
    asked: int
    skipped: int
    kept: int
    writers: dict[str, Any]
    problem: str
    started_at: str | None


@dataclass(frozen=True, slots=True)
class LastSplit:
    """How pairs were put on sides last."""

    seed: int
    share: float
    at: str | None


@dataclass(frozen=True, slots=True)
class PairSummary:
    """How many there are, by what is said of them; ``usable``: fresh and not rejected."""

    kb: str
    total: int
    stale: int
    usable: int
    review: dict[str, int]
    writers: dict[str, int]
    languages: dict[str, int]
    sides: dict[str, int]
    runs: list[PairRun]
    split: LastSplit | None


@dataclass(frozen=True, slots=True)
class PairWork:
    """Long work: ``kind`` make, import or split; ``result`` is what came of it, ``problem`` why it failed."""

    kind: str
    state: str
    stage: str
    document: str
    done: int
    total: int
    problem: str
    result: dict[str, Any]


@dataclass(frozen=True, slots=True)
class WorkState:
    """The last piece of long work; None before the first one since the start."""

    kb: str
    work: PairWork | None


class PairCalls:
    """List, review, make, split, import and export. Every method raises ApiError."""

    def _call(self, method: str, path: str, **arguments: Any) -> Any:
        raise NotImplementedError

    def _bytes(self, path: str, params: dict[str, str | int] | None = None) -> bytes:
        raise NotImplementedError

    def pairs(self, kb: str, asked: Mapping[str, Any] | None = None, *, limit: int = 50, offset: int = 0) -> PairPage:
        """Pairs, oldest first; ``asked`` as the API names it: state, stale, writer, language, search, ..."""
        params = {**(asked or {}), "limit": limit, "offset": offset}
        return read_reply(PairPage, self._call("GET", _url(kb), params=params))

    def pair(self, kb: str, pair_id: str) -> PairDetail:
        """One with its passages."""
        return read_reply(PairDetail, self._call("GET", f"{_url(kb)}/{path_of(pair_id)}"))

    def pair_summary(self, kb: str) -> PairSummary:
        """How many there are, and what was dropped for what."""
        return read_reply(PairSummary, self._call("GET", f"{_url(kb)}/summary"))

    def review_pair(self, kb: str, pair_id: str, state: str, **wording: str) -> Pair:
        """Approve, edit or reject one; ``wording``: question, answer, short."""
        return read_reply(
            Pair, self._call("PUT", f"{_url(kb)}/{path_of(pair_id)}/review", json={"state": state, **wording})
        )

    def make_pairs(self, kb: str) -> PairWork:
        """Begin to make pairs of all passages that were not asked about yet."""
        return read_reply(PairWork, self._call("POST", f"{_url(kb)}/make", json={}))

    def split_pairs(self, kb: str) -> PairWork:
        """Begin to put them on two sides."""
        return read_reply(PairWork, self._call("POST", f"{_url(kb)}/split", json={}))

    def import_pairs(self, kb: str, name: str, data: bytes) -> PairWork:
        """Begin to bring in a file."""
        headers = {"Content-Type": "application/octet-stream"}
        reply = self._call("POST", f"{_url(kb)}/import", content=data, params={"name": name}, headers=headers)
        return read_reply(PairWork, reply)

    def pair_work(self, kb: str) -> PairWork | None:
        """The last piece of long work."""
        return read_reply(WorkState, self._call("GET", f"{_url(kb)}/work")).work

    def stop_pair_work(self, kb: str) -> None:
        """Ask for the end of what is running."""
        self._call("DELETE", f"{_url(kb)}/work")

    def export_pairs(
        self, kb: str, shape: str, *, passages: bool = False, reviewed: bool = False, side: str = ""
    ) -> bytes:
        """A file for trainers, as JSON Lines."""
        flags = {"passages": str(passages).lower(), "reviewed": str(reviewed).lower()}
        return self._bytes(f"{_url(kb)}/export", {"format": shape, **flags, **({"side": side} if side else {})})

    def export_evalset(self, kb: str) -> bytes:
        """The test side as a ZIP of a dataset."""
        return self._bytes(f"{_url(kb)}/evalset")


def _url(kb: str) -> str:
    return f"/api/knowledge-bases/{path_of(kb)}/pairs"
