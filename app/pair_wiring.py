"""Where the writers and filters of pairs are wired: rules and, where it is asked for, the model that answers customers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.pair_checks import CitationSupport, RetrievedChunks, VerifierVote
from app.pair_questions import ChatQuestions
from app.pairs import PairParts, WriterParts
from ingest.pairs.compare import comparisons
from ingest.pairs.filters import PairFilters
from ingest.pairs.live import LivePassages
from ingest.pairs.model import ModelWriter
from ingest.pairs.records import Draft, PairWriter, SourceChunk
from ingest.pairs.rules import RuleWriter, spread
from ingest.pairs.styles import StyledWriter
from ingest.pairs.topics import Corpus
from ingest.pairs.unanswerable import UnanswerableQuestions
from serving.engines import PACKAGED
from serving.prompts import Message

if TYPE_CHECKING:
    from app.workspace import Workspace
    from ingest.records import KnowledgeBase
    from serving.engines import ChatEngine

# Shares of kept pairs of which an unanswerable one is tried; many have no other product to be asked about.
WITHHELD, SWAPPED = 0.15, 0.25
# Questions out of scope: one for so many passages, within bounds, in each language of the knowledge base.
_PASSAGES_A_GENERAL, _FEWEST, _MOST = 20, 3, 30


def parts_of(workspace: Workspace, kb: KnowledgeBase) -> PairParts:
    """What makes and filters pairs of a knowledge base, with nothing remembered yet."""
    finder = RetrievedChunks(workspace.search, kb)
    verifier = workspace.verifier
    judge = PairFilters(finder, CitationSupport(), VerifierVote(verifier) if verifier is not None else None)
    return PairParts(judge, finder, lambda model: _writers(workspace, kb, finder, model))


def _writers(workspace: Workspace, kb: KnowledgeBase, finder: RetrievedChunks, model: bool) -> WriterParts:
    live = LivePassages(workspace.catalog, workspace.index)
    languages: dict[str, int] = {}
    corpus = Corpus.of(_counted(live.walk(kb), languages))
    questions = UnanswerableQuestions(finder, corpus, lambda chunk_id: live.with_ids(kb, [chunk_id]).get(chunk_id))
    writers: list[PairWriter] = [StyledWriter(RuleWriter(corpus), corpus)]
    close: Callable[[], None] = _nothing
    # A served release is tuned to answer, and writes no questions.
    engine = next((each for each in workspace.engines if each.words_questions or each.name == PACKAGED), None)
    if model and engine is not None:
        asked = _Asked(engine)
        writers.append(_OfItsLanguages(ModelWriter(ChatQuestions(asked.model, asked), corpus, finder), asked.engine))
        close = asked.close
    whole = (Comparisons(corpus), General(questions, languages, kb.name))
    return WriterParts(writers, lambda kept: unanswerable(questions, kept), whole, close)


def unanswerable(questions: UnanswerableQuestions, kept: Draft) -> Iterator[Draft]:
    """The question without its passage, or about another product; of which pairs is the same in every run."""
    drawn = spread(f"{kept.question}\0{kept.sources[0].text_hash}")
    made = None
    if drawn < WITHHELD:
        made = questions.withheld(kept)
    elif drawn < WITHHELD + SWAPPED:
        made = questions.swapped(kept)
    if made is not None:
        yield made


@dataclass(frozen=True, slots=True)
class Comparisons:
    """Pairs over two passages; a BaseWriter."""

    corpus: Corpus
    name: str = "comparisons"

    def write_all(self, chunks: Iterable[SourceChunk]) -> Iterable[Draft]:
        """What products differ in."""
        return comparisons(chunks, self.corpus)


@dataclass(frozen=True, slots=True)
class General:
    """Questions that no passage is near to; a BaseWriter.

    passages: how many the knowledge base has, by language.
    """

    questions: UnanswerableQuestions
    passages: dict[str, int]
    seed: str
    name: str = "general"

    def write_all(self, chunks: Iterable[SourceChunk]) -> Iterator[Draft]:
        """Some in each language."""
        for language in ("en", "zh"):
            if count := self.passages.get(language, 0):
                most = min(max(count // _PASSAGES_A_GENERAL, _FEWEST), _MOST)
                yield from self.questions.out_of_scope(language, most, self.seed)


class _Asked:
    """An engine as a function from messages to text; all calls are of one event loop, as its client wants it."""

    def __init__(self, engine: ChatEngine) -> None:
        self.engine = engine
        self.model = engine.release or engine.name
        self._loop = asyncio.Runner()

    def __call__(self, messages: Sequence[Message]) -> str:
        return self._loop.run(self._whole(messages))

    async def _whole(self, messages: Sequence[Message]) -> str:
        return "".join([piece async for piece in self.engine.stream(messages)])

    def close(self) -> None:
        self._loop.close()


class _OfItsLanguages:
    """A model's writer that is asked about passages in languages that the model speaks; a PairWriter."""

    def __init__(self, writer: ModelWriter, engine: ChatEngine) -> None:
        self._writer, self._engine = writer, engine

    @property
    def name(self) -> str:
        return self._writer.name

    def write(self, chunk: SourceChunk) -> Iterable[Draft]:
        return self._writer.write(chunk) if self._engine.speaks(chunk.language) else ()


def _counted(chunks: Iterable[SourceChunk], languages: dict[str, int]) -> Iterator[SourceChunk]:
    for chunk in chunks:
        languages[chunk.language] = languages.get(chunk.language, 0) + 1
        yield chunk


def _nothing() -> None:
    """Nothing to let go of."""
