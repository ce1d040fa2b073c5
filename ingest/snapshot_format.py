"""What an archive of a knowledge base holds, and how its lines are written and read.

manifest.json     what it is, and what its vectors were made with
rows.jsonl        rows of the catalog: {"table", "row"}
points.jsonl      {"id", "payload", "dense" (base64 of float32) or null}; the sparse leg is made anew from the text
files/<hash>      stored files, under the hash of their content
"""

from __future__ import annotations

import base64
import json
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import numpy as np
from sqlalchemy import DateTime, Table, select

from ingest.database import (
    ChunkEditRow,
    CuratedAnswerRow,
    DocumentRow,
    GlossaryRow,
    KnowledgeBaseRow,
    PassageBandRow,
    SourceFileRow,
    SourceRow,
    VersionRow,
)
from ingest.embed import Vectors
from ingest.errors import SnapshotUnusable
from ingest.pairs.tables import PairBaseRow, PairChunkRow, PairRow, PairRunRow, PairSourceRow

FORMAT = "frontdesk-snapshot-3"
# The first kind held neither curated answers nor a glossary, the second no pairs; nothing else is different.
READABLE = ("frontdesk-snapshot-1", "frontdesk-snapshot-2", FORMAT)
MANIFEST, ROWS, POINTS, FILES = "manifest.json", "rows.jsonl", "points.jsonl", "files/"
# Parents before children: rows are written in this order.
TABLES = (
    KnowledgeBaseRow,
    DocumentRow,
    VersionRow,
    ChunkEditRow,
    CuratedAnswerRow,
    GlossaryRow,
    SourceRow,
    SourceFileRow,
    PassageBandRow,
    PairRow,
    PairSourceRow,
    PairChunkRow,
    PairRunRow,
    PairBaseRow,
)


def name_in(packed: zipfile.ZipFile, archive: Path) -> str:
    """The name of the knowledge base in an archive.

    Raises:
        SnapshotUnusable: it is no snapshot.
    """
    return str(manifest_of(packed, archive)["kb"])


def manifest_of(packed: zipfile.ZipFile, archive: Path) -> dict[str, Any]:
    """What an archive says of itself.

    Raises:
        SnapshotUnusable: it is no snapshot, or of a kind that cannot be read.
    """
    try:
        manifest: dict[str, Any] = json.loads(packed.read(MANIFEST))
    except KeyError as exc:
        raise SnapshotUnusable(f"{archive.name} is no snapshot of a knowledge base") from exc
    if manifest.get("format") not in READABLE:
        raise SnapshotUnusable(
            f"{archive.name} is a snapshot of another kind ({manifest.get('format')}): restore it with the frontdesk that "
            "took it"
        )
    return manifest


def table_of(mapped: Any) -> Table:
    """The table of a mapped class."""
    table: Table = mapped.__table__
    return table


def rows_of(mapped: Any, knowledge_base_id: str) -> Any:
    """The query of a table's rows that belong to a knowledge base."""
    documents = select(DocumentRow.id).where(DocumentRow.knowledge_base_id == knowledge_base_id)
    sources = select(SourceRow.id).where(SourceRow.knowledge_base_id == knowledge_base_id)
    query = select(table_of(mapped))
    if mapped is KnowledgeBaseRow:
        return query.where(KnowledgeBaseRow.id == knowledge_base_id)
    if mapped in (VersionRow, ChunkEditRow):
        return query.where(mapped.document_id.in_(documents))
    if mapped is PairSourceRow:
        pairs = select(PairRow.id).where(PairRow.knowledge_base_id == knowledge_base_id)
        return query.where(PairSourceRow.pair_id.in_(pairs))
    if mapped is SourceFileRow:
        return query.where(SourceFileRow.source_id.in_(sources))
    return query.where(mapped.knowledge_base_id == knowledge_base_id)


def plain(row: dict[str, Any]) -> dict[str, Any]:
    """A row for JSON; moments in ISO 8601 and UTC, whichever database they come from."""
    return {key: _in_utc(value).isoformat() if isinstance(value, datetime) else value for key, value in row.items()}


def rich(table: Table, row: dict[str, Any]) -> dict[str, Any]:
    """The same for the database; columns that the table has no more are left out."""
    moments = {column.name for column in table.columns if isinstance(column.type, DateTime)}
    return {
        key: _in_utc(datetime.fromisoformat(value)) if key in moments and value else value
        for key, value in row.items()
        if key in table.columns
    }


def _in_utc(moment: datetime) -> datetime:
    # SQLite gives moments without a zone, and takes away the zone of those it is given.
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def lines_of(packed: zipfile.ZipFile, name: str) -> Iterator[Any]:
    """The lines of a part of an archive, read from JSON one by one."""
    with packed.open(name) as lines:
        reader: IO[bytes] = lines
        for line in reader:
            yield json.loads(line)


def encoded(dense: Vectors | None) -> str | None:
    """A dense vector as text."""
    return base64.b64encode(np.asarray(dense, dtype="<f4").tobytes()).decode() if dense is not None else None


def decoded(text: str | None) -> Vectors | None:
    """A dense vector from text, in float32."""
    return np.frombuffer(base64.b64decode(text), dtype="<f4").astype(np.float32) if text else None
