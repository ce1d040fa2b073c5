"""Training wired to the real product: samples with the passages that retrieval finds, the packaged base, releases."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.evaluation import Indexed, indexed
from app.workspace import Settings, Workspace, open_workspace
from finetune.corpus import Corpus, corpus_of, digest
from finetune.examples import Sample
from finetune.recipe import PACKAGED, Recipe
from finetune.samples import FOUND, samples_of
from finetune.sharing import encoder_of
from ingest.pairs.live import LivePassages
from ingest.pairs.records import Pair, PairKind, Side, SourceChunk
from ingest.pairs.store import Pairs, Wanted
from ingest.pipeline import Progress
from serving.passages import Passage
from serving.releases import Learnt

if TYPE_CHECKING:
    from serving.releases import Release

RUNS = "runs/training"


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

    def take(self, name: str, samples: list[Sample], passages: dict[str, Passage], left: int) -> None:
        """Add a source."""
        self.samples += samples
        self.passages |= passages
        self.left += left
        self.data[name] = digest(samples, passages)


def material_of(recipe: Recipe, settings: Settings, progress: Progress) -> Material:
    """Samples of the recipe's sources, each with what retrieval finds.

    Raises:
        DatasetError: a dataset cannot be read.
        DataFolderBusy: the knowledge base's data folder is a server's.
        FrontdeskError: a document could not be ingested.
    """
    material = Material()
    for dataset in recipe.data.datasets:
        with indexed(dataset, progress, settings) as corpus:
            found = samples_of(dataset, DatasetSearcher(corpus))
        material.take("/".join(dataset.resolve().parts[-2:]), *found)
    if recipe.data.kb:
        with open_workspace(settings) as workspace:
            take_pairs(workspace, recipe, material, progress)
    return material


def take_pairs(workspace: Workspace, recipe: Recipe, material: Material, progress: Progress) -> None:
    """Samples of a knowledge base's pairs: fresh, not rejected, not on the test side, in the recipe's languages."""
    kb = workspace.catalog.knowledge_base(recipe.data.kb or "")
    store, live = Pairs(workspace.engine), LivePassages(workspace.catalog, workspace.index)
    languages = recipe.data.languages
    wanted = [
        pair
        for batch in store.batches(kb.id, Wanted(kept=True, stale=False))
        for pair in batch
        # A follow-up is made standalone before anybody writes an answer: the prompt never holds it as it was asked.
        if pair.side is not Side.TEST and not pair.history and (pair.reviewer or not recipe.data.reviewed)
        if not languages or pair.language in languages
    ]
    samples: list[Sample] = []
    passages: dict[str, Passage] = {}
    learnt: dict[str, Learnt] = {}
    left = 0
    for done, pair in enumerate(wanted):
        progress(kb.name, "finding passages", done, len(wanted))
        sources = live.find(kb, pair.sources)
        if len(sources) < len({ref.text_hash for ref in pair.sources}):
            left += 1
            continue
        chunks = [sources[ref.text_hash] for ref in pair.sources]
        found = workspace.search.search(kb, pair.question).passages(FOUND)
        passages |= {p.chunk_id: p for p in (*found, *map(_passage_of_chunk, chunks))}
        samples.append(sample_of(pair, chunks, found))
        learnt |= {c.text_hash: Learnt(kb.id, c.document, c.text_hash) for c in chunks}
    material.take(f"kb/{kb.name}", samples, passages, left)
    material.learnt += learnt.values()


def sample_of(pair: Pair, chunks: Sequence[SourceChunk], found: Iterable[Passage]) -> Sample:
    """A pair as training sees it; the sources of one that cannot be answered are what retrieval would bring."""
    ids = tuple(chunk.id for chunk in chunks)
    seen = tuple(passage.chunk_id for passage in found)
    group = "\n".join((chunks[0].document, *chunks[0].heading_path)) if chunks else ""
    if pair.kind is PairKind.UNANSWERABLE:
        return Sample(pair.question, (), "", "", tuple(dict.fromkeys((*ids, *seen))), group)
    return Sample(pair.question, ids, pair.short, pair.answer, seen, group)


def _passage_of_chunk(chunk: SourceChunk) -> Passage:
    return Passage(
        1, chunk.id, chunk.document, chunk.title, chunk.version, chunk.text, chunk.heading_path, language=chunk.language
    )


def tokens_of(recipe: Recipe, material: Material, tokenizer: Any) -> Corpus:
    """The sequences of a run."""

    def count(text: str) -> int:
        return len(tokenizer(text, add_special_tokens=False)["input_ids"])

    return corpus_of(recipe, material.samples, material.passages, encoder_of(tokenizer), count)


@dataclass(slots=True)
class Opened:
    """A base with what will be trained of it."""

    model: Any
    tokenizer: Any
    parent: Release | None


def open_model(recipe: Recipe, settings: Settings, *, live: str) -> Opened:
    """The recipe's base with a new adapter, or with that of the release that is trained further.

    live: id or name of the release that answers customers.

    Raises:
        TrainingError: the base cannot be loaded, or the release has no adapter to go on with.
        NoSuchRelease: there is no such release.
    """
    from finetune.base_model import load_base, with_adapter
    from finetune.errors import TrainingError
    from serving.loading import convert, packaged_base
    from serving.release_store import ReleaseStore
    from serving.releases import ADAPTER

    packaged = convert(settings.ingest.models_folder) if recipe.base == PACKAGED else Path()
    model, tokenizer = load_base(recipe.base, packaged, recipe.train.dtype, four_bits=recipe.method == "qlora")
    parent = None
    if recipe.release:
        store = ReleaseStore(settings.ingest.releases_folder, packaged_base)
        parent = store.get(live if recipe.release == "live" else recipe.release)
        if parent.manifest.kind != ADAPTER:
            # The packaged model itself: a new adapter is begun.
            if parent.folder is not None:
                raise TrainingError(f"release {parent.label} has merged weights; name one with an adapter, or none")
            parent = None
        else:
            parent.verify()
    model = with_adapter(model, recipe, parent.folder if parent else None)
    return Opened(model, tokenizer, parent)


def write_draft(adapter: Path, recipe: Recipe, material: Material, parent: Release | None, run: dict[str, Any]) -> None:
    """What a release of the adapter says of itself; `releases add` reads it."""
    from dataclasses import asdict

    from serving.release_store import DRAFT

    about = {
        "recipe": recipe.digest,
        "data": material.data,
        "parent": parent.id if parent else "",
        "steps": run["steps"],
        "eval_loss": run["eval_loss"],
    }
    inherited = [asdict(each) for each in parent.manifest.learnt_from] if parent else []
    learnt = [*inherited, *(asdict(each) for each in material.learnt)]
    draft = {"name": recipe.name, "prompt": "full", "small": True, "learnt_from": learnt, "about": about}
    (adapter / DRAFT).write_text(json.dumps(draft, ensure_ascii=False, indent=1), encoding="utf-8")


def run_folder(recipe: Recipe, settings: Settings) -> Path:
    """Where a run of this recipe keeps what it makes; the same for the same recipe, so that it is gone on with."""
    return Path(settings.ingest.home) / RUNS / f"{recipe.name}-{recipe.digest}"
