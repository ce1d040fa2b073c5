"""What the page of pairs says and sends, over a scripted API."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from streamlit.testing.v1 import AppTest

from tests.unit.ui.test_staff_pages import BASE, shown, words
from ui.staff_pages import pairs
from ui.staff_pages.pair_card import marked

URL = "/api/knowledge-bases/default/pairs"


def pair(number: int, **changed: Any) -> dict[str, Any]:
    values = {
        "id": f"p{number}", "question": f"Question *{number}*?", "answer": f"Answer {number}.", "short": "", "evidence": f"Fact {number}",
        "kind": "answerable", "style": "plain", "language": "en", "history": [], "writer": "rule:faq", "filters": {"span": "ok"},
        "review": "pending", "reviewer": "", "reviewed_at": None, "stale": False, "side": None, "created_at": None,
        "sources": [{"chunk_id": "c", "text_hash": "h", "version": "v", "document": "a.md", "heading_path": ["Prices"]}],
    }  # fmt: skip
    return values | changed


def detail(number: int, **changed: Any) -> dict[str, Any]:
    passage = {
        "document": "a.md",
        "title": "A",
        "heading_path": ["Prices"],
        "text": f"Before. Fact {number} <b>here</b>.",
    }
    return {**pair(number, **changed), "passages": [passage]}


def summary(**changed: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "kb": "default", "total": 3, "stale": 0, "usable": 3, "review": {"pending": 2, "approved": 1}, "writers": {"rule:faq": 3},
        "kinds": {}, "styles": {}, "languages": {"en": 3}, "sides": {"none": 3}, "runs": [], "split": None,
    }  # fmt: skip
    return values | changed


def replies(found: list[dict[str, Any]], work: Any = None, **changed: Any) -> dict[str, Any]:
    return {
        "/api/knowledge-bases": {"knowledge_bases": [BASE]},
        URL: {"kb": "default", "pairs": found, "total": len(found)},
        f"{URL}/summary": summary(**changed),
        f"{URL}/work": {"kb": "default", "work": work},
        **{f"{URL}/{each['id']}": detail(int(each["id"][1:])) for each in found},
        **{f"{URL}/{each['id']}/review": each for each in found},
    }


def work(kind: str, state: str = "done", **changed: Any) -> dict[str, Any]:
    values = {
        "kind": kind, "state": state, "stage": "asking", "document": "b.md", "done": 30, "total": 120, "problem": "", "error": "", "result": {},
    }  # fmt: skip
    return values | changed


def sent(seen: list[httpx.Request], method: str) -> list[tuple[str, dict[str, Any]]]:
    return [(r.url.path.removeprefix(URL), json.loads(r.content or b"{}")) for r in seen if r.method == method]


def status(app: AppTest) -> str:
    return words(app) + "\n".join(element.value for element in app.success)


@pytest.mark.parametrize(("language", "said"), [("en", "No pairs yet"), ("zh", "还没有问答")])
def test_a_base_without_any(language: str, said: str) -> None:
    seen: list[httpx.Request] = []
    app = shown(pairs.show, {**replies([], total=0), f"{URL}/make": work("make", "running")}, language, seen=seen)
    assert not app.exception
    assert said in words(app)
    app.button(key="pair-make").click().run()
    assert sent(seen, "POST") == [("/make", {})]


def test_a_pair_stands_beside_its_passage_with_the_evidence_marked() -> None:
    app = shown(pairs.show, replies([pair(1), pair(2)]))
    assert not app.exception
    said = words(app)
    assert "**Question \\*1\\*?**" in said
    assert "Before. :green-background[Fact 1] \\<b\\>here\\</b\\>." in said
    assert "a.md › Prices" in said
    assert "**span**: ok" in said


def test_after_each_one_the_next_appears() -> None:
    seen: list[httpx.Request] = []
    app = shown(pairs.show, replies([pair(1), pair(2), pair(3)]), seen=seen)
    app.button(key="pair-approve-p1").click().run()
    assert "**Question \\*2\\*?**" in words(app)
    app.button(key="pair-reject-p2").click().run()
    assert "**Question \\*3\\*?**" in words(app)
    app.button(key="pair-next-p3").click().run()
    assert "**Question \\*1\\*?**" in words(app)
    assert not app.exception
    assert sent(seen, "PUT") == [("/p1/review", {"state": "approved"}), ("/p2/review", {"state": "rejected"})]


def test_a_pair_is_worded_anew_and_what_is_not_changed_is_not_sent() -> None:
    seen: list[httpx.Request] = []
    app = shown(pairs.show, replies([pair(1), pair(2)]), seen=seen)
    app.button(key="pair-edit-p1").click().run()
    app.text_area(key="pair-answer-p1").input("  ")
    app.button(key="pair-save-p1").click().run()
    assert "question and an answer" in words(app)
    app.text_area(key="pair-answer-p1").input("Better.")
    app.button(key="pair-save-p1").click().run()
    assert not app.exception
    assert sent(seen, "PUT") == [("/p1/review", {"state": "edited", "answer": "Better."})]


def test_what_is_looked_for_is_asked_of_the_server() -> None:
    seen: list[httpx.Request] = []
    known = {"writers": {"rule:faq": 2, "model:base": 1}, "sides": {"train": 2, "test": 1}}
    app = shown(pairs.show, replies([pair(1)], **known), seen=seen)
    asked = [r.url.params for r in seen if r.url.path == URL][-1]
    assert (asked.get("state"), asked.get("stale")) == ("pending", "false")
    app.selectbox(key="pair-writer-default").select("model:base")
    app.selectbox(key="pair-side-default").select("test")
    app.text_input(key="pair-search-default").input("kettle").run()
    asked = [r.url.params for r in seen if r.url.path == URL][-1]
    assert {k: asked[k] for k in ("writer", "side", "search")} == {
        "writer": "model:base",
        "side": "test",
        "search": "kettle",
    }
    # All are in one language: there is nothing to choose.
    assert "pair-language-default" not in [each.key for each in app.selectbox]


def test_work_is_watched_and_can_be_stopped() -> None:
    seen: list[httpx.Request] = []
    app = shown(pairs.show, replies([pair(1)], work("make", "running")), seen=seen)
    assert not app.exception
    assert app.button(key="pair-make").disabled
    assert app.button(key="pair-split").disabled
    app.button(key="pair-stop").click().run()
    assert [path for path, _ in sent(seen, "DELETE")] == ["/work"]


def test_what_came_of_the_work() -> None:
    made = work("make", result={"kept": 1234, "asked": 40000, "skipped": 5, "state": "done"})
    assert "1,234 new pairs of 40,000 passages" in status(shown(pairs.show, replies([pair(1)], made)))
    stopped = work("make", result={"kept": 1, "asked": 2, "skipped": 0, "state": "stopped"})
    assert "goes on where it stood" in status(shown(pairs.show, replies([pair(1)], stopped)))
    failed = work("import", "failed", problem="the <b>file</b> is empty")
    said = status(shown(pairs.show, replies([pair(1)], failed)))
    assert "could not be brought in" in said
    assert "the \\<b\\>file\\</b\\> is empty" in said
    split = work("split", result={"pairs": {"train": 8, "test": 2}, "leaks": 0})
    assert "8 for training, 2 for testing. Nothing stands on both sides." in status(
        shown(pairs.show, replies([pair(1)], split))
    )
    leaking = work("split", result={"leaks": 2, "leaking": []})
    assert "2 things stand on both sides" in status(shown(pairs.show, replies([pair(1)], leaking)))


def test_a_report_names_the_rows() -> None:
    report = {
        "counts": {"read": 5, "kept": 2, "changed": 0, "known": 0, "missing": 1, "duplicates": 1, "odd": 1, "dropped": 0},
        "missing": [{"row": 2, "reason": "no answer"}], "duplicates": [{"row": 4, "reason": "the question of row 1 again"}],
        "odd": [{"row": 5, "reason": "not JSON (*x*)"}], "dropped": [],
    }  # fmt: skip
    said = status(shown(pairs.show, replies([pair(1)], work("import", result=report))))
    assert "5 rows read: 2 new · 1 incomplete · 1 duplicates · 1 odd" in said
    assert "- Row 5: not JSON \\(\\*x\\*\\)" in said


def test_what_was_dropped_is_counted_over_the_runs() -> None:
    run = {
        "id": "r", "state": "done", "asked": 9, "skipped": 0, "kept": 4, "problem": "", "started_at": None, "ended_at": None,
        "writers": {"rule:faq": {"written": 10, "kept": 4, "dropped": {"span": 1, "round_trip": 5}}},
    }  # fmt: skip
    said = words(shown(pairs.show, replies([pair(1)], runs=[run, run])))
    assert "|rule\\:faq|20|8|round\\_trip 10, span 2|" in said


def test_sides_are_told_once_there_are_any() -> None:
    split = {"seed": 0, "share": 0.2, "at": "2026-11-21T07:00:00+00:00"}
    known = {"split": split, "sides": {"train": 7, "test": 2, "none": 1}}
    app = shown(pairs.show, replies([pair(1, side="test", stale=True, style="follow_up", review="edited")], **known))
    said = words(app)
    assert "7 for training, 2 for testing · 1 on no side yet" in said
    for badge in ("Worded anew", "Its text has changed", "Follow-up", "Test"):
        assert badge in said
    assert "Test set" in [each.proto.label for each in app.get("download_button")]


@pytest.mark.parametrize(
    ("text", "evidence", "expected"),
    [
        ("One. Two. Three.", "Two.", "One. :green-background[Two.] Three.  "),
        ("- one\n- two", "one\ntwo", "- :green-background[one]\n- :green-background[two]"),
        ("One.", "Other.", "One.  "),
        ("One.", "", "One.  "),
        ("A [1] *b*", "[1] *b*", "A :green-background[\\[1\\] \\*b\\*]  "),
        ("|a|b|\n|---|---|\n|1|2|", "|1|2|", "\n|a|b|\n|---|---|\n|1|2|\n"),
    ],
)
def test_evidence_is_marked_where_it_stands(text: str, evidence: str, expected: str) -> None:
    assert marked(text, evidence) == expected
