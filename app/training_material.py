"""What a recipe learns from: samples with the passages that retrieval finds, as rows that can be kept beside a run.

Rows are those of app/pair_samples.py, whatever they come from: the open data folder, a server that owns it, a dataset.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.commands.desk import Desk, open_desk
from app.evaluation import Indexed, indexed
from app.pair_samples import Row, passage_from, passage_row
from app.workspace import Settings
from finetune.corpus import digest
from finetune.errors import TrainingError
from finetune.examples import Sample
from finetune.recipe import Recipe
from finetune.samples import samples_of
from ingest.pipeline import Progress
from serving.passages import Passage
from serving.releases import Learnt

DeskOpener = Callable[[], AbstractContextManager[Desk]]
CUT_OFF = "the samples ended before their last row: nothing is trained on half of them; try again"


class DatasetSearcher:
    """Retrieval over a dataset as samples see it."""

    def __init__(self, corpus: Indexed) -> None:
        self._corpus = corpus
        self._whole: dict[str, list[Passage]] = {}
        place = corpus.workspace.places.of(corpus.kb)
        for hit in place.index.payloads(place.space, live=True):
            self._whole.setdefault(corpus.ids[hit.payload["document"]], []).append(_passage_of(hit.id, hit.payload))

    def chunks(self, question: str, limit: int) -> Sequence[tuple[str, Passage]]:
        """(document of the dataset, passage) found for a question, best first."""
        found = self._corpus.search.search(self._corpus.kb, question)
        return [(self._corpus.ids[p.document], p) for p in found.passages(limit)]

    def passages_of(self, doc_id: str) -> Sequence[Passage]:
        """Every passage of a document."""
        return self._whole.get(doc_id, [])


def _passage_of(identity: str, payload: dict[str, Any]) -> Passage:
    return Passage(
        n=1,
        chunk_id=identity,
        document=payload["document"],
        title=payload["title"],
        version=payload["version"],
        text=payload["text"],
        heading_path=tuple(payload["heading_path"]),
        language=payload["language"],
    )


@dataclass(slots=True)
class Material:
    """What a recipe learns from.

    data:   name to hash of each source.
    left:   questions and pairs that could not be used.
    learnt: passages of knowledge bases, so that a deletion can name the release.
    """

    samples: list[Sample] = field(default_factory=list)
    passages: dict[str, Passage] = field(default_factory=dict)
    data: dict[str, str] = field(default_factory=dict)
    left: int = 0
    learnt: list[Learnt] = field(default_factory=list)

    @classmethod
    def of(cls, rows: Iterable[Row]) -> Material:
        """The material that rows hold, source after source.

        Raises:
            TrainingError: the last source has no end.
        """
        material = cls()
        samples: list[Sample] = []
        passages: dict[str, Passage] = {}
        learnt: dict[tuple[str, str], None] = {}
        ended = True
        for row in rows:
            ended = "end" in row
            if "passage" in row:
                passage = passage_from(row["passage"])
                passages[passage.chunk_id] = passage
            elif "pair" in row:
                samples.append(_sample_of(row["pair"]))
                learnt |= dict.fromkeys((document, text) for document, text in row["pair"]["learnt"])
            elif ended:
                end = row["end"]
                material._take(end.get("dataset") or f"kb/{end['kb']}", samples, passages, int(end["left"]))
                material.learnt += [Learnt(end["kb_id"], *each) for each in learnt]
                samples, passages, learnt = [], {}, {}
        if not ended:
            raise TrainingError(CUT_OFF)
        return material

    def _take(self, name: str, samples: list[Sample], passages: dict[str, Passage], left: int) -> None:
        self.samples += samples
        self.passages |= passages
        self.left += left
        self.data[name] = digest(samples, passages)


def rows_of(recipe: Recipe, settings: Settings, progress: Progress, desk: DeskOpener = open_desk) -> Iterator[Row]:
    """Rows of the recipe's sources.

    desk: who is asked for pairs: the open data folder, or the server that owns it.

    Raises:
        DatasetError: a dataset cannot be read.
        DataFolderBusy: the knowledge base's data folder is held by something else than a server.
        ServerAway: the server that owns it does not answer.
        FrontdeskError: a document could not be ingested.
    """
    for dataset in recipe.data.datasets:
        yield from _dataset_rows(dataset, settings, progress)
    if recipe.data.kb:
        with desk() as opened:
            said = recipe.data
            pairs = opened.pairs(recipe.data.kb)
            yield from pairs.samples(reviewed=said.reviewed, languages=said.languages, report=progress)


def material_of(recipe: Recipe, settings: Settings, progress: Progress, desk: DeskOpener = open_desk) -> Material:
    """Samples of the recipe's sources, each with what retrieval finds; see ``rows_of``.

    Raises:
        TrainingError: a source broke off.
    """
    return Material.of(rows_of(recipe, settings, progress, desk))


def keep(rows: Iterable[Row], path: Path) -> None:
    """Write rows to a file that is there whole or not at all.

    Raises:
        TrainingError: the last source has no end.
    """
    part = path.with_suffix(".part")
    ended = True
    with part.open("w", encoding="utf-8") as lines:
        for row in rows:
            ended = "end" in row
            lines.write(json.dumps(row, ensure_ascii=False) + "\n")
    if not ended:
        raise TrainingError(CUT_OFF)
    part.replace(path)


def kept(path: Path) -> Iterator[Row]:
    """The rows of such a file."""
    with path.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def _dataset_rows(dataset: Path, settings: Settings, progress: Progress) -> Iterator[Row]:
    with indexed(dataset, progress, settings) as corpus:
        samples, passages, left = samples_of(dataset, DatasetSearcher(corpus))
    yield from ({"passage": passage_row(passage)} for passage in passages.values())
    yield from ({"pair": _row_of(sample)} for sample in samples)
    yield {"end": {"dataset": "/".join(dataset.resolve().parts[-2:]), "kb_id": "", "left": left}}


def _row_of(sample: Sample) -> Row:
    return {
        "question": sample.question,
        "short": sample.short,
        "sentence": sample.sentence,
        "gold": list(sample.gold),
        "found": list(sample.found),
        "group": sample.group,
        "learnt": [],
    }


def _sample_of(row: Row) -> Sample:
    said = (row["question"], tuple(row["gold"]), row["short"], row["sentence"], tuple(row["found"]), row["group"])
    return Sample(*said)
