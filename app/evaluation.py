"""Evaluation runs wired to the real product: a temporary data folder, the real pipeline, the real retrieval."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from app.rag.followup import FollowUps
from app.rag.retrieve import HybridSearch
from app.workspace import Settings, open_workspace
from finetune.evaluate import DatasetDocument, RetrievalReport, evaluate_retrieval, read_documents, read_questions
from ingest.errors import FrontdeskError
from ingest.pipeline import Progress, Upload
from ingest.records import KnowledgeBase, State
from serving.prompts import Message

_MARKDOWN_HEADING = re.compile(r"^#{1,6} \S", re.MULTILINE)


class DocumentFinder:
    """Retrieval as evaluation sees it: question to document ids."""

    def __init__(self, search: HybridSearch, kb: KnowledgeBase, ids: dict[str, str]) -> None:
        self._search = search
        self._follow_ups = FollowUps(search)
        self._kb = kb
        self._ids = ids

    def find(self, question: str, history: Sequence[Message] = ()) -> Sequence[str]:
        """Dataset ids of the documents found, best first."""
        worded = self._follow_ups.by_rules(self._kb, history, question)
        found = self._search.search(self._kb, worded.question, wordings=worded.wordings)
        return [self._ids[fused.hit.payload["document"]] for fused in found.fused]


def run_retrieval(
    dataset: Path, ingest_progress: Progress, ask_progress: Callable[[int, int], None]
) -> RetrievalReport:
    """Index a dataset into a temporary data folder and evaluate retrieval on its questions.

    Raises:
        DatasetError: the dataset cannot be read.
        FrontdeskError: a document could not be ingested.
    """
    documents, questions = read_documents(dataset), read_questions(dataset)
    with TemporaryDirectory(prefix="frontdesk-eval-") as temporary:
        folder = Path(temporary)
        settings = Settings.load()
        # Whatever database and index the settings name hold customers' data: an evaluation never touches them.
        private = {"home": folder / "home", "database_url": None, "vector_engine": "edge"}
        settings = Settings(settings.ingest.model_copy(update=private), settings.serving, settings.app)
        uploads, ids = _write(documents, folder / "documents")
        with open_workspace(settings) as workspace:
            _ = workspace.embedder.embed_query("warm up")
            kb = workspace.catalog.create_knowledge_base("evaluation")
            started = time.perf_counter()
            for result in workspace.pipeline.ingest(kb, uploads, ingest_progress):
                if result.state is State.FAILED:
                    raise FrontdeskError(f"document {ids[result.document]!r} could not be ingested: {result.reason}")
            workspace.index.optimize(kb.id)
            seconds = time.perf_counter() - started
            finder = DocumentFinder(workspace.search, workspace.catalog.knowledge_base("evaluation"), ids)
            return evaluate_retrieval(questions, finder, seconds, ask_progress)


def _write(documents: Sequence[DatasetDocument], folder: Path) -> tuple[list[Upload], dict[str, str]]:
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
