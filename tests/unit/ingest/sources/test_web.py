"""Names of pages, maps of sites, lists of addresses; no network."""

from __future__ import annotations

import pytest

from ingest.errors import AddressRefused, SourceError
from ingest.settings import IngestSettings
from ingest.sources.addresses import check_for_strangers, normal_address
from ingest.sources.base import NotRead
from ingest.sources.web import listed, page_name, read_map

MAP = '<?xml version="1.0"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{}</urlset>'


@pytest.mark.parametrize(
    ("url", "content_type", "name"),
    [
        ("https://example.com/", "text/html", "example.com/index.html"),
        ("https://example.com/en/returns/", "text/html", "example.com/en/returns.html"),
        ("https://example.com/a.htm", "text/html", "example.com/a.htm"),
        ("https://example.com/item.php?id=7", "text/html", "example.com/item.php id=7.html"),
        ("https://example.com/a.html?lang=zh/cn", "text/html", "example.com/a lang=zh_cn.html"),
        ("https://example.com/terms.pdf", "application/pdf", "example.com/terms.pdf"),
        ("https://example.com/download", "application/pdf", "example.com/download.pdf"),
        ("https://example.com/terms.pdf", "application/octet-stream", "example.com/terms.pdf"),
        ("https://example.com/readme.md", "text/plain", "example.com/readme.md"),
        ("https://example.com/robots", "text/plain", "example.com/robots.txt"),
        ("https://example.com/%E4%BF%9D%E4%BF%AE", "text/html", "example.com/保修.html"),
        ("https://example.com/..%2f..%2fetc/passwd", "text/plain", "example.com/etc/passwd.txt"),
    ],
)
def test_names_of_pages(url: str, content_type: str, name: str) -> None:
    assert page_name(url, content_type) == name


@pytest.mark.parametrize(
    ("url", "content_type"),
    [("https://example.com/a.svg", "image/svg+xml"), ("https://example.com/x", ""), ("https://example.com/x.exe", "")],
)
def test_pages_that_no_parser_reads(url: str, content_type: str) -> None:
    with pytest.raises(NotRead, match="no parser") as caught:
        page_name(url, content_type)
    assert caught.value.skip


def test_a_map_names_pages_and_an_index_names_maps() -> None:
    body = "<url><loc> https://a.example/1 </loc><lastmod>2026-01-01</lastmod></url>"
    body += "<url><loc>https://a.example/2</loc></url>"
    assert read_map(MAP.format(body).encode(), "x") == (["https://a.example/1", "https://a.example/2"], [])
    index = "<sitemapindex><sitemap><loc>https://a.example/s.xml</loc></sitemap></sitemapindex>"
    assert read_map(index.encode(), "x") == ([], ["https://a.example/s.xml"])


@pytest.mark.parametrize("data", [b"", b"<html></html>", b"<urlset><url>", b"%PDF-1.7"])
def test_what_is_no_map(data: bytes) -> None:
    with pytest.raises(SourceError, match="is no map of a site"):
        read_map(data, "https://a.example/sitemap.xml")


def test_entities_of_a_map_are_not_resolved() -> None:
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    head = f'<!DOCTYPE x [<!ENTITY l0 "ha"><!ENTITY file SYSTEM "file:///etc/passwd">{laughs}]>'
    data = f"{head}<urlset><url><loc>https://a.example/&l9;&file;</loc></url></urlset>".encode()
    try:
        pages, _ = read_map(data, "x")
    except SourceError:
        return
    assert all(len(page) < 100 and "root:" not in page for page in pages)


def test_a_list_has_remarks() -> None:
    assert listed("# ours\nhttps://a.example/1\r\n\n  https://a.example/2  \n") == [
        "https://a.example/1",
        "https://a.example/2",
    ]


@pytest.mark.parametrize(
    ("given", "normal"),
    [
        ("/srv/share/", "file:///srv/share"),
        ("/srv/a/../share", "file:///srv/share"),
        ("file:///srv/my%20share", "file:///srv/my share"),
        ("file://localhost/srv/share", "file:///srv/share"),
        ("/srv/50%", "file:///srv/50%25"),
        ("file:///srv/50%25", "file:///srv/50%25"),
        ("s3://bucket/a/b/", "s3://bucket/a/b"),
        ("S3://bucket", "s3://bucket"),
        ("https://Help.Example.com  https://a.example/x#y", "https://help.example.com/ https://a.example/x"),
    ],
)
def test_one_form_of_an_address(given: str, normal: str) -> None:
    assert normal_address(given) == normal
    assert normal_address(normal) == normal


@pytest.mark.parametrize(
    "given",
    [
        "",
        "share",
        "~/share",
        "ftp://x",
        "s3://",
        "s3://a@b/x",
        "s3://a#b",
        "file://host/x",
        "https://a b",
        "x\0y",
        "file:///a%00b",
        "http://[",
    ],
)
def test_addresses_that_nothing_is_kept_in_step_with(given: str) -> None:
    with pytest.raises(SourceError):
        normal_address(given)


def test_strangers_name_offered_folders_alone(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    from pathlib import Path

    root = Path(str(tmp_path)) / "offered"
    (root / "sub").mkdir(parents=True)
    (root / "out").symlink_to("/etc")
    with pytest.raises(AddressRefused, match="FRONTDESK_SOURCE_FOLDERS"):
        check_for_strangers(normal_address(str(root)), IngestSettings())
    settings = IngestSettings(source_folders=(root,))
    for offered in (root, root / "sub", root / "list.urls"):
        check_for_strangers(normal_address(str(offered)), settings)
    for path in ("/etc", f"{root}/../x", f"{root}-other", f"{root}/out", "/"):
        with pytest.raises(AddressRefused, match="FRONTDESK_SOURCE_FOLDERS"):
            check_for_strangers(normal_address(path), settings)
    with pytest.raises(AddressRefused, match="FRONTDESK_S3_ENDPOINT_URL"):
        check_for_strangers("s3://bucket/x", settings)
    check_for_strangers("s3://bucket/x", IngestSettings(s3_endpoint_url="http://127.0.0.1:9000"))
    with pytest.raises(AddressRefused, match="FRONTDESK_URL_ALLOW"):
        check_for_strangers("https://a.example/", settings)
