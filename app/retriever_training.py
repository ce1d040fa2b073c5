"""A knowledge base's embedder tuned, wired: pairs and retrieval in, a model's folder and its figures out.

The index that answers is not touched: `frontdesk index migrate` builds one with the tuned embedder beside it and switches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.retriever_material import RetrieverMaterial, material_of
from app.retriever_measure import Measured, beside, measure, p_value
from app.tuned_embedders import EMBEDDERS
from app.workspace import Settings, Workspace, open_workspace
from finetune.errors import TrainingError
from finetune.recipe import PACKAGED
from finetune.retriever_recipe import RetrieverRecipe
from ingest.embed import SentenceTransformerEmbedder, languages_of, packaged_model_folder
from ingest.pipeline import Progress


@dataclass(frozen=True, slots=True)
class Vote:
    """Whether a language that the base does not know is to be searched by vectors: by the held-out questions, before the test.

    without, with_it: MRR@10 of the whole retrieval; equal ones earn no vote.
    """

    language: str
    questions: int
    without: float
    with_it: float

    @property
    def earned(self) -> bool:
        """Whether the vectors help."""
        return self.with_it > self.without


@dataclass(slots=True)
class Tuned:
    """What came of a run.

    before: the index that answers, on the test side; ``after``: one with the tuned embedder.
    denied: the same with every language voting, where one earned no vote; else None.
    """

    kb: str
    run: dict[str, Any]
    counts: dict[str, int]
    folder: Path | None = None
    languages: list[str] = field(default_factory=list)
    votes: list[Vote] = field(default_factory=list)
    before: Measured | None = None
    after: Measured | None = None
    denied: Measured | None = None

    def as_json(self) -> dict[str, Any]:
        """One JSON object for scripts."""
        said: dict[str, Any] = {
            "kind": "retriever",
            "kb": self.kb,
            **self.run,
            "counts": self.counts,
            "folder": str(self.folder or ""),
            "languages": self.languages,
        }
        said["votes"] = [
            {"language": v.language, "questions": v.questions, "earned": v.earned}
            | {"without": round(v.without, 4), "with": round(v.with_it, 4)}
            for v in self.votes
        ]
        if self.before is not None and self.after is not None:
            said |= {"before": self.before.as_json(), "after": self.after.as_json()}
            said["p_value"] = {
                name: round(p_value(self.before, self.after, name), 4) for name in self.before.languages()
            }
        if self.denied is not None:
            said["with_every_vote"] = self.denied.as_json()
        return said


def plan(recipe: RetrieverRecipe, settings: Settings, progress: Progress) -> dict[str, Any]:
    """What a run would learn from; nothing is trained.

    Raises:
        TrainingError: there is nothing to learn from.
        DataFolderBusy: a server holds the data folder.
    """
    from finetune.retriever import steps_of

    with open_workspace(settings) as workspace:
        material = material_of(workspace, recipe, known_languages(recipe), progress)
        return counts_of(material) | {"steps": steps_of(recipe, material.learn, material.passages)}


def tune(
    recipe: RetrieverRecipe,
    settings: Settings,
    progress: Progress,
    cancelled: Callable[[], bool] = lambda: False,
) -> Tuned:
    """Train, decide which languages vote, measure on the test side. The data folder is held meanwhile.

    Raises:
        TrainingError: there is nothing to learn from, or the base cannot be trained.
        DataFolderBusy: a server holds the data folder.
    """
    from finetune.retriever import finish, train, write_part

    known = known_languages(recipe)
    with open_workspace(settings) as workspace:
        material = material_of(workspace, recipe, known, progress)
        kb = material.kb
        workspace.rewordings.prepare(kb, workspace.places.of(kb))
        model, first_new = _base(recipe, material)
        run = train(
            recipe,
            model,
            material.learn,
            material.held_out,
            material.passages,
            first_new=first_new,
            data=material.data,
            report=lambda step, steps, loss: progress(f"loss {loss:.3f}", "training", step, steps),
            cancelled=cancelled,
        )
        run.documents = material.documents
        done = Tuned(kb.name, _said(run), counts_of(material))
        if run.state != "done":
            return done
        new = material.new_languages(known)
        folder = settings.ingest.home.resolve() / EMBEDDERS
        part = write_part(model, folder, recipe.name, [*known, *new])
        done.before = measure(workspace.search, kb, material.test, progress, "asking the index that answers")
        done.votes, done.after = _tried(workspace, material, part, known, new, progress)
        earned = [vote.language for vote in done.votes if vote.earned]
        done.languages = sorted({*known, *earned})
        if set(new) - set(earned):
            done.denied = done.after
            _, done.after = _tried(workspace, material, part, done.languages, [], progress)
        done.folder = finish(part, run, recipe.name, done.languages)
        done.run = _said(run)
    return done


def _tried(
    workspace: Workspace,
    material: RetrieverMaterial,
    part: Path,
    known: Sequence[str],
    new: Sequence[str],
    progress: Progress,
) -> tuple[list[Vote], Measured]:
    """Votes of new languages by the held-out questions, and the test side with all languages voting."""
    kb = material.kb
    votes: list[Vote] = []
    embedder = SentenceTransformerEmbedder(str(part), (*known, *new))
    with beside(workspace, kb, embedder, progress) as (index, asked_as):
        search = workspace.search.over(index, embedder)
        for language in new:
            silent = workspace.search.over(index, SentenceTransformerEmbedder(str(part), tuple(known)))
            trials = [question for question in material.trials if question.language == language]
            without = measure(silent, asked_as, trials, progress, "asking without vectors").figures("whole")
            with_it = measure(search, asked_as, trials, progress, "asking with vectors").figures("whole")
            votes.append(Vote(language, len(trials), without.mrr, with_it.mrr))
        return votes, measure(search, asked_as, material.test, progress, "asking the tuned one")


def _base(recipe: RetrieverRecipe, material: RetrieverMaterial) -> tuple[Any, int | None]:
    """The recipe's base, with the knowledge base's characters in its vocabulary where the recipe says so."""
    from finetune.retriever import load_base
    from finetune.retriever_vocabulary import extend, missing_characters, vocabulary_of

    model = load_base(_source(recipe))
    if recipe.vocabulary == "as_it_is":
        return model, None
    texts = [text.indexed for text in material.passages.values()] + [asked.question for asked in material.learn]
    missing = missing_characters(texts, vocabulary_of(model))
    if not missing:
        raise TrainingError("vocabulary: chinese finds no character that the base lacks; leave the line out")
    return model, extend(model, missing, recipe.train.seed)


def known_languages(recipe: RetrieverRecipe) -> tuple[str, ...]:
    """Languages that the base knows; of the packaged one by its name, for the path of its folder does not say it."""
    return languages_of(recipe.base)


def _source(recipe: RetrieverRecipe) -> str:
    return str(packaged_model_folder()) if recipe.base == PACKAGED else recipe.base


def counts_of(material: RetrieverMaterial) -> dict[str, int]:
    """How much there is to learn from and to test with."""
    negatives = [len(each.negatives) for each in material.learn]
    return {
        "questions": sum(not each.positive for each in material.learn),
        "sentences": sum(bool(each.positive) for each in material.learn),
        "held_out": len(material.held_out),
        "test": len(material.test),
        "negatives": sum(negatives),
        "passages": len(material.passages),
        "left": material.left,
    }


def _said(run: Any) -> dict[str, Any]:
    from dataclasses import asdict

    return {key: value for key, value in asdict(run).items() if key not in ("documents", "said", "languages")}
