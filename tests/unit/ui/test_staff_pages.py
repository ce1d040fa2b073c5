"""The staff's pages over a scripted API: states that a healthy server on a small folder never shows."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from streamlit.testing.v1 import AppTest

from ui.client import Client
from ui.staff_pages import actions, documents, retrieval, system, waiting
from ui.staff_pages.desk import Desk
from ui.texts import translator

STAFF = Path(__file__).parents[3] / "ui" / "staff.py"
URL = "http://127.0.0.1:8000"
SYSTEM: dict[str, Any] = {
    "version": "1.2.3",
    "status": "ready",
    "components": [],
    "default_kb": "default",
    "limits": {"question_chars": 2000, "upload_bytes": 200 << 20, "files_per_upload": 100},
    "ingestion": {"queued": 0, "running": []},
    "embedding_model": "packaged",
    "vector_engine": "edge",
}
BASE: dict[str, Any] = {
    "name": "default",
    "documents": 0,
    "ready": 0,
    "failed": 0,
    "in_progress": 0,
    "chunks": 0,
    "embedding_model": "packaged",
    "created_at": "2026-11-21T07:00:00+00:00",
}
NO_DOCUMENTS = {"/api/knowledge-bases/default/documents": {"kb": "default", "documents": [], "total": 0}}
Handler = Callable[[httpx.Request], httpx.Response]


def document(number: int, **changed: Any) -> dict[str, Any]:
    values = {
        "id": f"{number:032x}", "document": f"file-{number:04}.pdf", "title": "", "state": "ready", "reason": "",
        "warnings": [], "live": True, "format": "pdf", "pages": 3, "chunks": 12, "bytes": 4096, "version": "v",
        "generation": 1, "updated_at": "2026-11-21T07:00:00+00:00", "progress": None,
    }  # fmt: skip
    return values | changed


def replying(replies: dict[str, Any], seen: list[httpx.Request] | None = None) -> Handler:
    """Answers by path; a number is a status."""

    def handle(request: httpx.Request) -> httpx.Response:
        if seen is not None:
            seen.append(request)
        reply = replies.get(request.url.path, 404)
        if callable(reply):
            reply = reply(request)
        if isinstance(reply, int):
            kind = {401: "unauthorized", 404: "not_found", 503: "unavailable"}[reply]
            error = {"message": "a <b>line</b> of the server", "type": kind, "request_id": "abc123"}
            return httpx.Response(reply, json={"error": error})
        return httpx.Response(200, json=reply)

    return handle


def client(handler: Handler) -> Client:
    return Client(URL, transport=httpx.MockTransport(handler))


def shown(show: Callable[[Desk], None], replies: dict[str, Any], language: str = "en", **state: Any) -> AppTest:
    """A page, run once over an API that replies so."""

    def script() -> None:
        import streamlit as st

        st.session_state["show"](st.session_state["desk"])

    the_client = client(replying({"/api/system": SYSTEM, **replies}, state.pop("seen", None)))
    page = AppTest.from_function(script, default_timeout=30)
    the_desk = Desk(the_client, the_client.system(), URL, translator(language), language)
    for key, value in {"show": show, "desk": the_desk, **state}.items():
        page.session_state[key] = value
    return page.run()


def words(page: AppTest) -> str:
    """Everything that is written on it."""
    kinds = ("header", "subheader", "markdown", "caption", "error", "warning", "info", "code")
    return "\n".join(element.value for kind in kinds for element in page.get(kind))


def staff_app(handler: Handler) -> AppTest:
    app = AppTest.from_file(str(STAFF), default_timeout=30)
    app.session_state["api_client"] = client(handler)
    return app.run()


def test_a_server_that_wants_a_key_gets_the_sign_in_and_nothing_else() -> None:
    app = staff_app(replying({"/api/system": 401}))
    assert not app.exception
    assert app.text_input[0].label == "API key"
    assert "enter its api key" in words(app).lower()
    app.button[0].click().run()
    assert app.error[0].value == "Please enter the key."


def test_the_key_of_the_environment_is_never_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRONTDESK_API_KEY", "a key that customers' pages use")
    seen: list[httpx.Request] = []
    # Built as the page builds it, but for the transport.
    monkeypatch.setattr(
        "ui.staff_pages.desk.Client",
        lambda url, key: Client(url, key, transport=httpx.MockTransport(replying({"/api/system": 401}, seen))),
    )
    AppTest.from_file(str(STAFF), default_timeout=30).run()
    assert len(seen) == 1
    assert "authorization" not in seen[0].headers


def test_no_server_is_told_with_what_to_do() -> None:
    def away(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    app = staff_app(away)
    assert not app.exception
    assert "does not answer" in app.error[0].value
    assert "frontdesk up" in app.error[0].value


def test_of_thousands_of_documents_one_page_is_asked_for() -> None:
    def listed(request: httpx.Request) -> dict[str, Any]:
        first, count = int(request.url.params["offset"]), int(request.url.params["limit"])
        rows = [document(n) for n in range(first, min(first + count, 2601))]
        return {"kb": "default", "documents": rows, "total": 2601}

    replies = {
        "/api/knowledge-bases": {"knowledge_bases": [BASE | {"documents": 2601, "ready": 2601}]},
        "/api/knowledge-bases/default/documents": listed,
    }
    page = shown(documents.show, replies)
    assert not page.exception
    assert "1–25 of 2,601" in words(page)
    page = shown(documents.show, replies, **{"doc-page-default-all-": 105})
    assert "2,601–2,601 of 2,601" in words(page)
    # Somebody deleted a lot meanwhile: the last page that is left.
    page = shown(documents.show, replies, **{"doc-page-default-all-": 300})
    assert not page.exception
    assert "2,601–2,601 of 2,601" in words(page)


def test_names_of_documents_are_no_markup() -> None:
    row = document(1, document=":red[x] ![y](http://e.example/y.png).pdf", state="failed", reason="**no** text")
    replies = {
        "/api/knowledge-bases": {"knowledge_bases": [BASE | {"documents": 1, "failed": 1}]},
        "/api/knowledge-bases/default/documents": {"kb": "default", "documents": [row], "total": 1},
    }
    page = shown(documents.show, replies)
    labels = [button.label for button in page.button]
    assert any(r"\:red\[x\] \!\[y\]\(http" in label for label in labels), labels
    assert r"\*\*no\*\* text" in words(page)
    assert "Customers are still answered from the version before." in words(page)


def test_an_error_of_the_server_is_told_in_words_and_escaped() -> None:
    page = shown(documents.show, {"/api/knowledge-bases": 503})
    assert not page.exception
    assert "A part of the system is away" in page.error[0].value
    assert r"\<b\>line\</b\>" in page.error[0].value
    assert "Request abc123" in page.error[0].value


def test_a_part_that_is_away_is_named_with_what_to_do() -> None:
    parts = [
        {"name": "index", "status": "away", "detail": "Qdrant does not answer"},
        {"name": "endpoint", "status": "degraded", "detail": "refused key"},
        {"name": "something newer", "status": "ok", "detail": ""},
    ]
    state = SYSTEM | {
        "status": "degraded",
        "components": parts,
        "ingestion": {"queued": 3, "running": ["a.pdf"], "stalled": ["b.pdf"]},
    }
    page = shown(system.show, {"/api/system": state})
    assert not page.exception
    said = words(page).replace("\\", "")
    assert "Working, with something missing" in said
    assert "check that Qdrant runs" in said
    assert "check FRONTDESK_ENDPOINT_URL" in said.replace("\\", "")
    assert "something newer" in said
    assert "3 documents are waiting." in said


@pytest.mark.parametrize(
    ("answerable", "sure", "said"),
    [
        (True, True, "Would be answered"),
        (True, False, "Would be answered, with care"),
        (False, False, "Would not be answered"),
    ],
)
def test_the_three_verdicts(answerable: bool, sure: bool, said: str) -> None:
    hit = {
        "n": 1, "chunk_id": "c", "document": "a.pdf", "title": "", "page": 2, "sheet": None, "heading": "1 | Heat",
        "text": "It is hot.", "score": 0.9, "dense": None, "sparse": 3.5, "dense_rank": None, "sparse_rank": 1,
        "also": ["old/a.pdf"],
    }  # fmt: skip
    leg = {"chunk_id": "c", "document": "a.pdf", "page": 2, "heading": "1 | Heat", "score": 3.5}
    found = {
        "kb": "default", "question": "q", "standalone_question": "q", "language": "en",
        "legs": {"dense": [], "sparse": [leg]}, "fused": [hit],
        "verdict": {
            "answerable": answerable, "sure": sure, "score": 0.3, "reason": "evidence 0.30",
            "evidence": [{"n": 1, "text": "It is hot.", "score": 0.3}],
        },
        "timings_ms": {"search": 3.21, "newer stage": 1500.0},
    }  # fmt: skip
    replies = {"/api/knowledge-bases": {"knowledge_bases": [BASE]}, "/api/retrieve": found} | NO_DOCUMENTS
    page = shown(retrieval.show, replies)
    page.text_input[0].set_value("Is it hot?")
    page.button[0].click().run()
    assert not page.exception
    assert any(line.endswith(said) for line in words(page).splitlines())
    assert "together 0.900 · meaning – · words 3.500 (rank 1)" in words(page)
    assert "Says the same, and takes no place of its own: old/a.pdf" in words(page)
    assert r"| 1 | 3.500 | a.pdf :gray[:small[page 2 · 1 \| Heat]] |" in words(page)
    assert "Not used: the embedding model does not know this language" in words(page)
    assert "newer stage **1,500 ms**" in words(page)
    assert "stands**" not in words(page)


def test_where_the_document_stands_that_should_have_been_found() -> None:
    asked: list[httpx.Request] = []

    expected = {
        "document": "file-0001.pdf", "visible": False, "dense": {"rank": None, "score": None, "among": 0},
        "sparse": {"rank": None, "score": None, "among": 50}, "fused": {"rank": 12, "score": 0.1234, "among": 61},
    }  # fmt: skip
    found = {
        "kb": "default", "question": "q", "standalone_question": "q", "language": "en",
        "legs": {"dense": [], "sparse": []}, "fused": [], "timings_ms": {}, "expected": expected,
        "verdict": {"answerable": False, "sure": False, "score": 0.0, "reason": "", "evidence": []},
    }  # fmt: skip
    listed = {"kb": "default", "documents": [document(1), document(2)], "total": 2}
    replies = {
        "/api/knowledge-bases": {"knowledge_bases": [BASE]},
        "/api/knowledge-bases/default/documents": listed,
        "/api/retrieve": found,
    }
    page = shown(retrieval.show, replies, seen=asked)
    page.text_input[0].set_value("Is it hot?")
    picker = next(box for box in page.selectbox if box.label.startswith("Document that should be found"))
    assert picker.options == ["file-0001.pdf", "file-0002.pdf"]
    picker.select("file-0001.pdf")
    page.button[0].click().run()
    assert not page.exception
    (request,) = (each for each in asked if each.url.path == "/api/retrieve")
    assert json.loads(request.content)["expected"] == "file-0001.pdf"
    said = words(page).replace("\\", "")
    assert "**Where file-0001.pdf stands**" in said
    assert "Customers are not answered from this document now" in said
    assert "| By meaning (vectors) | absent (nothing found) | – |" in said
    assert "| By words (BM25) | absent (not among 50) | – |" in said
    assert "| Together | 12 of 61 | 0.123 |" in said


def test_nobody_waits() -> None:
    page = shown(waiting.show, {"/api/conversations": {"conversations": [], "total": 0}}, language="zh")
    assert not page.exception
    assert "没有客户在等待" in words(page)


def test_a_document_that_is_gone_is_said_to_be() -> None:
    def script() -> None:
        import streamlit as st

        st.query_params["document"] = "0" * 32
        st.session_state["show"](st.session_state["desk"])

    the_client = client(replying({"/api/system": SYSTEM}))
    page = AppTest.from_function(script, default_timeout=30)
    page.session_state["show"] = documents.show
    page.session_state["desk"] = Desk(the_client, the_client.system(), URL, translator("en"), "en")
    page.run()
    assert not page.exception
    assert "This document is not there any more." in words(page)


def test_choosing_a_base_draws_the_page_once() -> None:
    # A second drawing, with another field, is where a file that was chosen meanwhile got lost.
    asked: list[httpx.Request] = []
    bases = {"knowledge_bases": [BASE, BASE | {"name": "other"}]}
    page = shown(documents.show, {"/api/knowledge-bases": bases}, seen=asked)
    (picker,) = page.selectbox
    before = sum(request.url.path == "/api/knowledge-bases" for request in asked)
    drawn = picker.select("other").run()
    assert not drawn.exception
    assert drawn.selectbox[0].value == "other"
    assert drawn.selectbox[0].key == picker.key
    assert drawn.session_state["chosen_base"] == "other"
    assert sum(request.url.path == "/api/knowledge-bases" for request in asked) == 2 * before


def test_before_a_deletion_is_said_what_goes_and_what_learnt_from_it() -> None:
    asked = document(1)
    identity = asked["id"]
    known = {"passages": 3, "versions": 1, "bytes": 10}
    takes = [
        {"id": identity, "document": "a.pdf", **known, "releases": ["shop@1"], "embedders": ["shop-9"]},
        {"id": "d2", "document": "a.pdf/b.txt", **known, "releases": ["shop@1"], "embedders": []},
    ]
    replies = {
        f"/api/documents/{identity}": {"kb": "default", **asked, "versions": []},
        f"/api/documents/{identity}/deletion": {"documents": takes, "passages": 6},
    }
    page = shown(actions.confirm, replies, question=("delete_document", identity))
    said = words(page)
    assert "found inside its file" in said
    assert "learnt from it" in said
    assert "shop" in said
    alone = {**replies, f"/api/documents/{identity}/deletion": 404}
    assert "found inside its file" not in words(shown(actions.confirm, alone, question=("delete_document", identity)))
