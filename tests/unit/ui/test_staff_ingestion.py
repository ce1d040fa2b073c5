"""What the pages say of passages, drafts, validity and progress, over a scripted API."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.unit.ui.test_staff_pages import BASE, document, shown, words
from ui.reading import read
from ui.staff_pages import documents, flags, formats, page_view, publication, review
from ui.texts import translator
from ui.wire import Box, Chunk, Document, Progress

EN, ZH = translator("en"), translator("zh")
NOW = datetime(2026, 11, 21, 7, 30, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


def a_document(**changed: Any) -> Document:
    return read(Document, document(1, **changed))


def a_chunk(**changed: Any) -> Chunk:
    values: dict[str, Any] = {
        "ordinal": 2, "text": "It drains.", "heading_path": [], "pages": [1], "sheet": None, "language": "en", "tokens": 3,
    }  # fmt: skip
    return Chunk(**values | changed)


@pytest.mark.parametrize(
    ("flag", "english"),
    [
        ("personal_data:email", "Personal data: e\\-mail"),
        ("near_duplicate:en/a.md#4", "Nearly repeats: en/a.md, passage 5"),
        ("duplicate_page:3", "On a page that repeats an earlier one: page 3"),
        ("garbled", "Decoded wrongly"),
        ("conflict:**odd**", r"Contradicts: \*\*odd\*\*"),
        ("newer_kind", "newer kind"),
    ],
)
def test_flags_in_words(flag: str, english: str) -> None:
    assert flags.name(flag, EN) == english


def test_every_known_flag_says_what_to_do_in_both_languages() -> None:
    for kind in flags.KINDS:
        assert flags.remedy(kind, EN).endswith(".")
        assert flags.remedy(kind, ZH).endswith("。")
    assert flags.remedy("newer_kind", EN) == ""


def test_counts_by_kind_begin_with_the_worst() -> None:
    counts = {"boilerplate": 9, "personal_data:email": 2, "personal_data:iban": 1, "instructions": 1, "newer": 4}
    assert list(flags.by_kind(counts).items()) == [
        ("instructions", 1), ("personal_data", 3), ("boilerplate", 9), ("newer", 4),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("state", "progress", "said"),
    [
        ("received", None, "Waiting"),
        ("parsing", Progress("parsing", 12, 80), "Reading, page 12 of 80"),
        ("embedding", Progress("embedding", 1200, 3000), "Embedding, passage 1,200 of 3,000"),
        ("parsing", Progress("parsing", 0, 1), "Reading"),
    ],
)
def test_how_far_it_is(state: str, progress: Progress | None, said: str) -> None:
    values = {"stage": progress.stage, "done": progress.done, "total": progress.total} if progress else None
    assert formats.step(a_document(state=state, progress=values), EN) == said


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("its ingestion was cancelled on request; process it again when it shall be read", "Process again"),
        ("reading it took longer than 10 minutes; split it into smaller files", "smaller files"),
        ("reading it needs more than 1 GiB of memory; split it into smaller files", "smaller files"),
        ("it unpacks to files of more than 2 GiB; unpack it and upload what is inside", "unpack it yourself"),
        ("a.epub: the e-book is protected (DRM); use a copy without protection.", "copy protection"),
        ("a.json: the JSON cannot be read, line 3; mend it there.", "text editor"),
    ],
)
def test_limits_and_the_rest_have_their_remedy(text: str, word: str) -> None:
    assert word in formats.remedy(text, EN)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, ""),
        ({"enabled": False}, "Disabled"),
        ({"draft": "v2"}, "Draft"),
        ({"valid_from": "2026-12-01T00:00:00+00:00"}, "Not valid yet"),
        ({"valid_until": "2026-11-21T07:30:00+00:00"}, "No longer valid"),
        ({"valid_from": "2026-11-01T00:00:00", "valid_until": "2027-01-01T00:00:00"}, ""),
        ({"tags": [":red[x]"]}, r"\:red\[x\]"),
    ],
)
def test_what_keeps_customers_from_a_document(changed: dict[str, Any], said: str) -> None:
    found = publication.badges(a_document(**changed), EN, NOW)
    assert (said in found) if said else found == ""


def test_days_of_validity_are_those_of_the_readers_zone() -> None:
    since, until = publication.start(date(2026, 12, 1), BERLIN), publication.end(date(2026, 12, 24), BERLIN)
    assert since is not None
    assert until is not None
    # Berlin is an hour ahead of UTC in winter; the last day is included.
    assert since.astimezone(UTC) == datetime(2026, 11, 30, 23, tzinfo=UTC)
    assert until.astimezone(UTC) == datetime(2026, 12, 24, 23, tzinfo=UTC)
    there = a_document(valid_from=since.isoformat(), valid_until=until.isoformat())
    assert publication.days(there, BERLIN) == (date(2026, 12, 1), date(2026, 12, 24))
    assert publication.start(None, BERLIN) is None
    assert publication.end(None, BERLIN) is None


def test_frames_stand_where_the_passages_do_and_within_the_page() -> None:
    chunks = [
        a_chunk(boxes=[Box(1, 0.1, 0.2, 0.5, 0.25), Box(1, 0.1, 0.3, 1.7, 0.4), Box(2, 0, 0, 1, 1)]),
        a_chunk(ordinal=3, flags=["garbled"], boxes=[Box(1, 0.1, 0.5, 0.5, 0.6)]),
    ]
    html = page_view.picture_html(b"png", 1, chunks, 'page "1"')
    assert html.count('class="page-box') == 3
    assert "left:10.00%;top:20.00%;width:40.00%;height:5.00%" in html
    assert "left:10.00%;top:30.00%;width:90.00%;height:10.00%" in html
    # A passage's number stands once, at its first place; it is that of the list.
    assert html.count("<span>3</span>") == 1
    assert html.count("<span>4</span>") == 1
    assert html.count("page-box-flagged") == 1
    assert 'alt="page &quot;1&quot;"' in html


def test_what_is_stalled_is_told_apart_from_what_waits() -> None:
    stalled = {"stage": "parsing", "done": 3, "total": 80, "stalled": True}
    rows = [document(1, state="parsing", progress=stalled), document(2, state="received")]

    def listed(request: Any) -> dict[str, Any]:
        state = request.url.params.get("state")
        found = [row for row in rows if state in (None, row["state"])]
        return {"kb": "default", "documents": found, "total": len(found)}

    replies = {
        "/api/knowledge-bases": {"knowledge_bases": [BASE | {"documents": 2, "in_progress": 2}]},
        "/api/knowledge-bases/default/documents": listed,
    }
    page = shown(documents.show, replies)
    assert not page.exception
    said = words(page)
    assert "No news" in said
    assert "Nothing was heard of it for a minute." in said
    assert "Waiting" in said


@pytest.mark.parametrize(("language", "said"), [("en", "Nothing to look at"), ("zh", "没有需要查看的内容")])
def test_a_review_without_anything(language: str, said: str) -> None:
    replies = {
        "/api/knowledge-bases": {"knowledge_bases": [BASE]},
        "/api/knowledge-bases/default/review": {"kb": "default", "drafts": [], "moved": []},
        "/api/knowledge-bases/default/chunks": {"kb": "default", "total": 0, "flags": {}, "chunks": []},
    }
    page = shown(review.show, replies, language=language)
    assert not page.exception
    assert said in words(page)


def test_a_review_asks_for_the_worst_kind_first() -> None:
    seen: list[Any] = []
    chunk = {
        "id": "c1", "ordinal": 0, "text": "Write to ada@example.com", "heading_path": [], "pages": [1], "sheet": None,
        "language": "en", "tokens": 4, "flags": ["personal_data:email"], "document": "a.pdf", "document_id": "d1",
        "title": "A",
    }  # fmt: skip
    replies = {
        "/api/knowledge-bases": {"knowledge_bases": [BASE]},
        "/api/knowledge-bases/default/review": {"kb": "default", "drafts": [], "moved": []},
        "/api/knowledge-bases/default/chunks": {
            "kb": "default", "total": 1, "flags": {"contact": 3, "personal_data:email": 1}, "chunks": [chunk],
        },
    }  # fmt: skip
    page = shown(review.show, replies, seen=seen)
    assert not page.exception
    assert seen[-1].url.params["flag"] == "personal_data"
    assert "Personal data: e\\-mail" in words(page)
    assert "edit it out" in words(page)
