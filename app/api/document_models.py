"""What goes over the wire about knowledge bases, documents and their passages."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field

from app.api.models import GivenMoment, KbName, Moment, Request, Text
from ingest.edits import EditState
from ingest.records import State


class NewKnowledgeBase(Request):
    """A knowledge base's name: letters, digits, spaces, dot, dash, underscore."""

    name: KbName


class KnowledgeBaseBody(BaseModel):
    """A knowledge base with its documents counted."""

    name: str
    documents: int
    ready: int
    failed: int
    in_progress: int
    chunks: int
    embedding_model: str
    created_at: Moment


class KnowledgeBaseList(BaseModel):
    """All knowledge bases, by name."""

    knowledge_bases: list[KnowledgeBaseBody]


class ProgressBody(BaseModel):
    """How far a document has come within a stage, in pages or passages; ``stalled`` when nothing is heard of it."""

    stage: str
    done: int
    total: int
    stalled: bool = False


class DocumentBody(BaseModel):
    """A document and its newest version, and what is said of it.

    ``live``: it has a version that was published, this or an older one; ``visible``: customers are answered from it at
    this moment, because it is enabled and within its time, too. ``draft`` names a version that is ready to be published;
    ``parent`` the document whose file held this one.
    """

    id: str
    document: str
    title: str
    state: State
    reason: str
    warnings: list[str]
    live: bool
    format: str
    pages: int | None
    chunks: int
    bytes: int
    version: str
    generation: int
    updated_at: Moment
    progress: ProgressBody | None
    enabled: bool
    valid_from: Moment | None
    valid_until: Moment | None
    tags: list[str]
    source: str
    visible: bool
    draft: str | None
    parent: str | None


class CurationChange(Request):
    """What is to be said of a document from now on; what is left out stays, null ends a time's bound.

    ``valid_until`` is the first moment that is too late; moments without a zone are UTC.
    """

    enabled: bool = True
    valid_from: GivenMoment | None = None
    valid_until: GivenMoment | None = None
    tags: list[Text] = Field(default_factory=list)
    source: Text = ""

    @property
    def given(self) -> dict[str, Any]:
        """What was not left out."""
        found = {name: getattr(self, name) for name in self.model_fields_set}
        return {name: tuple(value) if name == "tags" else value for name, value in found.items()}


class Going(BaseModel):
    """A document that a deletion takes with it: passages in the index (drafts included), versions, bytes of its file.

    `releases` learnt from it, and know it still when it is gone; `embedders` were tuned with it.
    """

    id: str
    document: str
    passages: int
    versions: int
    bytes: int
    releases: list[str]
    embedders: list[str]


class Deletion(BaseModel):
    """What deleting a document takes with it: itself first, then the documents that were found inside its file."""

    documents: list[Going]
    passages: int


class DocumentPage(BaseModel):
    """Some documents of a knowledge base, by name."""

    kb: str
    documents: list[DocumentBody]
    total: int


class UploadedDocument(DocumentBody):
    """``unchanged``: the same bytes were live already, there is nothing to do."""

    unchanged: bool


class Uploaded(BaseModel):
    """What was received; it is safe on disk now."""

    kb: str
    documents: list[UploadedDocument]


class VersionBody(BaseModel):
    """One version of a document."""

    version: str
    generation: int
    state: State
    reason: str
    warnings: list[str]
    format: str
    pages: int | None
    chunks: int
    bytes: int
    live: bool
    draft: bool
    updated_at: Moment


class DocumentWithVersions(DocumentBody):
    """A document with all its versions, oldest first."""

    kb: str
    versions: list[VersionBody]


class BoxBody(BaseModel):
    """Where a passage stands on a page: fractions of its width and height, origin at the top left."""

    page: int
    x0: float
    y0: float
    x1: float
    y1: float


class ChunkBody(BaseModel):
    """A passage as it is indexed.

    ``text_hash`` is that of the text as the file has it, which ``original`` holds where a person's wording took its place.
    """

    id: str
    ordinal: int
    text: str
    text_hash: str = ""
    heading_path: list[str]
    pages: list[int]
    sheet: str | None
    language: str
    tokens: int
    flags: list[str] = []
    boxes: list[BoxBody] = []
    edited: bool = False
    original: str | None = None


class ChunkPage(BaseModel):
    """Some passages of one version of a document, in order; ``version`` is null when it has none that is indexed."""

    document: str
    title: str
    version: str | None
    draft: bool
    total: int
    chunks: list[ChunkBody]


class FoundChunk(ChunkBody):
    """A passage with the document that it is of."""

    document: str
    document_id: str
    title: str


class FoundChunks(BaseModel):
    """Some live passages by document and place; ``flags`` counts all that were found by their flags."""

    kb: str
    total: int
    flags: dict[str, int]
    chunks: list[FoundChunk]


class Wording(Request):
    """What a passage shall say; ``by`` is who says so."""

    text: Annotated[Text, Field(min_length=1, max_length=100_000)]
    by: Annotated[Text, Field(max_length=200)] = ""


class Place(Request):
    """A passage by its id, or by the hash of its text as the file has it."""

    text_hash: Annotated[Text, Field(min_length=1, max_length=64)]


class SuggestionBody(BaseModel):
    """A passage that an edit's text may have moved to; ``likeness`` from 0 to 1."""

    likeness: float
    chunk: ChunkBody


class EditBody(BaseModel):
    """A person's wording of a passage; ``moved`` when the original text is in no version that is live or a draft."""

    id: str
    text_hash: str
    heading_path: list[str]
    original: str
    text: str
    state: EditState
    edited_by: str
    created_at: Moment
    updated_at: Moment


class OfferedEdit(EditBody):
    """An edit with the passage that it stands in, or with those it might be put onto."""

    chunk_id: str | None
    suggestions: list[SuggestionBody]


class EditList(BaseModel):
    """A document's edits, oldest first."""

    document: str
    edits: list[OfferedEdit]


class EditedChunk(BaseModel):
    """An edit and the passage as it is now."""

    edit: EditBody
    chunk: ChunkBody


class Review(BaseModel):
    """What waits for a person: documents with a draft, and those with wordings whose passage is gone, by name."""

    kb: str
    drafts: list[DocumentBody]
    moved: list[DocumentBody]


class LostDocument(BaseModel):
    """A document whose passages are not all in the index, or were hidden; ``queued``: it is ingested again."""

    document: str
    expected: int
    found: int
    queued: bool = False


class Verified(BaseModel):
    """What comparing catalog and index found."""

    kb: str
    lost: list[LostDocument]
    orphans_removed: int
