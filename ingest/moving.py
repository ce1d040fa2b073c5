"""Another index for a knowledge base: built beside the one that answers, switched to in one step, the old one dropped.

    begun -> copying -> optimizing -> closing -> comparing -> switched -> dropped

The new index is brought in agreement with the old one, point by point, while that one answers and takes what is ingested.
The last differences are carried over with the gate closed: what is to be written waits that long (questions do not), so
that nothing lands in one of the two only. Then one transaction lets the new one answer. Whatever ends the process before
that leaves the old one answering, and the next run goes on with what the new one holds already; after it, the old one is
on the purge list.
"""

from __future__ import annotations

import hashlib
import json
import logging
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from cachetools import LRUCache
from sqlalchemy.exc import NoResultFound

from ingest.address import Address
from ingest.bindings import BoundPlaces, Place
from ingest.builds import Build
from ingest.catalog import Catalog
from ingest.curation import Writing
from ingest.edits import chunk_of_payload
from ingest.embed import Vectors
from ingest.errors import AlreadyExists, BuildGivenUp, FrontdeskError, IndexUnavailable
from ingest.index.base import Hit, Point, embed_hash, writing_of
from ingest.index.edge import IN_PASSING, EdgeIndex
from ingest.index.routed import RoutedIndex
from ingest.pipeline import Pipeline
from ingest.records import AS_IT_CAME, KnowledgeBase, Version
from ingest.sparse import SparseEncoder
from ingest.stages import WINDOW, Progress

log = logging.getLogger(__name__)
# Looks at everything before the gate is closed, each carrying over what changed during the one before.
_LOOKS = 5
# Whose value does not tell whether a point is the same in two indexes: the tenant's, and what follows from the rest.
_OWN = ("kb", "embed_hash")


@dataclass(frozen=True, slots=True)
class Moved:
    """What became of a build; ``switched`` is False where the index was as asked for already.

    from_files: documents whose passages were read from their files again, because the old index had lost some.
    lost:       documents that are not whole: the old index had lost passages, and their files are gone or unreadable.
    """

    kb: str
    engine: str
    model: str
    points: int
    switched: bool = True
    from_files: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()


@dataclass(slots=True)
class _Work:
    """A build with its two ends, and the writings that come from files."""

    kb: KnowledgeBase
    build: Build
    old: Place
    new: Place
    report: Progress
    read: dict[tuple[str, int], int] = field(default_factory=dict)
    from_files: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    kept: LRUCache[tuple[str, int], Mapping[str, Vectors]] = field(default_factory=lambda: LRUCache(8))


class Mover:
    """Optimizes, rebuilds and migrates; one build a knowledge base at once. Methods block for long."""

    def __init__(
        self, catalog: Catalog, router: RoutedIndex, places: BoundPlaces, sparse: SparseEncoder, pipeline: Pipeline
    ) -> None:
        self._catalog = catalog
        self._router = router
        self._places = places
        self._sparse = sparse
        self._pipeline = pipeline
        self._running: set[str] = set()
        self._lock = threading.Lock()

    def optimize(self, kb: KnowledgeBase, report: Progress) -> int:
        """Build what makes queries fast; returns the number of points."""
        now = self._router.whole(kb.address)
        if now.engine == "edge" and self._router.count(kb.id) >= IN_PASSING:
            # A shard cannot be asked while it is optimized: it is done to a copy, which takes the shard's place.
            return self._run(kb, "optimize", replace(now, space=uuid.uuid4().hex), report).points
        report(kb.name, "optimizing", 0, 1)
        self._router.optimize(kb.id)
        report(kb.name, "optimized", 1, 1)
        return self._router.count(kb.id)

    def rebuild(self, kb: KnowledgeBase, report: Progress, *, embed: bool = False) -> Moved:
        """Build the index anew from its passages, and from the stored files where passages are lost.

        embed: make every vector anew; else those of the old index are kept.

        Raises:
            AlreadyExists: another index is being built.
            BuildGivenUp: it was cancelled, or the knowledge base deleted.
            IndexMismatch: the embedder cannot be had.
            IndexUnavailable: the engine does not answer; run it again, it goes on.
        """
        now = self._router.whole(kb.address)
        return self._run(kb, "reembed" if embed else "rebuild", replace(now, space=uuid.uuid4().hex), report)

    def migrate(
        self, kb: KnowledgeBase, report: Progress, *, model: str | None = None, engine: str | None = None
    ) -> Moved:
        """Build an index with another embedder, in another engine, or both.

        Raises:
            SettingsError: the embedder cannot be loaded, or the engine's setting is missing.
            AlreadyExists, BuildGivenUp, IndexMismatch, IndexUnavailable: as for ``rebuild``.
        """
        now = self._router.whole(kb.address)
        name = model or now.model
        size = self._places.named(name).size if name != now.model else now.size
        target = Address(engine or now.engine, name, size, uuid.uuid4().hex)
        if replace(target, space=now.space) == now:
            if (build := self._catalog.build(kb.id)) is not None:
                self._catalog.give_up_build(build)
                self._pipeline.purge()
            return Moved(kb.name, now.engine, now.model, self._router.count(kb.id), switched=False)
        return self._run(kb, "migrate", target, report)

    def resume(self, build: Build, report: Progress) -> Moved:
        """Go on with a build that an earlier process left."""
        kb = self._catalog.knowledge_base_by_id(build.knowledge_base_id)
        return self._run(kb, build.kind, build.place, report)

    def give_up(self, kb: KnowledgeBase) -> bool:
        """Stop building; the index that answers stays. Returns False when nothing is being built."""
        build = self._catalog.build(kb.id)
        if build is None:
            return False
        given_up = self._catalog.give_up_build(build)
        with self._lock:
            running = kb.id in self._running
        if not running:
            # Else by the one that builds, once it has stopped writing.
            self._pipeline.purge()
        return given_up

    def _run(self, kb: KnowledgeBase, kind: str, target: Address, report: Progress) -> Moved:
        with self._lock:
            if kb.id in self._running:
                raise AlreadyExists(f"an index of knowledge base {kb.name!r} is being built already; wait for its end")
            self._running.add(kb.id)
        try:
            return self._through(kb, kind, target, report)
        except BuildGivenUp:
            self._pipeline.purge()
            raise
        finally:
            with self._lock:
                self._running.discard(kb.id)

    def _through(self, kb: KnowledgeBase, kind: str, target: Address, report: Progress) -> Moved:
        source = self._router.whole(kb.address)
        build = self._catalog.begin_build(kb.id, kind, target, source)
        if (build.kind, build.source, replace(build.place, space="")) != (kind, source, replace(target, space="")):
            raise AlreadyExists(
                f"another index of knowledge base {kb.name!r} was begun ({build.kind}, {build.place.model!r} in "
                f"{build.place.engine}): go on with that, or `frontdesk index cancel --kb {kb.name}`"
            )
        report(kb.name, "begun", 0, 1)
        # Only the new one is embedded for: an embedder that is gone is a reason to migrate, not a hindrance.
        new = self._places.at(build.place)
        old = Place(self._router.at(source), source.space, new.embedder)
        work = _Work(kb, build, old, new, report)
        if kind == "optimize" and isinstance(old.index, EdgeIndex):
            with self._router.closed(kb.id):
                old.index.copy(old.space, new.space)
        for _ in range(_LOOKS):
            self._from_files(work)
            if self._agree(work) <= WINDOW:
                break
        report(kb.name, "optimizing", 0, 1)
        new.index.optimize(new.space)
        report(kb.name, "closing", 0, 1)
        with self._router.closed(kb.id) as session:
            self._agree(work)
            report(kb.name, "comparing", 0, 1)
            self._compare(work)
            self._catalog.switch(session, build, {vid: count for (vid, _), count in work.read.items()})
        report(kb.name, "switched", 1, 1)
        self._pipeline.purge()
        report(kb.name, "dropped", 1, 1)
        points = new.index.count(new.space)
        return Moved(
            kb.name, target.engine, target.model, points, True, tuple(work.from_files), tuple(sorted(set(work.lost)))
        )

    def _agree(self, work: _Work) -> int:
        """Bring the new index in agreement with the old one; returns how many points differed."""
        old, new = work.old, work.new
        wanted = old.index.writings(old.space)
        changed = 0
        for writing, held in new.index.writings(new.space).items():
            if writing not in work.read and held > wanted[writing]:
                new.index.delete(new.space, *writing)
                changed += held
        there = {hit.id: _digest(hit.payload) for hit in new.index.payloads(new.space)}
        total, seen = sum(wanted.values()), 0
        window: list[Hit] = []
        for hit in old.index.payloads(old.space):
            seen += 1
            if writing_of(hit.payload) in work.read or there.get(hit.id) == _digest(hit.payload):
                continue
            window.append(hit)
            if len(window) == WINDOW:
                changed += self._copy(work, window)
                window = []
                work.report(work.kb.name, "copying", seen, total)
        changed += self._copy(work, window)
        work.report(work.kb.name, "copying", total, total)
        return changed

    def _copy(self, work: _Work, hits: Sequence[Hit]) -> int:
        if not hits:
            return 0
        self._going_on(work)
        embedder = work.new.embedder
        texts = [chunk_of_payload(hit.payload).indexed_text(str(hit.payload["title"])) for hit in hits]
        known = [i for i, hit in enumerate(hits) if _known(str(hit.payload["language"]), embedder.knows)]
        vectors = {i: found for i in known if (found := self._kept(work, hits[i], texts[i])) is not None}
        fresh = [i for i in known if i not in vectors]
        vectors.update(zip(fresh, embedder.embed_documents([texts[i] for i in fresh]), strict=True))
        points = []
        for i, (hit, text) in enumerate(zip(hits, texts, strict=True)):
            payload = {key: value for key, value in hit.payload.items() if key != "kb"}
            payload["embed_hash"] = embed_hash(text)
            points.append(Point(hit.id, self._sparse.encode_document(text), payload, vectors.get(i)))
        work.new.index.upsert(work.new.space, points)
        return len(points)

    def _kept(self, work: _Work, hit: Hit, text: str) -> Vectors | None:
        """The old index's vector of a passage, where it may be kept."""
        build = work.build
        if build.kind == "reembed" or build.source.model != build.place.model:
            return None
        writing = writing_of(hit.payload)
        if writing not in work.kept:
            work.kept[writing] = work.old.index.vectors(work.old.space, *writing)
        return work.kept[writing].get(embed_hash(text))

    def _from_files(self, work: _Work) -> None:
        """Read documents again whose points the old index has lost."""
        held = work.old.index.writings(work.old.space)
        for writing, found in self._catalog.writings(work.kb.id).items():
            version = self._version(writing, found)
            if version is None or writing in work.read or held[writing] == version.chunks:
                continue
            if found.document in work.lost:
                continue
            self._going_on(work)
            try:
                work.read[writing] = self._read(work, found, version)
                work.from_files.append(found.document)
            except (FrontdeskError, OSError) as exc:
                if isinstance(exc, IndexUnavailable):
                    raise
                log.warning("%s has lost passages, and its file cannot be read: %s", found.document, exc)
                work.lost.append(found.document)

    def _read(self, work: _Work, writing: Writing, version: Version) -> int:
        """Parse a stored file and write its chunks to the new index, as the writing that is live."""
        stages = self._pipeline.stages.over(_Only(work.new))
        title = self._catalog.document(work.kb, writing.document).title
        read = stages.read(version, title, work.report)
        space, index = work.new.space, work.new.index
        index.delete(space, version.id, version.generation)
        for start in range(0, len(read.chunks), WINDOW):
            part = read.chunks[start : start + WINDOW]
            stages.write(work.kb, [(version, read.title, chunk) for chunk in part])
        if writing.live:
            index.set_live(space, version.id, version.generation)
        if writing.curation != AS_IT_CAME:
            index.set_payload(space, writing.document, writing.curation.payload())
        stages.staging.drop(version)
        return len(read.chunks)

    def _version(self, writing: tuple[str, int], found: Writing) -> Version | None:
        try:
            versions = self._catalog.versions_of(found.document_id)
        except NoResultFound:
            # Deleted meanwhile.
            return None
        version = next((v for v in versions if v.id == writing[0]), None)
        return replace(version, generation=writing[1]) if version is not None else None

    def _compare(self, work: _Work) -> None:
        """See that the new index holds what the old one holds, or what was read from files.

        Raises:
            IndexUnavailable: it does not.
        """
        for live in (False, True):
            old = work.old.index.writings(work.old.space, live=live)
            new = work.new.index.writings(work.new.space, live=live)
            wrong = {w for w in {*old, *new} - set(work.read) if old[w] != new[w]}
            if wrong:
                raise IndexUnavailable(
                    f"the new index differs from the old one in {len(wrong)} documents; run the command again, it goes on "
                    "where it stands"
                )

    def _going_on(self, work: _Work) -> None:
        build = self._catalog.build(work.kb.id)
        if build is None or build.place != work.build.place:
            raise BuildGivenUp("the new index was given up, or its knowledge base deleted; the old one answers")


class _Only:
    """All writing goes to one index."""

    engine = ""

    def __init__(self, place: Place) -> None:
        self._place = place

    def of(self, kb: KnowledgeBase) -> Place:
        """That index."""
        return self._place

    def moved(self, kb: KnowledgeBase) -> KnowledgeBase | None:
        """Never."""
        return None

    def write(self, kb: KnowledgeBase, make: Callable[[Place], Sequence[Point]]) -> None:
        """Embed and store."""
        self._place.index.upsert(self._place.space, make(self._place))

    def drop(self, address: Address) -> None:
        """Never asked for."""
        raise AssertionError("an index that is being built drops nothing")


def _known(language: str, knows: Callable[[str], bool]) -> bool:
    return language == "und" or knows(language)


def _digest(payload: Mapping[str, Any]) -> bytes:
    own = {key: value for key, value in payload.items() if key not in _OWN}
    return hashlib.blake2b(json.dumps(own, sort_keys=True, default=str).encode(), digest_size=16).digest()
