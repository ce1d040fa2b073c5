"""Drafts and deletions, as both the API and the commands carry them out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from app.received import accept
from app.tuned_embedders import embedders_that_learnt
from app.workspace import Workspace
from ingest.edits import Edits, Offered
from ingest.errors import NotFound
from ingest.records import UNFINISHED, Curation, Document, KnowledgeBase
from ingest.sparse import SparseEncoder


def publish(workspace: Workspace, kb: KnowledgeBase, document: Document) -> bool:
    """Make a document's draft its live version; False when a newer version went live meanwhile.

    A file that holds other files is put into the queue again instead, as no draft: what it holds no more must go, and that
    is known only while it is read.

    Raises:
        NotFound: it has no draft that is ready.
    """
    catalog, pipeline = workspace.catalog, workspace.pipeline
    draft = catalog.draft(document.id)
    if draft is not None and catalog.children(document.id):
        accept(pipeline, kb, document.name, draft.content_hash, draft.size_bytes)
        return True
    published = pipeline.stages.curator.publish(kb, document)
    if published:
        pipeline.stages.edits.published(kb, document.id)
    pipeline.purge()
    pipeline.stages.discard_unneeded({v.content_hash for v in catalog.versions_of(document.id)})
    return published


def discard(workspace: Workspace, document: Document) -> None:
    """Forget a document's draft, and those of the documents found inside it.

    Raises:
        NotFound: it has no draft that is ready.
    """
    catalog, pipeline = workspace.catalog, workspace.pipeline
    family = catalog.family(document.id)
    hashes = {v.content_hash for member in (document, *family) for v in catalog.versions(member)}
    pipeline.stages.curator.discard(document)
    for member in family:
        if member.latest.draft and member.latest.state not in UNFINISHED:
            try:
                pipeline.stages.curator.discard(member)
            except NotFound:
                # It failed, or somebody was faster.
                continue
    pipeline.purge()
    pipeline.stages.discard_unneeded(hashes)


def going(workspace: Workspace, kb: KnowledgeBase, document: Document) -> list[dict[str, Any]]:
    """What deleting a document takes with it: itself first, then the documents found inside its file.

    Each has id, document, passages (in the index, drafts included), versions, bytes (of its newest file), and the releases and
    embedders that learnt from it: such a release answers from memory what is gone, until another is promoted.
    """
    catalog, index = workspace.catalog, workspace.index

    def passages(member: Document) -> int:
        writings = catalog.writings(kb.id, member.id).values()
        return sum(index.count(kb.id, writing.version, writing.generation) for writing in writings)

    def releases(member: Document) -> list[str]:
        if not learnt:
            return []
        writings = catalog.writings(kb.id, member.id).values()
        hits = (hit for w in writings for hit in index.points(kb.id, w.version, w.generation))
        found = workspace.releases.learnt_from(
            kb.name, [member.name], {hit.payload.get("text_hash", "") for hit in hits}
        )
        return [release.label for release in found]

    learnt = workspace.releases.any_learnt
    tuned = embedders_that_learnt(workspace.settings.ingest.home, kb.name)
    return [
        {
            "id": member.id,
            "document": member.name,
            "passages": passages(member),
            "versions": len(catalog.versions(member)),
            "bytes": member.latest.size_bytes,
            "releases": releases(member),
            "embedders": [name for name, learnt_from in tuned.items() if member.name in learnt_from],
        }
        for member in (document, *catalog.family(document.id))
    ]


def say(workspace: Workspace, kb: KnowledgeBase, document: Document, what: Mapping[str, Any]) -> dict[str, Any]:
    """Change what is said of a document (fields of ``Curation``); returns what is said now, as JSON has it.

    Raises:
        UnusableValue: the time ends before it begins, or a tag or address cannot be used.
    """
    said = workspace.pipeline.stages.curator.change(kb, document, lambda before: replace(before, **what))
    return said_json(said)


def said_json(said: Curation) -> dict[str, Any]:
    """What is said of a document, moments in ISO 8601."""
    return {
        "enabled": said.enabled,
        "valid_from": said.valid_from.isoformat() if said.valid_from else None,
        "valid_until": said.valid_until.isoformat() if said.valid_until else None,
        "tags": list(said.tags),
        "source": said.source,
    }


def edits_of(workspace: Workspace) -> Edits:
    """Edits with the embedder that questions use: the worker's may be in the middle of a long document."""
    return Edits(workspace.catalog, workspace.index, workspace.embedder, SparseEncoder(), workspace.places)


def edit_json(offered: Offered) -> dict[str, Any]:
    """An edit for a command: what it is, where it stands, and the passages that its text may have moved to."""
    edit = offered.edit
    return {
        "id": edit.id,
        "state": edit.state,
        "original": edit.original,
        "text": edit.text,
        "edited_by": edit.edited_by,
        "chunk_id": offered.chunk_id,
        "suggestions": [
            {
                "likeness": round(each.likeness, 3),
                "text_hash": each.payload["text_hash"],
                "text": each.payload["text"],
            }
            for each in offered.suggestions
        ],
    }
