"""What the page of curated answers says and sends, over a scripted API."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.unit.ui.test_staff_pages import BASE, shown, words
from ui.staff_pages import curated

URL = "/api/knowledge-bases/default/curated"


def entry(number: int, **changed: Any) -> dict[str, Any]:
    values = {
        "id": f"c{number}", "questions": [f"Question *{number}*?", "The same?"], "answer": "**Yes**, always.", "language": "en",
        "source": "terms.pdf", "enabled": True, "valid_from": None, "valid_until": None, "state": "live", "written_by": "",
        "created_at": "2026-11-21T07:00:00+00:00", "updated_at": "2026-11-21T07:00:00+00:00",
    }  # fmt: skip
    return values | changed


def page(*entries: dict[str, Any], stale: int = 0) -> dict[str, Any]:
    return {"kb": "default", "curated": list(entries), "total": len(entries), "stale": stale}


def replies(found: Any) -> dict[str, Any]:
    return {"/api/knowledge-bases": {"knowledge_bases": [BASE]}, URL: found}


@pytest.mark.parametrize(("language", "said"), [("en", "No curated answers yet"), ("zh", "还没有人工答案")])
def test_a_base_without_any(language: str, said: str) -> None:
    app = shown(curated.show, replies(page()), language=language)
    assert not app.exception
    assert said in words(app)


def test_each_state_is_named_and_a_stale_one_may_be_said_to_hold() -> None:
    seen: list[httpx.Request] = []
    rows = [entry(n, state=state) for n, state in enumerate(curated.STATES)]
    found = {**replies(page(*rows, stale=2)), f"{URL}/c1": entry(1)}
    app = shown(curated.show, found, seen=seen)
    assert not app.exception
    said = words(app)
    for name in (
        "Given",
        "Stale",
        "Source is gone",
        "Source is hidden",
        "Disabled",
        "Not valid yet",
        "No longer valid",
    ):
        assert name in said
    # What a person wrote is shown as it was written.
    assert "Question \\*1\\*?" in said
    assert "2 answers name a source" in said
    assert [b.key for b in app.button if b.key and b.key.startswith("cur-holds")] == ["cur-holds-c1"]
    app.button(key="cur-holds-c1").click().run()
    changed = next(request for request in seen if request.method == "PATCH")
    assert (changed.url.path, json.loads(changed.content)) == (f"{URL}/c1", {})


def test_a_new_answer_is_sent_and_one_without_text_is_not() -> None:
    seen: list[httpx.Request] = []

    def reply(request: httpx.Request) -> dict[str, Any]:
        return entry(9) if request.method == "POST" else page()

    app = shown(curated.show, replies(reply), seen=seen, question=("curated", curated.NEW))
    assert not app.exception
    app.text_area(key="cur-questions-new").input("How do I reach you?\n\nYour number?")
    app.button(key="cur-save").click().run()
    assert "at least one question" in words(app)
    assert not [request for request in seen if request.method == "POST"]
    app.text_area(key="cur-questions-new").input("How do I reach you?\n\nYour number?")
    app.text_area(key="cur-answer-new").input("Call 0800.")
    app.button(key="cur-save").click().run()
    sent = json.loads(next(request for request in seen if request.method == "POST").content)
    assert sent["questions"] == ["How do I reach you?", "Your number?"]
    assert (sent["answer"], sent["source"], sent["enabled"], sent["valid_until"]) == ("Call 0800.", "", True, None)
