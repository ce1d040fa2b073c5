"""A knowledge base in one archive (ingest/snapshot_format.py), and back: its rows, its passages with their vectors, its files.

What is to be written to the index waits while catalog and points are read, so that the two agree; questions do not.
A restored knowledge base keeps its ids, and gets an index under a new name, which nobody asks before its rows are there.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
import uuid
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, cast

from sqlalchemy import insert, select

from ingest.address import Address
from ingest.bindings import BoundPlaces, Place
from ingest.builds import Build
from ingest.catalog import Catalog
from ingest.database import DocumentRow, IndexBuildRow, KnowledgeBaseRow, PassageBandRow, VersionRow
from ingest.edits import chunk_of_payload
from ingest.errors import IndexMismatch, IndexUnavailable, NotFound, SnapshotUnusable
from ingest.files import FileStore
from ingest.index.base import Point
from ingest.index.routed import RoutedIndex
from ingest.knowledge_bases import check_name
from ingest.records import UNFINISHED, KnowledgeBase, State
from ingest.snapshot_format import (
    FILES,
    FORMAT,
    MANIFEST,
    POINTS,
    ROWS,
    TABLES,
    decoded,
    encoded,
    lines_of,
    manifest_of,
    plain,
    rich,
    rows_of,
    table_of,
)
from ingest.space import check_space
from ingest.sparse import SparseEncoder
from ingest.stages import WINDOW, Progress

# Passages that are embedded again to see that a model of that name makes the vectors of this archive.
_PROBES = 3
# Cosine of the same text by the same model, in whichever precision it runs.
_SAME_MODEL = 0.9


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What an archive holds; ``missing``: documents whose stored files were gone."""

    kb: str
    model: str
    size: int
    documents: int
    points: int
    files: int
    missing: tuple[str, ...] = ()


class Snapshots:
    """Takes and restores archives; every method blocks for long."""

    def __init__(
        self, catalog: Catalog, router: RoutedIndex, places: BoundPlaces, files: FileStore, sparse: SparseEncoder
    ) -> None:
        self._catalog = catalog
        self._router = router
        self._places = places
        self._files = files
        self._sparse = sparse

    def take(self, kb: KnowledgeBase, archive: Path, report: Progress) -> Snapshot:
        """Write a knowledge base into an archive, which is there whole or not at all.

        Raises:
            IndexUnavailable: the engine does not answer, or the index has lost passages.
            DiskFull: there is no room.
            OSError: the archive cannot be written.
        """
        archive.parent.mkdir(parents=True, exist_ok=True)
        check_space(archive.parent)
        with tempfile.TemporaryDirectory(dir=archive.parent, prefix=".snapshot-") as temporary:
            folder = Path(temporary)
            report(kb.name, "reading", 0, 1)
            with self._router.closed(kb.id):
                kb = self._catalog.knowledge_base_by_id(kb.id)
                documents, hashes, writings = self._rows(kb, folder / ROWS)
                points = self._points(kb, writings, folder / POINTS)
                missing = self._link(hashes, folder / "files")
            taken = Snapshot(
                kb.name, kb.embedding_model, kb.embedding_size, documents, points, len(hashes) - len(missing), missing
            )
            part = folder / "archive.part"
            self._pack(kb, taken, folder, part, report)
            check_space(archive.parent)
            part.replace(archive)
        return taken

    def _rows(self, kb: KnowledgeBase, target: Path) -> tuple[int, dict[str, str], dict[tuple[str, int], int]]:
        """Write the rows.

        Returns the number of documents, the hashes of their files with a document's name, and how many passages each
        (version, generation) has that customers are answered from, or that waits as a draft.
        """
        documents = 0
        hashes: dict[str, str] = {}
        live: dict[str, int] = {}
        writings: dict[tuple[str, int], int] = {}
        with self._catalog.reading() as session, target.open("w", encoding="utf-8") as lines:
            for mapped in TABLES:
                for row in session.execute(rows_of(mapped, kb.id)).mappings():
                    lines.write(json.dumps({"table": table_of(mapped).name, "row": plain(dict(row))}) + "\n")
                    documents += mapped is DocumentRow
                    if mapped is DocumentRow and row["live_version_id"]:
                        live[row["live_version_id"]] = row["live_generation"]
                    if mapped is VersionRow and row["id"] in live:
                        writings[row["id"], live[row["id"]]] = row["chunks"]
                    elif mapped is VersionRow and row["draft"] and row["state"] == State.READY:
                        writings[row["id"], row["generation"]] = row["chunks"]
            needed = select(VersionRow.content_hash, DocumentRow.name).join(
                DocumentRow, DocumentRow.id == VersionRow.document_id
            )
            for content_hash, name in session.execute(needed.where(DocumentRow.knowledge_base_id == kb.id)):
                hashes[content_hash] = name
        wanted = self._catalog.content_hashes()
        needed_files = {content_hash: name for content_hash, name in hashes.items() if content_hash in wanted}
        return documents, needed_files, writings

    def _points(self, kb: KnowledgeBase, writings: dict[tuple[str, int], int], target: Path) -> int:
        address = self._router.whole(kb.address)
        index, written = self._router.at(address), 0
        with target.open("w", encoding="utf-8") as lines:
            for (vid, generation), expected in writings.items():
                vectors = index.vectors(address.space, vid, generation)
                held = 0
                for hit in index.points(address.space, vid, generation):
                    payload = {key: value for key, value in hit.payload.items() if key != "kb"}
                    dense = vectors.get(str(payload.get("embed_hash")))
                    lines.write(json.dumps({"id": hit.id, "payload": payload, "dense": encoded(dense)}) + "\n")
                    held += 1
                if held != expected:
                    raise IndexUnavailable(
                        f"the index holds {held} of {expected} passages of one document of {kb.name!r}: run `frontdesk "
                        "documents verify`, then take the snapshot again"
                    )
                written += held
        return written

    def _link(self, hashes: dict[str, str], folder: Path) -> tuple[str, ...]:
        """The stored files beside the rest: linked where that can be, for they never change. Names of what is gone."""
        folder.mkdir()
        missing = []
        for content_hash, name in hashes.items():
            try:
                try:
                    os.link(self._files.path(content_hash), folder / content_hash)
                except FileNotFoundError:
                    raise
                except OSError:
                    shutil.copyfile(self._files.path(content_hash), folder / content_hash)
            except FileNotFoundError:
                missing.append(name)
        return tuple(sorted(missing))

    @staticmethod
    def _pack(kb: KnowledgeBase, taken: Snapshot, folder: Path, target: Path, report: Progress) -> None:
        manifest = {
            "format": FORMAT,
            "taken_at": datetime.now(UTC).isoformat(),
            "id": kb.id,
            "kb": kb.name,
            "tenant": kb.tenant,
            "embedding_model": kb.embedding_model,
            "embedding_size": kb.embedding_size,
            "documents": taken.documents,
            "points": taken.points,
            "files": taken.files,
            "missing": list(taken.missing),
        }
        files = sorted((folder / "files").iterdir())
        with target.open("wb") as raw:
            with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packed:
                packed.writestr(MANIFEST, json.dumps(manifest, ensure_ascii=False, indent=1))
                for name in (ROWS, POINTS):
                    packed.write(folder / name, name)
                for done, path in enumerate(files):
                    packed.write(path, FILES + path.name)
                    report(kb.name, "packing", done + 1, len(files))
            raw.flush()
            os.fsync(raw.fileno())

    def restore(self, archive: Path, report: Progress, *, name: str | None = None) -> KnowledgeBase:
        """Bring a knowledge base back from an archive, under its own name or another.

        Documents that were being ingested are begun anew.

        Raises:
            SnapshotUnusable: the archive is damaged, or its knowledge base is here already.
            IndexMismatch: its embedder cannot be had here, or is not the one that made its vectors.
            InvalidName: the name cannot be used.
            IndexUnavailable, DiskFull: see ``take``.
        """
        try:
            with zipfile.ZipFile(archive) as packed:
                manifest = manifest_of(packed, archive)
                wanted = name or str(manifest["kb"])
                check_name(wanted)
                self._check_free(manifest, wanted)
                return self._restore(packed, manifest, wanted, report)
        except (zipfile.BadZipFile, ValueError, KeyError, TypeError, EOFError) as exc:
            raise SnapshotUnusable(f"{archive.name} is no whole snapshot ({type(exc).__name__}: {exc})") from exc
        except OSError as exc:
            if exc.filename is not None and str(exc.filename) == str(archive):
                raise SnapshotUnusable(f"{archive} cannot be read: {exc.strerror}") from exc
            raise

    def _check_free(self, manifest: dict[str, Any], name: str) -> None:
        if self._catalog.address(manifest["id"]) is not None:
            raise SnapshotUnusable(
                f"the knowledge base of this archive ({manifest['kb']!r}) is here already: delete it first, or restore into "
                "another data folder (FRONTDESK_HOME)"
            )
        with suppress(NotFound):
            self._catalog.knowledge_base(name, manifest["tenant"])
            raise SnapshotUnusable(f"a knowledge base named {name!r} exists already: give another name with --kb")

    def _restore(self, packed: zipfile.ZipFile, manifest: dict[str, Any], name: str, report: Progress) -> KnowledgeBase:
        model, size = str(manifest["embedding_model"]), int(manifest["embedding_size"])
        address = self._router.whole(Address("", model, size, uuid.uuid4().hex))
        place = self._places.at(address)
        self._probe(packed, place, address)
        build = self._catalog.begin_build(manifest["id"], "restore", address, address)
        if build.place != address:
            raise SnapshotUnusable("this archive is being restored already; wait for its end")
        try:
            self._write_points(packed, manifest, place, report)
            report(name, "optimizing", 0, 1)
            place.index.optimize(place.space)
            files = [entry for entry in packed.namelist() if entry.startswith(FILES)]
            while True:
                self._unpack_files(packed, files, name, report)
                # Until the rows say that they are needed, somebody else may have discarded the same bytes.
                with self._files.guard():
                    if all(self._files.path(entry.removeprefix(FILES)).is_file() for entry in files):
                        self._write_rows(packed, build, name, bound=bool(model))
                        break
        except BaseException:
            with suppress(Exception):
                self._catalog.give_up_build(build)
            raise
        return self._catalog.knowledge_base_by_id(manifest["id"])

    def _probe(self, packed: zipfile.ZipFile, place: Place, address: Address) -> None:
        """See that the embedder of that name here makes the vectors of this archive."""
        seen = 0
        for point in lines_of(packed, POINTS):
            dense = decoded(point["dense"])
            if dense is None:
                continue
            payload = point["payload"]
            text = chunk_of_payload(payload).indexed_text(str(payload["title"]))
            wrong = len(dense) != address.size
            if wrong or float(place.embedder.embed_documents([text])[0] @ dense) < _SAME_MODEL:
                raise IndexMismatch(
                    f"this archive's vectors were not made by the embedder that is called {address.model!r} here: put the "
                    "model in its place that made them (FRONTDESK_EMBEDDING_MODEL), or ingest the files anew"
                )
            seen += 1
            if seen == _PROBES:
                return

    def _unpack_files(self, packed: zipfile.ZipFile, files: Sequence[str], kb: str, report: Progress) -> None:
        for done, entry in enumerate(files):
            check_space(self._files.folder, packed.getinfo(entry).file_size)
            # The store names a file by its content, whatever the archive calls it.
            with packed.open(entry) as reader, self._files.adding(cast("BinaryIO", reader)) as (content_hash, _):
                whole = content_hash == entry.removeprefix(FILES)
            if not whole:
                raise SnapshotUnusable(
                    f"{entry} is not what it was when the snapshot was taken: the archive is damaged"
                )
            report(kb, "files", done + 1, len(files))

    def _write_points(self, packed: zipfile.ZipFile, manifest: dict[str, Any], place: Place, report: Progress) -> None:
        window: list[dict[str, Any]] = []
        written = 0
        for point in lines_of(packed, POINTS):
            window.append(point)
            if len(window) == WINDOW:
                written += self._write(place, window)
                window = []
                report(manifest["kb"], "passages", written, manifest["points"])
        written += self._write(place, window)
        if written != manifest["points"] or place.index.count(place.space) != written:
            raise SnapshotUnusable(f"the archive holds {written} of its {manifest['points']} passages: it is damaged")

    def _write(self, place: Place, window: Sequence[dict[str, Any]]) -> int:
        points = []
        for point in window:
            payload = point["payload"]
            text = chunk_of_payload(payload).indexed_text(str(payload["title"]))
            sparse = self._sparse.encode_document(text)
            points.append(Point(str(point["id"]), sparse, payload, decoded(point["dense"])))
        place.index.upsert(place.space, points)
        return len(points)

    def _write_rows(self, packed: zipfile.ZipFile, build: Build, name: str, *, bound: bool) -> None:
        """All rows in one transaction; from its end on the knowledge base is there."""
        tables = {table_of(mapped).name: table_of(mapped) for mapped in TABLES}
        with self._catalog.changing() as session:
            for line in lines_of(packed, ROWS):
                table = tables[line["table"]]
                row = rich(table, line["row"])
                if table is table_of(KnowledgeBaseRow):
                    row |= {"name": name, "index_space": build.place.space}
                    row["index_engine"] = build.place.engine if bound else ""
                    row["corpus_version"] = max(row.get("corpus_version", 0), _unused_corpus_version())
                if table is table_of(VersionRow) and row["state"] in UNFINISHED:
                    row |= {"state": State.RECEIVED, "attempts": 0, "heartbeat_at": None}
                if table is table_of(PassageBandRow):
                    row.pop("id")
                session.execute(insert(table).values(row))
            begun = session.get(IndexBuildRow, build.knowledge_base_id)
            if begun is None:
                raise SnapshotUnusable("the restoration was given up meanwhile")
            session.delete(begun)


def _unused_corpus_version() -> int:
    """One that no answer was kept under while this knowledge base was here before: they grow by one a change.

    Milliseconds since 1970.
    """
    return time.time_ns() // 1_000_000
