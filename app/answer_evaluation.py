"""Evaluation of answers wired to the real product: the model alone, or the chain over a temporary data folder."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

from app.errors import UsageError
from app.evaluation import Indexed, indexed
from app.rag.answer import Answer, Ask, Outcome
from app.rag.chain import AnswerChain
from app.workspace import Settings
from finetune.answer_dataset import AnswerQuestion, dataset_hash, read_answer_questions
from finetune.answer_report import report_of
from finetune.answer_runs import About, AnswerRun
from finetune.answers import MAX_NEW_TOKENS, AloneAnswerer, Scored, Written, evaluate_answers
from finetune.evaluate import read_documents
from finetune.general_ability import evaluate_general
from ingest.database import open_database
from serving.batches import BatchWriter, EngineBatchWriter, PackagedBatchWriter
from serving.engines import ENDPOINT, EXTRACTIVE, PACKAGED, endpoint_engine
from serving.live import LiveReleases
from serving.loading import packaged_base
from serving.packaged import PackagedModel
from serving.prompts import PROMPT_VERSION, Message, Style
from serving.release_store import ReleaseStore
from serving.releases import LIVE, Release
from serving.served import named

Passages = Literal["given", "retrieved", "none"]
# (what is worked on, stage, done, total): as commands draw their bar.
Report = Callable[[str, str, int, int], None]


@dataclass(frozen=True, slots=True)
class Asked:
    """What an evaluation of answers is to do.

    general: whether general ability is asked for, too.
    limit:   questions at most; None for all.
    """

    dataset: Path
    release: str = "live"
    passages: Passages = "retrieved"
    style: Style = "sentence"
    engine: str = PACKAGED
    general: bool = False
    limit: int | None = None


class ChainAnswerer:
    """The product: the chain that customers are answered by, with its engine pinned."""

    def __init__(self, chain: AnswerChain, corpus: Indexed, style: Style, engine: str, release: str | None) -> None:
        self._chain = chain
        self._corpus = corpus
        self._style: Style = style
        self._engine = engine
        self._release = release

    def answer(self, questions: Sequence[AnswerQuestion], progress: Callable[[int, int], None]) -> Sequence[Written]:
        """An answer to each question.

        Raises:
            EngineError: the pinned engine failed.
        """

        async def answered() -> list[Written]:
            found = []
            for done, question in enumerate(questions):
                progress(done, len(questions))
                pins: dict[str, Any] = {"engine": self._engine, "release": self._release}
                ask = Ask(question.question, self._corpus.kb, style=self._style, **pins)
                found.append(self._written(await self._chain.answer(ask)))
            return found

        return asyncio.run(answered())

    def _written(self, answer: Answer) -> Written:
        refused = answer.outcome is not Outcome.ANSWERED
        cited = tuple(self._corpus.ids.get(citation.document, "") for citation in answer.citations)
        return Written(
            answer.answer,
            refused,
            answer.outcome.value,
            () if refused else cited,
            answer.release,
            answer.engine,
            answer.timings_ms.get("total", 0.0),
            tuple(f"{fall.engine}: {fall.reason}" for fall in answer.fallen),
        )


def released(settings: Settings, wanted: str) -> Release:
    """A release of the data folder; ``live`` is what its customers are answered by.

    Raises:
        NoSuchRelease: there is none of that name.
    """
    store = ReleaseStore(settings.ingest.releases_folder, packaged_base)
    if wanted != LIVE:
        return store.get(wanted)
    if settings.serving.release != LIVE:
        return store.get(settings.serving.release)
    url = settings.ingest.sqlalchemy_url
    if url.startswith("sqlite") and not Path(url.removeprefix("sqlite:///")).exists():
        # Nobody has promoted anything in a folder without a database, and an evaluation makes none.
        return store.get(store.default)
    engine = open_database(url)
    try:
        return store.get(LiveReleases(engine).roles().live or store.default)
    finally:
        engine.dispose()


class Evaluation:
    """An evaluation that is ready to run: what it asks, of whom, and what a run of it would say of itself.

    Raises:
        UsageError: the engine cannot be asked that way.
        DatasetError: the dataset cannot be read.
        NoSuchRelease: there is no release of that name.
    """

    def __init__(self, asked: Asked, settings: Settings) -> None:
        _check(asked)
        # Answers are bounded alike, whoever writes them.
        most = min(settings.serving.max_new_tokens, MAX_NEW_TOKENS)
        serving = settings.serving.model_copy(update={"max_new_tokens": most, "release": LIVE})
        self._asked = asked
        self._settings = Settings(settings.ingest, serving, settings.app)
        self.release = released(settings, asked.release) if asked.engine == PACKAGED else None
        self._questions = read_answer_questions(asked.dataset, asked.limit)
        self.about = self._about(dataset_hash(asked.dataset, self._questions))

    def run(self, report: Report) -> AnswerRun:
        """Ask, and score.

        Raises:
            EngineError: the model cannot be loaded or asked.
        """

        def progress(done: int, total: int) -> None:
            report("questions", "answering", done, total)

        asked = self._asked
        writer = self._writer() if asked.passages != "retrieved" or asked.general else None
        if asked.passages == "retrieved":
            run, seconds = self._of_the_product(report, progress)
        else:
            run, seconds = evaluate_answers(self._questions, self.alone(_there(writer)), progress)
        values: dict[str, Any] = report_of(run, seconds).as_json()
        if asked.general:
            values["general"] = evaluate_general(
                _there(writer), lambda done, total: report("general", "answering", done, total)
            )
        return AnswerRun(self.about, values, run)

    def prompts(self, writer: BatchWriter, most: int) -> list[list[Message]]:
        """The first prompts of the questions, as the model alone is asked them."""
        answerer = self.alone(writer)
        return [answerer.prompt(question) for question in self._questions[:most]]

    def alone(self, writer: BatchWriter) -> AloneAnswerer:
        """The model by itself, with what it is given."""
        asked, manifest = self._asked, self.release.manifest if self.release else None
        documents = {document.doc_id: document for document in read_documents(asked.dataset)}
        return AloneAnswerer(
            writer,
            None if asked.passages == "none" else documents,
            style=asked.style,
            brief=manifest is not None and manifest.prompt == "brief",
            budget=manifest.context if manifest else self._settings.serving.endpoint_context,
            release=self.about.release,
            engine=asked.engine,
        )

    def _of_the_product(self, report: Report, progress: Callable[[int, int], None]) -> tuple[list[Scored], float]:
        asked = self._asked
        pin = self.release.reference if self.release else None
        with indexed(asked.dataset, report, self._settings) as corpus:
            answerer = ChainAnswerer(corpus.workspace.chain, corpus, asked.style, asked.engine, pin)
            return evaluate_answers(self._questions, answerer, progress)

    def _writer(self) -> BatchWriter:
        """Who writes alone; loaded, so that loading does not count as answering."""
        settings = self._settings
        if self.release is not None:
            served = self.release if self.release.folder else None
            packaged = PackagedModel(settings.ingest.models_folder, settings.serving.packaged_dtype, served)
            packaged.load()
            return PackagedBatchWriter(packaged)
        store = ReleaseStore(settings.ingest.releases_folder, packaged_base)
        engine = endpoint_engine(settings.serving, named(store, settings.serving, settings.ingest.models_folder))
        if engine is None:
            raise UsageError("--engine endpoint: FRONTDESK_ENDPOINT_URL is not set, so there is no endpoint to ask")
        return EngineBatchWriter(engine)

    def _about(self, digest: str) -> About:
        asked, app, ingest, serving = self._asked, self._settings.app, self._settings.ingest, self._settings.serving
        used: dict[str, Any] = {
            "limit": asked.limit,
            "general": asked.general,
            "max_new_tokens": serving.max_new_tokens,
            "dtype": serving.packaged_dtype,
        }
        if asked.passages == "retrieved":
            used |= {"embedder": ingest.embedding_model, "chunk_tokens": ingest.chunk_tokens}
            names = ("top_k", "neighbours", "reranker", "verifier", "spelling")
            used |= {name: getattr(app, name) for name in names}
        model = serving.endpoint_model or "" if asked.engine == ENDPOINT else asked.engine
        return About(
            dataset=asked.dataset.resolve().name,
            dataset_hash=digest,
            release=self.release.label if self.release else model,
            release_id=self.release.id if self.release else model,
            engine=asked.engine,
            passages=asked.passages,
            style=asked.style,
            prompt_version=PROMPT_VERSION,
            made=datetime.now(UTC).isoformat(timespec="seconds"),
            settings=used,
        )


def _check(asked: Asked) -> None:
    if asked.passages not in get_args(Passages):
        raise UsageError(f"no passages {asked.passages!r}: use {', '.join(get_args(Passages))}")
    if asked.engine == EXTRACTIVE and (asked.passages != "retrieved" or asked.general):
        raise UsageError("the extractive engine writes nothing by itself: evaluate it with --passages retrieved")
    if asked.engine != PACKAGED and asked.release != LIVE:
        raise UsageError(f"--release: releases are the packaged engine's, not of `{asked.engine}`")


def _there(writer: BatchWriter | None) -> BatchWriter:
    if writer is None:
        raise RuntimeError("nobody writes alone in this evaluation")
    return writer
