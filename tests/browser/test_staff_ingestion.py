"""What an admin does with documents that are read: look at pages, word passages anew, stop, publish, disable."""

from __future__ import annotations

import io
import time
import uuid
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from reportlab.pdfgen import canvas

from tests.browser.conftest import DESKTOP, PHONE, Running, no_wider_than_the_window
from ui.client import Client

SIZES = pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
QUESTION = "How many litres does the QD-77 drain in a minute?"
ANSWERED = "The QD-77 pump drains 12 litres of water in a minute."


def pdf(*pages: str) -> io.BytesIO:
    written = io.BytesIO()
    paper = canvas.Canvas(written)
    for text in pages:
        paper.setFont("Helvetica", 13)
        for number, line in enumerate(text.split("\n")):
            paper.drawString(72, 740 - 22 * number, line)
        paper.showPage()
    paper.save()
    return io.BytesIO(written.getvalue())


def ready(client: Client, kb: str, name: str, file: io.BytesIO, *, draft: bool = False) -> str:
    """Upload a file and wait for its end; returns the document's id."""
    (sent,) = client.upload(kb, [(name, file)], draft=draft)
    end = time.monotonic() + 120
    while not client.document(sent.id).finished:
        assert time.monotonic() < end, "not ready in time"
        time.sleep(0.3)
    return sent.id


def base(client: Client, name: str) -> str:
    # A name of its own for each try: a test that is run again must not stumble over what its first try left.
    name = f"{name} {uuid.uuid4().hex[:4]}"
    client.create_knowledge_base(name)
    return name


def choose_base(page: Page, name: str) -> None:
    page.locator(".st-key-pick-base input").click()
    page.get_by_role("option", name=name, exact=True).click()
    expect(page.locator(".st-key-pick-base input")).to_have_value(name)


def no_tracebacks(page: Page) -> bool:
    return page.get_by_test_id("stException").count() == 0


def reworded(text: str) -> str:
    return text.replace("12 litres", "15 litres")


@SIZES
def test_a_page_beside_its_passages_and_a_wording_that_customers_are_answered_from(
    size: tuple[int, int], running: Running, client: Client, open_page: Any, shot: Any
) -> None:
    width = "phone" if size == PHONE else "desktop"
    kb = base(client, f"pumps {width}")
    other = "The hose of the QD-78 is 4 metres long.\nIt is to be rinsed once a month."
    document = ready(client, kb, "pump.pdf", pdf(ANSWERED, other))
    page = open_page(f"{running.staff}/?document={document}", size)
    picture = page.locator(".page-picture img")
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.complete && image.naturalWidth") == 1000
    expect(page.locator(".page-box span").first).to_have_text("1")
    frame, shown = page.locator(".page-box").first.bounding_box(), picture.bounding_box()
    assert frame is not None
    assert shown is not None
    # The text stands an inch from the left, at the top of the page.
    assert (frame["x"] - shown["x"]) / shown["width"] == pytest.approx(72 / 595, abs=0.03)
    assert (frame["y"] - shown["y"]) / shown["height"] < 0.2
    passage = page.locator(".st-key-chunk-0")
    expect(passage).to_contain_text("12 litres")
    shot(page, f"ingestion-{width}-1-page")
    assert no_wider_than_the_window(page)
    page.get_by_test_id("stPagination").get_by_role("button", name="Page 2", exact=True).click()
    expect(page.get_by_role("img", name="page 2")).to_be_visible()
    # The passage goes on there: its frame is around both lines.
    expect(page.locator(".page-box").first).to_be_visible()

    page.get_by_label("Search in this document").fill("QD-77 litres")
    page.get_by_label("Search in this document").press("Enter")
    expect(page.locator(".page-picture")).to_have_count(0)
    passage.get_by_role("button", name="Edit").click()
    field = page.get_by_label("What this passage shall say")
    field.fill(reworded(field.input_value()))
    shot(page, f"ingestion-{width}-2-edit")
    page.get_by_role("button", name="Save").click()
    expect(passage).to_contain_text("worded by your team")
    expect(passage).to_contain_text("15 litres")
    shot(page, f"ingestion-{width}-3-edited")
    assert "15 litres" in client.ask(QUESTION, kb=kb, engine="extractive").answer
    passage.get_by_role("button", name="Back to the file's text").click()
    expect(passage).to_contain_text("12 litres")
    expect(passage).not_to_contain_text("worded by your team")
    assert "12 litres" in client.ask(QUESTION, kb=kb, engine="extractive").answer
    assert no_tracebacks(page)


def test_a_wording_that_lost_its_passage_is_offered_again(
    running: Running, client: Client, open_page: Any, shot: Any
) -> None:
    kb = base(client, "moved")
    document = ready(client, kb, "pump.pdf", pdf(ANSWERED))
    chunk = client.chunks(document).chunks[0]
    client.edit_chunk(document, chunk.id, reworded(chunk.text))
    ready(client, kb, "pump.pdf", pdf(ANSWERED.replace("pump drains", "pump now drains")))
    page = open_page(f"{running.staff}/review")
    choose_base(page, kb)
    page.get_by_role("button", name="pump.pdf").click()
    offer = page.locator('[class*="st-key-moved-"]').first
    expect(offer).to_contain_text("15 litres")
    offer.locator("summary").click()
    shot(page, "ingestion-desktop-4-moved")
    offer.get_by_role("button", name="Put it here").click()
    expect(page.get_by_text("worded by your team").first).to_be_visible()
    expect(page.get_by_text("Edits to look at again")).to_have_count(0)
    assert "15 litres" in client.ask(QUESTION, kb=kb, engine="extractive").answer


@SIZES
def test_a_draft_is_seen_in_the_review_and_published(
    size: tuple[int, int], running: Running, client: Client, open_page: Any, shot: Any
) -> None:
    width = "phone" if size == PHONE else "desktop"
    kb = base(client, f"drafts {width}")
    page = open_page(running.staff, size)
    choose_base(page, kb)
    upload = {"name": "pump.pdf", "mimeType": "application/pdf", "buffer": pdf(ANSWERED).getvalue()}
    page.locator('input[type="file"]').set_input_files([upload])
    page.get_by_text("Upload as drafts").click()
    page.get_by_role("button", name="Upload 1 file").click()
    expect(page.get_by_text("pump.pdf: draft ready")).to_be_visible(timeout=120_000)
    shot(page, f"ingestion-{width}-5-draft")
    assert client.ask(QUESTION, kb=kb, engine="extractive").outcome == "refused"
    found = client.documents(kb).documents[0]
    page.goto(f"{running.staff}/?document={found.id}")
    expect(page.get_by_text("A draft is waiting")).to_be_visible()
    expect(page.locator(".page-picture img")).to_be_visible()
    page.goto(f"{running.staff}/review")
    choose_base(page, kb)
    expect(page.get_by_text("A draft is waiting")).to_be_visible()
    shot(page, f"ingestion-{width}-6-review")
    assert no_wider_than_the_window(page)
    page.get_by_role("button", name="Publish").click()
    expect(page.get_by_text("A draft is waiting")).to_have_count(0)
    assert "12 litres" in client.ask(QUESTION, kb=kb, engine="extractive").answer


@SIZES
def test_a_disabled_document_answers_nobody(
    size: tuple[int, int], running: Running, client: Client, open_page: Any, shot: Any
) -> None:
    width = "phone" if size == PHONE else "desktop"
    kb = base(client, f"disabled {width}")
    document = ready(client, kb, "pump.pdf", pdf(ANSWERED))
    assert "12 litres" in client.ask(QUESTION, kb=kb, engine="extractive").answer
    page = open_page(f"{running.staff}/?document={document}", size)
    page.get_by_role("button", name="Publication").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("Customers are answered from this document").click()
    tags = dialog.get_by_role("combobox", name="Tags")
    tags.fill("pumps")
    tags.press("Enter")
    # The list of tags lies over the button until it is left.
    dialog.get_by_text("pump.pdf").click()
    shot(page, f"ingestion-{width}-7-publication")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_have_count(0)
    badges = page.locator(".stMarkdownBadge")
    expect(badges.filter(has_text="Disabled")).to_be_visible()
    expect(badges.filter(has_text="pumps")).to_be_visible()
    changed = client.document(document)
    assert (changed.enabled, changed.tags) == (False, ["pumps"])
    assert client.ask(QUESTION, kb=kb, engine="extractive").outcome == "refused"
    assert no_tracebacks(page)


def test_reading_is_stopped_and_begun_again(running: Running, client: Client, open_page: Any, shot: Any) -> None:
    kb = base(client, "stopped")
    lines = [f"Step {n} of the service plan: check valve {n} and write down its pressure." for n in range(30)]
    long = pdf(*("\n".join(f"{line} Sheet {sheet}." for line in lines) for sheet in range(400)))
    (sent,) = client.upload(kb, [("plan.pdf", long)])
    page = open_page(f"{running.staff}/?document={sent.id}")
    page.get_by_role("button", name="Stop", exact=True).click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("plan.pdf will not be read to its end")
    shot(page, "ingestion-desktop-8-stop")
    dialog.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("Its ingestion was cancelled on request")).to_be_visible()
    expect(page.get_by_text("choose “Process again” when it shall be read after all")).to_be_visible()
    assert client.document(sent.id).state == "failed"
    shot(page, "ingestion-desktop-9-stopped")
    page.get_by_role("button", name="Process again").click()
    expect(page.get_by_role("button", name="Stop", exact=True)).to_be_visible()
    client.cancel(sent.id)
