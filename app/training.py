"""Training wired to the real product: samples with the passages that retrieval finds, the packaged base, releases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.evaluation import Indexed, indexed
from app.rag.retrieve import Retrieved
from app.workspace import Settings
from finetune.corpus import Corpus, corpus_of, digest
from finetune.examples import Sample
from finetune.recipe import Recipe
from finetune.samples import samples_of
from finetune.sharing import encoder_of
from ingest.pipeline import Progress
from serving.passages import Passage

Asking = Callable[[int, int], None]


class DatasetSearcher:
    """Retrieval over a dataset as samples see it."""

    def __init__(self, corpus: Indexed) -> None:
        self._corpus = corpus
        self._whole: dict[str, list[Passage]] = {}
        place = corpus.workspace.places.of(corpus.kb)
        for hit in place.index.payloads(place.space, live=True):
            payload = hit.payload
            passage = passage_of(hit.id, payload)
            self._whole.setdefault(corpus.ids[payload["document"]], []).append(passage)

    def chunks(self, question: str, limit: int) -> Sequence[tuple[str, Passage]]:
        """(document of the dataset, passage) found for a question, best first."""
        found: Retrieved = self._corpus.search.search(self._corpus.kb, question)
        return [(self._corpus.ids[p.document], p) for p in found.passages(limit)]

    def passages_of(self, doc_id: str) -> Sequence[Passage]:
        """Every passage of a document, in order."""
        return self._whole.get(doc_id, [])


def passage_of(identity: str, payload: dict[str, Any]) -> Passage:
    """A point's payload as prompts see it."""
    return Passage(
        n=1,
        chunk_id=identity,
        document=payload["document"],
        title=payload["title"],
        version=payload["version"],
        text=payload["text"],
        heading_path=tuple(payload["heading_path"]),
        pages=tuple(payload["pages"]),
        sheet=payload["sheet"],
        language=payload["language"],
    )


@dataclass(frozen=True, slots=True)
class Material:
    """What a recipe learns from.

    data: name to hash of each source.
    left: questions that could not be used.
    """

    samples: list[Sample]
    passages: dict[str, Passage]
    data: dict[str, str]
    left: int


def material_of(recipe: Recipe, settings: Settings, progress: Progress) -> Material:
    """Samples of the recipe's sources, each with what retrieval finds.

    Raises:
        DatasetError: a dataset cannot be read.
        FrontdeskError: a document could not be ingested.
    """
    samples: list[Sample] = []
    passages: dict[str, Passage] = {}
    data: dict[str, str] = {}
    left = 0
    for dataset in recipe.data.datasets:
        with indexed(dataset, progress, settings) as corpus:
            found, named, unused = samples_of(dataset, DatasetSearcher(corpus))
        samples += found
        passages |= named
        left += unused
        data[_name(dataset)] = digest(found, named)
    return Material(samples, passages, data, left)


def tokens_of(recipe: Recipe, material: Material, tokenizer: Any) -> Corpus:
    """The sequences of a run."""

    def count(text: str) -> int:
        return len(tokenizer(text, add_special_tokens=False)["input_ids"])

    return corpus_of(recipe, material.samples, material.passages, encoder_of(tokenizer), count)


def _name(dataset: Path) -> str:
    return "/".join(dataset.resolve().parts[-2:])
