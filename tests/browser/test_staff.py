"""The staff's pages as staff meet them: real server, real Chromium, both languages, phone and desktop."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests import packaged_model
from tests.browser.conftest import DESKTOP, EXAMPLES, PHONE, UI, Running, free_ports, no_wider_than_the_window, wait_for
from ui.client import Client

QUESTION = "How long is the motor of the WM-900 guaranteed?"
UNKNOWN = "What is the noise level of the FD-180?"
READY_MS = 120_000
KEY = "a-key-of-the-browser-tests"


def size(page: Page) -> tuple[int, int]:
    found = page.viewport_size
    assert found is not None
    return found["width"], found["height"]


def menu(page: Page, name: str) -> None:
    """Go to another page by the menu, which is folded away on a phone."""
    expect(page.get_by_test_id("stHeading").first).to_be_visible()
    link, unfold = page.get_by_test_id("stSidebarNavLink"), page.get_by_test_id("stExpandSidebarButton")
    if unfold.is_visible():
        unfold.click()
    link.filter(has_text=name).click()
    # Streamlit folds it away by itself on what says that it is a phone; a narrow window of a desktop does not.
    fold = page.get_by_test_id("stSidebarCollapseButton").get_by_role("button")
    if size(page) == PHONE:
        fold.click()
    expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()


def row(page: Page, name: str) -> Any:
    """The row of a document in the list."""
    return page.locator('[class*="st-key-doc-row-"]').filter(has=page.get_by_role("button", name=name, exact=True))


def choose_base(page: Page, name: str) -> None:
    # Typed, as a list of many shows the first ones only.
    page.locator(".st-key-pick-base input").fill(name)
    page.get_by_role("option", name=name, exact=True).click()
    expect(page.locator(".st-key-pick-base input")).to_have_value(name)


def no_tracebacks(page: Page) -> bool:
    return page.get_by_test_id("stException").count() == 0


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_an_admin_uploads_watches_looks_into_and_deletes(
    size: tuple[int, int], running: Running, client: Client, open_page: Any, shot: Any, tmp_path: Path
) -> None:
    width = "phone" if size == PHONE else "desktop"
    kb = f"brochures {width}"
    page = open_page(running.staff, size)
    menu(page, "Knowledge bases")
    page.get_by_label("Name").fill(kb)
    page.get_by_role("button", name="Create").click()
    card = page.locator(f'[class*="st-key-base-brochures-{width}"]').first
    expect(card).to_contain_text("0 documents")
    shot(page, f"staff-{width}-1-bases")
    card.get_by_role("button", name="Show documents").click()
    expect(page.get_by_text("No documents yet")).to_be_visible()
    shot(page, f"staff-{width}-2-empty")

    broken = tmp_path / "brochure.pdf"
    broken.write_text("this is no PDF")
    files = [EXAMPLES / "en/warranty.docx", EXAMPLES / "en/returns-policy.pdf", broken]
    page.locator('input[type="file"]').set_input_files(files)
    page.get_by_role("button", name="Upload 3 files").click()
    latest = page.locator(".st-key-latest-upload")
    # A fast machine is done before anybody sees that it works.
    expect(page.get_by_text("Being processed").or_(latest.get_by_text("failed")).first).to_be_visible()
    shot(page, f"staff-{width}-3-working")
    expect(latest).to_contain_text("2 ready · 1 failed", timeout=READY_MS)
    expect(latest).to_contain_text("brochure.pdf: failed")
    expect(latest).to_contain_text("The file is not a PDF although its name says so")
    expect(latest).to_contain_text("What to do:")
    expect(page.get_by_text("Being processed")).to_have_count(0)
    shot(page, f"staff-{width}-4-outcome")
    assert no_wider_than_the_window(page)
    latest.get_by_role("button", name="Hide").click()
    expect(latest).to_have_count(0)
    expect(row(page, "brochure.pdf")).to_contain_text("Failed")
    expect(row(page, "returns-policy.pdf")).to_contain_text("3 pages")
    shot(page, f"staff-{width}-5-list")

    page.get_by_label("Search by name").first.fill("warr")
    page.get_by_label("Search by name").first.press("Enter")
    expect(row(page, "brochure.pdf")).to_have_count(0)
    row(page, "warranty.docx").get_by_role("button", name="warranty.docx").click()
    passage = page.locator('[class*="st-key-chunk-"]').filter(has_text="2.1 Whole appliance")
    expect(passage.get_by_role("cell", name="Refurbished appliances of any group")).to_be_visible()
    shot(page, f"staff-{width}-6-document")
    assert no_wider_than_the_window(page)
    with page.expect_download() as downloading:
        page.get_by_role("button", name="Download original").click()
    assert Path(downloading.value.path()).read_bytes() == files[0].read_bytes()
    assert downloading.value.suggested_filename == "warranty.docx"
    page.get_by_role("button", name="All documents").click()

    page.get_by_role("radio", name=re.compile("^Failed 1")).or_(page.get_by_role("button", name="Failed 1")).click()
    actions = row(page, "brochure.pdf").get_by_role("button", name="Actions")
    actions.click()
    page.get_by_role("menuitem", name="Delete").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("brochure.pdf will be deleted")
    shot(page, f"staff-{width}-7-delete")
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_have_count(0)
    assert client.documents(kb).total == 3
    actions.click()
    page.get_by_role("menuitem", name="Delete").click()
    dialog.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("brochure.pdf was deleted.")).to_be_visible()
    expect(row(page, "brochure.pdf")).to_have_count(0)
    assert {document.document for document in client.documents(kb).documents} == {"warranty.docx", "returns-policy.pdf"}
    assert no_tracebacks(page)


def test_the_same_file_again_and_two_of_one_name(running: Running, client: Client, open_page: Any) -> None:
    page = open_page(running.staff)
    client.create_knowledge_base("again")
    client.upload("again", [("hours.txt", io.BytesIO(b"The shop is open from 9 to 5.\n"))])
    while not client.documents("again").documents[0].finished:
        time.sleep(0.2)
    page.reload()
    choose_base(page, "again")
    text = {"name": "hours.txt", "mimeType": "text/plain", "buffer": b"The shop is open from 9 to 5.\n"}
    page.locator('input[type="file"]').set_input_files([text, text])
    page.get_by_role("button", name="Upload 2 files").click()
    latest = page.locator(".st-key-latest-upload")
    expect(latest).to_contain_text("hours.txt: nothing new, this very file is here already.")
    expect(latest).to_contain_text("hours.txt: chosen more than once under the same name.")
    actions = row(page, "hours.txt").get_by_role("button", name="Actions")
    actions.click()
    page.get_by_role("menuitem", name="Process again").click()
    expect(page.get_by_text("hours.txt is up to date; there is nothing to do.")).to_be_visible()


def test_a_knowledge_base_is_renamed_and_deleted_by_its_typed_name(
    running: Running, client: Client, open_page: Any
) -> None:
    client.create_knowledge_base("short-lived")
    page = open_page(f"{running.staff}/bases")
    page.locator('[class*="st-key-base-rename-short-lived"] button').click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox").fill("default")
    dialog.get_by_role("button", name="Rename").click()
    expect(dialog).to_contain_text("This clashes with what is there already.")
    dialog.get_by_role("textbox").fill("long-lived")
    dialog.get_by_role("button", name="Rename").click()
    expect(page.get_by_text("short-lived is now called long-lived.")).to_be_visible()
    page.locator('[class*="st-key-base-delete-long-lived"] button').click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("long-lived will be deleted with 0 documents")
    dialog.get_by_role("textbox").fill("another")
    dialog.get_by_role("button", name="Delete").click()
    expect(dialog).to_contain_text("This is not its name; nothing was deleted.")
    assert "long-lived" in {base.name for base in client.knowledge_bases()}
    dialog.get_by_role("textbox").fill("long-lived")
    dialog.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("long-lived was deleted.")).to_be_visible()
    assert "long-lived" not in {base.name for base in client.knowledge_bases()}


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_what_retrieval_finds_and_whether_it_would_be_answered(
    size: tuple[int, int], running: Running, open_page: Any, shot: Any
) -> None:
    width = "phone" if size == PHONE else "desktop"
    page = open_page(f"{running.staff}/retrieval", size)
    field, verdict = page.get_by_label("Question", exact=True), page.locator(".st-key-verdict")
    field.fill(QUESTION)
    page.get_by_role("button", name="Try").click()
    expect(verdict).to_contain_text("Would be answered")
    expect(verdict).to_contain_text("The motor of the WM-900 is guaranteed for 10 years.")
    first = page.get_by_test_id("stExpander").first
    expect(first).to_contain_text("warranty.docx")
    first.locator("summary").click()
    expect(first).to_contain_text(
        re.compile(r"together \d\.\d+ · meaning \d\.\d+ \(rank \d+\) · words \d+\.\d+ \(rank \d+\)")
    )
    expect(page.get_by_text("By meaning (vectors)")).to_be_visible()
    expect(page.get_by_text("By words (BM25)")).to_be_visible()
    expect(page.get_by_text(re.compile(r"search \d.* ms"))).to_be_visible()
    shot(page, f"staff-{width}-8-retrieval")
    assert no_wider_than_the_window(page)
    expected = page.locator(".st-key-expected")
    expect(expected).to_have_count(0)
    box = page.get_by_label("Document that should be found")
    # Scrolled to first: a list that is open closes when the page moves under it.
    box.scroll_into_view_if_needed()
    page.wait_for_timeout(500)
    box.fill("zh/warranty")
    page.get_by_role("option", name="zh/warranty-zh.docx", exact=True).click()
    page.get_by_role("button", name="Try").click()
    expect(expected).to_contain_text("Where zh/warranty-zh.docx stands")
    expect(expected.get_by_role("row")).to_have_count(4)
    expect(expected.get_by_role("row").last).to_contain_text(re.compile(r"Together\s*(\d+ of \d+|absent)"))
    shot(page, f"staff-{width}-8-retrieval-expected")
    assert no_wider_than_the_window(page)
    field.fill(UNKNOWN)
    page.get_by_role("button", name="Try").click()
    expect(verdict).to_contain_text("Would not be answered")


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_an_answer_that_a_person_writes_is_given_as_it_stands(
    size: tuple[int, int], running: Running, client: Client, open_page: Any, shot: Any
) -> None:
    width = "phone" if size == PHONE else "desktop"
    question, answer = f"Do you repair the {width} in winter?", f"We do, on {width}s, all through the winter."
    page = open_page(f"{running.staff}/curated", size)
    page.get_by_role("button", name="Write an answer").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox", name="Questions").fill(question)
    dialog.get_by_role("textbox", name="Answer", exact=True).fill(answer)
    shot(page, f"staff-{width}-9-curated-dialog")
    dialog.get_by_role("button", name="Save").click()
    card = page.locator('[class*="st-key-curated-"]', has_text=question)
    expect(card).to_contain_text(answer)
    expect(card).to_contain_text("Given")
    shot(page, f"staff-{width}-9-curated")
    assert no_wider_than_the_window(page)
    assert answer in client.ask(question).answer
    card.get_by_role("button", name="Remove").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(card).to_have_count(0)


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_a_customer_waits_is_read_and_done(
    size: tuple[int, int], running: Running, client: Client, open_page: Any, shot: Any
) -> None:
    width = "phone" if size == PHONE else "desktop"
    contact = f"grace-{width}@example.com"
    answer = client.ask(QUESTION)
    client.hand_off(answer.conversation_id, contact, "I need it in writing.")
    page = open_page(f"{running.staff}/waiting", size)
    card = page.locator(f'[class*="st-key-wait-{answer.conversation_id}"]')
    # As it was written: it is copied from here.
    expect(card.locator("code")).to_have_text(contact)
    expect(card).to_contain_text("I need it in writing.")
    shot(page, f"staff-{width}-9-waiting")
    card.get_by_role("button", name="Read conversation").click()
    said = page.get_by_test_id("stChatMessage")
    expect(said.first).to_contain_text(QUESTION)
    expect(said.nth(1)).to_contain_text("10 years")
    said.nth(1).locator("summary").first.click()
    expect(said.nth(1)).to_contain_text("The motor of the WM-700 is guaranteed for 5 years.")
    shot(page, f"staff-{width}-10-conversation")
    assert no_wider_than_the_window(page)
    page.get_by_role("button", name="Done").click()
    expect(page.get_by_text("Marked as done.")).to_be_visible()
    expect(page.get_by_role("heading", name="Customers waiting")).to_be_visible()
    expect(card).to_have_count(0)
    assert client.conversation(answer.conversation_id).status == "closed"


def test_the_systems_state_in_words(running: Running, open_page: Any, shot: Any) -> None:
    page = open_page(f"{running.staff}/system")
    expect(page.locator(".st-key-sys-summary")).to_contain_text("Everything works")
    expect(page.locator(".st-key-sys-part-endpoint")).to_contain_text("Not set up")
    expect(page.locator(".st-key-sys-part-database")).to_contain_text("Works")
    expect(page.get_by_text("Nothing is waiting.")).to_be_visible()
    expect(page.locator(".st-key-sys-servers")).to_contain_text("No model server runs")
    shot(page, "staff-desktop-11-system")


def test_chinese_on_every_page(running: Running, client: Client, open_page: Any, shot: Any) -> None:
    page = open_page(running.staff, PHONE, "zh-CN")
    expect(page.get_by_role("heading", name="文档")).to_be_visible()
    expect(page.get_by_role("button", name="选择文件")).to_be_visible()
    row(page, "zh/warranty-zh.docx").get_by_role("button", name="zh/warranty-zh.docx").click()
    expect(page.locator('[class*="st-key-chunk-"]').first).to_contain_text("段落 1")
    shot(page, "staff-phone-12-chinese")
    for name in ("同步来源", "知识库", "检索测试", "待回复客户", "系统状态"):
        menu(page, name)
        page.wait_for_timeout(500)
        assert no_wider_than_the_window(page), name
        assert no_tracebacks(page), name
    expect(page.locator(".st-key-sys-summary")).to_contain_text("一切正常")


def test_the_language_is_kept_from_page_to_page(running: Running, open_page: Any) -> None:
    page = open_page(running.staff)
    page.get_by_role("radio", name="中文").or_(page.get_by_role("button", name="中文")).first.click()
    expect(page.get_by_role("heading", name="文档")).to_be_visible()
    menu(page, "系统状态")


def test_nothing_is_fetched_from_elsewhere(running: Running, open_page: Any) -> None:
    page = open_page("about:blank")
    outside: list[str] = []
    page.on("request", lambda request: outside.append(request.url))
    page.goto(running.staff)
    expect(page.get_by_role("heading", name="Documents")).to_be_visible()
    menu(page, "System")
    page.wait_for_timeout(500)
    assert [url for url in outside if not url.startswith((running.staff, "data:", "blob:"))] == []


def test_what_can_be_tapped_is_large_enough(running: Running, open_page: Any) -> None:
    page = open_page(running.staff, PHONE)
    expect(page.locator('[class*="st-key-doc-row-"]').first).to_be_visible()
    for button in page.get_by_test_id("stMain").get_by_role("button").all():
        box = button.bounding_box()
        if box is not None and button.inner_text().strip():
            assert box["height"] >= 44, button.inner_text()


@dataclass(frozen=True)
class Locked:
    """A server with a key and the staff's pages, each of which can be ended."""

    api: subprocess.Popen[bytes]
    staff_url: str


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[Locked]:
    api_port, staff_port = free_ports(2)
    environment = packaged_model.environment()
    environment |= {
        "FRONTDESK_HOME": str(tmp_path / "home"),
        "FRONTDESK_PORT": str(api_port),
        # The customers' page uses it from here; the staff's pages must not.
        "FRONTDESK_API_KEY": KEY,
        "FRONTDESK_API_URL": f"http://127.0.0.1:{api_port}",
    }
    started: list[subprocess.Popen[bytes]] = []
    try:
        command = [sys.executable, "-m", "app.main"]
        started.append(subprocess.Popen(command, env=environment, cwd=tmp_path))
        command = [sys.executable, "-m", "streamlit", "run", "staff.py", "--server.headless=true"]
        command += [f"--server.port={staff_port}", "--server.address=127.0.0.1"]
        started.append(subprocess.Popen(command, env=environment, cwd=UI, stdout=subprocess.DEVNULL))
        wait_for(f"http://127.0.0.1:{api_port}/health", started[0])
        wait_for(f"http://127.0.0.1:{staff_port}/", started[1])
        yield Locked(started[0], f"http://127.0.0.1:{staff_port}")
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait(30)


def test_sign_in_with_the_key_and_a_server_that_goes_away(locked: Locked, open_page: Any, shot: Any) -> None:
    page = open_page(f"{locked.staff_url}/system")
    field = page.get_by_label("API key")
    field.fill("not-the-key-of-this-server")
    # Nothing of the desk before the key is right, its menu least of all.
    expect(page.get_by_test_id("stSidebarNavLink")).to_have_count(0)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("The server did not accept this key.")).to_be_visible()
    shot(page, "staff-desktop-13-sign-in")
    field.fill(KEY)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator(".st-key-sys-summary")).to_be_visible()
    menu(page, "Documents")
    expect(page.get_by_text("No documents yet")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("API key")).to_be_visible()
    page.get_by_label("API key").fill(KEY)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("No documents yet")).to_be_visible()

    locked.api.terminate()
    locked.api.wait(30)
    menu_link = page.get_by_test_id("stSidebarNavLink").filter(has_text="System")
    menu_link.click()
    expect(page.get_by_text("does not answer at")).to_be_visible()
    expect(page.get_by_text("frontdesk up")).to_be_visible()
    expect(page.get_by_role("button", name="Try again")).to_be_visible()
    assert no_tracebacks(page)
    shot(page, "staff-desktop-14-away")
