"""/api/.../sources over fakes: who may name what, looks in the background, looks that are due."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.service import Service
from ingest.sources.rows import Sources
from tests.source_shop import md
from tests.unit.app.http_rigging import Desks, fails, send

BASE = "/api/knowledge-bases/default/sources"


@pytest.fixture
def share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "share"
    folder.mkdir()
    (folder / "a.md").write_text(md("salt"))
    monkeypatch.setenv("FRONTDESK_SOURCE_FOLDERS", str(folder))
    return folder


@pytest.fixture
def running(make: Desks) -> Iterator[Callable[[], Service]]:
    """The service of the last application, its sources looked at."""
    started: list[Service] = []

    def start() -> Service:
        service = make.service
        service.sources.start()
        started.append(service)
        return service

    yield start
    for service in started:
        service.sources.stop()


def settled(make: Desks, url: str, seconds: float = 20) -> dict[str, Any]:
    """A source that is idle and has been looked at."""
    end = time.monotonic() + seconds
    while True:
        # A client closes with its request: the application is asked by a new one over the same service.
        source: dict[str, Any] = send(client_of(make), "GET", url).json()
        if source["state"] == "idle" and source["checked_at"]:
            return source
        assert time.monotonic() < end, source
        time.sleep(0.05)


def client_of(make: Desks) -> Any:
    import httpx

    from app.main import create_app

    transport = httpx.ASGITransport(create_app(make.service), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1")


def test_a_folder_is_kept_in_step_over_http(make: Desks, share: Path, running: Callable[[], Service]) -> None:
    made = send(make(), "POST", BASE, json={"address": str(share), "prefix": "kitchen"})
    assert made.status_code == 201
    source = made.json()
    assert (source["address"], source["state"], source["outcome"]) == (f"file://{share}", "idle", None)
    service = running()
    url = f"{BASE}/{source['id']}"
    assert send(client_of(make), "POST", f"{url}/sync").status_code == 202
    looked = settled(make, url)
    assert looked["problem"] == ""
    assert looked["outcome"]["new"] == ["a.md"]
    assert looked["outcome"]["documents"] == {"kitchen/a.md": "a.md"}
    list(service.workspace.pipeline.work_off())

    (share / "a.md").unlink()
    send(client_of(make), "POST", f"{url}/sync", json={})
    end = time.monotonic() + 20
    while "--allow-empty" not in settled(make, url)["problem"]:
        assert time.monotonic() < end
    # What was found before is still told.
    assert settled(make, url)["outcome"]["new"] == ["a.md"]
    send(client_of(make), "POST", f"{url}/sync", json={"allow_empty": True})
    while settled(make, url)["outcome"]["gone"] != ["a.md"]:
        assert time.monotonic() < end
    assert settled(make, url)["problem"] == ""

    assert [entry["id"] for entry in send(client_of(make), "GET", BASE).json()["sources"]] == [source["id"]]
    assert send(client_of(make), "DELETE", url).status_code == 204
    assert fails(send(client_of(make), "GET", url)) == (404, "not_found")
    assert send(client_of(make), "GET", BASE).json()["sources"] == []


def test_a_source_that_is_due_is_looked_at_by_itself(make: Desks, share: Path, running: Callable[[], Service]) -> None:
    source = send(make(), "POST", BASE, json={"address": str(share), "every_s": 1}).json()
    running()
    assert settled(make, f"{BASE}/{source['id']}")["outcome"]["new"] == ["a.md"]
    (share / "b.md").write_text(md("pepper"))
    end = time.monotonic() + 20
    while settled(make, f"{BASE}/{source['id']}")["outcome"]["new"] != ["b.md"]:
        assert time.monotonic() < end
        time.sleep(0.1)


def test_one_broken_source_does_not_hold_up_the_others(
    make: Desks, share: Path, running: Callable[[], Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    good = send(make(), "POST", BASE, json={"address": str(share), "every_s": 3600}).json()
    rows = Sources(make.service.workspace.engine)
    kb = make.service.workspace.catalog.knowledge_base("default")
    broken = rows.keep(kb.id, "s3://broken", None, 3600)

    def explode(*arguments: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("ingest.sources.addresses.BucketStore", explode)
    running()
    assert settled(make, f"{BASE}/{good['id']}")["outcome"]["new"] == ["a.md"]
    end = time.monotonic() + 20
    while "a bug" not in rows.source(broken.id).problem:
        assert time.monotonic() < end
        time.sleep(0.05)


def test_the_same_address_again_changes_its_interval(make: Desks, share: Path) -> None:
    first = send(make(), "POST", BASE, json={"address": str(share), "every_s": 60, "prefix": "p"}).json()
    second = send(client_of(make), "POST", BASE, json={"address": f"file://{share}/", "every_s": 0}).json()
    assert (second["id"], second["every_s"], second["prefix"]) == (first["id"], 0, "p")


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("/etc", "FRONTDESK_SOURCE_FOLDERS"),
        ("file:///etc/passwd", "FRONTDESK_SOURCE_FOLDERS"),
        ("share", "from / on"),
        ("~/share", "from / on"),
        ("https://help.example.com/", "FRONTDESK_URL_ALLOW"),
        ("http://169.254.169.254/latest/meta-data/", "FRONTDESK_URL_ALLOW"),
        ("ftp://help.example.com/", "cannot be kept in step"),
    ],
)
def test_what_a_client_may_not_name(make: Desks, share: Path, address: str, said: str) -> None:
    reply = send(make(), "POST", BASE, json={"address": address})
    assert fails(reply) == (400, "invalid_request")
    assert said in reply.json()["error"]["message"]


def test_without_offered_folders_none_may_be_named(make: Desks, tmp_path: Path) -> None:
    reply = send(make(), "POST", BASE, json={"address": str(tmp_path)})
    assert "set FRONTDESK_SOURCE_FOLDERS" in reply.json()["error"]["message"]


def test_a_source_belongs_to_its_knowledge_base(make: Desks, share: Path) -> None:
    source = send(make(), "POST", BASE, json={"address": str(share)}).json()
    make.service.workspace.catalog.create_knowledge_base("other")
    other = f"/api/knowledge-bases/other/sources/{source['id']}"
    for method, url in (("GET", other), ("POST", f"{other}/sync"), ("DELETE", other)):
        assert fails(send(client_of(make), method, url)) == (404, "not_found")


def test_removing_a_source_may_delete_its_documents(make: Desks, share: Path, running: Callable[[], Service]) -> None:
    source = send(make(), "POST", BASE, json={"address": str(share), "every_s": 3600}).json()
    url = f"{BASE}/{source['id']}"
    service = running()
    settled(make, url)
    list(service.workspace.pipeline.work_off())
    kb = service.workspace.catalog.knowledge_base("default")
    assert [document.name for document in service.workspace.catalog.documents(kb)] == ["a.md"]
    assert send(client_of(make), "DELETE", url, params={"documents": True}).status_code == 204
    assert service.workspace.catalog.documents(kb) == []
