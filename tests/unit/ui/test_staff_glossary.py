"""What the glossary's page says and sends, over a scripted API."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.unit.ui.test_staff_pages import BASE, shown, words
from ui.staff_pages import glossary

URL = "/api/knowledge-bases/default/glossary"


def entry(number: int, *terms: str, one_way: bool = False) -> dict[str, Any]:
    at = "2026-11-21T07:00:00+00:00"
    return {
        "id": f"g{number}", "terms": list(terms), "one_way": one_way, "written_by": "", "created_at": at, "updated_at": at,
    }  # fmt: skip


def replies(found: Any) -> dict[str, Any]:
    return {"/api/knowledge-bases": {"knowledge_bases": [BASE]}, URL: found}


def page(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"kb": "default", "entries": list(entries), "total": len(entries)}


@pytest.mark.parametrize(("language", "said"), [("en", "No terms yet"), ("zh", "还没有术语")])
def test_a_base_without_any(language: str, said: str) -> None:
    app = shown(glossary.show, replies(page()), language=language)
    assert not app.exception
    assert said in words(app)


def test_entries_are_shown_as_they_hold_and_one_may_be_removed() -> None:
    seen: list[httpx.Request] = []
    found = page(entry(1, "washer", "*Turbo*Wash"), entry(2, "AC", "air conditioner", one_way=True))
    app = shown(glossary.show, {**replies(found), f"{URL}/g2": {}}, seen=seen)
    assert not app.exception
    said = words(app)
    assert "**washer** = \\*Turbo\\*Wash" in said
    assert "**AC** → air conditioner" in said
    app.button(key="glo-remove-g2").click().run()
    assert [r.url.path for r in seen if r.method == "DELETE"] == [f"{URL}/g2"]


def test_an_entry_is_changed_and_one_term_alone_is_none() -> None:
    seen: list[httpx.Request] = []
    kept = entry(1, "e-bike", "pedelec")
    app = shown(glossary.show, {**replies(page(kept)), f"{URL}/g1": kept}, seen=seen, question=("glossary", "g1"))
    assert not app.exception
    app.text_area(key="glo-terms-g1").input("e-bike\n\n")
    app.button(key="glo-save").click().run()
    assert "at least two terms" in words(app)
    app.text_area(key="glo-terms-g1").input("e-bike\n pedelec \nelectric bike")
    app.toggle(key="glo-one-way-g1").set_value(True)
    app.button(key="glo-save").click().run()
    sent = [json.loads(r.content) for r in seen if r.method == "PUT"]
    assert sent == [{"terms": ["e-bike", "pedelec", "electric bike"], "one_way": True}]
