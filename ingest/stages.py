"""The steps of a document's life, each of which may run twice: read, write, show, publish.

Two drivers share them: the batch of a command (ingest/pipeline.py), and the durable workflows of a server (app).
"""

from __future__ import annotations

import contextlib
import copy
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from cachetools import LRUCache
from sqlalchemy.exc import InterfaceError, OperationalError

from ingest.bindings import FixedPlaces, Place, Places
from ingest.catalog import Catalog
from ingest.cleaning.duplicates import NearDuplicates, flag_across
from ingest.cleaning.signatures import signature
from ingest.curation import Curator
from ingest.edits import Edits, marks_of
from ingest.embed import Embedder, Vectors
from ingest.errors import FrontdeskError, IndexUnavailable
from ingest.files import FileStore
from ingest.index.base import Point, VectorIndex, chunk_id, embed_hash
from ingest.reading import Read, Reader
from ingest.records import KnowledgeBase, State, Version
from ingest.schema import Attachment, Chunk
from ingest.space import check_space, full
from ingest.sparse import SparseEncoder, SparseVector
from ingest.staging import Staging

log = logging.getLogger(__name__)
# Chunks embedded and written at once: bounds memory whatever the document's size.
WINDOW = 256
PUBLIC_ACL = ("public",)
# (document, stage, done, total)
Progress = Callable[[str, str, int, int], None]
# Documents whose earlier vectors are held at once, while their new version is written.
_KEPT_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Ingested:
    """What became of one file: ``unchanged`` when the same bytes were live already."""

    document: str
    state: State
    reason: str = ""
    chunks: int = 0
    unchanged: bool = False
    warnings: tuple[str, ...] = ()
    # Chunks whose text was there before, and whose vectors were taken over.
    kept: int = 0


class Stages:
    """Reads, writes and publishes versions; owns nothing, works on the parts it is handed."""

    def __init__(
        self,
        catalog: Catalog,
        files: FileStore,
        index: VectorIndex,
        embedder: Embedder,
        sparse: SparseEncoder,
        read: Reader,
        staging: Staging,
        places: Places | None = None,
    ) -> None:
        self.staging = staging
        self._catalog = catalog
        self._files = files
        self._index = index
        self._embedder = embedder
        self._places = places or FixedPlaces(index, embedder)
        self._sparse = sparse
        self._read = read
        self._near = NearDuplicates(catalog.engine)
        self.curator = Curator(catalog, index)
        self.edits = Edits(catalog, index, embedder, sparse, self._places)
        self._kept: LRUCache[tuple[str, str, int], Mapping[str, Vectors]] = LRUCache(_KEPT_AT_ONCE)

    def over(self, places: Places) -> Stages:
        """The same steps, writing elsewhere."""
        stages = copy.copy(self)
        stages._places = places
        stages._kept = LRUCache(_KEPT_AT_ONCE)
        return stages

    def warm_up(self) -> None:
        """Load model and libraries of ``write``; where that fails, ``write`` says so."""
        with contextlib.suppress(Exception):
            signature("The libraries of signatures take a second to load, so they are loaded by this text.")
            self._embedder.embed_documents([])

    def read(self, version: Version, title: str, report: Progress, cancelled: Callable[[], bool] | None = None) -> Read:
        """Parse and chunk a version's file.

        Raises:
            ParseError: it cannot be read.
            Cancelled: somebody asked for its end.
            DiskFull: there is no room to work in.
            OSError: its file cannot be opened.
        """
        check_space(self._files.folder, version.size_bytes)
        report(version.document, "parsing", 0, 1)
        try:
            return self._read(
                self._files.path(version.content_hash),
                version.document,
                title,
                scratch=self.staging.scratch(version),
                depth=self._catalog.depth(version.document_id),
                progress=lambda done, total: report(version.document, "parsing", done, total),
                cancelled=cancelled,
            )
        except (FrontdeskError, OSError):
            raise
        except Exception as exc:
            # A bug in a parser must cost one document, never the batch; the log keeps the trace.
            log.exception("parsing %s failed", version.document)
            raise FrontdeskError(f"it could not be read ({type(exc).__name__}: {exc})") from exc

    def write(self, kb: KnowledgeBase, part: Sequence[tuple[Version, str, Chunk]]) -> int:
        """Embed chunks and store them hidden; returns how many vectors were taken over from an earlier version.

        part: (version, document's title, chunk), of one or of several documents.

        Raises:
            IndexUnavailable: the engine does not answer.
            DiskFull: there is no room.
        """
        check_space(self._files.folder)
        read = flag_across(self._near, kb.id, part)
        part = self._worded(read)
        texts = [chunk.indexed_text(title) for _, title, chunk in part]
        names = [embed_hash(text) for text in texts]
        sparse = [self._sparse.encode_document(text) for text in texts]
        kept = 0

        def points(place: Place) -> list[Point]:
            nonlocal kept
            embedder = place.embedder
            # A vector of a language the model does not know is noise with a cost: such chunks have none.
            known = [i for i, (_, _, c) in enumerate(part) if c.language == "und" or embedder.knows(c.language)]
            vectors: dict[int, Vectors] = {}
            for i in known:
                earlier = self._earlier(place, part[i][0]).get(names[i])
                if earlier is not None:
                    vectors[i] = earlier
            kept, new = len(vectors), [i for i in known if i not in vectors]
            vectors.update(zip(new, embedder.embed_documents([texts[i] for i in new]), strict=True))
            return [
                self._point(kb, version, title, chunk, vectors.get(i), sparse[i], names[i], marks_of(chunk, read[i][2]))
                for i, (version, title, chunk) in enumerate(part)
            ]

        self._places.write(kb, points)
        return kept

    def publish(self, kb: KnowledgeBase, version: Version, read: Read, expected: int) -> Ingested:
        """Count what was written, let queries see it, and make the version the live one in one step.

        Raises:
            IndexUnavailable: the engine does not answer.
        """
        written = self._index.count(kb.id, version.id, version.generation)
        if written != expected:
            return self.fail(version, f"the index holds {written} of its {expected} chunks; ingest the file again")
        warnings = (*read.warnings, *self._near.warnings(kb.id, version))
        # What is said of the document comes before anybody may see its points.
        self.curator.show_new(kb.id, version)
        if version.draft:
            published = self._catalog.keep_draft(
                version, format=read.format, pages=read.pages, chunks=expected, warnings=warnings
            )
        else:
            # Visible in the index first: until the catalog says live, retrieval drops these hits.
            if expected:
                self._index.set_live(kb.id, version.id, version.generation)
            published = self._catalog.publish(
                version,
                title=read.title,
                format=read.format,
                pages=read.pages,
                chunks=expected,
                warnings=warnings,
            )
        self._forget(version)
        if not published:
            self._index.delete(kb.id, version.id, version.generation)
            return Ingested(version.document, State.FAILED, "it was uploaded again or deleted meanwhile")
        self.curator.show_new(kb.id, version)
        self.edits.published(kb, version.document_id)
        self.discard_unneeded({v.content_hash for v in self._catalog.versions_of(version.document_id)})
        return Ingested(version.document, State.READY, chunks=expected, warnings=warnings)

    def adopt(
        self, kb: KnowledgeBase, version: Version, found: Sequence[Attachment], fingerprint: str
    ) -> list[Version]:
        """Make documents of the files found inside one; those that it held before and holds no more are deleted.

        Those of a draft are drafts themselves, and nothing is deleted before it is published.

        Returns the versions that are to be ingested now.
        """
        children = []
        for attachment in found:
            with attachment.path.open("rb") as reader, self._files.adding(reader) as (content_hash, size):
                child = self._catalog.begin_version(
                    kb,
                    f"{version.document}/{attachment.name}",
                    content_hash,
                    fingerprint,
                    size,
                    parent_id=version.document_id,
                    draft=version.draft,
                )
            if child is not None:
                children.append(child)
        if version.draft:
            return children
        names = {f"{version.document}/{attachment.name}" for attachment in found}
        gone = [child for child in self._catalog.children(version.document_id) if child.name not in names]
        for child_document in gone:
            hashes = {v.content_hash for v in self._catalog.versions_of(child_document.id)}
            self._catalog.delete_document(kb, child_document.name)
            self.discard_unneeded(hashes)
        return children

    def fail(self, version: Version, reason: str) -> Ingested:
        """End a version with its reason; its points go on the purge list, its staged text is forgotten."""
        self._catalog.fail(version, reason)
        self._forget(version)
        return Ingested(version.document, State.FAILED, reason)

    def discard_unneeded(self, hashes: set[str]) -> None:
        """Delete those of some stored files that no version needs any more."""
        self._files.discard(hashes, self._catalog.content_hashes)

    def _worded(self, part: Sequence[tuple[Version, str, Chunk]]) -> list[tuple[Version, str, Chunk]]:
        """Persons' wordings in the place of the texts they replace."""
        found: list[tuple[Version, str, Chunk]] = []
        for _, group in groupby(part, key=lambda entry: entry[0].document_id):
            entries = list(group)
            chunks = self.edits.reworded(entries[0][0].document_id, [chunk for _, _, chunk in entries])
            found += [(version, title, chunk) for (version, title, _), chunk in zip(entries, chunks, strict=True)]
        return found

    def _forget(self, version: Version) -> None:
        self.staging.drop(version)
        for key in [key for key in list(self._kept) if key[1:] == (version.id, version.generation)]:
            self._kept.pop(key, None)

    def _earlier(self, place: Place, version: Version) -> Mapping[str, Vectors]:
        """Vectors of the version that is live now, by what they were made of."""
        key = (place.space, version.id, version.generation)
        found = self._kept.get(key)
        if found is None:
            live = self._catalog.live_writing(version.document_id)
            found = place.index.vectors(place.space, *live) if live is not None else {}
            self._kept[key] = found
        return found

    def _point(
        self,
        kb: KnowledgeBase,
        version: Version,
        title: str,
        chunk: Chunk,
        dense: Vectors | None,
        sparse: SparseVector,
        made_of: str,
        marks: Mapping[str, Any],
    ) -> Point:
        payload: dict[str, Any] = {
            "tenant": kb.tenant,
            "acl": list(PUBLIC_ACL),
            "document": version.document,
            "title": title,
            "version": version.id,
            "generation": version.generation,
            "live": 0,
            "ordinal": chunk.ordinal,
            "text": chunk.text,
            "text_hash": chunk.text_hash,
            "embed_hash": made_of,
            "heading_path": list(chunk.heading_path),
            "pages": list(chunk.pages),
            "sheet": chunk.sheet,
            "language": chunk.language,
            "tokens": chunk.tokens,
            "boxes": [list(box) for box in chunk.boxes],
            "flags": list(chunk.flags),
            **marks,
        }
        return Point(chunk_id(version.id, version.generation, chunk.ordinal), sparse, payload, dense)


def may_pass(exc: BaseException) -> bool:
    """Whether a failure may mend itself: a database or an index that is away, and not a full disk."""
    passing = (IndexUnavailable, OperationalError, InterfaceError, ConnectionError, TimeoutError)
    return isinstance(exc, passing) and full(exc) is None


def reason_of(exc: Exception) -> str:
    """A failure in words for a person."""
    if (disk := full(exc)) is not None:
        return str(disk)
    if isinstance(exc, FrontdeskError):
        return str(exc)
    if isinstance(exc, FileNotFoundError):
        return "its stored file is not there any more; upload it again"
    return f"it could not be ingested ({type(exc).__name__}: {exc}); process it again"
