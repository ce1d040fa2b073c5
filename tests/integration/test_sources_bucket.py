"""Buckets over the real S3 protocol: a server of moto's on loopback."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from ingest.errors import SourceError
from ingest.settings import IngestSettings
from ingest.sources.base import Found, NotRead
from ingest.sources.bucket import BucketStore
from tests.fakes import MemoryIndex
from tests.source_shop import SourceShop, md, opened

ADDRESS = "s3://docs/manuals"
SECRET = "a-secret-that-nobody-prints"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(endpoint: str) -> Iterator[Any]:
    """A client of the server, with an empty bucket."""
    import boto3

    client = boto3.client(
        "s3", endpoint_url=endpoint, aws_access_key_id="key", aws_secret_access_key=SECRET, region_name="us-east-1"
    )
    client.create_bucket(Bucket="docs")
    yield client
    for page in client.get_paginator("list_objects_v2").paginate(Bucket="docs"):
        for entry in page.get("Contents", []):
            client.delete_object(Bucket="docs", Key=entry["Key"])
    client.delete_bucket(Bucket="docs")
    client.close()


def settings(endpoint: str) -> IngestSettings:
    return IngestSettings(
        s3_endpoint_url=endpoint, s3_access_key=SecretStr("key"), s3_secret_key=SecretStr(SECRET), s3_region="us-east-1"
    )


@pytest.fixture
def shop(tmp_path: Path, endpoint: str) -> Iterator[SourceShop]:
    with opened(tmp_path, MemoryIndex, settings(endpoint)) as made:
        yield made


def put(bucket: Any, key: str, content: str | bytes) -> None:
    bucket.put_object(Bucket="docs", Key=key, Body=content if isinstance(content, bytes) else content.encode())


def test_a_bucket_comes_changes_and_goes(shop: SourceShop, bucket: Any) -> None:
    put(bucket, "manuals/a.md", md("salt"))
    put(bucket, "manuals/zh/保修 条款.md", "# 保修\n\n压缩机保修十二年。")
    put(bucket, "manuals/odd//100% #1.md", md("odd names"))
    put(bucket, "manuals/", b"")
    put(bucket, "manuals/sub/", b"")
    put(bucket, "manuals/.hidden/x.md", md("hidden"))
    put(bucket, "manuals/program.exe", b"MZ")
    put(bucket, "manuals-of-others/b.md", md("others"))
    outcome = shop.look(ADDRESS)
    assert sorted(outcome.new) == ["a.md", "odd//100% #1.md", "zh/保修 条款.md"]
    assert ([note.file for note in outcome.skipped], outcome.failed) == (["program.exe"], [])
    assert set(shop.texts()) == {"a.md", "odd/100% #1.md", "zh/保修 条款.md"}
    assert shop.rows.origins(shop.kb.id)["a.md"] == "s3://docs/manuals/a.md"

    put(bucket, "manuals/a.md", md("salt, and how much of it"))
    put(bucket, "manuals/new.md", md("new"))
    bucket.delete_object(Bucket="docs", Key="manuals/odd//100% #1.md")
    outcome = shop.look(ADDRESS)
    assert (outcome.new, outcome.changed, outcome.gone) == (["new.md"], ["a.md"], ["odd//100% #1.md"])
    assert "how much" in shop.texts()["a.md"]
    assert shop.look(ADDRESS).unchanged == 3


def test_more_objects_than_one_page_of_a_listing(shop: SourceShop, bucket: Any) -> None:
    for number in range(1005):
        put(bucket, f"many/{number:04}.md", b"x")
    assert len(BucketStore("docs", "many", shop.settings).list().files) == 1005


def test_a_large_object_is_read_in_ranges_of_one_state(shop: SourceShop, bucket: Any) -> None:
    whole = bytes(range(256)) * 80_000
    put(bucket, "big.pdf", whole)
    store = BucketStore("docs", "", shop.settings)
    (found,) = store.list().files
    with store.open(found, "") as reading:
        parts = list(iter(lambda: reading.read(1 << 20), b""))
        assert reading.mark() == found.mark
    assert b"".join(parts) == whole
    assert max(map(len, parts)) <= 1 << 20
    with store.open(found, "") as reading:
        reading.read(1 << 20)
        put(bucket, "big.pdf", whole[::-1])
        with pytest.raises(NotRead) as caught:
            list(iter(lambda: reading.read(1 << 20), b""))
    assert caught.value.skip


def test_an_object_that_vanishes_is_left_for_the_next_look(shop: SourceShop, bucket: Any) -> None:
    put(bucket, "a.md", md("salt"))
    store = BucketStore("docs", "", shop.settings)
    with pytest.raises(NotRead) as caught, store.open(Found("never.md", "never.md"), ""):
        pytest.fail("it was opened")
    assert caught.value.skip


def test_a_bucket_that_cannot_be_listed_deletes_nothing(shop: SourceShop, bucket: Any, endpoint: str) -> None:
    put(bucket, "manuals/a.md", md("salt"))
    shop.look(ADDRESS)
    with pytest.raises(SourceError, match="cannot be listed"):
        shop.look("s3://nowhere-at-all")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{free.getsockname()[1]}"
        shop.settings = settings(dead)
        with pytest.raises(SourceError, match="cannot be listed") as caught:
            shop.look(ADDRESS)
    assert SECRET not in str(caught.value)
    shop.settings = settings(endpoint)
    bucket.delete_object(Bucket="docs", Key="manuals/a.md")
    with pytest.raises(SourceError, match="shows no file"):
        shop.look(ADDRESS)
    assert set(shop.texts()) == {"a.md"}


def test_no_keys_of_the_machine_are_used(bucket: Any, endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "of-the-machine")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    store = BucketStore("docs", "", IngestSettings(s3_endpoint_url=endpoint))
    assert store._files.anon is True


def test_half_a_pair_of_keys_is_a_wrong_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    from ingest.errors import SettingsError
    from ingest.settings import load_settings

    monkeypatch.setenv("FRONTDESK_S3_ACCESS_KEY", "key")
    with pytest.raises(SettingsError, match="FRONTDESK_S3_SECRET_KEY"):
        load_settings(IngestSettings)
