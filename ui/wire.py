"""What the API sends, as plain frozen dataclasses."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Citation:
    """A numbered source with its exact passage, which may hold markdown tables."""

    n: int
    document: str
    title: str
    version: str
    page: int | None
    sheet: str | None
    heading: str
    text: str


@dataclass(frozen=True, slots=True)
class Fall:
    """An engine that did not answer, and why."""

    engine: str
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer contract; ``outcome`` is answered, asked_back, refused or handed_off.

    cached: "exact", "semantic" or "shared" when it was made for somebody else's question.
    """

    answer: str
    outcome: str
    citations: list[Citation]
    conversation_id: str
    message_id: int
    engine: str | None = None
    release: str | None = None
    fallen: list[Fall] = field(default_factory=list)
    timings_ms: dict[str, float] = field(default_factory=dict)
    language: str = "und"
    standalone_question: str = ""
    standalone_by: str = "asked"
    verdict: str = ""
    withheld: list[str] = field(default_factory=list)
    cached: str | None = None


@dataclass(frozen=True, slots=True)
class Sources:
    """Event: all sources numbered so far; the first one only names the conversation."""

    conversation_id: str
    message_id: int
    sources: list[Citation]


@dataclass(frozen=True, slots=True)
class Sentence:
    """Event: a checked sentence with its [n] marks."""

    text: str


@dataclass(frozen=True, slots=True)
class Retracted:
    """Event: forget the sentences and sources so far, another engine begins anew."""

    engine: str
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Done:
    """Event: the whole answer; always the last."""

    answer: Answer


ChatEvent = Sources | Sentence | Retracted | Done


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation; ``status`` is open, waiting (for a person) or closed. Times are ISO 8601 in UTC."""

    id: str
    kb: str
    title: str
    status: str
    contact: str
    note: str
    messages_count: int
    created_at: str
    updated_at: str


@dataclass(frozen=True, slots=True)
class ConversationPage:
    """Some conversations, and how many there are in all."""

    conversations: list[Conversation]
    total: int


@dataclass(frozen=True, slots=True)
class Message:
    """A question or an answer; ``state`` is complete, pending or interrupted."""

    id: int
    role: str
    text: str
    state: str
    outcome: str | None
    citations: list[Citation]
    engine: str | None
    created_at: str


@dataclass(frozen=True, slots=True)
class Transcript(Conversation):
    """A conversation with its messages, oldest first."""

    messages: list[Message]


@dataclass(frozen=True, slots=True)
class KnowledgeBase:
    """A knowledge base with its documents counted."""

    name: str
    documents: int
    ready: int
    failed: int
    in_progress: int
    chunks: int
    embedding_model: str
    created_at: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a document has come within a stage."""

    stage: str
    done: int
    total: int
    stalled: bool = False


@dataclass(frozen=True, slots=True)
class Document:
    """A document and its newest version.

    state: received, parsing, embedding, indexing, ready or failed, with a ``reason``.
    live:  whether a version was published, this or an older one.
    visible: whether customers are answered from it at this moment: live, enabled and within its time.
    valid_from, valid_until: ISO 8601 in UTC; None for open ends.
    draft: the version that is ready to be published; None for none.
    parent: the document whose file held this one.
    """

    id: str
    document: str
    title: str
    state: str
    reason: str
    warnings: list[str]
    live: bool
    format: str
    pages: int | None
    chunks: int
    bytes: int
    version: str
    generation: int
    updated_at: str
    progress: Progress | None = None
    unchanged: bool = False
    enabled: bool = True
    valid_from: str | None = None
    valid_until: str | None = None
    tags: list[str] = field(default_factory=list)
    source: str = ""
    visible: bool = True
    draft: str | None = None
    parent: str | None = None

    @property
    def finished(self) -> bool:
        """Whether it has come to its end, good or bad."""
        return self.state in ("ready", "failed")


@dataclass(frozen=True, slots=True)
class DocumentPage:
    """Some documents, and how many there are in all."""

    kb: str
    documents: list[Document]
    total: int


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a document."""

    version: str
    generation: int
    state: str
    reason: str
    warnings: list[str]
    format: str
    pages: int | None
    chunks: int
    bytes: int
    live: bool
    updated_at: str
    draft: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentDetail(Document):
    """A document with all its versions, oldest first."""

    kb: str
    versions: list[Version]


@dataclass(frozen=True, slots=True)
class Box:
    """Where a passage stands on a page: fractions of its width and height, origin at the top left."""

    page: int
    x0: float
    y0: float
    x1: float
    y1: float


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage as it is indexed; ``original`` is the file's text where a person's wording took its place."""

    ordinal: int
    text: str
    heading_path: list[str]
    pages: list[int]
    sheet: str | None
    language: str
    tokens: int
    id: str = ""
    text_hash: str = ""
    flags: list[str] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)
    edited: bool = False
    original: str | None = None


@dataclass(frozen=True, slots=True)
class ChunkPage:
    """Some passages of a version, and how many there are in all."""

    document: str
    title: str
    total: int
    chunks: list[Chunk]
    version: str | None = None
    draft: bool = False


@dataclass(frozen=True, slots=True)
class Component:
    """One part of the system; ``status`` is ok, degraded, away or off."""

    name: str
    status: str
    detail: str


@dataclass(frozen=True, slots=True)
class Limits:
    """What a request may have."""

    question_chars: int
    upload_bytes: int
    files_per_upload: int


@dataclass(frozen=True, slots=True)
class Ingestion:
    """What ingestion does now; ``stalled`` are documents that were begun and not heard of for a minute."""

    queued: int
    running: list[str]
    stalled: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ServerFigures:
    """How a model server is doing; None where it is not known. Shares are 0 to 1.

    Tokens a second are those of the last minute, ``hit_rate`` (of the prefix cache) is that of the last five minutes.
    """

    running: int
    waiting: int
    cache_full: float
    written_per_s: float | None = None
    read_per_s: float | None = None
    hit_rate: float | None = None
    hit_rate_since_start: float | None = None


@dataclass(frozen=True, slots=True)
class ModelServer:
    """A model server as the API saw it last; ``state`` is ok, left_alone, away or gone (it ended and was not stopped)."""

    url: str
    release: str
    state: str
    asking: int = 0
    figures: ServerFigures | None = None


@dataclass(frozen=True, slots=True)
class System:
    """The state of everything; ``status`` is ready, degraded or unavailable."""

    version: str
    status: str
    components: list[Component]
    default_kb: str
    limits: Limits
    ingestion: Ingestion
    embedding_model: str
    vector_engine: str
    model_servers: list[ModelServer] = field(default_factory=list)
