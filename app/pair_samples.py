"""What a knowledge base's pairs teach, as rows of JSON: each pair with the passages it was made of and those retrieval finds.

One form for all who train: read from the open data folder, sent by a server that owns it, kept beside a run.
A passage stands in a row of its own before the first pair that names it. The last row says that nothing is missing.

    {"passage": {"chunk_id", "document", "title", "version", "text", "heading_path", "pages", "sheet", "language"}}
    {"pair": {"question", "short", "sentence", "gold": [ids], "found": [ids], "group", "learnt": [[document, text_hash]]}}
    {"end": {"kb", "kb_id", "pairs", "left"}}
    {"error": "why there will be no more"}
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from ingest.catalog import Catalog
from ingest.index.base import VectorIndex
from ingest.pairs.fresh import Freshness
from ingest.pairs.live import LivePassages
from ingest.pairs.records import Pair, PairKind, Side, SourceChunk
from ingest.pairs.store import Pairs, Wanted
from ingest.records import KnowledgeBase
from ingest.stages import Progress
from serving.passages import Passage

if TYPE_CHECKING:
    from app.workspace import Workspace

# Passages kept of what retrieval finds for a question.
FOUND = 10
Row = dict[str, Any]


class Found(Protocol):
    """What retrieval found for a question."""

    def passages(self, limit: int) -> Sequence[Passage]:
        """The best ones."""
        ...


class PairSearch(Protocol):
    """Retrieval as samples need it; ``app.rag.retrieve.HybridSearch`` is it."""

    def search(self, kb: KnowledgeBase, question: str, /) -> Found:
        """What is found for a question."""
        ...


class PairSamples:
    """Reads the pairs that may be trained on: fresh, not rejected, not on the test side.

    prepare: called once before the first question is searched for, so that each is asked on the same footing.
    """

    def __init__(
        self,
        catalog: Catalog,
        index: VectorIndex,
        search: PairSearch,
        prepare: Callable[[KnowledgeBase], None] = lambda _: None,
    ) -> None:
        self._pairs = Pairs(catalog.engine)
        self._live = LivePassages(catalog, index)
        self._fresh = Freshness(catalog, index)
        self._search = search
        self._prepare = prepare

    def rows(
        self,
        kb: KnowledgeBase,
        *,
        reviewed: bool = False,
        languages: Collection[str] = (),
        report: Progress = lambda *_: None,
    ) -> Iterator[Row]:
        """Rows as above, one pair after the other, so that a long list is never in memory at once.

        reviewed:  only pairs that a person approved or edited.
        languages: only pairs in these; all when there are none.
        """
        self._fresh.refresh(kb)
        self._prepare(kb)
        wanted = self._wanted(kb, languages, reviewed=reviewed)
        told: set[str] = set()
        left = 0
        for done, pair in enumerate(wanted):
            report(kb.name, "finding passages", done, len(wanted))
            sources = self._live.find(kb, pair.sources)
            if len(sources) < len({ref.text_hash for ref in pair.sources}):
                left += 1
                continue
            chunks = [sources[ref.text_hash] for ref in pair.sources]
            found = self._search.search(kb, pair.question).passages(FOUND)
            for passage in (*found, *map(_passage_of, chunks)):
                if passage.chunk_id not in told:
                    told.add(passage.chunk_id)
                    yield {"passage": passage_row(passage)}
            yield {"pair": _pair_row(pair, chunks, found)}
        yield {"end": {"kb": kb.name, "kb_id": kb.id, "pairs": len(wanted) - left, "left": left}}

    def _wanted(self, kb: KnowledgeBase, languages: Collection[str], *, reviewed: bool) -> list[Pair]:
        return [
            pair
            for batch in self._pairs.batches(kb.id, Wanted(kept=True, stale=False))
            for pair in batch
            # A follow-up is made standalone before anybody writes an answer: the prompt never holds it as it was asked.
            if pair.side is not Side.TEST and not pair.history and (pair.reviewer or not reviewed)
            if not languages or pair.language in languages
        ]


def samples_of_workspace(workspace: Workspace) -> PairSamples:
    """Those of an open data folder."""

    def prepare(kb: KnowledgeBase) -> None:
        workspace.rewordings.prepare(kb, workspace.places.of(kb))

    return PairSamples(workspace.catalog, workspace.index, workspace.search, prepare)


def passage_row(passage: Passage) -> Row:
    """A passage without what belongs to one question: its number and its score."""
    return {
        "chunk_id": passage.chunk_id,
        "document": passage.document,
        "title": passage.title,
        "version": passage.version,
        "text": passage.text,
        "heading_path": list(passage.heading_path),
        "pages": list(passage.pages),
        "sheet": passage.sheet,
        "language": passage.language,
    }


def passage_from(row: Row) -> Passage:
    """The passage of a row."""
    return Passage(
        n=1,
        chunk_id=row["chunk_id"],
        document=row["document"],
        title=row["title"],
        version=row["version"],
        text=row["text"],
        heading_path=tuple(row["heading_path"]),
        pages=tuple(row["pages"]),
        sheet=row["sheet"],
        language=row["language"],
    )


def _pair_row(pair: Pair, chunks: Sequence[SourceChunk], found: Iterable[Passage]) -> Row:
    """A pair as training sees it; the sources of one that cannot be answered are what retrieval would bring."""
    ids, seen = [chunk.id for chunk in chunks], [passage.chunk_id for passage in found]
    answerable = pair.kind is not PairKind.UNANSWERABLE
    return {
        "question": pair.question,
        "short": pair.short if answerable else "",
        "sentence": pair.answer if answerable else "",
        "gold": ids if answerable else [],
        "found": seen if answerable else list(dict.fromkeys((*ids, *seen))),
        "group": "\n".join((chunks[0].document, *chunks[0].heading_path)) if chunks else "",
        "learnt": [[chunk.document, chunk.text_hash] for chunk in chunks],
    }


def _passage_of(chunk: SourceChunk) -> Passage:
    return Passage(
        1, chunk.id, chunk.document, chunk.title, chunk.version, chunk.text, chunk.heading_path, language=chunk.language
    )
