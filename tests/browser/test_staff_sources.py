"""A folder is kept in step from the staff's page: added, looked at, believed to be empty, removed with its documents."""

from __future__ import annotations

import re
import time
import uuid
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import DESKTOP, PHONE, Running, no_wider_than_the_window
from ui.client import Client


def choose_base(page: Page, name: str) -> None:
    # Typed, as a list of many shows the first ones only.
    page.locator(".st-key-pick-base input").fill(name)
    page.get_by_role("option", name=name, exact=True).click()
    expect(page.locator(".st-key-pick-base input")).to_have_value(name)


def settled(client: Client, kb: str) -> None:
    """Until nothing of it is looked at or read any more."""
    end = time.monotonic() + 120
    while (
        any(source.state != "idle" for source in client.sources(kb))
        or any(not document.finished for document in client.documents(kb).documents)
    ):  # fmt: skip
        assert time.monotonic() < end, "not settled in time"
        time.sleep(0.3)


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_a_folder_is_kept_in_step_and_removed_with_its_documents(
    size: tuple[int, int], running: Running, client: Client, open_page: Any, shot: Any
) -> None:
    width = "phone" if size == PHONE else "desktop"
    kb = f"kept {width} {uuid.uuid4().hex[:6]}"
    folder = running.shares / kb
    folder.mkdir(parents=True)
    (folder / "opening hours.md").write_text("# Opening hours\n\nThe shop is open from 9 to 5.\n")
    (folder / "logo.svg").write_text("<svg/>")
    client.create_knowledge_base(kb)
    page = open_page(f"{running.staff}/sources", size)
    choose_base(page, kb)
    expect(page.get_by_text("No sources yet")).to_be_visible()

    # For a moment the field of before is there, too.
    address, add = page.get_by_label("Address").first, page.get_by_role("button", name="Add source")
    address.fill("/etc")
    add.click()
    refused = page.locator(".st-key-source-refused")
    expect(refused).to_contain_text("lies in none of the folders")
    expect(refused).to_contain_text("What to do: name a folder that the server offers")
    address.fill(str(folder))
    # A list that opens while the page scrolls is closed by that.
    add.scroll_into_view_if_needed()
    page.get_by_label("Look for changes").fill("only")
    page.get_by_role("option", name="only when asked").click()
    shot(page, f"sources-{width}-1-add")
    add.click()
    card = page.locator('[class*="st-key-source-"]').filter(has=page.get_by_role("button", name="Look now")).first
    expect(card).to_contain_text(str(folder))
    expect(card).to_contain_text("Not looked at yet")
    expect(address).to_have_value("")

    card.get_by_role("button", name="Look now").click()
    # Without a reload: the page asks while it is looked at.
    expect(card).to_contain_text("The last look found: 1 new · 1 skipped")
    expect(card).to_contain_text("In step")
    card.locator("summary").click()
    expect(card).to_contain_text("logo.svg: no parser for this kind of file")
    shot(page, f"sources-{width}-2-found")
    assert no_wider_than_the_window(page)
    settled(client, kb)
    assert [document.document for document in client.documents(kb).documents] == ["opening hours.md"]

    for file in folder.iterdir():
        file.rename(running.shares / f"{kb} {file.name}")
    card.get_by_role("button", name="Look now").click()
    expect(card).to_contain_text("shows no file, although 1 came from there")
    expect(card).not_to_contain_text("--allow-empty")
    shot(page, f"sources-{width}-3-problem")
    assert client.documents(kb).total == 1
    card.get_by_role("button", name="It is meant to be empty").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("all documents that came from there are deleted")
    dialog.get_by_role("button", name="Delete its documents").click()
    expect(dialog).to_have_count(0)
    expect(card).to_contain_text("The last look found: 1 gone")
    assert client.documents(kb).total == 0

    (running.shares / f"{kb} opening hours.md").rename(folder / "opening hours.md")
    card.get_by_role("button", name="Look now").click()
    expect(card).to_contain_text("The last look found: 1 new")
    settled(client, kb)
    card.get_by_role("button", name="Remove").click()
    page.get_by_role("dialog").get_by_text(re.compile(r"Delete its documents here, too \(1 document\)")).click()
    shot(page, f"sources-{width}-4-remove")
    dialog.get_by_role("button", name="Remove").click()
    expect(page.get_by_text("was removed with its documents.")).to_be_visible()
    expect(page.get_by_text("No sources yet")).to_be_visible()
    assert client.sources(kb) == []
    assert client.documents(kb).total == 0
    assert (folder / "opening hours.md").is_file()
    assert page.get_by_test_id("stException").count() == 0
