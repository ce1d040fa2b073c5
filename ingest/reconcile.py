"""Catalog and index brought into agreement: after a process died, and whenever somebody asks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ingest.address import Address
from ingest.catalog import Catalog
from ingest.files import FileStore
from ingest.index.base import VectorIndex
from ingest.records import KnowledgeBase, State, Version
from ingest.staging import Staging

# After which work that nobody is heard of counts as given up; running work is heard of every few seconds.
SILENCE = timedelta(seconds=60)
UPDATED = "frontdesk was updated before its ingestion; it is ingested again"
INTERRUPTED = "its ingestion ended the process or was interrupted several times; check the file, then ingest it again"


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Catalog and index disagreed; ``document`` is "" for points that no live version owns.

    queued: the document waits to be ingested again from its stored file.
    """

    document: str
    expected: int
    found: int
    queued: bool = False


class Reconciler:
    """Compares and repairs.

    accept: puts a stored file (knowledge base, document, content hash, size; draft) into the queue.
    shared: other processes work on the same catalog; what they are busy with is left alone.
    drop:   removes an index by its address; by its space in ``index``, when not given.
    """

    def __init__(
        self,
        catalog: Catalog,
        files: FileStore,
        index: VectorIndex,
        staging: Staging,
        accept: Callable[..., object],
        fingerprint: str,
        *,
        shared: bool = False,
        drop: Callable[[Address], None] | None = None,
    ) -> None:
        self._catalog = catalog
        self._files = files
        self._index = index
        self._staging = staging
        self._accept = accept
        self._fingerprint = fingerprint
        self._shared = shared
        self._drop = drop or (lambda address: index.drop(address.space))

    def verify(self, kb: KnowledgeBase) -> list[Mismatch]:
        """Compare catalog and index both ways and repair.

        Orphan points go. A document that lost points, or whose points nobody may see, is taken out of service and
        queued to be ingested again from its stored file; without its file it stays failed and says so.
        """
        written = self._index.writings(kb.id)
        visible = self._index.writings(kb.id, live=True)
        wrong = []
        for document in self._catalog.documents(kb):
            writing = self._catalog.live_writing(document.id)
            # The version may be on its way in once more, in a later writing: what customers see is compared.
            for version in self._catalog.versions_of(document.id) if writing is not None else []:
                if writing is None or version.id != writing[0]:
                    continue
                held = written.pop(writing, 0)
                if held == version.chunks and visible[writing] == held:
                    continue
                # Ingestion may have gone on since the index was read: only what is still so is wrong.
                held = self._index.count(kb.id, *writing)
                if self._catalog.live_writing(document.id) != writing:
                    continue
                if held == version.chunks:
                    shown = self._index.writings(kb.id, live=True)[writing]
                    if shown != held:
                        # A process died between index and catalog, or an engine lost its last word.
                        self._index.set_live(kb.id, *writing)
                        wrong.append(Mismatch(document.name, version.chunks, shown))
                    continue
                self._catalog.unpublish(version, f"the index held {held} of its {version.chunks} chunks")
                with self._files.guard():
                    stored = self._files.path(version.content_hash).is_file()
                    if stored:
                        self._accept(kb, document.name, version.content_hash, version.size_bytes)
                wrong.append(Mismatch(document.name, version.chunks, held, queued=stored))
        for (version_id, generation), held in written.items():
            if self._catalog.owns(kb.id, version_id, generation):
                continue
            self._index.delete(kb.id, version_id, generation)
            wrong.append(Mismatch("", 0, held))
        self.purge()
        return wrong

    def recover(self) -> list[Version]:
        """Put back what a dead process left unfinished and finish its deletions; returns what waits now.

        What was begun several times and never finished is failed: it may be what ended the process.
        """
        begun = self._catalog.silent(datetime.now(UTC) - SILENCE) if self._shared else self._catalog.unfinished()
        for version in begun:
            if version.fingerprint == self._fingerprint and version.state is not State.RECEIVED:
                if not self._catalog.requeue(version):
                    self._catalog.fail(version, INTERRUPTED)
                self._staging.drop(version)
        self.settle()
        return self._catalog.unfinished()

    def settle(self) -> None:
        """Finish deletions, forget what nobody needs, and bring versions of an earlier pipeline up to date.

        Leaves alone what durable workflows will go on with by themselves.
        """
        for version in self._catalog.unfinished():
            if version.fingerprint != self._fingerprint:
                # Received before an update of parser or embedder: the same bytes, under the pipeline of today.
                self._catalog.fail(version, UPDATED)
                kb = self._catalog.knowledge_base_by_id(version.knowledge_base_id)
                self._accept(kb, version.document, version.content_hash, version.size_bytes, draft=version.draft)
        self.purge()
        if not self._shared:
            # Elsewhere somebody may be in the middle of storing a file whose row is not written yet.
            self._staging.keep_only(self._catalog.unfinished())
            self._files.keep_only(self._catalog.content_hashes)

    def purge(self) -> None:
        """Delete from the index what the catalog has put on the purge list."""
        for purge in self._catalog.purges():
            if purge.version_id:
                self._index.delete(purge.knowledge_base_id, purge.version_id, purge.generation)
            elif purge.place:
                self._drop(Address.from_text(purge.place))
            else:
                self._index.drop(purge.knowledge_base_id)
            self._catalog.purged(purge)
