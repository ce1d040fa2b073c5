"""Figures, times and reasons in words."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from ui.staff_pages import formats
from ui.texts import translator
from ui.wire import Document

EN, ZH = translator("en"), translator("zh")
NOW = datetime(2026, 11, 21, 7, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0 B"),
        (1023, "1,023 B"),
        (1024, "1 KB"),
        (1536, "1.5 KB"),
        (10 * 1024, "10 KB"),
        (200 << 20, "200 MB"),
        (3 << 40, "3,072 GB"),
    ],
)
def test_sizes(count: int, shown: str) -> None:
    assert formats.size(count, EN) == shown


@pytest.mark.parametrize(("count", "english", "chinese"), [(1, "1 page", "1 页"), (1200, "1,200 pages", "1,200 页")])
def test_counts(count: int, english: str, chinese: str) -> None:
    assert formats.counted("pages", count, EN) == english
    assert formats.counted("pages", count, ZH) == chinese


@pytest.mark.parametrize(
    ("moment", "shown"),
    [
        ("2026-11-21T07:29:31+00:00", "just now"),
        # A clock of another machine that is a little ahead.
        ("2026-11-21T07:30:20+00:00", "just now"),
        ("2026-11-21T07:28:59+00:00", "1 minute ago"),
        ("2026-11-21T06:31:00+00:00", "59 minutes ago"),
        ("2026-11-21T06:30:00+00:00", "1 hour ago"),
        ("2026-11-20T23:10:00+00:00", "8 hours ago"),
        # Yesterday in Berlin, though only ten hours ago.
        ("2026-11-20T21:30:00+00:00", "20 Nov 2026, 22:30"),
        # Without a zone it is UTC.
        ("2025-01-02T03:04:05", "2 Jan 2025, 04:04"),
    ],
)
def test_times_in_the_readers_zone(moment: str, shown: str) -> None:
    assert formats.when(moment, EN, "en", ZoneInfo("Europe/Berlin"), NOW) == shown


def test_dates_in_chinese() -> None:
    assert formats.when("2026-03-01T16:05:00+00:00", ZH, "zh", ZoneInfo("Asia/Shanghai"), NOW) == "2026年3月2日 00:05"


@pytest.mark.parametrize(
    ("document", "text", "shown"),
    [
        ("a.pdf", "a.pdf: the file is empty.", "The file is empty."),
        ("en/a.pdf", "a.pdf: the file is empty.", "The file is empty."),
        ("a.pdf", "reading it took longer than 10 minutes", "Reading it took longer than 10 minutes"),
        ("a.pdf", "", ""),
    ],
)
def test_a_reason_without_the_name_beside_it(document: str, text: str, shown: str) -> None:
    assert formats.reason(document, text) == shown


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("a.pdf: the PDF needs a password; save a copy without one.", "password"),
        ("a.docx: the file is encrypted; save a copy without a password.", "password"),
        ("a.pdf: the PDF has no text layer, it is a scan; run OCR on it first.", "OCR"),
        ("a.xyz: this kind of file is not read. Supported: .csv, .pdf", "save it as PDF"),
        ("a.doc: this is a file of an old Office format; open it and save it as .docx.", "save it as PDF"),
        ("a.txt: the file is empty.", "holds text"),
        ("a.pdf: the file is not a PDF although its name says so; export it as PDF again.", "export it anew"),
        ("the parser crashed on this file; save it anew from its program, or as a PDF", "export it anew"),
        ("embedding took too long; try again when the machine has less to do", "Process again"),
    ],
)
def test_each_kind_of_failure_has_its_remedy(text: str, word: str) -> None:
    assert word in formats.remedy(text, EN)


def test_a_documents_facts_leave_out_what_is_not_known() -> None:
    document = Document(
        id="1", document="a.pdf", title="", state="failed", reason="", warnings=[], live=False, format="",
        pages=None, chunks=0, bytes=15, version="1", generation=1, updated_at="2026-11-21T07:00:00+00:00",
    )  # fmt: skip
    assert formats.document_facts(document, EN) == ["15 B"]


def test_a_strangers_text_on_one_line() -> None:
    assert formats.one_line("**a**\n![x](http://e.example/x.png)") == (
        r"\*\*a\*\* \!\[x\]\(http:color[\:]//e.example/x.png\)"
    )
    assert formats.one_line("word " * 100, 11) == "word word…"
