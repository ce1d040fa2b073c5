"""Where a command's work is done: in this process, or by the server that owns the data folder already.

Commands call a desk and print what it gives back; they do not know which one it is.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from app import curation
from app.commands.pairs_desk import LocalPairs, PairsDesk
from app.commands.written_desk import CURATED, GLOSSARY, LocalWritten, WrittenDesk
from app.errors import Conflict
from app.indexing import do, settle_builds
from app.pair_samples import samples_of_workspace
from app.pairs import pairs_of
from app.rag.answer import Ask
from app.sources import look_at, remove
from app.workspace import Settings, Workspace, open_workspace
from ingest.curated import CuratedAnswers, CuratedDraft
from ingest.errors import DataFolderBusy, NotFound, SourceError
from ingest.glossary import Glossary, GlossaryDraft
from ingest.pipeline import Ingested, Mismatch, Progress, Upload
from ingest.records import Document, KnowledgeBase
from ingest.schema import EVERYTHING, Filters
from ingest.sources.rows import Sources
from ingest.sources.sync import Look
from serving.prompts import Style


@dataclass(frozen=True, slots=True)
class SyncRequest:
    """A normal address to bring a knowledge base in step with; None leaves what is known of it."""

    address: str
    prefix: str | None = None
    every_s: int | None = None
    allow_empty: bool = False


@dataclass(frozen=True, slots=True)
class Synced:
    """What a look found (``Outcome.as_json``), the documents it received with their files, and what became of them."""

    kb: str
    outcome: dict[str, Any]
    documents: dict[str, str]
    results: list[Ingested]


class Desk(Protocol):
    """What commands ask for; ``kb`` None is the default knowledge base. Errors are FrontdeskErrors throughout."""

    default_kb: str

    def ask(
        self,
        question: str,
        kb: str | None,
        engine: str | None,
        style: Style,
        filters: Filters = EVERYTHING,
        release: str | None = None,
    ) -> dict[str, Any]:
        """The answer as ``Answer.as_json`` gives it."""
        ...

    def ingest(self, kb: str | None, uploads: Sequence[Upload], report: Progress) -> list[Ingested]:
        """Bring files in; an unknown knowledge base is created."""
        ...

    def chunks(self, kb: str | None, document: str, *, draft: bool = False) -> list[dict[str, Any]]:
        """The indexed passages of the live version, or of the draft, in order."""
        ...

    def delete(self, kb: str | None, document: str) -> list[dict[str, Any]]:
        """Delete a document; what went with it (app/curation.py), itself first."""
        ...

    def say(self, kb: str | None, document: str, what: Mapping[str, Any]) -> dict[str, Any]:
        """Change what is said of a document (fields of ``Curation``); what is said now."""
        ...

    def publish(self, kb: str | None, document: str) -> None:
        """Make a document's draft its live version."""
        ...

    def discard(self, kb: str | None, document: str) -> None:
        """Forget a document's draft."""
        ...

    def edits(self, kb: str | None, document: str) -> list[dict[str, Any]]:
        """Persons' wordings of a document's passages (``edit_json``)."""
        ...

    def edit(self, kb: str | None, document: str, passage: str, text: str) -> str:
        """Put a wording in a passage's place (its id or text_hash); the edit's id."""
        ...

    def apply_edit(self, kb: str | None, document: str, edit: str, passage: str) -> None:
        """Put a wording in the place of another passage."""
        ...

    def undo_edit(self, kb: str | None, document: str, edit: str) -> None:
        """Forget a wording."""
        ...

    def reprocess(self, kb: str | None, documents: Sequence[str] | None, report: Progress) -> list[Ingested]:
        """Ingest documents again, all when none is named."""
        ...

    def verify(self, kb: str | None) -> list[Mismatch]:
        """Compare catalog and index."""
        ...

    def delete_knowledge_base(self, name: str) -> None:
        """Delete a knowledge base with everything in it."""
        ...

    def sync(self, kb: str | None, asked: SyncRequest, report: Progress) -> Synced:
        """Bring a knowledge base in step with a source, and its new documents to their end."""
        ...

    def remove_source(self, kb: str | None, address: str, documents: bool) -> None:
        """Stop keeping in step with a source; with its documents deleted, where asked for."""
        ...

    def curated(self, kb: str | None) -> WrittenDesk[CuratedDraft]:
        """A knowledge base's curated answers."""
        ...

    def pairs(self, kb: str | None) -> PairsDesk:
        """A knowledge base's pairs."""
        ...

    def glossary(self, kb: str | None) -> WrittenDesk[GlossaryDraft]:
        """A knowledge base's glossary."""
        ...

    def index(self, kb: str | None, asked: Mapping[str, Any], report: Progress) -> dict[str, Any]:
        """Carry out a task on an index (app/indexing.py); as JSON what came of it."""
        ...


class LocalDesk:
    """The work is done here, with the data folder open."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self.default_kb = workspace.settings.app.kb

    def _kb(self, name: str | None) -> KnowledgeBase:
        return self._workspace.catalog.knowledge_base(name or self.default_kb)

    def _document(self, kb: str | None, name: str) -> tuple[KnowledgeBase, Document]:
        base = self._kb(kb)
        return base, self._workspace.catalog.document(base, name)

    def ask(
        self,
        question: str,
        kb: str | None,
        engine: str | None,
        style: Style,
        filters: Filters = EVERYTHING,
        release: str | None = None,
    ) -> dict[str, Any]:
        """The answer as ``Answer.as_json`` gives it."""
        ask = Ask(question, self._kb(kb), engine=engine, style=style, filters=filters, release=release)
        return asyncio.run(self._workspace.answers.answer(ask)).as_json()

    def ingest(self, kb: str | None, uploads: Sequence[Upload], report: Progress) -> list[Ingested]:
        """Bring files in; an unknown knowledge base is created."""
        try:
            base = self._kb(kb)
        except NotFound:
            base = self._workspace.catalog.create_knowledge_base(kb or self.default_kb)
        known = {document.name for document in self._workspace.catalog.documents(base)}
        if any(upload.name not in known for upload in uploads):
            # There will be something to read: the reading processes load their libraries while we load the embedder.
            self._workspace.sandbox.begin()
        # What an interrupted run had received comes first; the results are about the files named here.
        finished = {(r.document, r.state): r for r in self._workspace.pipeline.work_off(report)}
        # Before the new versions go live with what is said of their documents.
        Sources(self._workspace.engine).release(base.id, self._changed(base, uploads))
        results = list(self._workspace.pipeline.ingest(base, uploads, report))
        # A file that was received before and finished just now was not "unchanged": this run did the work.
        return [finished.get((r.document, r.state), r) if r.unchanged else r for r in results]

    def _changed(self, base: KnowledgeBase, uploads: Sequence[Upload]) -> list[str]:
        """Names of files whose bytes are others than those that a source brought."""
        rows = Sources(self._workspace.engine)
        origins = rows.origins(base.id)
        from_sources = [upload for upload in uploads if origins.get(upload.name) and upload.path.is_file()]
        return [each.name for each in from_sources if rows.newest_hash(base.id, each.name) != _hash(each.path)]

    def chunks(self, kb: str | None, document: str, *, draft: bool = False) -> list[dict[str, Any]]:
        """The indexed passages of the live version, or of the draft, in order."""
        base, found = self._document(kb, document)
        writings = self._workspace.catalog.writings(base.id, found.id).values()
        of = next((writing for writing in writings if writing.live is not draft), None)
        if of is None:
            return []
        hits = self._workspace.index.points(base.id, of.version, of.generation)
        return sorted(({**hit.payload, "id": hit.id} for hit in hits), key=lambda payload: int(payload["ordinal"]))

    def delete(self, kb: str | None, document: str) -> list[dict[str, Any]]:
        """Delete a document; what went with it."""
        base, found = self._document(kb, document)
        gone = curation.going(self._workspace, base, found)
        self._workspace.pipeline.delete(base, document)
        return gone

    def say(self, kb: str | None, document: str, what: Mapping[str, Any]) -> dict[str, Any]:
        """Change what is said of a document; what is said now."""
        return curation.say(self._workspace, *self._document(kb, document), what)

    def publish(self, kb: str | None, document: str) -> None:
        """Make a document's draft its live version."""
        if not curation.publish(self._workspace, *self._document(kb, document)):
            raise Conflict(f"a newer version of {document!r} went live meanwhile; its draft is gone")
        # A container waits in the queue now.
        while list(self._workspace.pipeline.work_off()):
            continue

    def discard(self, kb: str | None, document: str) -> None:
        """Forget a document's draft."""
        curation.discard(self._workspace, self._document(kb, document)[1])

    def edits(self, kb: str | None, document: str) -> list[dict[str, Any]]:
        """Persons' wordings of a document's passages."""
        offered = curation.edits_of(self._workspace).offered(*self._document(kb, document))
        return [curation.edit_json(each) for each in offered]

    def edit(self, kb: str | None, document: str, passage: str, text: str) -> str:
        """Put a wording in a passage's place; the edit's id."""
        edit, _ = curation.edits_of(self._workspace).edit(*self._document(kb, document), passage, text)
        return edit.id

    def apply_edit(self, kb: str | None, document: str, edit: str, passage: str) -> None:
        """Put a wording in the place of another passage."""
        curation.edits_of(self._workspace).apply(*self._document(kb, document), edit, passage)

    def undo_edit(self, kb: str | None, document: str, edit: str) -> None:
        """Forget a wording."""
        curation.edits_of(self._workspace).undo(*self._document(kb, document), edit)

    def reprocess(self, kb: str | None, documents: Sequence[str] | None, report: Progress) -> list[Ingested]:
        """Ingest documents again, all when none is named."""
        base = self._kb(kb)
        names: Iterable[str] = documents or [d.name for d in self._workspace.catalog.documents(base)]
        return list(self._workspace.pipeline.reprocess(base, names, report))

    def verify(self, kb: str | None) -> list[Mismatch]:
        """Compare catalog and index; what lost passages is ingested again before this returns."""
        wrong = self._workspace.pipeline.verify(self._kb(kb))
        if any(mismatch.queued for mismatch in wrong):
            list(self._workspace.pipeline.work_off())
        return wrong

    def delete_knowledge_base(self, name: str) -> None:
        """Delete a knowledge base with everything in it."""
        self._workspace.pipeline.delete_knowledge_base(self._kb(name))

    def sync(self, kb: str | None, asked: SyncRequest, report: Progress) -> Synced:
        """Bring a knowledge base in step with a source, and its new documents to their end."""
        try:
            base = self._kb(kb)
        except NotFound:
            base = self._workspace.catalog.create_knowledge_base(kb or self.default_kb)
        rows = Sources(self._workspace.engine)
        source = rows.keep(base.id, asked.address, asked.prefix, asked.every_s)
        try:
            outcome = look_at(self._workspace, base, source, Look(allow_empty=asked.allow_empty, report=report))
        except SourceError:
            if not source.outcome and not rows.seen(source.id):
                # An address that never worked is a slip, not a source.
                rows.remove(source.id)
            raise
        results: list[Ingested] = []
        while batch := list(self._workspace.pipeline.work_off(report)):
            results += batch
        return Synced(base.name, outcome.as_json(), outcome.documents, results)

    def remove_source(self, kb: str | None, address: str, documents: bool) -> None:
        """Stop keeping in step with a source; with its documents deleted, where asked for."""
        base = self._kb(kb)
        source = Sources(self._workspace.engine).find(base.id, address)
        if source is None:
            raise NotFound(f"{address} is no source of knowledge base {base.name!r} (frontdesk sync list shows them)")
        remove(self._workspace, base, source, documents=documents)

    def curated(self, kb: str | None) -> WrittenDesk[CuratedDraft]:
        """A knowledge base's curated answers."""
        return LocalWritten(CURATED, CuratedAnswers(self._workspace.engine), self._kb(kb).id)

    def glossary(self, kb: str | None) -> WrittenDesk[GlossaryDraft]:
        """A knowledge base's glossary."""
        return LocalWritten(GLOSSARY, Glossary(self._workspace.engine), self._kb(kb).id)

    def pairs(self, kb: str | None) -> PairsDesk:
        """A knowledge base's pairs."""
        work = self._workspace
        return LocalPairs(pairs_of(work), self._kb(kb), lambda: samples_of_workspace(work))

    def index(self, kb: str | None, asked: Mapping[str, Any], report: Progress) -> dict[str, Any]:
        """Carry out a task on an index; as JSON what came of it."""
        settle_builds(self._workspace)
        base = None if asked["task"] == "restore" else self._kb(kb)
        result = do(self._workspace, base, dict(asked), report)
        if base is None:
            # Documents that were in the middle of their ingestion when the snapshot was taken.
            while list(self._workspace.pipeline.work_off(report)):
                continue
        return result


@contextmanager
def open_desk() -> Iterator[Desk]:
    """Open the data folder, or reach the server that holds it.

    Raises:
        DataFolderBusy: something else than a server holds it.
        SettingsError: a setting is wrong.
    """
    from app.commands.remote import RemoteDesk
    from app.server import announced_url

    settings = Settings.load()
    with ExitStack() as stack:
        desk: Desk
        try:
            desk = LocalDesk(stack.enter_context(open_workspace(settings)))
        except DataFolderBusy:
            url = announced_url(settings.ingest.home)
            if url is None:
                raise
            desk = stack.enter_context(RemoteDesk(url, settings.app))
        yield desk


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
