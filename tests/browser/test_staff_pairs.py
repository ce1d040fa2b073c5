"""The page of training pairs: made, gone through by keys, split, brought in; on a phone and on a desktop."""

from __future__ import annotations

import io
import time
import uuid
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.conftest import DESKTOP, EXAMPLES, PHONE, Running, no_wider_than_the_window
from tests.browser.test_staff import choose_base, no_tracebacks
from ui.client import Client
from ui.pairs import Pair

MADE_MS = 240_000
TABLE = b"question,answer\nHow long is the motor of the WM-900 covered?,The motor of the WM-900 is guaranteed for 10 years.\nNo answer?,\n"


def prepared(client: Client, kb: str) -> None:
    """A knowledge base of its own with one document."""
    client.create_knowledge_base(kb)
    client.upload(kb, [("warranty.docx", io.BytesIO((EXAMPLES / "en/warranty.docx").read_bytes()))])
    end = time.monotonic() + 150
    while not client.documents(kb).documents[0].finished:
        assert time.monotonic() < end
        time.sleep(0.3)


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_pairs_are_made_reviewed_by_keys_split_and_brought_in(
    size: tuple[int, int], running: Running, client: Client, open_page: Any, shot: Any
) -> None:
    width = "phone" if size == PHONE else "desktop"
    kb = f"pairs {width} {uuid.uuid4().hex[:6]}"
    prepared(client, kb)
    page = open_page(f"{running.staff}/pairs", size)
    choose_base(page, kb)
    expect(page.get_by_text("No pairs yet")).to_be_visible()
    shot(page, f"staff-{width}-pairs-1-empty")
    page.get_by_role("button", name="Make pairs").click()
    expect(page.locator(".st-key-pair-work")).to_contain_text("new pairs of", timeout=MADE_MS)
    pending = client.pairs(kb, {"state": ["pending"]})
    first, second, third = pending.pairs[:3]

    def card(pair: Pair) -> Locator:
        return page.locator(f".st-key-pair-card-{pair.id}")

    expect(card(first)).to_contain_text(first.question)
    shot(page, f"staff-{width}-pairs-2-review")
    assert no_wider_than_the_window(page)

    # A letter that is written into a field is no key.
    search = page.get_by_label("Search in questions and answers")
    search.click()
    search.press_sequentially("a")
    search.press("Backspace")
    search.blur()
    page.wait_for_timeout(500)
    expect(card(first)).to_be_visible()
    assert client.pair(kb, first.id).review == "pending"
    page.locator("body").press("a")
    expect(card(second)).to_be_visible()
    page.locator("body").press("x")
    expect(card(third)).to_be_visible()
    assert (client.pair(kb, first.id).review, client.pair(kb, second.id).review) == ("approved", "rejected")
    page.locator("body").press("e")
    card(third).get_by_label("Question").fill("Which one is it?")
    shot(page, f"staff-{width}-pairs-3-edit")
    card(third).get_by_role("button", name="Save").click()
    expect(card(third)).to_have_count(0)
    assert client.pair(kb, third.id).question == "Which one is it?"

    page.get_by_role("button", name="Split").click()
    expect(page.locator(".st-key-pair-work")).to_contain_text("Nothing stands on both sides", timeout=MADE_MS)
    page.get_by_text("Export and import").click()
    page.locator('input[type="file"]').set_input_files({"name": "faq.csv", "mimeType": "text/csv", "buffer": TABLE})
    work = page.locator(".st-key-pair-work")
    expect(work).to_contain_text("2 rows read", timeout=MADE_MS)
    work.get_by_text("Rows that were not taken").click()
    expect(work).to_contain_text("Row 2: no answer")
    page.get_by_text("Who wrote them, and what was dropped").click()
    shot(page, f"staff-{width}-pairs-4-report")
    assert no_wider_than_the_window(page)
    with page.expect_download() as downloading:
        page.get_by_role("button", name="Export", exact=True).click()
    assert downloading.value.suggested_filename == "pairs-messages.jsonl"
    page.get_by_role("radio", name="All").or_(page.get_by_role("button", name="All")).first.click()
    expect(page.locator('[class*="st-key-pair-row-"]').first).to_be_visible()
    shot(page, f"staff-{width}-pairs-5-all")
    assert no_tracebacks(page)


def test_pairs_in_chinese(running: Running, client: Client, open_page: Any, shot: Any) -> None:
    page = open_page(f"{running.staff}/pairs", PHONE, "zh-CN")
    expect(page.get_by_role("heading", name="训练问答")).to_be_visible()
    expect(page.get_by_role("button", name="生成问答")).to_be_visible()
    shot(page, "staff-phone-pairs-6-chinese")
    assert no_wider_than_the_window(page)
    assert no_tracebacks(page)
