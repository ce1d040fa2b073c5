"""What an embedder is tuned on: a knowledge base's pairs as questions with live passages, hard negatives by our own retrieval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from app.tuned_embedders import source_name
from app.workspace import Workspace
from finetune.errors import TrainingError
from finetune.retriever_data import Asked, Text, digest, held_out_groups, sentences_as_questions, with_negatives
from finetune.retriever_recipe import RetrieverRecipe
from ingest.embed import ANY_LANGUAGE
from ingest.pairs.fresh import Freshness
from ingest.pairs.live import LivePassages
from ingest.pairs.records import Pair, PairKind, Side, SourceChunk
from ingest.pairs.store import Pairs, Wanted
from ingest.pipeline import Progress
from ingest.records import KnowledgeBase
from ingest.schema import Chunk

# Hits of a question that negatives are looked for among.
FOUND = 30


@dataclass(frozen=True, slots=True)
class Question:
    """A question that retrieval is measured with; ``relevant`` are hashes of the texts that answer it."""

    id: str
    question: str
    language: str
    relevant: frozenset[str]


@dataclass(slots=True)
class RetrieverMaterial:
    """Both sides of a knowledge base's pairs.

    learn:    questions of the training side; ``held_out``: those of them that are not learnt from.
    trials:   the held-out ones as retrieval is measured with them; ``test``: the test side.
    passages: all that customers are shown, by id.
    left:     pairs that cannot be used: no live passage, or a follow-up that does not stand alone.
    """

    kb: KnowledgeBase
    passages: dict[str, Text]
    learn: list[Asked] = field(default_factory=list)
    held_out: list[Asked] = field(default_factory=list)
    trials: list[Question] = field(default_factory=list)
    test: list[Question] = field(default_factory=list)
    documents: list[str] = field(default_factory=list)
    left: int = 0

    @property
    def data(self) -> dict[str, str]:
        """Name and hash of what is learnt from."""
        return {source_name(self.kb.name): digest(self.learn, self.passages)}

    def new_languages(self, known: Sequence[str]) -> list[str]:
        """Languages that questions of the training side are in and that a base does not know; ``*``: it knows all."""
        asked = {each.language for each in (*self.learn, *self.held_out)}
        return [] if ANY_LANGUAGE in known else sorted(asked - set(known))


def material_of(
    workspace: Workspace, recipe: RetrieverRecipe, known: Sequence[str], progress: Progress
) -> RetrieverMaterial:
    """Questions of both sides with their passages.

    known: languages that the base knows, ``*`` for all; sentences are asked in the others only.

    Raises:
        NotFound: there is no such knowledge base.
        TrainingError: no pair stands on the training side.
    """
    kb = workspace.catalog.knowledge_base(recipe.data.kb)
    Freshness(workspace.catalog, workspace.index).refresh(kb)
    live = LivePassages(workspace.catalog, workspace.index)
    chunks = list(live.walk(kb))
    by_hash = {chunk.text_hash: chunk for chunk in reversed(chunks)}
    made = RetrieverMaterial(kb, {chunk.id: text_of(chunk) for chunk in chunks})
    asked: list[tuple[Pair, Asked]] = []
    for batch in Pairs(workspace.engine).batches(kb.id, Wanted(kept=True, stale=False, kind=PairKind.ANSWERABLE)):
        for pair in batch:
            sources = [by_hash[ref.text_hash] for ref in pair.sources if ref.text_hash in by_hash]
            if pair.side is None or (recipe.data.reviewed and not pair.reviewer):
                continue
            if pair.history or not sources or len(sources) < len({ref.text_hash for ref in pair.sources}):
                made.left += 1
            elif pair.side is Side.TEST:
                made.test.append(_question(pair))
            else:
                asked.append((pair, _asked(pair, sources)))
    if not asked:
        raise TrainingError(
            f"no pair of {kb.name!r} stands on the training side: `frontdesk pairs make`, then `frontdesk pairs split`"
        )
    held = held_out_groups([each for _, each in asked], recipe.train.held_out, recipe.train.seed)
    made.trials = [_question(pair) for pair, each in asked if each.group in held]
    tested = {ref for question in (*made.test, *made.trials) for ref in question.relevant}
    mined = _mined(workspace, made, [each for _, each in asked], recipe, progress)
    made.held_out = [each for each in mined if each.group in held]
    made.learn = [each for each in mined if each.group not in held]
    if recipe.data.sentences:
        without = {chunk.id for chunk in chunks if chunk.text_hash in tested}
        said = (recipe.data.sentences, recipe.train.seed, without)
        further = sentences_as_questions(made.passages.values(), made.new_languages(known), *said)
        made.learn += _mined(workspace, made, further, recipe, progress)
    named = {chunk.id: chunk.document for chunk in chunks}
    made.documents = sorted({named[identity] for each in made.learn for identity in each.gold})
    return made


def text_of(chunk: SourceChunk) -> Text:
    """A live passage as it is embedded for the index."""
    indexed = Chunk(chunk.ordinal, chunk.text, chunk.heading_path).indexed_text(chunk.title)
    return Text(chunk.id, chunk.text, indexed, chunk.language)


def _asked(pair: Pair, sources: list[SourceChunk]) -> Asked:
    gold = tuple(dict.fromkeys(chunk.id for chunk in sources))
    return Asked(pair.question, gold, pair.short or pair.evidence, pair.language, sources[0].section)


def _question(pair: Pair) -> Question:
    return Question(pair.id, pair.question, pair.language, frozenset(ref.text_hash for ref in pair.sources))


def _mined(
    workspace: Workspace, made: RetrieverMaterial, asked: list[Asked], recipe: RetrieverRecipe, progress: Progress
) -> list[Asked]:
    """Questions with what the live retrieval finds for them and that does not answer."""
    passages: Mapping[str, Text] = made.passages
    found = []
    for done, each in enumerate(asked):
        progress(made.kb.name, "looking for negatives", done, len(asked))
        hits = workspace.search.search(made.kb, each.question).fused[:FOUND]
        ids = [fused.hit.id for fused in hits if fused.hit.id in passages]
        found.append(with_negatives(each, ids, passages, recipe.negatives.candidates))
    return found
