"""What the page of sources says and asks for, over a scripted API."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

import httpx
import pytest

from app.api import sources as api
from tests.unit.ui.test_staff_pages import BASE, client, document, replying, shown, words
from ui.client import ApiError
from ui.reading import read
from ui.sources import FileNote, Outcome, Source
from ui.staff_pages import source_words, sources
from ui.texts import translator

EN, ZH = translator("en"), translator("zh")
URL = "/api/knowledge-bases/default/sources"
OUTCOME: dict[str, Any] = {
    "new": ["a.md", "b.md"], "changed": [], "gone": ["old.md"], "unchanged": 1200, "seconds": 0.4, "documents": {},
    "skipped": [{"file": "logo.svg", "reason": "no parser for this kind of file"}],
    "failed": [{"file": "*b*.pdf", "reason": "it cannot be read (Permission denied)"}],
}  # fmt: skip
EMPTY = (
    "file:///srv/share shows no file, although 3 came from there; nothing was deleted. Is it reachable, its share "
    "mounted? If it is meant to be empty: frontdesk sync ADDRESS --allow-empty"
)


def source(**changed: Any) -> dict[str, Any]:
    values = {
        "id": "s1", "address": "file:///srv/share", "prefix": "", "every_s": 3600, "state": "idle",
        "checked_at": "2026-11-21T07:00:00+00:00", "problem": "", "outcome": OUTCOME,
    }  # fmt: skip
    return values | changed


def replies(*found: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "/api/knowledge-bases": {"knowledge_bases": [BASE]},
        URL: {"kb": "default", "sources": list(found)},
        **more,
    }


def listing(found: list[dict[str, Any]], made: Any) -> Any:
    """The list, and what a POST to it is answered with."""

    def reply(request: httpx.Request) -> Any:
        return made if request.method == "POST" else {"kb": "default", "sources": found}

    return reply


def button(page: Any, key: str) -> Any:
    return next(each for each in page.button if each.key == key)


def address_field(page: Any) -> Any:
    return next(each for each in page.text_input if each.label == "Address")


def has(page: Any, key: str) -> bool:
    return any(each.key == key for each in page.button)


def bodies(seen: list[httpx.Request], method: str = "POST") -> list[tuple[str, Any]]:
    return [(each.url.path, json.loads(each.content or b"{}")) for each in seen if each.method == method]


@pytest.mark.parametrize(
    ("ours", "theirs"), [(Source, api.SourceBody), (Outcome, api.OutcomeBody), (FileNote, api.FileNote)]
)
def test_the_client_reads_what_the_server_sends(ours: Any, theirs: Any) -> None:
    assert [each.name for each in fields(ours)] == list(theirs.model_fields)


@pytest.mark.parametrize(
    ("seconds", "english", "chinese"),
    [
        (0, "only when asked", "仅手动检查"),
        (1, "every second", "每秒"),
        (90, "every 90 seconds", "每 90 秒"),
        (900, "every 15 minutes", "每 15 分钟"),
        (3600, "every hour", "每小时"),
        (86400, "every day", "每天"),
        (14 * 86400, "every 2 weeks", "每 2 周"),
    ],
)
def test_intervals_in_words(seconds: int, english: str, chinese: str) -> None:
    assert source_words.interval(seconds, EN) == english
    assert source_words.interval(seconds, ZH) == chinese


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (EMPTY, "say so below"),
        ("the folder /srv/share is not there: is the path right, and its share mounted?", "the path"),
        (
            "no folder of the server may be named yet: set FRONTDESK_SOURCE_FOLDERS to those that may",
            "the server offers",
        ),
        ("help.example.com may not be asked: no host is allowed yet; name it in FRONTDESK_URL_ALLOW", "allow the host"),
        ("no bucket may be named yet: set FRONTDESK_S3_ENDPOINT_URL or FRONTDESK_S3_ACCESS_KEY", "key of the bucket"),
        ("'share': a folder is named by its whole path, from / on", "the whole address"),
        ("s3:///: a bucket is named as s3://BUCKET/PREFIX", "the whole address"),
        ("the bucket at s3://manuals cannot be listed: 403", "bucket's name"),
        ("https://help.example.com/ does not give its files (it timed out); stopped after 10", "browser"),
        ("the data folder is full (No space left on device): make room; the next look goes on", "make room"),
        ("it could not be looked at (RuntimeError: a bug); the log has more", "look again"),
    ],
)
def test_every_problem_has_its_remedy(text: str, word: str) -> None:
    assert word in source_words.remedy(text, EN)
    assert source_words.remedy(text, ZH).startswith("处理办法")


def test_an_address_as_people_write_it_and_what_lies_below() -> None:
    folder = read(Source, source(address="file:///srv/100%25 new"))
    assert source_words.address(folder) == "/srv/100% new"
    assert source_words.below(folder) == "file:///srv/100%25 new/"
    assert source_words.below(read(Source, source(address="https://help.example.com/a"))) == ""
    assert source_words.below(read(Source, source(address="file:///srv/pages.urls"))) == ""


def test_a_long_list_is_cut() -> None:
    assert source_words.files(["a", "b", "c"], 2, EN) == "- a\n- b\n- :gray[and 1 more]"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, "Files failed"),
        ({"outcome": OUTCOME | {"failed": []}}, "In step"),
        ({"outcome": None}, "Not looked at yet"),
        ({"state": "running", "problem": EMPTY}, "Looking"),
        ({"state": "waiting"}, "Waiting"),
        ({"problem": EMPTY}, "Problem"),
    ],
)
def test_states(changed: dict[str, Any], said: str) -> None:
    assert said in source_words.badge(read(Source, source(**changed)), EN)


def test_what_the_last_look_found_with_the_reasons() -> None:
    page = shown(sources.show, replies(source(prefix="manuals")))
    assert not page.exception
    said = words(page)
    assert "2 new · 1 gone · 1,200 unchanged · 1 skipped · 1 failed" in said
    assert "/srv/share" in said
    assert "file://" not in said
    assert "prefix manuals · every hour · last looked at" in said
    assert "no parser for this kind of file" in said
    # A file's name is no markup.
    assert r"\*b\*.pdf: :gray[it cannot be read" in said
    assert not has(page, "source-empty-s1")


def test_nothing_kept_in_step_yet() -> None:
    page = shown(sources.show, replies(), language="zh")
    assert not page.exception
    assert "还没有同步来源" in words(page)


def test_look_now_asks_for_a_look_and_nothing_more() -> None:
    seen: list[httpx.Request] = []
    page = shown(sources.show, replies(source(), **{f"{URL}/s1/sync": source()}), seen=seen)
    button(page, "source-look-s1").click().run()
    assert not page.exception
    assert bodies(seen) == [(f"{URL}/s1/sync", {"allow_empty": False})]


def test_while_it_is_looked_at_it_is_neither_looked_at_again_nor_removed() -> None:
    page = shown(sources.show, replies(source(state="running", problem=EMPTY)))
    assert button(page, "source-look-s1").disabled
    assert button(page, "source-remove-s1").disabled
    # The problem of before is no news now.
    assert "shows no file" not in words(page)


def test_an_empty_source_is_believed_only_after_a_question() -> None:
    seen: list[httpx.Request] = []
    page = shown(sources.show, replies(source(problem=EMPTY), **{f"{URL}/s1/sync": source()}), seen=seen)
    said = words(page)
    assert "nothing was deleted" in said
    assert "shows no file, although 3 came from there" in said
    # The way out at the command line has its button here.
    assert "allow" not in said
    assert "The last finished look found" in said
    button(page, "source-empty-s1").click().run()
    assert bodies(seen) == []
    assert "all documents that came from there are deleted" in words(page)
    button(page, "confirm-do").click().run()
    assert bodies(seen) == [(f"{URL}/s1/sync", {"allow_empty": True})]
    assert not has(page, "confirm-do")


@pytest.mark.parametrize("documents", [True, False])
def test_removing_asks_whether_its_documents_go_too(documents: bool) -> None:
    seen: list[httpx.Request] = []
    counted = {"kb": "default", "documents": [document(1)], "total": 3}
    found = replies(
        source(), **{"/api/knowledge-bases/default/documents": counted, f"{URL}/s1": lambda _: {"gone": True}}
    )
    page = shown(sources.show, found, seen=seen)
    button(page, "source-remove-s1").click().run()
    assert page.checkbox[0].label == "Delete its documents here, too (3 documents)"
    assert next(each for each in seen if each.url.path.endswith("/documents")).url.params["source"] == (
        "file:///srv/share/"
    )
    if documents:
        page.checkbox[0].check().run()
    assert bodies(seen, "DELETE") == []
    button(page, "confirm-do").click().run()
    (removed,) = [each for each in seen if each.method == "DELETE"]
    assert (removed.url.path, removed.url.params["documents"]) == (f"{URL}/s1", str(documents).lower())


def test_an_address_is_added_with_its_interval() -> None:
    seen: list[httpx.Request] = []
    page = shown(sources.show, replies() | {URL: listing([], source())}, seen=seen)
    address_field(page).input(" /srv/share ")
    page.button[-1].click().run()
    assert not page.exception
    assert bodies(seen) == [(URL, {"address": "/srv/share", "prefix": None, "every_s": 3600})]
    # The field is empty for the next one.
    assert address_field(page).value == ""


def test_what_the_server_has_against_an_address_is_said_in_the_form() -> None:
    said = "/etc lies in none of the folders that FRONTDESK_SOURCE_FOLDERS names"

    def refuse(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            return httpx.Response(400, json={"error": {"message": said, "type": "invalid_request"}})
        return replying(replies())(request)

    page = shown(sources.show, replies())
    page.session_state["desk"].client = client(refuse)
    page.button[-1].click().run()
    assert page.error[0].value == "Please enter an address."
    address_field(page).input("/etc")
    page.button[-1].click().run()
    (error,) = page.error
    assert "lies in none of the folders" in error.value
    assert "name a folder that the server offers" in error.value
    assert address_field(page).value == "/etc"


def test_another_interval_keeps_the_address() -> None:
    seen: list[httpx.Request] = []
    found = source(every_s=90, prefix="p")
    page = shown(sources.show, replies() | {URL: listing([found], found)}, seen=seen)
    button(page, "source-change-s1").click().run()
    chosen = next(each for each in page.selectbox if each.key == "source-every")
    # The odd one that the command line set is offered, too.
    assert "every 90 seconds" in chosen.options
    chosen.set_value(86400)
    next(each for each in page.button if each.label == "Save").click().run()
    assert bodies(seen) == [(URL, {"address": "file:///srv/share", "prefix": "p", "every_s": 86400})]


def test_a_source_that_is_gone_is_told_to_be() -> None:
    with pytest.raises(ApiError) as told:
        client(replying({})).remove_source("a b", "x/y")
    assert told.value.type == "not_found"
