"""Evaluation runs wired to the real product: a temporary data folder, the real pipeline, the real retrieval."""

from __future__ import annotations

import asyncio
import math
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from app.rag.answer import Ask
from app.rag.chain import AnswerChain
from app.rag.deciding import Thresholds, as_text
from app.rag.followup import FollowUps
from app.rag.retrieve import HybridSearch
from app.workspace import Settings, Workspace, open_workspace
from finetune.errors import DatasetError
from finetune.evaluate import DatasetDocument, FoundPassage, evaluate_retrieval, read_documents, read_questions
from finetune.refusals import AskedQuestion, JudgedQuestion, RefusalReport, fit
from finetune.retrieval_report import RetrievalReport
from ingest.errors import FrontdeskError
from ingest.pipeline import Progress, Upload
from ingest.records import KnowledgeBase, State
from serving.prompts import Message

_MARKDOWN_HEADING = re.compile(r"^#{1,6} \S", re.MULTILINE)


class DocumentFinder:
    """Retrieval as evaluation sees it: question to passages of the dataset's documents."""

    def __init__(self, search: HybridSearch, kb: KnowledgeBase, ids: dict[str, str]) -> None:
        self._search = search
        self._follow_ups = FollowUps(search)
        self._kb = kb
        self._ids = ids

    def find(self, question: str, history: Sequence[Message] = ()) -> Sequence[FoundPassage]:
        """Passages found, best first."""
        worded = self._follow_ups.by_rules(self._kb, history, question)
        found = self._search.search(self._kb, worded.question, wordings=worded.wordings)
        return [
            FoundPassage(self._ids[fused.hit.payload["document"]], fused.score, fused.hit.payload["text"])
            for fused in found.fused
        ]


@dataclass(frozen=True, slots=True)
class Indexed:
    """A dataset in a knowledge base of its own.

    workspace: the temporary data folder, open.
    ids:       the dataset's ids by document name.
    seconds:   what ingestion took, index building included.
    """

    workspace: Workspace
    search: HybridSearch
    kb: KnowledgeBase
    ids: dict[str, str]
    seconds: float


@contextmanager
def indexed(dataset: Path, progress: Progress, settings: Settings | None = None) -> Iterator[Indexed]:
    """A dataset's documents, ingested into a temporary data folder by the real pipeline.

    settings: those of the process when not given.

    Raises:
        DatasetError: the dataset cannot be read.
        FrontdeskError: a document could not be ingested.
    """
    documents = read_documents(dataset)
    with TemporaryDirectory(prefix="frontdesk-eval-") as temporary:
        folder = Path(temporary)
        settings = settings or Settings.load()
        # Whatever database and index the settings name hold customers' data: an evaluation never touches them. Models
        # that were made ready for this machine are nobody's data, and take half a minute to make.
        shared = {"models": settings.ingest.models_folder, "releases": settings.ingest.releases_folder}
        private = {"home": folder / "home", "database_url": None, "vector_engine": "edge", **shared}
        settings = Settings(settings.ingest.model_copy(update=private), settings.serving, settings.app)
        uploads, ids = write_documents(documents, folder / "documents")
        with open_workspace(settings) as workspace:
            _ = workspace.embedder.embed_query("warm up")
            kb = workspace.catalog.create_knowledge_base("evaluation")
            started = time.perf_counter()
            for result in workspace.pipeline.ingest(kb, uploads, progress):
                if result.state is State.FAILED:
                    raise FrontdeskError(f"document {ids[result.document]!r} could not be ingested: {result.reason}")
            workspace.index.optimize(kb.id)
            seconds = time.perf_counter() - started
            kb = workspace.catalog.knowledge_base("evaluation")
            # Each question is to be asked on the same footing, the first one, too.
            workspace.rewordings.prepare(kb, workspace.places.of(kb))
            yield Indexed(workspace, workspace.search, kb, ids, seconds)


def run_retrieval(
    dataset: Path, ingest_progress: Progress, ask_progress: Callable[[int, int], None]
) -> RetrievalReport:
    """Index a dataset into a temporary data folder and evaluate retrieval on its questions.

    Raises:
        DatasetError: the dataset cannot be read.
        FrontdeskError: a document could not be ingested.
    """
    questions = read_questions(dataset)
    with indexed(dataset, ingest_progress) as corpus:
        finder = DocumentFinder(corpus.search, corpus.kb, corpus.ids)
        return evaluate_retrieval(questions, finder, corpus.seconds, ask_progress)


def judge_questions(
    chain: AnswerChain, kb: KnowledgeBase, questions: Sequence[AskedQuestion], progress: Callable[[int, int], None]
) -> list[JudgedQuestion]:
    """Ask for the verdict on each question, over the very path of answering."""

    async def judged() -> list[JudgedQuestion]:
        found = []
        for done, asked in enumerate(questions, start=1):
            verdict = (await chain.prepare.ainvoke(Ask(asked.question, kb))).verdict
            found.append(JudgedQuestion(asked.question, asked.answerable, verdict.support, verdict.scale))
            progress(done, len(questions))
        return found

    return asyncio.run(judged())


def fit_refusals(judged: Sequence[JudgedQuestion], keep: float, ask_keep: float) -> tuple[list[RefusalReport], str]:
    """Thresholds for questions judged with the verifier and without, and both as a knowledge base stores them.

    Raises:
        DatasetError: too few questions of a kind.
    """
    if not judged:
        raise DatasetError("there are no questions to fit thresholds on")
    # Questions in a language that embedder or verifier do not know have another scale, and thresholds of their own. A few of
    # them among many are left to the shipped ones.
    groups = {name: [q for q in judged if q.scale == name] for name in sorted({q.scale for q in judged})}
    most = max(groups.values(), key=len)
    reports = []
    for group in groups.values():
        try:
            reports.append(fit(group, keep, ask_keep))
        except DatasetError:
            if group is most:
                raise
    return reports, as_text({r.scale: Thresholds(_below(r.answer_from), _below(r.ask_from)) for r in reports})


def _below(threshold: float) -> float:
    # Rounded up it would lose the question that it was fitted to.
    return math.floor(threshold * 1e4) / 1e4


def write_documents(documents: Sequence[DatasetDocument], folder: Path) -> tuple[list[Upload], dict[str, str]]:
    """Dataset documents as files; a text with Markdown headings is read as Markdown."""
    folder.mkdir(parents=True)
    uploads, ids = [], {}
    for number, document in enumerate(documents):
        markdown = bool(_MARKDOWN_HEADING.search(document.text))
        name = f"{number:07}.{'md' if markdown else 'txt'}"
        path = folder / name
        path.write_text(document.text, encoding="utf-8")
        uploads.append(Upload(name, path, title=document.title))
        ids[name] = document.doc_id
    return uploads, ids
