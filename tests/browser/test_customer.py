"""The customers' page as customers meet it: real server, real Chromium, both languages, phone and desktop."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import CONTACT, DESKTOP, PHONE, UI, Running, free_ports, no_wider_than_the_window, wait_for
from ui.client import Client

QUESTION = "How long is the motor of the WM-900 guaranteed?"
FOLLOW_UP = "And the motor of the WM-700?"
UNKNOWN = "What is the noise level of the FD-180?"
CHINESE = "RF-360N 的变频压缩机保修多少年？"
CHINESE_UNKNOWN = "FD-180 洗碗机的噪音是多少分贝？"


def ask(page: Page, question: str) -> None:
    box = page.locator('[data-testid="stChatInput"] textarea')
    box.fill(question)
    box.press("Enter")


def answers(page: Page) -> Any:
    return page.locator('[data-testid="stChatMessage"]')


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_a_customer_asks_twice_opens_a_source_and_is_passed_on(
    size: tuple[int, int], running: Running, client: Client, open_page: Any, shot: Any
) -> None:
    width = "phone" if size == PHONE else "desktop"
    page = open_page(running.customers, size)
    expect(page.get_by_role("heading", name="How can we help?")).to_be_visible()
    shot(page, f"customer-{width}-1-empty")

    ask(page, QUESTION)
    expect(answers(page).nth(1)).to_contain_text("10 years")
    source = page.locator('[data-testid="stExpander"]').first
    expect(source).to_contain_text("warranty.docx")
    source.locator("summary").click()
    expect(source).to_contain_text("The motor of the WM-700 is guaranteed for 5 years.")
    shot(page, f"customer-{width}-2-answer")
    assert no_wider_than_the_window(page)

    ask(page, FOLLOW_UP)
    # Its own words: the passage below them holds all the years.
    expect(answers(page).nth(3).locator('[data-testid="stMarkdownContainer"]').first).to_contain_text("5 years")
    # The open source had pushed it out of sight; the header with the person stays wherever the page is.
    expect(answers(page).nth(3)).to_be_in_viewport()
    expect(page.locator(".st-key-person")).to_be_in_viewport()
    ask(page, UNKNOWN)
    expect(answers(page).nth(5)).to_contain_text("would rather not guess")
    expect(answers(page).nth(5).locator('[data-testid="stExpander"]')).to_have_count(0)
    shot(page, f"customer-{width}-3-refused")

    answers(page).nth(5).get_by_role("button", name="Talk to a person").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text(CONTACT)
    dialog.get_by_role("button", name="Send to a colleague").click()
    expect(dialog).to_contain_text("Please leave an e-mail address or a phone number.")
    dialog.get_by_label("E-mail or phone").fill(f"ada-{width}@example.com")
    dialog.get_by_label("Anything to add? (optional)").fill("After five, please.")
    shot(page, f"customer-{width}-4-person")
    dialog.get_by_role("button", name="Send to a colleague").click()
    expect(page.get_by_test_id("stAlert")).to_contain_text(
        f"A colleague will get back to you at ada-{width}@example.com."
    )
    expect(page.get_by_test_id("stAlert").locator("a")).to_have_count(0)
    shot(page, f"customer-{width}-5-waiting")
    assert no_wider_than_the_window(page)

    waiting = [c for c in client.conversations(status="waiting").conversations if c.contact.startswith(f"ada-{width}")]
    assert [(c.title, c.note, c.messages_count) for c in waiting] == [(QUESTION, "After five, please.", 6)]


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_chinese_by_the_browsers_language(size: tuple[int, int], running: Running, open_page: Any, shot: Any) -> None:
    width = "phone" if size == PHONE else "desktop"
    page = open_page(running.customers, size, locale="zh-CN")
    expect(page.get_by_role("heading", name="有什么可以帮您？")).to_be_visible()
    ask(page, CHINESE)
    expect(answers(page).nth(1)).to_contain_text("12 年")
    page.locator('[data-testid="stExpander"] summary').first.click()
    expect(page.locator('[data-testid="stExpander"]').first).to_contain_text("上门费每次 60 元")
    ask(page, CHINESE_UNKNOWN)
    expect(answers(page).nth(3)).to_contain_text("不想随意猜测")
    expect(answers(page).nth(3).get_by_role("button", name="转人工客服")).to_be_visible()
    shot(page, f"customer-{width}-6-chinese")
    assert no_wider_than_the_window(page)


def test_the_language_can_be_switched_and_is_kept(running: Running, open_page: Any) -> None:
    page = open_page(running.customers)
    page.get_by_role("radio", name="中文").or_(page.get_by_role("button", name="中文")).first.click()
    expect(page.get_by_role("heading", name="有什么可以帮您？")).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="有什么可以帮您？")).to_be_visible()


def test_a_reload_finds_the_conversation_and_a_new_one_begins_empty(running: Running, open_page: Any) -> None:
    page = open_page(running.customers)
    ask(page, QUESTION)
    expect(answers(page).nth(1)).to_contain_text("10 years")
    expect(page).to_have_url(re.compile(r"[?&]c=[0-9a-f]{32}"))
    page.reload()
    expect(answers(page).nth(1)).to_contain_text("10 years")
    page.get_by_role("button", name="New conversation").click()
    expect(page.get_by_role("heading", name="How can we help?")).to_be_visible()
    expect(page).not_to_have_url(re.compile(r"[?&]c="))


def test_a_conversation_that_is_gone_is_said_to_be(running: Running, open_page: Any, shot: Any) -> None:
    page = open_page(f"{running.customers}/?c={'0' * 32}")
    expect(page.get_by_text("This conversation is not there any more.")).to_be_visible()
    shot(page, "customer-desktop-7-gone")


def test_what_can_be_tapped_is_large_enough(running: Running, open_page: Any) -> None:
    page = open_page(running.customers, PHONE)
    ask(page, UNKNOWN)
    expect(answers(page).nth(1).get_by_role("button", name="Talk to a person")).to_be_visible()
    expect(page.get_by_role("radio")).to_have_count(2)
    for button in [*page.get_by_role("button").all(), *page.get_by_role("radio").all()]:
        box = button.bounding_box()
        if box is not None and button.inner_text().strip():
            assert box["height"] >= 44, button.inner_text()


HOSTILE = (
    "<img src=x onerror=alert(1)> ![a](http://127.0.0.1:9/x.png) **bold** :red[warranty] https://evil.example/a "
    "www.evil.example ada@evil.example :material/home: :smile: x >= 3 <- y --> z"
)


def test_markup_of_a_stranger_stays_text(running: Running, client: Client, open_page: Any) -> None:
    """In a question, an answer and a passage, which is quoted."""
    client.upload("default", [("hostile.txt", io.BytesIO(f"Zebra polish: {HOSTILE} is sold in Leeds.\n".encode()))])
    while not client.documents("default", search="hostile").documents[0].finished:
        time.sleep(0.2)
    page = open_page(running.customers)
    ask(page, f"Is zebra polish sold in Leeds? {HOSTILE}")
    expect(answers(page).nth(1)).to_contain_text("zebra polish", ignore_case=True)
    page.locator('[data-testid="stExpander"] summary').first.click()
    expect(page.locator('[data-testid="stExpanderDetails"]').first).to_be_visible()
    for shown in (answers(page).nth(0), page.locator('[data-testid="stExpanderDetails"]').first):
        assert HOSTILE in shown.inner_text()
        for markdown in shown.locator('[data-testid="stMarkdownContainer"]').all():
            assert markdown.locator("img, strong, a, svg, [data-testid='stIconMaterial']").count() == 0
    client.delete_document(client.documents("default", search="hostile").documents[0].id)


def test_an_api_that_is_away_is_said_to_be_and_asked_again(open_page: Any, shot: Any, tmp_path: Path) -> None:
    """The page alone, with nobody behind it."""
    (port, nobody) = free_ports(2)
    environment = {**os.environ, "FRONTDESK_API_URL": f"http://127.0.0.1:{nobody}"}
    command = [sys.executable, "-m", "streamlit", "run", "customer.py", "--server.headless=true"]
    command += [f"--server.port={port}", "--server.address=127.0.0.1"]
    page_alone = subprocess.Popen(command, env=environment, cwd=UI, stdout=subprocess.DEVNULL)
    try:
        wait_for(f"http://127.0.0.1:{port}/", page_alone)
        page = open_page(f"http://127.0.0.1:{port}")
        ask(page, QUESTION)
        expect(page.get_by_text("The service cannot be reached at the moment.")).to_be_visible()
        expect(page.get_by_role("button", name="Ask again")).to_be_visible()
        assert "Traceback" not in page.content()
        shot(page, "customer-desktop-8-away")
    finally:
        page_alone.terminate()
        page_alone.wait(20)
