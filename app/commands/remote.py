"""Commands beside a running server: the same work, asked of it over HTTP."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from types import TracebackType
from typing import Any
from urllib.parse import quote

import httpx

from app.commands.desk import Synced, SyncRequest
from app.commands.pairs_desk import PairsDesk, RemotePairs
from app.commands.written_desk import CURATED, GLOSSARY, RemoteWritten, WrittenDesk
from app.errors import ServerAway, UsageError
from app.settings import AppSettings
from ingest import errors
from ingest.curated import CuratedDraft
from ingest.errors import FrontdeskError, NotFound, SourceError
from ingest.glossary import GlossaryDraft
from ingest.pipeline import Ingested, Mismatch, Progress, Upload
from ingest.records import UNFINISHED, State
from ingest.schema import EVERYTHING, Filters
from serving.prompts import Style

CONNECT_S = 3.0
POLL_S = 0.5
PAGE = 1000
# Files sent by one request; each reply means that these are safe.
FILES_AT_ONCE = 20
TRIES = 3


class RemoteDesk:
    """The desk of a server on this machine."""

    def __init__(self, url: str, settings: AppSettings) -> None:
        self.default_kb = settings.kb
        self._url = url
        key = settings.api_key.get_secret_value() if settings.api_key else None
        self._http = httpx.Client(
            base_url=url,
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=httpx.Timeout(settings.answer_timeout_s + 10, connect=CONNECT_S),
            # A server on this machine is never behind a proxy of the environment.
            trust_env=False,
        )

    def __enter__(self) -> RemoteDesk:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def ask(
        self,
        question: str,
        kb: str | None,
        engine: str | None,
        style: Style,
        filters: Filters = EVERYTHING,
        release: str | None = None,
    ) -> dict[str, Any]:
        """The answer as ``Answer.as_json`` gives it."""
        pins = {"engine": engine, "release": release}
        body = {"question": question, "kb": kb or self.default_kb, **pins, "style": style, "stream": False}
        asked = {"tags": list(filters.tags), "source": filters.source}
        answer: dict[str, Any] = self._call("POST", "/api/chat", json={**body, "filters": asked})
        # A command's question is no customer's conversation.
        self._call("DELETE", f"/api/conversations/{answer.pop('conversation_id')}")
        del answer["message_id"]
        return answer

    def ingest(self, kb: str | None, uploads: Sequence[Upload], report: Progress) -> list[Ingested]:
        """Bring files in; an unknown knowledge base is created."""
        name = kb or self.default_kb
        try:
            self._call("GET", f"/api/knowledge-bases/{_path(name)}")
        except NotFound:
            self._call("POST", "/api/knowledge-bases", json={"name": name})
        waiting: dict[str, dict[str, Any]] = {}
        for start in range(0, len(uploads), FILES_AT_ONCE):
            report(uploads[start].name, "sending", start, len(uploads))
            sent = self._send(name, uploads[start : start + FILES_AT_ONCE])
            waiting.update({document["id"]: document for document in sent})
        return self._finished(name, waiting, report)

    def _send(self, kb: str, uploads: Sequence[Upload]) -> list[dict[str, Any]]:
        headers = {"Idempotency-Key": uuid.uuid4().hex}
        for left in reversed(range(TRIES)):
            with ExitStack() as stack:
                try:
                    files = [("files", (u.name, stack.enter_context(u.path.open("rb")))) for u in uploads]
                    fields = {"draft": "true"} if any(u.draft for u in uploads) else {}
                except OSError as exc:
                    raise UsageError(f"{exc.filename} cannot be read: {exc.strerror}") from exc
                try:
                    url = f"/api/knowledge-bases/{_path(kb)}/documents"
                    documents: list[dict[str, Any]] = self._call(
                        "POST", url, files=files, data=fields, headers=headers
                    )["documents"]
                except ServerAway:
                    # With the same key: if the first one arrived, nothing is done twice.
                    if not left:
                        raise
                    time.sleep(1.0)
                else:
                    return documents
        raise AssertionError("unreachable")

    def chunks(self, kb: str | None, document: str, *, draft: bool = False) -> list[dict[str, Any]]:
        """The indexed passages of the live version, or of the draft, in order."""
        found: list[dict[str, Any]] = []
        known = self._document(kb or self.default_kb, document)
        if draft and known["draft"] is None:
            return []
        while True:
            params = {"limit": PAGE, "offset": len(found), **({"version": known["draft"]} if draft else {})}
            page = self._call("GET", f"/api/documents/{known['id']}/chunks", params=params)
            found += page["chunks"]
            if len(found) >= page["total"] or not page["chunks"]:
                return found

    def delete(self, kb: str | None, document: str) -> list[dict[str, Any]]:
        """Delete a document; what went with it."""
        url = self._url_of(kb, document)
        gone: list[dict[str, Any]] = self._call("GET", f"{url}/deletion")["documents"]
        self._call("DELETE", url)
        return gone

    def say(self, kb: str | None, document: str, what: Mapping[str, Any]) -> dict[str, Any]:
        """Change what is said of a document; what is said now."""
        change = {name: v.isoformat() if isinstance(v, datetime) else v for name, v in what.items()}
        said = self._call("PATCH", self._url_of(kb, document), json=change)
        return {name: said[name] for name in ("enabled", "valid_from", "valid_until", "tags", "source")}

    def publish(self, kb: str | None, document: str) -> None:
        """Make a document's draft its live version."""
        name = kb or self.default_kb
        published = self._call("POST", f"{self._url_of(kb, document)}/publish")
        self._finished(name, {published["id"]: published}, lambda *_: None)

    def discard(self, kb: str | None, document: str) -> None:
        """Forget a document's draft."""
        self._call("DELETE", f"{self._url_of(kb, document)}/draft")

    def edits(self, kb: str | None, document: str) -> list[dict[str, Any]]:
        """Persons' wordings of a document's passages."""
        kept = ("id", "state", "original", "text", "edited_by", "chunk_id")
        return [
            {
                **{key: edit[key] for key in kept},
                "suggestions": [
                    {"likeness": s["likeness"], "text_hash": s["chunk"]["text_hash"], "text": s["chunk"]["text"]}
                    for s in edit["suggestions"]
                ],
            }
            for edit in self._call("GET", f"{self._url_of(kb, document)}/edits")["edits"]
        ]

    def edit(self, kb: str | None, document: str, passage: str, text: str) -> str:
        """Put a wording in a passage's place; the edit's id."""
        url = f"{self._url_of(kb, document)}/chunks/{_path(passage)}"
        return str(self._call("PUT", url, json={"text": text})["edit"]["id"])

    def apply_edit(self, kb: str | None, document: str, edit: str, passage: str) -> None:
        """Put a wording in the place of another passage."""
        url = f"{self._url_of(kb, document)}/edits/{_path(edit)}/apply"
        self._call("POST", url, json={"text_hash": passage})

    def undo_edit(self, kb: str | None, document: str, edit: str) -> None:
        """Forget a wording."""
        self._call("DELETE", f"{self._url_of(kb, document)}/edits/{_path(edit)}")

    def _url_of(self, kb: str | None, document: str) -> str:
        return f"/api/documents/{self._document(kb or self.default_kb, document)['id']}"

    def reprocess(self, kb: str | None, documents: Sequence[str] | None, report: Progress) -> list[Ingested]:
        """Ingest documents again, all when none is named."""
        name = kb or self.default_kb
        if documents:
            wanted = [self._document(name, document) for document in documents]
        else:
            wanted = list(self._documents(name))
        # A document that is ready and stays so was not to be changed.
        started = [
            {**again, "unchanged": again["state"] == State.READY}
            for again in (self._call("POST", f"/api/documents/{document['id']}/reprocess") for document in wanted)
        ]
        return self._finished(name, {document["id"]: document for document in started}, report)

    def verify(self, kb: str | None) -> list[Mismatch]:
        """Compare catalog and index."""
        found = self._call("POST", f"/api/knowledge-bases/{_path(kb or self.default_kb)}/verify")
        lost = [Mismatch(e["document"], e["expected"], e["found"], e["queued"]) for e in found["lost"]]
        orphans = found["orphans_removed"]
        return [*lost, *([Mismatch("", 0, orphans)] if orphans else [])]

    def delete_knowledge_base(self, name: str) -> None:
        """Delete a knowledge base with everything in it."""
        self._call("DELETE", f"/api/knowledge-bases/{_path(name)}")

    def sync(self, kb: str | None, asked: SyncRequest, report: Progress) -> Synced:
        """Bring a knowledge base in step with a source, and its new documents to their end."""
        name = kb or self.default_kb
        try:
            self._call("GET", f"/api/knowledge-bases/{_path(name)}")
        except NotFound:
            self._call("POST", "/api/knowledge-bases", json={"name": name})
        base = f"/api/knowledge-bases/{_path(name)}/sources"
        told = {"address": asked.address, "prefix": asked.prefix, "every_s": asked.every_s}
        source = self._call("POST", base, json={key: value for key, value in told.items() if value is not None})
        url = f"{base}/{source['id']}"
        source = self._call("POST", f"{url}/sync", json={"allow_empty": asked.allow_empty})
        while source["state"] != "idle":
            report(asked.address, source["state"], 0, 0)
            time.sleep(POLL_S)
            source = self._call("GET", url)
        if source["problem"]:
            raise SourceError(source["problem"])
        outcome: dict[str, Any] = source["outcome"]
        documents: dict[str, str] = outcome.pop("documents")
        if not outcome["left_off"]:
            del outcome["left_off"]
        waiting = {d["id"]: d for d in self._documents(name) if d["document"] in documents}
        return Synced(name, outcome, documents, self._finished(name, waiting, report))

    def remove_source(self, kb: str | None, address: str, documents: bool) -> None:
        """Stop keeping in step with a source; with its documents deleted, where asked for."""
        base = f"/api/knowledge-bases/{_path(kb or self.default_kb)}/sources"
        found = next((s for s in self._call("GET", base)["sources"] if s["address"] == address), None)
        if found is None:
            raise NotFound(f"{address} is no source of this knowledge base (frontdesk sync list shows them)")
        self._call("DELETE", f"{base}/{found['id']}", params={"documents": documents})

    def curated(self, kb: str | None) -> WrittenDesk[CuratedDraft]:
        """A knowledge base's curated answers."""
        return RemoteWritten(CURATED, self._reply, kb or self.default_kb)

    def glossary(self, kb: str | None) -> WrittenDesk[GlossaryDraft]:
        """A knowledge base's glossary."""
        return RemoteWritten(GLOSSARY, self._reply, kb or self.default_kb)

    def pairs(self, kb: str | None) -> PairsDesk:
        """A knowledge base's pairs."""
        return RemotePairs(self._reply, self._stream, kb or self.default_kb)

    def index(self, kb: str | None, asked: Mapping[str, Any], report: Progress) -> dict[str, Any]:
        """Carry out a task on an index; as JSON what came of it."""
        name = str(asked["name"]) if asked["task"] == "restore" else kb or self.default_kb
        url = f"/api/knowledge-bases/{_path(name)}/index"
        if asked["task"] in ("show", "cancel"):
            before = self._call("GET", url)
            if asked["task"] == "cancel":
                self._call("DELETE", url)
                return {"kb": name, "cancelled": before["building"] is not None}
            del before["task"]
            return dict(before)
        wanted = ("task", "model", "engine", "archive")
        self._call("POST", url, json={key: asked[key] for key in wanted if asked.get(key) is not None})
        while True:
            task = self._call("GET", url)["task"]
            if task["state"] == "done":
                return dict(task["result"])
            if task["state"] == "failed":
                kind = getattr(errors, task["error"], FrontdeskError)
                raise kind(task["problem"])
            report(name, task["stage"], task["done"], task["total"])
            time.sleep(POLL_S)

    def _finished(self, kb: str, started: dict[str, dict[str, Any]], report: Progress) -> list[Ingested]:
        """Wait until every document has come to its end."""
        done = {key: d for key, d in started.items() if d.get("unchanged")}
        while len(done) < len(started):
            now = {document["id"]: document for document in self._documents(kb)}
            for key, document in started.items():
                if key in done:
                    continue
                current = now.get(key)
                if current is None:
                    done[key] = {**document, "state": State.FAILED, "reason": "it was deleted meanwhile"}
                elif State(current["state"]) not in UNFINISHED:
                    done[key] = current
            working = next((d for d in now.values() if d["progress"]), None)
            if working is not None:
                report(working["document"], working["progress"]["stage"], len(done), len(started))
            if len(done) < len(started):
                time.sleep(POLL_S)
        return [_ingested(done[key]) for key in started]

    def _documents(self, kb: str) -> Iterator[dict[str, Any]]:
        offset = 0
        while True:
            params = {"limit": PAGE, "offset": offset}
            page = self._call("GET", f"/api/knowledge-bases/{_path(kb)}/documents", params=params)
            yield from page["documents"]
            offset += len(page["documents"])
            if offset >= page["total"] or not page["documents"]:
                return

    def _document(self, kb: str, name: str) -> dict[str, Any]:
        found = next((document for document in self._documents(kb) if document["document"] == name), None)
        if found is None:
            raise NotFound(
                f"no document named {name!r} in knowledge base {kb!r} (frontdesk documents list --kb {kb!r} shows them)"
            )
        return found

    def _call(self, method: str, path: str, **arguments: Any) -> Any:
        reply = self._reply(method, path, **arguments)
        return reply.json() if reply.content else None

    def _reply(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        with self._reached():
            reply = self._http.request(method, path, **arguments)
        if reply.is_success:
            return reply
        raise _error(reply)

    @contextmanager
    def _stream(self, method: str, path: str, **arguments: Any) -> Iterator[httpx.Response]:
        """The same for a reply that is read as it comes."""
        with self._reached(), self._http.stream(method, path, **arguments) as reply:
            if not reply.is_success:
                reply.read()
                raise _error(reply)
            yield reply

    @contextmanager
    def _reached(self) -> Iterator[None]:
        try:
            yield
        except httpx.TransportError as exc:
            raise ServerAway(
                f"the server at {self._url} owns the data folder, but does not answer ({type(exc).__name__}): try again, "
                "or stop it"
            ) from exc


def _error(reply: httpx.Response) -> FrontdeskError:
    try:
        error = reply.json()["error"]
        message, code = str(error["message"]), error["code"]
    except (ValueError, KeyError, TypeError):
        message, code = f"the server replied with HTTP {reply.status_code}", ""
    if reply.status_code == 404:
        return NotFound(message)
    if code == "source":
        return SourceError(message)
    return UsageError(message) if reply.status_code in (400, 422) else FrontdeskError(message)


def _ingested(document: dict[str, Any]) -> Ingested:
    return Ingested(
        document=document["document"],
        state=State(document["state"]),
        reason=document["reason"],
        chunks=document["chunks"],
        unchanged=bool(document.get("unchanged")),
        warnings=tuple(document["warnings"]),
    )


def _path(name: str) -> str:
    return quote(name, safe="")
