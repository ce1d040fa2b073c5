"""A real `frontdesk up` and a real Chromium for the pages; both started once."""

from __future__ import annotations

import io
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests import packaged_model
from ui.client import Client

CHROMIUM = Path("/usr/bin/chromium")
UI = Path(__file__).parents[2] / "ui"
EXAMPLES = Path(__file__).parents[2] / "examples" / "files"
CONTACT = "0113 496 0000"
PHONE, DESKTOP = (390, 844), (1280, 850)
START_S = 150
# An answer takes seconds where other work runs beside it.
# The packaged model writes some ten words a second where other work is beside: an answer may take a minute.
expect.set_options(timeout=90_000)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.integration)
            # Once more, and told as RERUN: on a loaded machine an action may fall between two drawings of a page. A test
            # that fails twice fails; one that is rerun is to be looked at.
            item.add_marker(pytest.mark.flaky(reruns=1))
            if not CHROMIUM.exists():
                item.add_marker(pytest.mark.skip(reason=f"Chromium is not at {CHROMIUM} (apt-get install chromium)"))


@dataclass(frozen=True)
class Running:
    """Where everything is."""

    api: str
    customers: str
    staff: str
    # The folder of the server that may be named as a source, and folders below it.
    shares: Path


def free_ports(count: int) -> list[int]:
    """Ports that nobody uses now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as reply:
            return bool(reply.status == 200)
    except OSError:
        return False


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    """Until something answers at an address."""
    end = time.monotonic() + START_S
    while not _answers(url):
        assert process.poll() is None, "it ended"
        assert time.monotonic() < end, f"nothing answers at {url}"
        time.sleep(0.3)


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """`frontdesk up` on a folder of its own, with two documents that customers can be answered from."""
    api, customers, staff = free_ports(3)
    folder = tmp_path_factory.mktemp("up")
    environment = packaged_model.environment()
    environment |= {"FRONTDESK_HOME": str(folder / "home"), "FRONTDESK_UI_CONTACT": CONTACT}
    environment |= {"FRONTDESK_SOURCE_FOLDERS": str(folder / "shares")}
    command = [sys.executable, "-m", "app.cli", "up", "--port", str(api)]
    command += ["--customer-port", str(customers), "--staff-port", str(staff)]
    process = subprocess.Popen(command, env=environment, cwd=folder, start_new_session=True)
    found = Running(*(f"http://127.0.0.1:{port}" for port in (api, customers, staff)), shares=folder / "shares")
    try:
        for url in (f"{found.api}/health", f"{found.customers}/", f"{found.staff}/"):
            wait_for(url, process)
        end = time.monotonic() + START_S
        with Client(found.api) as client:
            names = ("en/warranty.docx", "zh/warranty-zh.docx")
            client.upload("default", [(name, io.BytesIO((EXAMPLES / name).read_bytes())) for name in names])
            while any(not document.finished for document in client.documents("default").documents):
                assert time.monotonic() < end, "the documents were not ready in time"
                time.sleep(0.3)
        yield found
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(40)
        finally:
            # The parts are sessions of their own: whatever is left must not outlive the tests.
            process.kill()


@pytest.fixture(scope="session")
def client(running: Running) -> Iterator[Client]:
    """The API of it, to look behind the pages."""
    with Client(running.api) as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium as Debian ships it; for one module, as Playwright's event loop runs in this thread while it is open."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[PageOpener]:
    """Opens pages in windows of a size and a language; every one is closed at the end."""
    opener = PageOpener(browser)
    yield opener
    opener.close()


class PageOpener:
    """Windows of one test."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._contexts: list[Page] = []

    def __call__(self, url: str, size: tuple[int, int] = DESKTOP, locale: str = "en-GB") -> Page:
        context = self._browser.new_context(viewport={"width": size[0], "height": size[1]}, locale=locale)
        context.set_default_timeout(60_000)
        page = context.new_page()
        self._contexts.append(page)
        page.goto(url)
        return page

    def close(self) -> None:
        """Close all of them."""
        for page in self._contexts:
            page.context.close()


@pytest.fixture
def shot() -> Shooter:
    """Takes screenshots into FRONTDESK_SCREENSHOTS; none where nobody names it, for each costs a second."""
    return Shooter(Path(SCREENSHOTS) if SCREENSHOTS else None)


# Read before the tests' own environment is cleared.
SCREENSHOTS = os.environ.get("FRONTDESK_SCREENSHOTS", "")


class Shooter:
    """Screenshots by name."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def __call__(self, page: Page, name: str) -> None:
        if self._folder is None:
            return
        # Streamlit draws in steps; a picture in between shows nobody's page.
        page.wait_for_timeout(700)
        self._folder.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=self._folder / f"{name}.png")


def no_wider_than_the_window(page: Page) -> bool:
    """Whether nothing makes the page scroll sideways."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth + 1"))
