"""From a received file to live points: the document's life, one stage after the other.

    received -> parsing -> embedding -> indexing -> ready, or failed with a reason

Every stage can run twice. Points are written hidden and counted, then made live in one step by the catalog; what they
replace is on the purge list by then. A process that dies leaves versions unfinished; the next start fails them with a
reason and removes their points.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ingest.catalog import Catalog
from ingest.embed import Embedder
from ingest.errors import FrontdeskError, IndexMismatch
from ingest.files import FileStore
from ingest.index.base import Point, VectorIndex, chunk_id
from ingest.reading import Read, Reader, pipeline_fingerprint, read_document
from ingest.records import KnowledgeBase, State, Version
from ingest.schema import Chunk
from ingest.sparse import SparseEncoder

log = logging.getLogger(__name__)
UPDATED = "frontdesk was updated before its ingestion; it is ingested again"
# Chunks embedded and written at once: bounds memory whatever the document's size.
WINDOW = 256
INTERRUPTED = "its ingestion ended the process or was interrupted several times; check the file, then ingest it again"
PUBLIC_ACL = ("public",)
Progress = Callable[[str, str, int, int], None]


@dataclass(frozen=True, slots=True)
class Upload:
    """A file to ingest, under the document name it shall have; a title given here goes before the document's own."""

    name: str
    path: Path
    title: str = ""


@dataclass(frozen=True, slots=True)
class _Pending:
    """A parsed document waiting to be embedded."""

    version: Version
    read: Read


@dataclass(frozen=True, slots=True)
class Ingested:
    """What became of one file: ``unchanged`` when the same bytes were live already."""

    document: str
    state: State
    reason: str = ""
    chunks: int = 0
    unchanged: bool = False
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Catalog and index disagreed; ``document`` is "" for points that no live version owns."""

    document: str
    expected: int
    found: int


class Pipeline:
    """Ingests and deletes documents; owns nothing, works on the parts it is handed.

    read: how a stored file becomes chunks, when that is not to happen in this process.
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
    ) -> None:
        self._catalog = catalog
        self._files = files
        self._index = index
        self._embedder = embedder
        self._sparse = sparse
        self._read = read or partial(read_document, embedder=embedder, chunk_tokens=chunk_tokens)
        self.fingerprint = pipeline_fingerprint(embedder, chunk_tokens)

    def ingest(
        self, kb: KnowledgeBase, uploads: Iterable[Upload], progress: Progress | None = None
    ) -> Iterator[Ingested]:
        """Bring files into a knowledge base; yields what became of each, in order of completion.

        A file that cannot be read is ``failed`` with its reason, and the version that was live before stays live.
        Chunks of neighbouring files share the embedder's batches, so many small files go as fast as one large one.

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
                yield from (self._fail(version, str(exc)) for version in versions)
                continue
            yield from self._work(kb, ((version, "") for version in versions), report)

    def _work(
        self, kb: KnowledgeBase, accepted: Iterable[tuple[Version | Ingested, str]], report: Progress
    ) -> Iterator[Ingested]:
        batch: list[_Pending] = []
        for version, title in accepted:
            if isinstance(version, Ingested):
                yield version
                continue
            # Somebody else has it, or it was uploaded anew meanwhile.
            if not self._catalog.claim(version):
                continue
            prepared = self._prepare(version, title, report)
            if isinstance(prepared, Ingested):
                yield prepared
                continue
            batch.append(prepared)
            if sum(len(pending.read.chunks) for pending in batch) >= WINDOW:
                yield from self._write(kb, batch, report)
                batch = []
        yield from self._write(kb, batch, report)

    def accept(self, kb: KnowledgeBase, upload: Upload) -> Version | Ingested:
        """File and row on disk: from here on nothing that was received can be lost."""
        try:
            content_hash, size = self._files.add(upload.path)
        except OSError as exc:
            return Ingested(upload.name, State.FAILED, f"the file cannot be copied into the data folder: {exc}")
        return self.accept_stored(kb, upload.name, content_hash, size)

    def accept_stored(self, kb: KnowledgeBase, name: str, content_hash: str, size: int) -> Version | Ingested:
        """The same for bytes that are in the file store already."""
        version = self._catalog.begin_version(kb, name, content_hash, self.fingerprint, size)
        if version is None:
            document = self._catalog.document(kb, name)
            chunks = next((v.chunks for v in self._catalog.versions(document) if v.live), 0)
            return Ingested(name, State.READY, chunks=chunks, unchanged=True)
        return version

    def _prepare(self, version: Version, given_title: str, report: Progress) -> _Pending | Ingested:
        report(version.document, "parsing", 0, 1)
        try:
            read = self._read(self._files.path(version.content_hash), version.document, given_title)
        except (FrontdeskError, OSError) as exc:
            return self._fail(version, str(exc))
        except Exception as exc:
            # A bug in a parser must cost one document, never the batch; the log keeps the trace.
            log.exception("parsing %s failed", version.document)
            return self._fail(version, f"it could not be read ({type(exc).__name__}: {exc})")
        return _Pending(version, read)

    def _write(self, kb: KnowledgeBase, batch: list[_Pending], report: Progress) -> Iterator[Ingested]:
        """Embed and store a batch hidden, then publish its documents one by one."""
        versions = [pending.version for pending in batch]
        self._catalog.set_state(versions, State.EMBEDDING)
        chunks = [(pending, chunk) for pending in batch for chunk in pending.read.chunks]
        try:
            for start in range(0, len(chunks), WINDOW):
                report(chunks[start][0].version.document, "embedding", start, len(chunks))
                self._index.upsert(kb.id, self._points(kb, chunks[start : start + WINDOW]))
        except (FrontdeskError, OSError) as exc:
            for version in versions:
                yield self._fail(version, str(exc))
            self.purge()
            return
        self._catalog.set_state(versions, State.INDEXING)
        for pending in batch:
            yield self._publish(kb, pending)
        self.purge()

    def _publish(self, kb: KnowledgeBase, pending: _Pending) -> Ingested:
        version, expected = pending.version, len(pending.read.chunks)
        try:
            written = self._index.count(kb.id, version.id, version.generation)
            if written != expected:
                return self._fail(version, f"the index holds {written} of its {expected} chunks; ingest the file again")
            # Visible in the index first: until the catalog says live, retrieval drops these hits.
            self._index.set_live(kb.id, version.id, version.generation)
        except FrontdeskError as exc:
            return self._fail(version, str(exc))
        published = self._catalog.publish(
            version,
            title=pending.read.title,
            format=pending.read.format,
            pages=pending.read.pages,
            chunks=expected,
            warnings=pending.read.warnings,
        )
        if not published:
            self._index.delete(kb.id, version.id, version.generation)
            return Ingested(version.document, State.FAILED, "it was uploaded again or deleted meanwhile")
        self._discard_unneeded({v.content_hash for v in self._catalog.versions_of(version.document_id)})
        return Ingested(version.document, State.READY, chunks=expected, warnings=pending.read.warnings)

    def _fail(self, version: Version, reason: str) -> Ingested:
        self._catalog.fail(version, reason)
        return Ingested(version.document, State.FAILED, reason)

    def _points(self, kb: KnowledgeBase, chunks: list[tuple[_Pending, Chunk]]) -> list[Point]:
        texts = [chunk.indexed_text(pending.read.title) for pending, chunk in chunks]
        # A vector of a language the model does not know is noise with a cost: such chunks have none.
        known = [i for i, (_, c) in enumerate(chunks) if c.language == "und" or self._embedder.knows(c.language)]
        vectors = dict(zip(known, self._embedder.embed_documents([texts[i] for i in known]), strict=True))
        return [
            Point(
                id=chunk_id(pending.version.id, chunk.ordinal),
                sparse=self._sparse.encode_document(text),
                dense=vectors.get(i),
                payload={
                    "tenant": kb.tenant,
                    "acl": list(PUBLIC_ACL),
                    "document": pending.version.document,
                    "title": pending.read.title,
                    "version": pending.version.id,
                    "generation": pending.version.generation,
                    "live": 0,
                    "ordinal": chunk.ordinal,
                    "text": chunk.text,
                    "text_hash": chunk.text_hash,
                    "heading_path": list(chunk.heading_path),
                    "pages": list(chunk.pages),
                    "sheet": chunk.sheet,
                    "language": chunk.language,
                    "tokens": chunk.tokens,
                },
            )
            for i, ((pending, chunk), text) in enumerate(zip(chunks, texts, strict=True))
        ]

    def check_index(self, kb: KnowledgeBase) -> None:
        """Bind an empty knowledge base to this embedder, or see that it is bound to it.

        Raises:
            IndexMismatch: its index was built with another embedder.
        """
        if not kb.embedding_model:
            self._catalog.bind_index(kb.id, self._embedder.name, self._embedder.size, self.fingerprint)
        elif (kb.embedding_model, kb.embedding_size) != (self._embedder.name, self._embedder.size):
            raise IndexMismatch(
                f"knowledge base {kb.name!r} was indexed with {kb.embedding_model!r} ({kb.embedding_size} dimensions), "
                f"but the settings name {self._embedder.name!r} ({self._embedder.size}): set FRONTDESK_EMBEDDING_MODEL "
                f"back, or ingest the files into a new knowledge base"
            )
        elif kb.fingerprint != self.fingerprint:
            # Another parser or chunker: old documents still answer; they change when they are ingested again.
            self._catalog.bind_index(kb.id, self._embedder.name, self._embedder.size, self.fingerprint)

    def delete(self, kb: KnowledgeBase, name: str) -> None:
        """Delete a document with its points and its stored file.

        Raises:
            NotFound: there is none of that name.
        """
        document = self._catalog.document(kb, name)
        hashes = {version.content_hash for version in self._catalog.versions_of(document.id)}
        self._catalog.delete_document(kb, name)
        self.purge()
        self._discard_unneeded(hashes)

    def delete_knowledge_base(self, kb: KnowledgeBase) -> None:
        """Delete a knowledge base with its index and its stored files."""
        hashes = {v.content_hash for d in self._catalog.documents(kb) for v in self._catalog.versions_of(d.id)}
        self._catalog.delete_knowledge_base(kb.name, kb.tenant)
        self.purge()
        self._discard_unneeded(hashes)

    def _discard_unneeded(self, hashes: set[str]) -> None:
        self._files.discard(hashes - self._catalog.content_hashes())

    def reprocess(
        self, kb: KnowledgeBase, names: Iterable[str], progress: Progress | None = None
    ) -> Iterator[Ingested]:
        """Ingest documents again from their stored files: after a new parser or chunker, or a failure.

        Raises:
            NotFound: there is no document of that name.
        """
        uploads = []
        for name in names:
            newest = self._catalog.document(kb, name).latest
            uploads.append(Upload(name, self._files.path(newest.content_hash)))
        yield from self.ingest(kb, uploads, progress)

    def verify(self, kb: KnowledgeBase) -> list[Mismatch]:
        """Compare catalog and index both ways and repair: orphan points go, documents that lost points are named.

        A document that lost points stays live with what is left; ``reprocess`` does not help it before its version
        is failed, so it is failed here and can be ingested again.
        """
        # In this order: what is being written now is unfinished still, or live by the time the documents are read.
        written = self._index.writings(kb.id)
        for version in self._catalog.unfinished():
            written.pop((version.id, version.generation), None)
        wrong = []
        for document in self._catalog.documents(kb):
            for version in self._catalog.versions_of(document.id):
                if not version.live:
                    continue
                held = written.pop((version.id, version.generation), 0)
                if held != version.chunks:
                    self._catalog.unpublish(version, f"the index held {held} of its {version.chunks} chunks")
                    wrong.append(Mismatch(document.name, version.chunks, held))
        for (version_id, generation), held in written.items():
            self._index.delete(kb.id, version_id, generation)
            wrong.append(Mismatch("", 0, held))
        self.purge()
        return wrong

    def recover(self) -> list[Version]:
        """Put back what a dead process left unfinished and finish its deletions; returns what waits now.

        What was begun several times and never finished is failed: it may be what ended the process.
        """
        for version in self._catalog.unfinished():
            if version.fingerprint != self.fingerprint:
                # Received before an update of parser or embedder: the same bytes, under the pipeline of today.
                self._catalog.fail(version, UPDATED)
                kb = self._catalog.knowledge_base_by_id(version.knowledge_base_id)
                self.accept_stored(kb, version.document, version.content_hash, version.size_bytes)
            elif version.state is not State.RECEIVED and not self._catalog.requeue(version):
                self._catalog.fail(version, INTERRUPTED)
        self.purge()
        self._files.keep_only(self._catalog.content_hashes())
        return self._catalog.unfinished()

    def purge(self) -> None:
        """Delete from the index what the catalog has put on the purge list."""
        for purge in self._catalog.purges():
            if purge.version_id:
                self._index.delete(purge.knowledge_base_id, purge.version_id, purge.generation)
            else:
                self._index.drop(purge.knowledge_base_id)
            self._catalog.purged(purge)


def _silent(_document: str, _stage: str, _done: int, _total: int) -> None:
    """Progress nobody asked for."""
