"""A small typed client for frontdesk's HTTP API, over httpx; the pages and the examples use it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, BinaryIO

import httpx
from httpx_sse import EventSource, SSEError

from ui.curated import CuratedCalls
from ui.curation import CurationCalls, filters_of
from ui.glossary import GlossaryCalls
from ui.pairs import PairCalls
from ui.replies import NONSENSE, ApiAway, ApiError, error_of, field_of, from_body, path_of, read_reply
from ui.retrieval import RetrievalCalls
from ui.sources import SourceCalls
from ui.training import TrainingCalls
from ui.wire import (
    Answer,
    ChatEvent,
    ChunkPage,
    Conversation,
    ConversationPage,
    Document,
    DocumentDetail,
    DocumentPage,
    Done,
    KnowledgeBase,
    Retracted,
    Sentence,
    Sources,
    System,
    Transcript,
)

__all__ = ["ApiAway", "ApiError", "Client"]

CONNECT_S = 3.0
READ_S = 30.0
# Between two pieces of a stream: the server sends a comment at least every ten seconds.
STREAM_S = 60.0
UPLOAD_S = 600.0


class Client(CurationCalls, CuratedCalls, GlossaryCalls, PairCalls, RetrievalCalls, SourceCalls, TrainingCalls):
    """The API of one server.

    Usage:

        with Client("http://127.0.0.1:8000", api_key="...") as client:
            with open("terms.pdf", "rb") as file:
                client.upload("support", [("terms.pdf", file)])
            for event in client.chat("How long is the guarantee?", kb="support"):
                if isinstance(event, Sentence):
                    print(event.text)

    Every method raises ApiError, and ApiAway where no server answers.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        api_key: str | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        if not url.startswith(("http://", "https://")):
            raise ApiError(f"{url!r} is no address: write http://HOST:PORT", "invalid_request")
        with _translated():
            self._http = httpx.Client(
                base_url=url,
                headers={"Authorization": f"Bearer {api_key}"} if api_key else {},
                timeout=httpx.Timeout(READ_S, connect=CONNECT_S),
                # A page serves all its customers with one client, and each stream holds a connection.
                limits=httpx.Limits(max_connections=None, max_keepalive_connections=20),
                # The API is a neighbour: a proxy of the environment is for the world outside.
                trust_env=False,
                transport=transport,
            )

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    # Chat

    def chat(
        self,
        question: str,
        *,
        kb: str | None = None,
        conversation_id: str | None = None,
        engine: str | None = None,
        style: str = "sentence",
        tags: Sequence[str] = (),
        source: str = "",
    ) -> Generator[ChatEvent, None, None]:
        """Ask; yields events as they come, Done last. Closing the generator stops the answer.

        engine: one rung alone (endpoint, packaged or extractive) instead of the whole ladder.
        style:  "short" for the bare fact instead of a sentence.
        tags:   asks documents with any of these only.
        source: asks documents whose source address is this, or begins with it.

        Raises:
            ApiError: also in the middle, when the answer cannot be finished.
        """
        body = _question(question, kb, conversation_id, engine, style, stream=True) | filters_of(tags, source)
        with (
            _translated(),
            self._http.stream("POST", "/api/chat", json=body, timeout=_timeout(STREAM_S)) as reply,
        ):
            if not reply.is_success:
                reply.read()
                raise error_of(reply)
            ended = False
            for sent in EventSource(reply).iter_sse():
                event = _event(sent.event, sent.data)
                if event is not None:
                    ended = isinstance(event, Done)
                    yield event
            if not ended:
                raise ApiAway("the answer broke off; ask again", "unavailable")

    def ask(
        self,
        question: str,
        *,
        kb: str | None = None,
        conversation_id: str | None = None,
        engine: str | None = None,
        style: str = "sentence",
        tags: Sequence[str] = (),
        source: str = "",
    ) -> Answer:
        """Ask and wait for the whole answer; the arguments are those of ``chat``."""
        body = _question(question, kb, conversation_id, engine, style, stream=False) | filters_of(tags, source)
        return read_reply(Answer, self._call("POST", "/api/chat", json=body, timeout=_timeout(STREAM_S * 2)))

    # Conversations

    def conversations(
        self, *, status: str | None = None, kb: str | None = None, limit: int = 50, offset: int = 0
    ) -> ConversationPage:
        """Conversations, the latest first; ``status`` is open, waiting or closed."""
        params = _given(status=status, kb=kb, limit=limit, offset=offset)
        return read_reply(ConversationPage, self._call("GET", "/api/conversations", params=params))

    def conversation(self, conversation_id: str) -> Transcript:
        """A conversation with all its messages."""
        return read_reply(Transcript, self._call("GET", f"/api/conversations/{path_of(conversation_id)}"))

    def start_conversation(self, kb: str | None = None) -> Conversation:
        """Begin a conversation before the first question."""
        return read_reply(Conversation, self._call("POST", "/api/conversations", json={"kb": kb}))

    def hand_off(self, conversation_id: str, contact: str, note: str = "") -> Conversation:
        """A customer asks for a person."""
        body = {"contact": contact, "note": note}
        return read_reply(
            Conversation, self._call("POST", f"/api/conversations/{path_of(conversation_id)}/handoff", json=body)
        )

    def close_conversation(self, conversation_id: str) -> Conversation:
        """A person has taken care of it."""
        return read_reply(Conversation, self._call("POST", f"/api/conversations/{path_of(conversation_id)}/close"))

    def delete_conversation(self, conversation_id: str) -> None:
        """Forget a conversation."""
        self._call("DELETE", f"/api/conversations/{path_of(conversation_id)}")

    # Knowledge bases

    def knowledge_bases(self) -> list[KnowledgeBase]:
        """All knowledge bases, by name."""
        found = field_of(self._call("GET", "/api/knowledge-bases"), "knowledge_bases")
        return [read_reply(KnowledgeBase, each) for each in found]

    def create_knowledge_base(self, name: str) -> KnowledgeBase:
        """Create an empty one."""
        return read_reply(KnowledgeBase, self._call("POST", "/api/knowledge-bases", json={"name": name}))

    def rename_knowledge_base(self, name: str, new_name: str) -> KnowledgeBase:
        """Give it another name."""
        return read_reply(
            KnowledgeBase, self._call("PATCH", f"/api/knowledge-bases/{path_of(name)}", json={"name": new_name})
        )

    def delete_knowledge_base(self, name: str) -> None:
        """Delete it with its documents."""
        self._call("DELETE", f"/api/knowledge-bases/{path_of(name)}")

    # Documents

    def documents(
        self,
        kb: str,
        *,
        state: str | None = None,
        search: str = "",
        tags: Sequence[str] = (),
        source: str = "",
        limit: int = 100,
        offset: int = 0,
    ) -> DocumentPage:
        """Documents of a knowledge base, by name; with any of the tags, from addresses that begin with ``source``."""
        params: dict[str, Any] = _given(state=state, search=search, source=source, limit=limit, offset=offset)
        params["tag"] = list(tags)
        return read_reply(
            DocumentPage, self._call("GET", f"/api/knowledge-bases/{path_of(kb)}/documents", params=params)
        )

    def upload(
        self, kb: str, files: Sequence[tuple[str, BinaryIO]], key: str | None = None, *, draft: bool = False
    ) -> list[Document]:
        """Upload files as (name, open file); they are safe on the server's disk when this returns.

        key:   an Idempotency-Key, made anew when none is given; repeat a failed upload with the same key.
        draft: they do not go live before they are published.
        """
        parts = [("files", (name, file)) for name, file in files]
        headers = {"Idempotency-Key": key or uuid.uuid4().hex}
        url = f"/api/knowledge-bases/{path_of(kb)}/documents"
        fields = {"draft": "true"} if draft else {}
        found = self._call("POST", url, files=parts, data=fields, headers=headers, timeout=_timeout(UPLOAD_S))
        return [read_reply(Document, each) for each in field_of(found, "documents")]

    def document(self, document_id: str) -> DocumentDetail:
        """A document with its versions."""
        return read_reply(DocumentDetail, self._call("GET", f"/api/documents/{path_of(document_id)}"))

    def chunks(
        self,
        document_id: str,
        *,
        version: str | None = None,
        page: int | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> ChunkPage:
        """Passages of the live version, or of the draft that ``version`` names, in order; of one page, or of all."""
        params = _given(version=version, page=page, limit=limit, offset=offset)
        return read_reply(ChunkPage, self._call("GET", f"/api/documents/{path_of(document_id)}/chunks", params=params))

    def page_image(self, document_id: str, page: int, *, version: str | None = None) -> bytes:
        """A page of a PDF or picture as PNG; ``version`` as in ``chunks``."""
        return self._bytes(f"/api/documents/{path_of(document_id)}/pages/{page}.png", _given(version=version))

    def file(self, document_id: str) -> bytes:
        """The file as it was uploaded."""
        return self._bytes(f"/api/documents/{path_of(document_id)}/file")

    def _bytes(self, path: str, params: dict[str, str | int] | None = None) -> bytes:
        with _translated():
            reply = self._http.get(path, params=params, timeout=_timeout(UPLOAD_S))
        if not reply.is_success:
            raise error_of(reply)
        return reply.content

    def reprocess(self, document_id: str) -> Document:
        """Ingest a document again from its stored file."""
        return read_reply(Document, self._call("POST", f"/api/documents/{path_of(document_id)}/reprocess"))

    def cancel(self, document_id: str) -> Document:
        """End a document's ingestion; what was live before stays live."""
        return read_reply(Document, self._call("POST", f"/api/documents/{path_of(document_id)}/cancel"))

    def delete_document(self, document_id: str) -> None:
        """Delete a document."""
        self._call("DELETE", f"/api/documents/{path_of(document_id)}")

    # System

    def system(self) -> System:
        """State, limits and settings."""
        return read_reply(System, self._call("GET", "/api/system"))

    def _call(self, method: str, path: str, **arguments: Any) -> Any:
        with _translated():
            reply = self._http.request(method, path, **arguments)
        if not reply.is_success:
            raise error_of(reply)
        try:
            return reply.json() if reply.content else None
        except ValueError as exc:
            raise ApiError(NONSENSE, status=reply.status_code) from exc


@contextmanager
def _translated() -> Generator[None, None, None]:
    try:
        yield
    except (httpx.TransportError, SSEError) as exc:
        raise ApiAway("the service cannot be reached at the moment; try again in a minute", "unavailable") from exc


def _event(name: str, data: str) -> ChatEvent | None:
    """An event of the stream; None for one that a newer server may send."""
    try:
        value = json.loads(data)
    except ValueError as exc:
        raise ApiAway("the answer broke off; ask again", "unavailable") from exc
    if name == "error":
        raise from_body(value, 200)
    if name == "done":
        return Done(read_reply(Answer, value))
    if name == "sources":
        return read_reply(Sources, value)
    if name == "sentence":
        return read_reply(Sentence, value)
    return read_reply(Retracted, value) if name == "retracted" else None


def _question(
    question: str, kb: str | None, conversation_id: str | None, engine: str | None, style: str, *, stream: bool
) -> dict[str, Any]:
    given = {"kb": kb, "conversation_id": conversation_id, "engine": engine}
    named = {name: value for name, value in given.items() if value is not None}
    return {"question": question, **named, "style": style, "stream": stream}


def _timeout(read_s: float) -> httpx.Timeout:
    return httpx.Timeout(read_s, connect=CONNECT_S)


def _given(**params: str | int | None) -> dict[str, str | int]:
    return {name: value for name, value in params.items() if value is not None}
