"""Where a command's work is done: in this process, or by the server that owns the data folder already.

Commands call a desk and print what it gives back; they do not know which one it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from app.rag.answer import Ask
from app.sources import look_at, remove
from app.workspace import Settings, Workspace, open_workspace
from ingest.errors import DataFolderBusy, NotFound, SourceError
from ingest.pipeline import Ingested, Mismatch, Progress, Upload
from ingest.records import KnowledgeBase
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

    def ask(self, question: str, kb: str | None, engine: str | None, style: Style) -> dict[str, Any]:
        """The answer as ``Answer.as_json`` gives it."""
        ...

    def ingest(self, kb: str | None, uploads: Sequence[Upload], report: Progress) -> list[Ingested]:
        """Bring files in; an unknown knowledge base is created."""
        ...

    def chunks(self, kb: str | None, document: str) -> list[dict[str, Any]]:
        """The indexed passages of the live version, in order."""
        ...

    def delete(self, kb: str | None, document: str) -> None:
        """Delete a document."""
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


class LocalDesk:
    """The work is done here, with the data folder open."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self.default_kb = workspace.settings.app.kb

    def _kb(self, name: str | None) -> KnowledgeBase:
        return self._workspace.catalog.knowledge_base(name or self.default_kb)

    def ask(self, question: str, kb: str | None, engine: str | None, style: Style) -> dict[str, Any]:
        """The answer as ``Answer.as_json`` gives it."""
        ask = Ask(question, self._kb(kb), engine=engine, style=style)
        return asyncio.run(self._workspace.chain.answer(ask)).as_json()

    def ingest(self, kb: str | None, uploads: Sequence[Upload], report: Progress) -> list[Ingested]:
        """Bring files in; an unknown knowledge base is created."""
        try:
            base = self._kb(kb)
        except NotFound:
            base = self._workspace.catalog.create_knowledge_base(kb or self.default_kb)
        # What an interrupted run had received comes first; the results are about the files named here.
        finished = {(r.document, r.state): r for r in self._workspace.pipeline.work_off(report)}
        results = list(self._workspace.pipeline.ingest(base, uploads, report))
        # A file that was received before and finished just now was not "unchanged": this run did the work.
        return [finished.get((r.document, r.state), r) if r.unchanged else r for r in results]

    def chunks(self, kb: str | None, document: str) -> list[dict[str, Any]]:
        """The indexed passages of the live version, in order."""
        base = self._kb(kb)
        found = self._workspace.catalog.document(base, document)
        live = next((v for v in self._workspace.catalog.versions(found) if v.live), None)
        if live is None:
            return []
        hits = self._workspace.index.points(base.id, live.id, live.generation)
        return sorted((hit.payload for hit in hits), key=lambda payload: int(payload["ordinal"]))

    def delete(self, kb: str | None, document: str) -> None:
        """Delete a document."""
        self._workspace.pipeline.delete(self._kb(kb), document)

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
