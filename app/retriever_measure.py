"""Retrieval over a knowledge base's live passages by an embedder that nobody is answered with yet, beside the one that answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from app.rag.retrieve import HybridSearch
from app.retriever_material import Question
from app.workspace import Workspace
from finetune.metrics import mean, recall_at, reciprocal_rank_at
from finetune.significance import paired_p_value
from ingest.edits import chunk_of_payload
from ingest.embed import Embedder
from ingest.index.base import Hit, Point, embed_hash
from ingest.index.edge import EdgeIndex
from ingest.pairs.live import live_hash
from ingest.pipeline import Progress
from ingest.records import KnowledgeBase

# By vectors alone, by words alone, and as customers are answered.
LEGS = ("dense", "sparse", "whole")
_WINDOW = 256
_DEPTH = 10


@dataclass(frozen=True, slots=True)
class LegFigures:
    """Means over questions; a question whose passage is not found counts nothing."""

    questions: int
    recall_1: float
    recall_5: float
    mrr: float


@dataclass(frozen=True, slots=True)
class Measured:
    """Reciprocal ranks and the rest of each question, in the questions' order.

    rankings: by leg, hashes of the texts found for each question, best first.
    """

    questions: Sequence[Question]
    rankings: Mapping[str, list[tuple[str, ...]]]

    def figures(self, leg: str, language: str = "") -> LegFigures:
        """Of a leg, over the questions of a language; of all, when none is named."""
        found = self._of(leg, language)
        return LegFigures(
            len(found),
            mean([recall_at(ranking, asked.relevant, 1) for asked, ranking in found]),
            mean([recall_at(ranking, asked.relevant, 5) for asked, ranking in found]),
            mean(self.reciprocal_ranks(leg, language)),
        )

    def reciprocal_ranks(self, leg: str, language: str = "") -> list[float]:
        """1 / rank within the first ten, else 0, of each question."""
        return [reciprocal_rank_at(ranking, asked.relevant, _DEPTH) for asked, ranking in self._of(leg, language)]

    def languages(self) -> list[str]:
        """Languages of the questions, the most frequent first."""
        named = [asked.language for asked in self.questions]
        return sorted(set(named), key=lambda language: (-named.count(language), language))

    def as_json(self) -> dict[str, dict[str, Any]]:
        """Figures by language and leg, rounded."""
        return {language: {leg: _rounded(self.figures(leg, language)) for leg in LEGS} for language in self.languages()}

    def _of(self, leg: str, language: str) -> list[tuple[Question, tuple[str, ...]]]:
        pairs = zip(self.questions, self.rankings[leg], strict=True)
        return [(asked, ranking) for asked, ranking in pairs if not language or asked.language == language]


def _rounded(figures: LegFigures) -> dict[str, Any]:
    return {name: round(value, 4) for name, value in asdict(figures).items()}


def p_value(before: Measured, after: Measured, language: str) -> float:
    """Chance of a difference like that in the whole retrieval's MRR if there were none (paired randomisation test)."""
    return paired_p_value(before.reciprocal_ranks("whole", language), after.reciprocal_ranks("whole", language))


def measure(
    search: HybridSearch, kb: KnowledgeBase, questions: Sequence[Question], progress: Progress, title: str
) -> Measured:
    """Ask every question; a passage is right if it says what an answer's source says, wherever it stands."""
    rankings: dict[str, list[tuple[str, ...]]] = {leg: [] for leg in LEGS}
    for done, asked in enumerate(questions):
        progress(kb.name, title, done, len(questions))
        found = search.search(kb, asked.question)
        rankings["dense"].append(_ranking(found.legs.dense))
        rankings["sparse"].append(_ranking(found.legs.sparse))
        rankings["whole"].append(_ranking([fused.hit for fused in found.fused]))
    return Measured(questions, rankings)


def _ranking(hits: Sequence[Hit]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(live_hash(hit.payload) for hit in hits))


@contextmanager
def beside(
    workspace: Workspace, kb: KnowledgeBase, embedder: Embedder, progress: Progress
) -> Iterator[tuple[EdgeIndex, KnowledgeBase]]:
    """The live passages with vectors of another embedder, in a temporary index; and the knowledge base as it is asked there."""
    with TemporaryDirectory(prefix="frontdesk-retriever-") as folder:
        index = EdgeIndex(Path(folder), embedder.size)
        try:
            total, done = workspace.index.count(kb.id), 0
            window: list[Hit] = []
            for hit in workspace.index.payloads(kb.id, live=True):
                window.append(hit)
                if len(window) == _WINDOW:
                    progress(kb.name, "embedding", done, total)
                    index.upsert(kb.id, _points(workspace, embedder, window))
                    done, window = done + len(window), []
            if window:
                index.upsert(kb.id, _points(workspace, embedder, window))
            asked_as = replace(kb, embedding_model=embedder.name, embedding_size=embedder.size)
            yield index, asked_as
        finally:
            index.close()


def _points(workspace: Workspace, embedder: Embedder, hits: Sequence[Hit]) -> list[Point]:
    texts = [chunk_of_payload(hit.payload).indexed_text(str(hit.payload["title"])) for hit in hits]
    languages = [str(hit.payload["language"]) for hit in hits]
    known = [i for i, language in enumerate(languages) if language == "und" or embedder.knows(language)]
    vectors = dict(zip(known, embedder.embed_documents([texts[i] for i in known]), strict=True))
    points = []
    for i, (hit, text) in enumerate(zip(hits, texts, strict=True)):
        payload = {key: value for key, value in hit.payload.items() if key != "kb"}
        payload["embed_hash"] = embed_hash(text)
        points.append(Point(hit.id, workspace.sparse.encode_document(text), payload, vectors.get(i)))
    return points
