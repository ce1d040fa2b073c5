"""Pages over real HTTP on loopback: what comes, what changes, and what hostile servers try."""

from __future__ import annotations

import gzip
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ingest.errors import AddressRefused, SourceError
from ingest.settings import IngestSettings
from ingest.sources.base import NotRead
from ingest.sources.fetch import MOST_REDIRECTS, Fetcher, Limits
from ingest.sources.guard import Guard
from tests.fakes import MemoryIndex
from tests.source_shop import SourceShop, opened

Handler = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Site:
    """A web site: paths to pages (content type, body, further headers) or to handlers; it keeps what it was asked."""

    port: int = 0
    pages: dict[str, tuple[str, bytes, dict[str, str]] | Handler] = field(default_factory=dict)
    asked: list[tuple[str, int]] = field(default_factory=list)
    hosts: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    def page(self, path: str, title: str, text: str, **headers: str) -> None:
        html = f"<html><head><title>{title}</title></head><body><h1>{title}</h1><p>{text}</p></body></html>"
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        self.pages[path] = ("text/html; charset=utf-8", html.encode(), fields)

    def statuses(self, path: str) -> list[int]:
        return [status for asked, status in self.asked if asked == path]


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()

    class Answers(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            made.hosts.append(self.headers["Host"])
            page = made.pages.get(self.path)
            if callable(page):
                made.asked.append((self.path, 0))
                self.close_connection = True
                page(self)
                return
            status, kind, body, fields = (404, "text/plain", b"", {}) if page is None else (200, *page)
            if page is not None and fields.get("ETag") and self.headers["If-None-Match"] == fields["ETag"]:
                status, body = 304, b""
            made.asked.append((self.path, status))
            self.send_response(status)
            for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **fields}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            # Clients that had enough are what these tests are about.
            pass

    server = Quiet(("127.0.0.1", 0), Answers)
    made.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield made
    server.shutdown()
    server.server_close()
    thread.join()


def redirect(to: str) -> Handler:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(302)
        request.send_header("Location", to)
        request.send_header("Content-Length", "0")
        request.end_headers()

    return answer


def fetcher(site: Site, *, seconds: float = 5.0, most: int = 1_000_000, guard: Guard | None = None) -> Fetcher:
    return Fetcher(guard or Guard([site.url, "http://*.example:80"], ["localhost"]), Limits(most, seconds))


def fetch(fetches: Fetcher, url: str) -> bytes:
    with fetches.get(url) as fetched:
        assert fetched.body is not None
        return b"".join(iter(lambda: fetched.body.read(1 << 16) if fetched.body else b"", b""))


@pytest.fixture
def shop(tmp_path: Path, site: Site) -> Iterator[SourceShop]:
    settings = IngestSettings(url_allow=(site.url,), url_allow_private=("localhost",), url_timeout_s=5)
    with opened(tmp_path, MemoryIndex, settings) as made:
        yield made


def test_pages_of_a_map_come_change_and_go(shop: SourceShop, site: Site) -> None:
    site.page("/en/returns/", "Returns", "Thirty days.", ETag='"1"')
    site.page("/zh/%E9%80%80%E8%B4%A7", "退货", "七天内可以退货。")
    site.page("/item.php?id=7", "Kettle", "The kettle boils.")
    site.pages["/prices.csv"] = ("application/octet-stream", b"item,price\nkettle,25\n", {})
    site.pages["/logo.svg"] = ("image/svg+xml", b"<svg/>", {})
    paths = ["/en/returns/", "/zh/%E9%80%80%E8%B4%A7", "/item.php?id=7", "/prices.csv", "/logo.svg", "/missing"]
    inner = "".join(f"<url><loc>{site.url}{path}</loc></url>" for path in paths)
    inner += "<url><loc>http://elsewhere.example/x</loc></url>"
    head = '<?xml version="1.0"?><{0} xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">'
    site.pages["/pages.xml.gz"] = (
        "application/x-gzip",
        gzip.compress(f"{head.format('urlset')}{inner}</urlset>".encode()),
        {},
    )
    index = f"{head.format('sitemapindex')}<sitemap><loc>{site.url}/pages.xml.gz</loc></sitemap></sitemapindex>"
    site.pages["/sitemap.xml"] = ("application/xml", index.encode(), {})

    address = f"{site.url}/sitemap.xml"
    outcome = shop.look(address)
    assert sorted(outcome.new) == sorted(site.url + path for path in paths[:4])
    reasons = {note.file: note.reason for note in (*outcome.skipped, *outcome.failed)}
    assert reasons[f"{site.url}/logo.svg"] == "no parser for this kind of file (image/svg+xml)"
    assert "FRONTDESK_URL_ALLOW" in reasons["http://elsewhere.example/x"]
    assert "404" in reasons[f"{site.url}/missing"]
    assert set(shop.texts()) == {
        "localhost/en/returns.html", "localhost/zh/退货.html", "localhost/item.php id=7.html", "localhost/prices.csv"
    }  # fmt: skip
    assert shop.rows.origins(shop.kb.id)["localhost/en/returns.html"] == f"{site.url}/en/returns/"
    assert shop.catalog.document(shop.kb, "localhost/en/returns.html").title == "Returns"

    site.page("/zh/%E9%80%80%E8%B4%A7", "退货", "十四天内可以退货。")
    del site.pages["/item.php?id=7"]
    again = shop.look(address)
    assert (again.changed, again.gone) == ([f"{site.url}{paths[1]}"], [f"{site.url}{paths[2]}"])
    assert again.unchanged == 2
    # With a mark the server is asked, and sends nothing again.
    assert site.statuses("/en/returns/") == [200, 304]
    assert "十四天" in shop.texts()["localhost/zh/退货.html"]

    del site.pages["/pages.xml.gz"]
    with pytest.raises(SourceError, match="cannot be fetched"):
        shop.look(address)
    assert len(shop.texts()) == 3


def test_a_list_of_addresses_and_an_address_that_moved(shop: SourceShop, site: Site, tmp_path: Path) -> None:
    site.page("/new", "Terms", "The terms.")
    site.page("/faq", "FAQ", "Questions.")
    site.pages["/old"] = redirect("/new")
    listing = tmp_path / "pages.urls"
    listing.write_text(f"# ours\n{site.url}/old\n\n{site.url}/faq\n", encoding="utf-8-sig")
    outcome = shop.look(str(listing))
    assert sorted(outcome.new) == [f"{site.url}/faq", f"{site.url}/old"]
    assert shop.rows.origins(shop.kb.id)["localhost/old.html"] == f"{site.url}/new"
    assert shop.look(f"{site.url}/faq {site.url}/new").new == [f"{site.url}/new"]
    # Narrowing the allow-list is no reason to delete what came before.
    shop.settings = IngestSettings(url_allow=("other.example",))
    with pytest.raises(SourceError, match="shows no file"):
        shop.look(str(listing))
    assert set(shop.texts()) == {"localhost/old.html", "localhost/faq.html", "localhost/new.html"}


def test_a_page_that_changed_its_kind_is_renamed(shop: SourceShop, site: Site) -> None:
    site.page("/terms", "Terms", "The terms.")
    address = f"{site.url}/terms"
    shop.look(address)
    site.pages["/terms"] = ("text/plain", b"The terms, in plain words.", {})
    outcome = shop.look(address)
    assert (outcome.new, outcome.gone) == ([address], ["localhost/terms.html"])
    assert set(shop.texts()) == {"localhost/terms.txt"}


def test_nothing_is_fetched_without_an_allow_list(site: Site) -> None:
    with pytest.raises(AddressRefused, match="FRONTDESK_URL_ALLOW"):
        fetch(fetcher(site, guard=Guard([])), f"{site.url}/x")
    assert site.asked == []


def test_a_private_host_needs_its_exception(site: Site) -> None:
    site.page("/x", "X", "x")
    with pytest.raises(AddressRefused, match="FRONTDESK_URL_ALLOW_PRIVATE"):
        fetch(fetcher(site, guard=Guard([site.url])), f"{site.url}/x")
    assert site.asked == []


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.1:{port}/secret",
        "http://[::ffff:127.0.0.1]:{port}/secret",
        "http://2130706433:{port}/secret",
        "//evil.example:{port}/secret",
        "http://user@localhost:{port}/secret",
        "file:///etc/passwd",
        "gopher://localhost:{port}/_x",
        "http://localhost:1/secret",
    ],
)
def test_a_redirect_is_checked_like_the_first_address(site: Site, target: str) -> None:
    site.page("/secret", "Secret", "the secret")
    site.pages["/x"] = redirect(target.format(port=site.port))
    with pytest.raises(AddressRefused):
        fetch(fetcher(site), f"{site.url}/x")
    assert site.statuses("/secret") == []


def test_an_allowed_name_that_leads_inside_is_refused_at_every_hop(site: Site) -> None:
    site.page("/secret", "Secret", "the secret")
    site.pages["/x"] = redirect(f"http://inside.example:{site.port}/secret")
    names = {"localhost": ["127.0.0.1"], "inside.example": ["127.0.0.1"]}
    guard = Guard([site.url, f"http://inside.example:{site.port}"], ["localhost"], lambda host, port: names[host])
    with pytest.raises(AddressRefused, match=r"127\.0\.0\.1 lies in a private network"):
        fetch(fetcher(site, guard=guard), f"{site.url}/x")
    assert site.statuses("/secret") == []


def test_a_name_server_that_changes_its_mind_gains_nothing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.page("/x", "X", "x")
    asked: list[str] = []

    def rebinding(host: str, port: int) -> list[str]:
        """First a public address, for the check; then a private one, for the connection."""
        asked.append(host)
        return ["93.184.216.34"] if len(asked) == 1 else ["127.0.0.1"]

    connected: list[str] = []

    def refused(address: tuple[str, int], *arguments: object, **named: object) -> socket.socket:
        connected.append(address[0])
        raise OSError("no network in this test")

    monkeypatch.setattr(socket, "create_connection", refused)
    guard = Guard([f"http://rebind.example:{site.port}"], resolver=rebinding)
    url = f"http://rebind.example:{site.port}/x"
    with pytest.raises(NotRead):
        fetch(fetcher(site, guard=guard), url)
    # The name was resolved once, and what was checked is what was connected to.
    assert (asked, connected) == (["rebind.example"], ["93.184.216.34"])
    with pytest.raises(AddressRefused):
        fetch(fetcher(site, guard=guard), url)
    assert connected == ["93.184.216.34"]
    assert site.asked == []


def test_the_host_is_asked_by_its_name_at_the_address_that_was_checked(site: Site) -> None:
    site.page("/x", "X", "x")
    host = f"hilfe.example:{site.port}"
    guard = Guard([f"http://{host}"], ["hilfe.example"], lambda name, port: ["127.0.0.1"])
    assert b"<h1>X</h1>" in fetch(fetcher(site, guard=guard), f"http://{host}/x")
    assert site.hosts == [host]


def test_too_many_redirects(site: Site) -> None:
    for number in range(10):
        site.pages[f"/{number}"] = redirect(f"/{number + 1}")
    with pytest.raises(NotRead, match=f"more than {MOST_REDIRECTS} times"):
        fetch(fetcher(site), f"{site.url}/0")
    assert len(site.asked) == MOST_REDIRECTS + 1


def bomb(wraps: int) -> bytes:
    """200 MB of nothing, packed."""
    pack = zlib.compressobj(9, wbits=31)
    zeros = bytes(1 << 20)
    return b"".join(pack.compress(zeros) for _ in range(200)) + pack.flush()


def test_a_packed_bomb_is_counted_while_it_unpacks(site: Site) -> None:
    packed = bomb(1)
    assert len(packed) < 500_000
    site.pages["/bomb"] = ("text/html", packed, {"Content-Encoding": "gzip"})
    with pytest.raises(NotRead, match="more than 1 MB"):
        fetch(fetcher(site), f"{site.url}/bomb")


@pytest.mark.parametrize(
    ("encoding", "said"), [("br", "'br'"), ("gzip, gzip", "gzip, gzip"), ("gzip", "packed wrongly")]
)
def test_packing_that_was_not_asked_for(site: Site, encoding: str, said: str) -> None:
    site.pages["/x"] = ("text/html", b"not packed at all", {"Content-Encoding": encoding})
    with pytest.raises(NotRead, match=said):
        fetch(fetcher(site), f"{site.url}/x")


def test_packed_pages_are_unpacked_whole(site: Site) -> None:
    text = b"".join(f"line {number}\n".encode() for number in range(50_000))
    parts = gzip.compress(text[:300_000]) + gzip.compress(text[300_000:])
    site.pages["/x"] = ("text/plain", parts, {"Content-Encoding": "gzip"})
    assert fetch(fetcher(site), f"{site.url}/x") == text
    site.pages["/cut"] = ("text/plain", gzip.compress(text)[:-20], {"Content-Encoding": "gzip"})
    with pytest.raises(NotRead, match="ended in the middle"):
        fetch(fetcher(site), f"{site.url}/cut")


def test_an_endless_body_ends(site: Site) -> None:
    def endless(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Type", "text/html")
        request.end_headers()
        while True:
            request.wfile.write(bytes(1 << 16))

    site.pages["/endless"] = endless
    with pytest.raises(NotRead, match="more than 1 MB"):
        fetch(fetcher(site), f"{site.url}/endless")


def test_a_body_that_says_how_long_it_is_is_not_begun(site: Site) -> None:
    site.pages["/large"] = ("text/html", b"x", {"Content-Length": "5000000000"})
    with pytest.raises(NotRead, match="more than 1 MB"):
        fetch(fetcher(site), f"{site.url}/large")


@pytest.mark.parametrize("headers_first", [True, False], ids=["the body drips", "the headers drip"])
def test_a_dripping_server_is_given_up_at_the_deadline(site: Site, headers_first: bool) -> None:
    def drip(request: BaseHTTPRequestHandler) -> None:
        if headers_first:
            request.send_response(200)
            request.send_header("Content-Type", "text/html")
            request.end_headers()
        else:
            request.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        for _ in range(200):
            request.wfile.write(b"x")
            request.wfile.flush()
            time.sleep(0.05)

    site.pages["/drip"] = drip
    started = time.monotonic()
    with pytest.raises(NotRead, match="too slow") as caught:
        fetch(fetcher(site, seconds=1.0), f"{site.url}/drip")
    assert time.monotonic() - started < 3
    assert caught.value.away


def test_a_body_that_ends_early_is_not_taken_for_whole(site: Site) -> None:
    def cut(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", "1000")
        request.end_headers()
        request.wfile.write(b"only this")

    site.pages["/cut"] = cut
    with pytest.raises(NotRead):
        fetch(fetcher(site), f"{site.url}/cut")


def test_a_disk_that_is_full_is_not_the_servers_fault(site: Site) -> None:
    site.page("/x", "X", "x")
    with pytest.raises(OSError, match="No space left"), fetcher(site).get(f"{site.url}/x"):
        raise OSError(28, "No space left on device")
