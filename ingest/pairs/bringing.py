"""Pairs from files become pairs of a knowledge base: bound to the passages that hold their answers, filtered, reported.

A pair that we exported is found again by its id: one that was worded anew or reviewed in the file is so here, too. Every
other row needs a passage that holds its answer; it is looked for in the passage or document that the row names, else by
retrieval.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from ingest.catalog import Catalog
from ingest.errors import UnusableValue
from ingest.index.base import VectorIndex
from ingest.language import detect_language
from ingest.pairs.live import LivePassages
from ingest.pairs.near import figures_of, tokens_of
from ingest.pairs.reading import BadRow, Row
from ingest.pairs.records import (
    Draft,
    Pair,
    PairJudge,
    PairKind,
    PassageFinder,
    ReviewState,
    SourceChunk,
    SourceRef,
    Style,
)
from ingest.pairs.store import Pairs, pair_of, question_key
from ingest.records import KnowledgeBase
from ingest.stages import Progress

# Rows that are looked at and written at once.
_WINDOW = 64
# Share of an answer's words that a passage must hold to be called its evidence, and all of its figures.
_ENOUGH = 0.6
# Rows that a report names, of each kind; all are counted.
_NAMED = 200
_ID = re.compile(r"[0-9a-f]{32}")
_SENTENCE = re.compile(r"[^.!?。！？\n]+[.!?。！？]*")


@dataclass(frozen=True, slots=True)
class Told:
    """A row of a file, counted from 1, and what is to be said of it."""

    row: int
    reason: str


@dataclass(slots=True)
class Imported:
    """What came of a file. ``counts`` is of all rows; the lists name some hundred each.

    kept: new pairs; changed: known ones that the file words or reviews otherwise; known: those that it leaves as they are.
    missing: rows without a question or an answer; duplicates: of another row or pair; odd: rows that make no sense, or whose
    answer no passage holds; dropped: by a filter.
    """

    counts: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(
            ("read", "kept", "changed", "known", "missing", "duplicates", "odd", "dropped"), 0
        )
    )
    missing: list[Told] = field(default_factory=list)
    duplicates: list[Told] = field(default_factory=list)
    odd: list[Told] = field(default_factory=list)
    dropped: list[Told] = field(default_factory=list)

    def tell(self, kind: str, row: int, reason: str) -> None:
        """Count a row that was not kept, and name it while there are few."""
        self.counts[kind] += 1
        named: list[Told] = getattr(self, kind)
        if len(named) < _NAMED:
            named.append(Told(row, reason))

    def as_json(self) -> dict[str, Any]:
        """The report as JSON."""
        lists = {name: getattr(self, name) for name in ("missing", "duplicates", "odd", "dropped")}
        named = {name: [{"row": t.row, "reason": t.reason} for t in told] for name, told in lists.items()}
        return {"counts": dict(self.counts), **named}


class Importer:
    """Brings rows in; blocks for as long as the filters take.

    refusal: the answer of rows that cannot be answered.
    """

    def __init__(
        self, catalog: Catalog, index: VectorIndex, judge: PairJudge, finder: PassageFinder, refusal: str
    ) -> None:
        self._catalog = catalog
        self._live = LivePassages(catalog, index)
        self._pairs = Pairs(catalog.engine)
        self._judge = judge
        self._finder = finder
        self._refusal = refusal

    def bring_in(
        self,
        kb: KnowledgeBase,
        rows: Iterable[Row | BadRow],
        name: str,
        report: Progress,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Imported:
        """Keep what can be kept, and tell of the rest; a window of rows is a transaction.

        name: who made them, as in "import:NAME".

        Raises:
            NotFound: the knowledge base is gone.
            UnusableValue: the rest of the file cannot be read.
        """
        found = Imported()
        seen: dict[tuple[str, PairKind], int] = {}
        left = iter(rows)
        while (window := list(islice(left, _WINDOW))) and not cancelled():
            read_at = self._catalog.knowledge_base_by_id(kb.id).corpus_version
            good: list[Row] = []
            for row in window:
                found.counts["read"] += 1
                if isinstance(row, BadRow):
                    found.tell("missing" if row.missing else "odd", row.number, row.reason)
                else:
                    good.append(row)
            new = list(self._window(kb, good, f"import:{name}", seen, found))
            self._pairs.add(kb.id, new, read_at)
            found.counts["kept"] += len(new)
            report(name, "importing", found.counts["read"], 0)
        return found

    def _window(
        self,
        kb: KnowledgeBase,
        rows: Sequence[Row],
        writer: str,
        seen: dict[tuple[str, PairKind], int],
        found: Imported,
    ) -> Iterator[Pair]:
        ids = {row.number: _ids_of(kb, row) for row in rows}
        known = self._pairs.with_ids(kb.id, [each for some in ids.values() for each in some])
        keys = {row.number: question_key(row.question, row.history) for row in rows}
        there = self._pairs.known(kb.id, keys.values())
        refs = {row.number: _refs(row.ours) for row in rows}
        live = self._live.find(kb, [ref for group in refs.values() for ref in group])
        for row in rows:
            # The same question may stand with its passage and, to be refused, without.
            key = (keys[row.number], PairKind.UNANSWERABLE if self._refused(row) else PairKind.ANSWERABLE)
            pair = next((known[each] for each in ids[row.number] if each in known), None)
            if pair is not None:
                self._known(row, pair, writer, found)
            elif key in seen:
                found.tell("duplicates", row.number, f"the question of row {seen[key]} again")
            elif key in there:
                found.tell("duplicates", row.number, f"the question of pair {there[key]}")
            else:
                sources = [live[ref.text_hash] for ref in refs[row.number] if ref.text_hash in live]
                if made := self._made(kb, row, sources, refs[row.number], writer, found):
                    yield made
            seen.setdefault(key, row.number)

    def _refused(self, row: Row) -> bool:
        return row.answer.strip() == self._refusal or _said(row.ours, "kind") == PairKind.UNANSWERABLE

    def _known(self, row: Row, pair: Pair, writer: str, found: Imported) -> None:
        """A pair that is here: worded anew or reviewed by the file, or as it was."""
        answer = "" if pair.kind is PairKind.UNANSWERABLE else row.answer
        review = _review_of(row) or pair.review
        wording = {"question": row.question, "answer": answer, "short": _said(row.ours, "short") or pair.short}
        reviewer = _said(row.ours, "reviewer") or writer
        try:
            if any(getattr(pair, name) != text for name, text in wording.items()):
                self._pairs.review(pair.knowledge_base_id, pair.id, ReviewState.EDITED, reviewer, **wording)
            elif review is not pair.review and review is not ReviewState.EDITED:
                self._pairs.review(pair.knowledge_base_id, pair.id, review, reviewer)
            else:
                found.counts["known"] += 1
                return
        except UnusableValue as exc:
            found.tell("odd", row.number, str(exc))
        else:
            found.counts["changed"] += 1

    def _made(
        self,
        kb: KnowledgeBase,
        row: Row,
        sources: Sequence[SourceChunk],
        refs: Sequence[SourceRef],
        writer: str,
        found: Imported,
    ) -> Pair | None:
        refused = self._refused(row)
        whole = bool(refs) and len(sources) == len(refs)
        evidence = _said(row.ours, "evidence")
        if not refused and not (whole and sources and evidence and evidence in sources[0].text):
            held = best_evidence([*sources, *self._candidates(kb, row)], row.answer, _said(row.ours, "short"))
            if held is None:
                found.tell("odd", row.number, "no passage of the knowledge base holds this answer")
                return None
            sources, evidence, whole = [held[0]], held[1], False
        draft = _draft(row, sources, "" if refused else evidence, refused, writer)
        filters = row.ours.get("filters")
        if whole and isinstance(filters, dict) and filters:
            # Filtered when it was made, of the very texts that are live here.
            notes: Mapping[str, str] = {str(name): str(said) for name, said in filters.items()}
        else:
            judged = self._judge.judge(draft)
            if not judged.kept:
                found.tell("dropped", row.number, f"{judged.dropped_by}: {judged.reason}")
                return None
            draft, notes = judged.draft, judged.notes
        ids = _ids_of(kb, row)
        pair = pair_of(draft, kb.id, notes, ids[-1] if ids else "")
        review = _review_of(row)
        if review in (None, ReviewState.PENDING):
            return pair
        reviewer = _said(row.ours, "reviewer") or writer
        return replace(pair, review=review, reviewer=reviewer, reviewed_at=datetime.now(UTC))

    def _candidates(self, kb: KnowledgeBase, row: Row) -> Iterator[SourceChunk]:
        if row.document:
            for writing in self._live.documents(kb):
                if row.document in (writing.document, writing.document.rsplit("/", 1)[-1]):
                    yield from self._live.chunks(kb, writing)
            return
        hits = self._finder.find(row.question)
        yield from self._live.with_ids(kb, [hit.chunk_id for hit in hits]).values()


def best_evidence(chunks: Iterable[SourceChunk], answer: str, short: str = "") -> tuple[SourceChunk, str] | None:
    """The passage that holds an answer, and the sentence or line of it that says most of it; None where none does.

    A passage holds it if it has all figures and most words of the answer, or the short answer as it stands.
    """
    words = tokens_of(answer)
    best: tuple[float, SourceChunk, str] | None = None
    for chunk in chunks:
        held = tokens_of(chunk.text)
        if not words or not figures_of(words) <= held:
            continue
        share = len(words & held) / len(words)
        if share < _ENOUGH and not (short and short in chunk.text):
            continue
        if best is None or share > best[0]:
            best = (share, chunk, _sentence(chunk.text, words))
    return (best[1], best[2]) if best is not None else None


def _sentence(text: str, words: frozenset[str]) -> str:
    spans = [match.group().strip() for match in _SENTENCE.finditer(text)]
    return max((span for span in spans if span), key=lambda span: len(tokens_of(span) & words), default=text)


def _draft(row: Row, sources: Sequence[SourceChunk], evidence: str, refused: bool, writer: str) -> Draft:
    ours, short = row.ours, _said(row.ours, "short")
    style = Style(said) if (said := _said(ours, "style")) in set(Style) else None
    if style is None:
        style = Style.FOLLOW_UP if row.history else Style.OUT_OF_SCOPE if refused else Style.PLAIN
    return Draft(
        question=row.question,
        answer="" if refused else row.answer,
        sources=tuple(sources),
        writer=_said(ours, "writer") or writer,
        language=_said(ours, "language")[:10] or detect_language(row.question),
        evidence=evidence,
        short=short if sources and short in sources[0].text else "",
        kind=PairKind.UNANSWERABLE if refused else PairKind.ANSWERABLE,
        style=style,
        history=row.history,
    )


def _ids_of(kb: KnowledgeBase, row: Row) -> tuple[str, ...]:
    """Ids that a row may be known by here; under the last one it is kept. None for rows that name none.

    One of another knowledge base gets the same new id each time: that base may come back from a snapshot.
    """
    said = _said(row.ours, "id")
    if not _ID.fullmatch(said):
        return ()
    if _said(row.ours, "kb") == kb.id:
        return (said,)
    return (said, uuid.uuid5(uuid.NAMESPACE_OID, f"{kb.id}:{said}").hex)


def _review_of(row: Row) -> ReviewState | None:
    said = _said(row.ours, "review")
    return ReviewState(said) if said in set(ReviewState) else None


def _refs(ours: Mapping[str, Any]) -> tuple[SourceRef, ...]:
    """The sources that a row of ours names; none where they cannot be read."""
    found = []
    for said in ours.get("sources") or () if isinstance(ours.get("sources"), list) else ():
        if not isinstance(said, dict) or not all(isinstance(said.get(key), str) for key in ("chunk_id", "text_hash")):
            return ()
        path = said.get("heading_path")
        names = tuple(str(part) for part in path) if isinstance(path, list) else ()
        known = (said["chunk_id"], said["text_hash"], str(said.get("version", "")), str(said.get("document", "")))
        found.append(SourceRef(*known, names))
    return tuple(found)


def _said(ours: Mapping[str, Any], name: str) -> str:
    value = ours.get(name)
    return value if isinstance(value, str) else ""
