"""From received files to live points: the document's life as a command drives it, batch after batch.

    received -> parsing -> embedding -> indexing -> ready, or failed with a reason

Points are written hidden and counted, then made live in one step by the catalog; what they replace is on the purge
list by then. The steps themselves are in ingest/stages.py; a server drives the same ones as durable workflows.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ingest.ahead import Ahead
from ingest.bindings import FixedPlaces, Places
from ingest.catalog import Catalog
from ingest.embed import Embedder
from ingest.errors import FrontdeskError
from ingest.files import FileStore
from ingest.index.base import VectorIndex
from ingest.reading import Read, Reader, pipeline_fingerprint, read_document
from ingest.reconcile import Mismatch, Reconciler
from ingest.records import KnowledgeBase, State, Version
from ingest.space import check_space
from ingest.sparse import SparseEncoder
from ingest.stages import WINDOW, Ingested, Progress, Stages
from ingest.staging import Staging

__all__ = ["WINDOW", "Ingested", "Mismatch", "Pipeline", "Progress", "Upload"]


# Documents that are read, or wait read, before they are embedded: what bounds the memory.
_AHEAD = 16
# Chunks that are worth a batch of their own while the next file is still being read.
_LEAST = 32


@dataclass(frozen=True, slots=True)
class Upload:
    """A file to ingest, under the document name it shall have; a title given here goes before the document's own.

    draft: it shall not go live by itself.
    """

    name: str
    path: Path
    title: str = ""
    draft: bool = False


@dataclass(frozen=True, slots=True)
class _Pending:
    """A parsed document waiting to be embedded."""

    version: Version
    read: Read


class Pipeline:
    """Ingests and deletes documents; owns nothing, works on the parts it is handed.

    read:   how a stored file becomes chunks, when that is not to happen in this process.
    readers: how many files ``read`` may read at once; one, unless it reads in processes of its own.
    shared: other processes, on other machines perhaps, work on the same catalog.
    places: where each knowledge base's index is and what embeds for it; ``index`` and ``embedder`` for all, when not given.
    """

    def __init__(
        self,
        catalog: Catalog,
        files: FileStore,
        index: VectorIndex,
        embedder: Embedder,
        sparse: SparseEncoder,
        chunk_tokens: int,
        read: Reader | None = None,
        *,
        shared: bool = False,
        readers: int = 1,
        places: Places | None = None,
    ) -> None:
        self._catalog = catalog
        self._files = files
        self._index = index
        self._embedder = embedder
        self._readers = readers
        self._places = places or FixedPlaces(index, embedder)
        self.fingerprint = pipeline_fingerprint(embedder, chunk_tokens)
        self.stages = Stages(
            catalog,
            files,
            index,
            embedder,
            sparse,
            read or partial(read_document, embedder=embedder, chunk_tokens=chunk_tokens),
            Staging(files.folder.with_name("staging")),
            self._places,
        )
        self.reconciler = Reconciler(
            catalog,
            files,
            index,
            self.stages.staging,
            self.accept_stored,
            self.fingerprint,
            shared=shared,
            drop=self._places.drop,
        )

    def ingest(
        self, kb: KnowledgeBase, uploads: Iterable[Upload], progress: Progress | None = None
    ) -> Iterator[Ingested]:
        """Bring files into a knowledge base; yields what became of each, in order of completion.

        A file that cannot be read is ``failed`` with its reason, and the version that was live before stays live.
        Chunks of neighbouring files share the embedder's batches, so many small files go as fast as one large one.
        Files found inside a file (of a mail, of an archive) follow as documents of their own.

        progress: called with (document, stage, done, total).

        Raises:
            IndexMismatch: the knowledge base was built with another embedder.
        """
        self.check_index(kb)
        return self._work(kb, ((self.accept(kb, upload), upload.title) for upload in uploads), progress or _silent)

    def work_off(self, progress: Progress | None = None, limit: int = 100) -> Iterator[Ingested]:
        """Ingest what was received and waits: accepted uploads, and what an interrupted process left behind."""
        report = progress or _silent
        by_base: dict[str, list[Version]] = {}
        for version in self._catalog.received(limit):
            by_base.setdefault(version.knowledge_base_id, []).append(version)
        for knowledge_base_id, versions in by_base.items():
            try:
                kb = self._catalog.knowledge_base_by_id(knowledge_base_id)
                self.check_index(kb)
            except FrontdeskError as exc:
                yield from (self.stages.fail(version, str(exc)) for version in versions)
                continue
            yield from self._work(kb, ((version, "") for version in versions), report)

    def _work(
        self, kb: KnowledgeBase, accepted: Iterable[tuple[Version | Ingested, str]], report: Progress
    ) -> Iterator[Ingested]:
        found: list[Version] = []
        batch: list[_Pending] = []
        stop = threading.Event()
        # Files are read in threads while this one embeds.
        reading = Ahead(
            self._claimed(accepted),
            lambda each: each if isinstance(each, Ingested) else self._prepare(*each, report, stop),
            threads=self._readers,
            most=_AHEAD,
        )
        try:
            for prepared in reading:
                if isinstance(prepared, Ingested):
                    yield prepared
                    continue
                batch.append(prepared)
                chunks = sum(len(pending.read.chunks) for pending in batch)
                if chunks >= WINDOW or (chunks >= _LEAST and not reading.ready):
                    yield from self._write(kb, batch, report, found)
                    batch = []
            yield from self._write(kb, batch, report, found)
        finally:
            stop.set()
        if found:
            yield from self._work(kb, ((version, "") for version in found), report)

    def _claimed(self, accepted: Iterable[tuple[Version | Ingested, str]]) -> Iterator[tuple[Version, str] | Ingested]:
        # What the first batch needs is loaded while the first file is read.
        warm_up = threading.Thread(target=self.stages.warm_up, name="warm-up", daemon=True)
        for version, title in accepted:
            if isinstance(version, Ingested):
                yield version
            # Else somebody else has it, or it was uploaded anew meanwhile.
            elif self._catalog.claim(version):
                if warm_up.ident is None:
                    warm_up.start()
                yield version, title

    def accept(self, kb: KnowledgeBase, upload: Upload) -> Version | Ingested:
        """File and row on disk: from here on nothing that was received can be lost."""
        try:
            check_space(self._files.folder, upload.path.stat().st_size)
            with upload.path.open("rb") as reader, self._files.adding(reader) as (content_hash, size):
                return self.accept_stored(kb, upload.name, content_hash, size, draft=upload.draft)
        except (FrontdeskError, OSError) as exc:
            return Ingested(upload.name, State.FAILED, f"the file cannot be copied into the data folder: {exc}")

    def accept_stored(
        self, kb: KnowledgeBase, name: str, content_hash: str, size: int, *, draft: bool = False
    ) -> Version | Ingested:
        """The same for bytes that are in the file store already."""
        version = self._catalog.begin_version(kb, name, content_hash, self.fingerprint, size, draft=draft)
        if version is None:
            document = self._catalog.document(kb, name)
            chunks = next((v.chunks for v in self._catalog.versions(document) if v.live), 0)
            return Ingested(name, State.READY, chunks=chunks, unchanged=True)
        return version

    def _prepare(
        self, version: Version, given_title: str, report: Progress, stop: threading.Event
    ) -> _Pending | Ingested:
        try:
            return _Pending(version, self.stages.read(version, given_title, report, stop.is_set))
        except (FrontdeskError, OSError) as exc:
            if stop.is_set():
                # Nothing is wrong with the file: the next run takes it up again.
                return Ingested(version.document, State.PARSING)
            return self.stages.fail(version, str(exc))

    def _write(
        self, kb: KnowledgeBase, batch: list[_Pending], report: Progress, found: list[Version]
    ) -> Iterator[Ingested]:
        """Embed and store a batch hidden, then publish its documents one by one."""
        versions = [pending.version for pending in batch]
        self._catalog.set_state(versions, State.EMBEDDING)
        part = [(pending.version, pending.read.title, chunk) for pending in batch for chunk in pending.read.chunks]
        try:
            for start in range(0, len(part), WINDOW):
                report(part[start][0].document, "embedding", start, len(part))
                self.stages.write(kb, part[start : start + WINDOW])
        except (FrontdeskError, OSError) as exc:
            for version in versions:
                yield self.stages.fail(version, str(exc))
            self.purge()
            return
        self._catalog.set_state(versions, State.INDEXING)
        for pending in batch:
            yield self._publish(kb, pending, found)
        self.purge()

    def _publish(self, kb: KnowledgeBase, pending: _Pending, found: list[Version]) -> Ingested:
        version, read = pending.version, pending.read
        try:
            # Before the staged files are forgotten with the version.
            children = self.stages.adopt(kb, version, read.attachments, self.fingerprint)
            result = self.stages.publish(kb, version, read, len(read.chunks))
        except (FrontdeskError, OSError) as exc:
            return self.stages.fail(version, str(exc))
        found.extend(children)
        return result

    def check_index(self, kb: KnowledgeBase) -> None:
        """Bind an empty knowledge base to the settings' embedder, or see that the one it is bound to can be had.

        Raises:
            IndexMismatch: its index was built with an embedder that is not at hand.
        """
        if kb.embedding_model:
            self._places.of(kb)
        if not kb.embedding_model or kb.fingerprint != self.fingerprint:
            # Another parser or chunker: old documents still answer; they change when they are ingested again.
            self._catalog.bind_index(
                kb.id, self._embedder.name, self._embedder.size, self.fingerprint, self._places.engine
            )

    def delete(self, kb: KnowledgeBase, name: str) -> None:
        """Delete a document with its points and its stored file, and the documents found inside it.

        Raises:
            NotFound: there is none of that name.
        """
        document = self._catalog.document(kb, name)
        family = [document.id]
        for parent in family:
            family += [child.id for child in self._catalog.children(parent)]
        hashes = {version.content_hash for member in family for version in self._catalog.versions_of(member)}
        self._catalog.delete_document(kb, name)
        self.purge()
        self.stages.discard_unneeded(hashes)

    def delete_knowledge_base(self, kb: KnowledgeBase) -> None:
        """Delete a knowledge base with its index and its stored files."""
        hashes = {v.content_hash for d in self._catalog.documents(kb) for v in self._catalog.versions_of(d.id)}
        self._catalog.delete_knowledge_base(kb.name, kb.tenant)
        self.purge()
        self.stages.discard_unneeded(hashes)

    def reprocess(
        self, kb: KnowledgeBase, names: Iterable[str], progress: Progress | None = None
    ) -> Iterator[Ingested]:
        """Ingest documents again from their stored files: after a new parser, chunker or embedder, or a failure.

        Raises:
            NotFound: there is no document of that name.
        """
        uploads = []
        for name in names:
            newest = self._catalog.document(kb, name).latest
            uploads.append(Upload(name, self._files.path(newest.content_hash), draft=newest.draft))
        yield from self.ingest(kb, uploads, progress)

    def verify(self, kb: KnowledgeBase) -> list[Mismatch]:
        """Compare catalog and index both ways and repair; see Reconciler, Curator and Edits."""
        wrong = self.reconciler.verify(kb)
        self.stages.curator.mend(kb)
        self.stages.edits.mend(kb)
        return wrong

    def recover(self) -> list[Version]:
        """Put back what a dead process left unfinished and finish its deletions; returns what waits now."""
        return self.reconciler.recover()

    def purge(self) -> None:
        """Delete from the index what the catalog has put on the purge list."""
        self.reconciler.purge()


def _silent(_document: str, _stage: str, _done: int, _total: int) -> None:
    """Progress nobody asked for."""
