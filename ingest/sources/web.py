"""Pages and files of the web: named one by one, in a list, or by a site's map."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from ingest.errors import AddressRefused, SourceError
from ingest.parse import SUPPORTED_SUFFIXES
from ingest.sources.base import LONGEST_PATH, Found, Listing, Note, NotRead, document_name
from ingest.sources.fetch import Fetched, Fetcher
from ingest.sources.guard import WebAddress

LIST_SUFFIX = ".urls"
_MAP_SUFFIXES = (".xml", ".xml.gz")
# The sitemap protocol's own bounds are 50,000 pages a map and 50,000 maps; past these a site is a crawler's work.
MOST_PAGES = 50_000
MOST_MAPS = 200
_BLOCK = 1 << 16
_OFFICE = "application/vnd.openxmlformats-officedocument."
SUFFIXES = {
    "text/html": ".html",
    "application/xhtml+xml": ".html",
    "text/plain": ".txt",
    "text/markdown": ".md",
    "text/x-markdown": ".md",
    "text/csv": ".csv",
    "text/tab-separated-values": ".tsv",
    "application/pdf": ".pdf",
    f"{_OFFICE}wordprocessingml.document": ".docx",
    f"{_OFFICE}presentationml.presentation": ".pptx",
    f"{_OFFICE}spreadsheetml.sheet": ".xlsx",
    "application/msword": ".doc",
    "application/rtf": ".rtf",
    "text/rtf": ".rtf",
    "application/vnd.oasis.opendocument.text": ".odt",
    "application/epub+zip": ".epub",
    "message/rfc822": ".eml",
    "application/vnd.ms-outlook": ".msg",
    "application/json": ".json",
    "application/jsonl": ".jsonl",
    "application/x-ndjson": ".jsonl",
    "application/zip": ".zip",
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/tiff": ".tiff",
    "image/webp": ".webp",
}
_SAME = {
    ".htm": ".html",
    ".xhtml": ".html",
    ".markdown": ".md",
    ".mdx": ".md",
    ".text": ".txt",
    ".jpeg": ".jpg",
    ".tif": ".tiff",
}
# Servers that do not know better say this of anything.
_ANYTHING = frozenset({"", "application/octet-stream", "binary/octet-stream", "application/x-download"})
_TEXTS = frozenset({".md", ".csv", ".tsv", ".txt", ".json", ".jsonl"})


class WebStore:
    """Pages at addresses; each is fetched again only when the server says that it has changed."""

    def __init__(self, addresses: Sequence[str], fetcher: Fetcher) -> None:
        self._addresses = addresses
        self._fetcher = fetcher

    def list(self) -> Listing:
        """Every page that the addresses name.

        Raises:
            SourceError: a list or a site's map cannot be fetched; which pages it names is unknown then.
        """
        listing, seen = Listing(), set[str]()
        for address in self._addresses:
            pages: Iterator[str] | Sequence[str] = [address]
            if urlsplit(address).path.lower().endswith((LIST_SUFFIX, *_MAP_SUFFIXES)):
                pages = self._named_by(address)
            for page in pages:
                if page not in seen:
                    seen.add(page)
                    self._add(page, listing)
                if len(seen) > MOST_PAGES:
                    raise SourceError(f"{address} names more than {MOST_PAGES} pages; name parts of the site instead")
        return listing

    def _add(self, page: str, listing: Listing) -> None:
        try:
            url = str(self._fetcher.check(page))
        except AddressRefused as exc:
            if [page] == list(self._addresses):
                # All that was asked for: an error, not a remark.
                raise
            listing.skipped.append(Note(_shown(page), str(exc)))
            return
        if len(url) > LONGEST_PATH:
            listing.skipped.append(Note(url[:200] + "…", f"its address has more than {LONGEST_PATH} characters"))
            return
        listing.files.append(Found(url))

    def _named_by(self, address: str) -> Iterator[str]:
        """Addresses in a list, or in a map and the maps that it names."""
        waiting, seen = [address], set[str]()
        while waiting:
            current = waiting.pop(0)
            if current in seen:
                continue
            seen.add(current)
            if len(seen) > MOST_MAPS:
                raise SourceError(f"{address} names more than {MOST_MAPS} further maps; name parts of the site instead")
            data = self._whole(current)
            if urlsplit(current).path.lower().endswith(LIST_SUFFIX):
                yield from listed(data.decode("utf-8-sig", errors="replace"))
                continue
            pages, maps = read_map(data, current)
            waiting += maps
            yield from pages

    def _whole(self, address: str) -> bytes:
        try:
            with self._fetcher.get(address) as fetched:
                data = b"".join(iter(lambda: fetched.body.read(_BLOCK) if fetched.body else b"", b""))
            if data.startswith(b"\x1f\x8b"):
                unpack = zlib.decompressobj(wbits=31)
                data = unpack.decompress(data, self._fetcher.limits.bytes)
                if not unpack.eof:
                    raise NotRead("it is damaged, or too large when unpacked")
        except (NotRead, zlib.error) as exc:
            raise SourceError(f"{address} cannot be fetched: {exc}") from exc
        return data

    @contextmanager
    def open(self, found: Found, known_mark: str) -> Iterator[_Page | None]:
        """Fetch a page; None when the server says that it is as it was.

        Raises:
            NotRead: there is no page, none that can be read, or none that may be asked.
        """
        try:
            with self._fetcher.get(found.path, known_mark) as fetched:
                yield None if fetched.body is None else _Page(found.path, fetched)
        except AddressRefused as exc:
            raise NotRead(str(exc)) from exc


class _Page:
    """A page that is being read."""

    def __init__(self, asked: str, fetched: Fetched) -> None:
        self.name = page_name(asked, fetched.content_type)
        self.address = str(fetched.address)
        self._fetched = fetched

    def read(self, size: int = -1, /) -> bytes:
        """Some bytes; b"" at the end."""
        return self._fetched.body.read(size) if self._fetched.body else b""

    def mark(self) -> str:
        """What the server calls this state."""
        return self._fetched.mark


def _shown(page: str) -> str:
    """A page's address as the listing would name it: one that may not be asked any more is not gone."""
    try:
        return str(WebAddress.parse(page))
    except AddressRefused:
        return page[:200]


def listed(text: str) -> list[str]:
    """Addresses of a list: one a line; empty lines and lines after # are remarks."""
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def page_name(url: str, content_type: str) -> str:
    """A page's address as a document's name, which ends as the parser of its content type wants it.

    | address                             | type      | name                              |
    | https://example.com/en/returns/     | text/html | example.com/en/returns.html       |
    | https://example.com/item.php?id=7   | text/html | example.com/item.php id=7.html    |
    | https://example.com/terms.pdf       | PDF       | example.com/terms.pdf             |

    Raises:
        NotRead: no parser reads this type.
    """
    parts = urlsplit(url)
    path = unquote(parts.path).rstrip("/") or "/index"
    suffix = PurePosixPath(path).suffix.lower()
    if content_type in _ANYTHING or (content_type == "text/plain" and suffix in _TEXTS):
        wanted = _SAME.get(suffix, suffix)
    else:
        wanted = SUFFIXES.get(content_type, "")
    if wanted not in SUPPORTED_SUFFIXES:
        raise NotRead(f"no parser for this kind of file ({content_type or 'the server does not say which'})", skip=True)
    query = f" {unquote(parts.query)}".replace("/", "_") if parts.query else ""
    if query:
        stem = path[: -len(suffix)] if _SAME.get(suffix, suffix) == wanted else path
        path = f"{stem}{query}{wanted}"
    elif _SAME.get(suffix, suffix) != wanted:
        path += wanted
    try:
        return document_name(f"{parts.hostname}{path}")
    except ValueError as exc:
        raise NotRead(str(exc)) from exc


def read_map(data: bytes, address: str) -> tuple[list[str], list[str]]:
    """Pages and further maps that a site's map names (sitemaps.org).

    Raises:
        SourceError: it is none.
    """
    from lxml import etree

    pages: list[str] = []
    maps: list[str] = []
    into, root = pages, ""
    try:
        # No entity is resolved, nothing else is loaded, and the tree is not kept.
        for event, node in etree.iterparse(
            io.BytesIO(data), events=("start", "end"), resolve_entities=False, no_network=True, load_dtd=False
        ):
            tag = etree.QName(node).localname if isinstance(node.tag, str) else ""
            if not root:
                root = tag
                if root not in ("urlset", "sitemapindex"):
                    break
                into = maps if root == "sitemapindex" else pages
            if (
                event == "end"
                and tag == "loc"
                and node.text
                and etree.QName(node.getparent()).localname in ("url", "sitemap")
            ):
                into.append(node.text.strip())
            if event == "end" and tag in ("url", "sitemap"):
                node.clear()
            if len(pages) > MOST_PAGES:
                break
    except etree.XMLSyntaxError as exc:
        raise SourceError(f"{address} is no map of a site: {exc}") from exc
    if root not in ("urlset", "sitemapindex"):
        raise SourceError(f"{address} is no map of a site: it begins with <{root}>")
    return pages, maps


def read_list(path: Path) -> list[str]:
    """Addresses of a list on this machine.

    Raises:
        SourceError: it cannot be read.
    """
    try:
        return listed(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as exc:
        raise SourceError(f"the list {path} cannot be read: {exc}") from exc
