"""What goes over the wire: requests and replies of /api. Those of /v1 are in openai_models.py."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer

from app.conversations import MessageState, Status
from app.rag.answer import Outcome
from ingest.records import State

EngineName = Literal["endpoint", "packaged", "extractive"]
StyleName = Literal["sentence", "short"]


def _storable(text: str) -> str:
    """PostgreSQL refuses NUL, and a lone surrogate cannot be sent to anybody."""
    if "\x00" in text:
        raise ValueError("the text holds a NUL character")
    try:
        text.encode()
    except UnicodeEncodeError as exc:
        raise ValueError("the text is not valid Unicode") from exc
    return text


def _in_utc(moment: datetime) -> str:
    # SQLite gives times back without their zone; they were stored in UTC.
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).isoformat()


Text = Annotated[str, AfterValidator(_storable)]
KbName = Annotated[Text, Field(min_length=1, max_length=100, examples=["default"])]
Question = Annotated[Text, Field(min_length=1, max_length=100_000, examples=["How long is the motor guaranteed?"])]
Moment = Annotated[datetime, PlainSerializer(_in_utc, return_type=str)]


class Request(BaseModel):
    """Base of requests: a field that does not exist is a mistake, and is said to be one."""

    model_config = ConfigDict(extra="forbid")


class ErrorDetail(BaseModel):
    """What happened and what to do now; ``request_id`` finds it in the log."""

    message: str
    type: str
    code: str | None = None
    param: str | None = None
    request_id: str


class ErrorBody(BaseModel):
    """Every error has this shape."""

    error: ErrorDetail


# Chat and conversations


class ChatRequest(Request):
    """A customer's question; a conversation is begun when none is named."""

    question: Question
    kb: KbName | None = None
    conversation_id: Annotated[Text, Field(max_length=64)] | None = None
    engine: EngineName | None = None
    style: StyleName = "sentence"
    stream: bool = True


class Citation(BaseModel):
    """A numbered source with its exact passage."""

    n: int
    document: str
    title: str
    version: str
    page: int | None
    sheet: str | None
    heading: str
    text: str


class FallBody(BaseModel):
    """A rung that did not answer, and why."""

    engine: str
    reason: str
    detail: str


class AnswerBody(BaseModel):
    """The answer contract (docs/architecture.md)."""

    answer: str
    outcome: Outcome
    citations: list[Citation]
    release: str | None
    engine: str | None
    fallen: list[FallBody]
    timings_ms: dict[str, float]
    language: str
    standalone_question: str
    verdict: str
    withheld: list[str]


class ChatAnswer(AnswerBody):
    """An answer with the conversation it is part of."""

    conversation_id: str
    message_id: int


class NewConversation(Request):
    """A conversation to begin."""

    kb: KbName | None = None


class HandOff(Request):
    """A customer asks for a person, and says how to be reached."""

    contact: Annotated[Text, Field(min_length=3, max_length=300, examples=["ada@example.com"])]
    note: Annotated[Text, Field(max_length=5000)] = ""


class ConversationBody(BaseModel):
    """A conversation without its messages; ``kb`` is "" when the knowledge base is gone."""

    id: str
    kb: str
    title: str
    status: Status
    contact: str
    note: str
    messages_count: int
    created_at: Moment
    updated_at: Moment


class MessageBody(BaseModel):
    """A question or an answer."""

    id: int
    role: Literal["user", "assistant"]
    text: str
    state: MessageState
    outcome: Outcome | None
    citations: list[Citation]
    engine: str | None
    created_at: Moment


class Transcript(ConversationBody):
    """A conversation with its messages, oldest first."""

    messages: list[MessageBody]


class ConversationPage(BaseModel):
    """Some conversations, the latest first."""

    conversations: list[ConversationBody]
    total: int


# Knowledge bases and documents


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
    """How far a document has come within a stage."""

    stage: str
    done: int
    total: int


class DocumentBody(BaseModel):
    """A document and its newest version; ``live`` when customers are answered from it (from this or an older version)."""

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
    updated_at: Moment


class DocumentWithVersions(DocumentBody):
    """A document with all its versions, oldest first."""

    kb: str
    versions: list[VersionBody]


class ChunkBody(BaseModel):
    """A passage as it is indexed."""

    ordinal: int
    text: str
    heading_path: list[str]
    pages: list[int]
    sheet: str | None
    language: str
    tokens: int


class ChunkPage(BaseModel):
    """Some passages of a document's live version, in order."""

    document: str
    title: str
    total: int
    chunks: list[ChunkBody]


class LostDocument(BaseModel):
    """A document whose passages are not all in the index."""

    document: str
    expected: int
    found: int


class Verified(BaseModel):
    """What comparing catalog and index found."""

    kb: str
    lost: list[LostDocument]
    orphans_removed: int


# System


class ComponentBody(BaseModel):
    """One part of the system."""

    name: str
    status: Literal["ok", "degraded", "away", "off"]
    detail: str


class Readiness(BaseModel):
    """``degraded``: answers are given, but something is missing; it is named."""

    status: Literal["ready", "degraded", "unavailable"]
    components: list[ComponentBody]


class Limits(BaseModel):
    """What a request may have."""

    question_chars: int
    upload_bytes: int
    files_per_upload: int


class IngestionState(BaseModel):
    """What ingestion does now."""

    queued: int
    running: list[str]


class SystemBody(Readiness):
    """The state of everything, for operators."""

    version: str
    default_kb: str
    limits: Limits
    ingestion: IngestionState
    embedding_model: str
    vector_engine: str


class Alive(BaseModel):
    """The process runs."""

    status: Literal["ok"] = "ok"
