"""What goes over the wire: requests and replies of /api. Those of /v1 are in openai_models.py,
those about documents in document_models.py.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer

from app.conversations import MessageState, Status
from app.rag.answer import Outcome
from ingest.schema import Filters

EngineName = Literal["endpoint", "packaged", "extractive"]
StyleName = Literal["sentence", "short"]
# Who worded the standalone question: the customer, rules, or the endpoint's model.
StandaloneBy = Literal["asked", "rules", "model"]


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
# Of a list: how many at once, after how many, with which words.
Limit = Annotated[int, Query(ge=1, le=1000)]
Offset = Annotated[int, Query(ge=0, le=1_000_000_000)]
Search = Annotated[Text, Query(max_length=200)]
# Who wrote it, where somebody says so.
Author = Annotated[Text, Field(max_length=200)]


def _to_utc(moment: datetime) -> datetime:
    """What has no zone is UTC."""
    try:
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError as exc:
        raise ValueError("the moment is out of reach in UTC") from exc


# A moment of a request: ISO 8601.
GivenMoment = Annotated[datetime, AfterValidator(_to_utc)]


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


class FiltersBody(Request):
    """Which documents are asked: those with any of the tags, and whose source address is this, or begins with it."""

    tags: Annotated[list[Annotated[Text, Field(max_length=100)]], Field(max_length=50)] = []
    source: Annotated[Text, Field(max_length=2000)] = ""

    def as_filters(self) -> Filters:
        """The same for retrieval."""
        return Filters(tuple(self.tags), self.source)


class ChatRequest(Request):
    """A customer's question; a conversation is begun when none is named."""

    question: Question
    kb: KbName | None = None
    conversation_id: Annotated[Text, Field(max_length=64)] | None = None
    engine: EngineName | None = None
    release: Annotated[Text, Field(max_length=100)] | None = None
    style: StyleName = "sentence"
    stream: bool = True
    filters: FiltersBody = FiltersBody()


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
    standalone_by: StandaloneBy
    verdict: str
    withheld: list[str]
    cached: Literal["exact", "semantic", "shared"] | None = None


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
    """What ingestion does now; ``stalled`` are documents that were begun and not heard of for a minute."""

    queued: int
    running: list[str]
    stalled: list[str]


class ServerFigures(BaseModel):
    """How a model server is doing; null where nothing is known yet, or nothing was asked.

    Tokens a second are those of the last minute, ``hit_rate`` (of the prefix cache) is that of the last five minutes.
    """

    running: int
    waiting: int
    cache_full: float
    written_per_s: float | None
    read_per_s: float | None
    hit_rate: float | None
    hit_rate_since_start: float | None


class ModelServerBody(BaseModel):
    """A model server as it was seen last.

    state:   ``left_alone``: it failed in a row and is asked by one question at a time; ``gone``: it ended and was not stopped.
    asking:  questions of this frontdesk that it works on.
    figures: null where it gives none.
    """

    url: str
    release: str
    state: Literal["ok", "left_alone", "away", "gone"]
    asking: int
    figures: ServerFigures | None


class SystemBody(Readiness):
    """The state of everything, for operators."""

    version: str
    default_kb: str
    limits: Limits
    ingestion: IngestionState
    embedding_model: str
    vector_engine: str
    model_servers: list[ModelServerBody]


class Alive(BaseModel):
    """The process runs."""

    status: Literal["ok"] = "ok"


def example(model: type[BaseModel], **values: Any) -> dict[str, Any]:
    """A checked example for the OpenAPI document: it must fit the model that it shows."""
    return model.model_validate(values).model_dump(mode="json")
