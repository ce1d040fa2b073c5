"""A small typed client for frontdesk's HTTP API, over httpx; the pages and the examples use it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, BinaryIO, TypeVar
from urllib.parse import quote

import httpx
from httpx_sse import EventSource, SSEError

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
    Retrieval,
    Sentence,
    Sources,
    System,
    Transcript,
    read,
)

CONNECT_S = 3.0
READ_S = 30.0
# Between two pieces of a stream: the server sends a comment at least every ten seconds.
STREAM_S = 60.0
UPLOAD_S = 600.0
_NONSENSE = "the reply makes no sense; is this frontdesk's address, and of the same version?"
T = TypeVar("T")


class ApiError(Exception):
    """The server refused or failed; ``str(error)`` is a line for people.

    type:   the error's kind: invalid_request, unauthorized, not_found, conflict, too_large, timeout, unavailable, ...
    status: the HTTP status; 200 for an error in the middle of a stream, 0 when there was no reply.
    """

    def __init__(self, message: str, type: str = "internal", status: int = 0, request_id: str = "") -> None:
        super().__init__(message)
        self.type = type
        self.status = status
        self.request_id = request_id


class ApiAway(ApiError):
    """No server answers at the address, or it stopped in the middle."""


class Client:
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
    ) -> Generator[ChatEvent, None, None]:
        """Ask; yields events as they come, Done last. Closing the generator stops the answer.

        engine: one rung alone (endpoint, packaged or extractive) instead of the whole ladder.
        style:  "short" for the bare fact instead of a sentence.

        Raises:
            ApiError: also in the middle, when the answer cannot be finished.
        """
        body = _question(question, kb, conversation_id, engine, style, stream=True)
        with (
            _translated(),
            self._http.stream("POST", "/api/chat", json=body, timeout=_timeout(STREAM_S)) as reply,
        ):
            if not reply.is_success:
                reply.read()
                raise _error(reply)
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
    ) -> Answer:
        """Ask and wait for the whole answer; the arguments are those of ``chat``."""
        body = _question(question, kb, conversation_id, engine, style, stream=False)
        return _read(Answer, self._call("POST", "/api/chat", json=body, timeout=_timeout(STREAM_S * 2)))

    # Conversations

    def conversations(
        self, *, status: str | None = None, kb: str | None = None, limit: int = 50, offset: int = 0
    ) -> ConversationPage:
        """Conversations, the latest first; ``status`` is open, waiting or closed."""
        params = _given(status=status, kb=kb, limit=limit, offset=offset)
        return _read(ConversationPage, self._call("GET", "/api/conversations", params=params))

    def conversation(self, conversation_id: str) -> Transcript:
        """A conversation with all its messages."""
        return _read(Transcript, self._call("GET", f"/api/conversations/{_path(conversation_id)}"))

    def start_conversation(self, kb: str | None = None) -> Conversation:
        """Begin a conversation before the first question."""
        return _read(Conversation, self._call("POST", "/api/conversations", json={"kb": kb}))

    def hand_off(self, conversation_id: str, contact: str, note: str = "") -> Conversation:
        """A customer asks for a person."""
        body = {"contact": contact, "note": note}
        return _read(
            Conversation, self._call("POST", f"/api/conversations/{_path(conversation_id)}/handoff", json=body)
        )

    def close_conversation(self, conversation_id: str) -> Conversation:
        """A person has taken care of it."""
        return _read(Conversation, self._call("POST", f"/api/conversations/{_path(conversation_id)}/close"))

    def delete_conversation(self, conversation_id: str) -> None:
        """Forget a conversation."""
        self._call("DELETE", f"/api/conversations/{_path(conversation_id)}")

    # Knowledge bases

    def knowledge_bases(self) -> list[KnowledgeBase]:
        """All knowledge bases, by name."""
        found = _field(self._call("GET", "/api/knowledge-bases"), "knowledge_bases")
        return [_read(KnowledgeBase, each) for each in found]

    def create_knowledge_base(self, name: str) -> KnowledgeBase:
        """Create an empty one."""
        return _read(KnowledgeBase, self._call("POST", "/api/knowledge-bases", json={"name": name}))

    def rename_knowledge_base(self, name: str, new_name: str) -> KnowledgeBase:
        """Give it another name."""
        return _read(KnowledgeBase, self._call("PATCH", f"/api/knowledge-bases/{_path(name)}", json={"name": new_name}))

    def delete_knowledge_base(self, name: str) -> None:
        """Delete it with its documents."""
        self._call("DELETE", f"/api/knowledge-bases/{_path(name)}")

    # Documents

    def documents(
        self, kb: str, *, state: str | None = None, search: str = "", limit: int = 100, offset: int = 0
    ) -> DocumentPage:
        """Documents of a knowledge base, by name."""
        params = _given(state=state, search=search, limit=limit, offset=offset)
        return _read(DocumentPage, self._call("GET", f"/api/knowledge-bases/{_path(kb)}/documents", params=params))

    def upload(self, kb: str, files: Sequence[tuple[str, BinaryIO]], key: str | None = None) -> list[Document]:
        """Upload files as (name, open file); they are safe on the server's disk when this returns.

        key: an Idempotency-Key, made anew when none is given; repeat a failed upload with the same key.
        """
        parts = [("files", (name, file)) for name, file in files]
        headers = {"Idempotency-Key": key or uuid.uuid4().hex}
        url = f"/api/knowledge-bases/{_path(kb)}/documents"
        found = self._call("POST", url, files=parts, headers=headers, timeout=_timeout(UPLOAD_S))
        return [_read(Document, each) for each in _field(found, "documents")]

    def document(self, document_id: str) -> DocumentDetail:
        """A document with its versions."""
        return _read(DocumentDetail, self._call("GET", f"/api/documents/{_path(document_id)}"))

    def chunks(self, document_id: str, *, limit: int = 50, offset: int = 0) -> ChunkPage:
        """Passages of the live version, in order."""
        params = {"limit": limit, "offset": offset}
        return _read(ChunkPage, self._call("GET", f"/api/documents/{_path(document_id)}/chunks", params=params))

    def file(self, document_id: str) -> bytes:
        """The file as it was uploaded."""
        with _translated():
            reply = self._http.get(f"/api/documents/{_path(document_id)}/file", timeout=_timeout(UPLOAD_S))
        if not reply.is_success:
            raise _error(reply)
        return reply.content

    def reprocess(self, document_id: str) -> Document:
        """Ingest a document again from its stored file."""
        return _read(Document, self._call("POST", f"/api/documents/{_path(document_id)}/reprocess"))

    def delete_document(self, document_id: str) -> None:
        """Delete a document."""
        self._call("DELETE", f"/api/documents/{_path(document_id)}")

    # Retrieval and system

    def retrieve(self, question: str, *, kb: str | None = None, limit: int = 10) -> Retrieval:
        """What answering would find, and how it would judge it."""
        return _read(
            Retrieval, self._call("POST", "/api/retrieve", json={"question": question, "kb": kb, "limit": limit})
        )

    def system(self) -> System:
        """State, limits and settings."""
        return _read(System, self._call("GET", "/api/system"))

    def _call(self, method: str, path: str, **arguments: Any) -> Any:
        with _translated():
            reply = self._http.request(method, path, **arguments)
        if not reply.is_success:
            raise _error(reply)
        try:
            return reply.json() if reply.content else None
        except ValueError as exc:
            raise ApiError(_NONSENSE, status=reply.status_code) from exc


def _read(kind: type[T], value: Any) -> T:
    try:
        return read(kind, value)
    except (KeyError, TypeError, ValueError) as exc:
        raise ApiError(_NONSENSE, status=200) from exc


def _field(value: Any, name: str) -> list[Any]:
    if not isinstance(value, dict) or not isinstance(value.get(name), list):
        raise ApiError(_NONSENSE, status=200)
    found: list[Any] = value[name]
    return found


@contextmanager
def _translated() -> Generator[None, None, None]:
    try:
        yield
    except (httpx.TransportError, SSEError) as exc:
        raise ApiAway("the service cannot be reached at the moment; try again in a minute", "unavailable") from exc


def _error(reply: httpx.Response) -> ApiError:
    try:
        return _from_body(reply.json(), reply.status_code)
    except ValueError:
        return ApiError(f"the server replied with HTTP {reply.status_code}", status=reply.status_code)


def _from_body(body: Any, status: int) -> ApiError:
    found = body.get("error") if isinstance(body, dict) else None
    # Proxies in between have shapes of their own.
    error: Mapping[str, Any] = found if isinstance(found, dict) else {}
    return ApiError(
        str(error.get("message") or f"the server replied with HTTP {status}"),
        str(error.get("type") or "internal"),
        status,
        str(error.get("request_id") or ""),
    )


def _event(name: str, data: str) -> ChatEvent | None:
    """An event of the stream; None for one that a newer server may send."""
    try:
        value = json.loads(data)
    except ValueError as exc:
        raise ApiAway("the answer broke off; ask again", "unavailable") from exc
    if name == "error":
        raise _from_body(value, 200)
    if name == "done":
        return Done(_read(Answer, value))
    if name == "sources":
        return _read(Sources, value)
    if name == "sentence":
        return _read(Sentence, value)
    return _read(Retracted, value) if name == "retracted" else None


def _question(
    question: str, kb: str | None, conversation_id: str | None, engine: str | None, style: str, *, stream: bool
) -> dict[str, str | bool]:
    given = {"kb": kb, "conversation_id": conversation_id, "engine": engine}
    named = {name: value for name, value in given.items() if value is not None}
    return {"question": question, **named, "style": style, "stream": stream}


def _timeout(read_s: float) -> httpx.Timeout:
    return httpx.Timeout(read_s, connect=CONNECT_S)


def _given(**params: str | int | None) -> dict[str, str | int]:
    return {name: value for name, value in params.items() if value is not None}


def _path(name: str) -> str:
    return quote(name, safe="")
