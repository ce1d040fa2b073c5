"""Evaluation of answers wired to the real product: the model alone, or the chain over a temporary data folder."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
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
from serving.batches import BatchWriter, EngineBatchWriter, PackagedBatchWriter
from serving.engines import ENDPOINT, EXTRACTIVE, PACKAGED, PACKAGED_CONTEXT, endpoint_engine
from serving.packaged import PackagedModel
from serving.prompts import PROMPT_VERSION, Style

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

    def __init__(self, chain: AnswerChain, corpus: Indexed, style: Style, engine: str) -> None:
        self._chain = chain
        self._corpus = corpus
        self._style: Style = style
        self._engine = engine

    def answer(self, questions: Sequence[AnswerQuestion], progress: Callable[[int, int], None]) -> Sequence[Written]:
        """An answer to each question.

        Raises:
            EngineError: the pinned engine failed.
        """

        async def answered() -> list[Written]:
            found = []
            for done, question in enumerate(questions):
                progress(done, len(questions))
                ask = Ask(question.question, self._corpus.kb, engine=self._engine, style=self._style)
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


def run_answers(asked: Asked, report: Report, settings: Settings | None = None) -> AnswerRun:
    """Evaluate a release's answers on a dataset.

    Raises:
        UsageError: the engine cannot be asked that way.
        DatasetError: the dataset cannot be read.
        EngineError: the model cannot be loaded or asked.
    """
    _check(asked)
    settings = settings or Settings.load()
    capped = settings.serving.model_copy(
        update={"max_new_tokens": min(settings.serving.max_new_tokens, MAX_NEW_TOKENS)}
    )
    settings = Settings(settings.ingest, capped, settings.app)
    questions = read_answer_questions(asked.dataset, asked.limit)
    digest = dataset_hash(asked.dataset, questions)

    def progress(done: int, total: int) -> None:
        report("questions", "answering", done, total)

    packaged = PackagedModel(settings.ingest.models_folder, settings.serving.packaged_dtype)
    if asked.passages == "retrieved":
        run, seconds = _of_the_product(asked, settings, questions, report, progress)
    else:
        run, seconds = evaluate_answers(questions, _alone(asked, settings, packaged), progress)
    values: dict[str, Any] = report_of(run, seconds).as_json()
    if asked.general:
        writer = _writer(asked, settings, packaged)
        values["general"] = evaluate_general(writer, lambda done, total: report("general", "answering", done, total))
    return AnswerRun(_about(asked, settings, packaged, digest), values, run)


def _check(asked: Asked) -> None:
    if asked.passages not in get_args(Passages):
        raise UsageError(f"no passages {asked.passages!r}: use {', '.join(get_args(Passages))}")
    alone = asked.passages != "retrieved" or asked.general
    if asked.engine == EXTRACTIVE and alone:
        raise UsageError("the extractive engine writes nothing by itself: evaluate it with --passages retrieved")


def _of_the_product(
    asked: Asked,
    settings: Settings,
    questions: Sequence[AnswerQuestion],
    report: Report,
    progress: Callable[[int, int], None],
) -> tuple[list[Scored], float]:
    with indexed(asked.dataset, report, settings) as corpus:
        return evaluate_answers(
            questions, ChainAnswerer(corpus.workspace.chain, corpus, asked.style, asked.engine), progress
        )


def _alone(asked: Asked, settings: Settings, packaged: PackagedModel) -> AloneAnswerer:
    documents = {document.doc_id: document for document in read_documents(asked.dataset)}
    endpoint = asked.engine == ENDPOINT
    return AloneAnswerer(
        _writer(asked, settings, packaged),
        documents if asked.passages == "given" else None,
        style=asked.style,
        brief=not endpoint,
        budget=settings.serving.endpoint_context if endpoint else PACKAGED_CONTEXT,
        release=(settings.serving.endpoint_model or "") if endpoint else packaged.release,
        engine=asked.engine,
    )


def _writer(asked: Asked, settings: Settings, packaged: PackagedModel) -> BatchWriter:
    if asked.engine == PACKAGED:
        return PackagedBatchWriter(packaged)
    engine = endpoint_engine(settings.serving)
    if engine is None:
        raise UsageError("--engine endpoint: FRONTDESK_ENDPOINT_URL is not set, so there is no endpoint to ask")
    return EngineBatchWriter(engine)


def _about(asked: Asked, settings: Settings, packaged: PackagedModel, digest: str) -> About:
    app, ingest = settings.app, settings.ingest
    used: Mapping[str, Any] = {
        "limit": asked.limit,
        "max_new_tokens": settings.serving.max_new_tokens,
        "dtype": settings.serving.packaged_dtype,
    }
    if asked.passages == "retrieved":
        used = {
            **used,
            "embedder": ingest.embedding_model,
            "chunk_tokens": ingest.chunk_tokens,
            "top_k": app.top_k,
            "neighbours": app.neighbours,
            "reranker": app.reranker,
            "verifier": app.verifier,
            "spelling": app.spelling,
        }
    return About(
        dataset=asked.dataset.resolve().name,
        dataset_hash=digest,
        release=packaged.release,
        release_id=packaged.release,
        engine=asked.engine,
        passages=asked.passages,
        style=asked.style,
        prompt_version=PROMPT_VERSION,
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        settings=used,
    )
