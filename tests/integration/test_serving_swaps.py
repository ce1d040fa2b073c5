"""One real vLLM, several adapters: what is promoted under load is attached, what was live is detached, and no request fails."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.database import open_database
from ingest.settings import IngestSettings
from serving.live import LiveReleases
from serving.loading import packaged_base
from serving.release_store import SHIPPED, ReleaseStore
from tests.integration.http_server import Server
from tests.integration.load_rig import CLIENTS, loaded, until
from tests.integration.model_server_rig import ModelServer, beside, model_serving

pytestmark = [pytest.mark.serving, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("swapped") / "home"


@pytest.fixture(scope="module")
def model_server(home: Path) -> Iterator[ModelServer]:
    """What is live, with its adapter beside the weights: on a CPU that is slow, and is what a GPU does by itself."""
    with model_serving(home, "--set", "adapter=attached", release="live") as server:
        yield server


@pytest.fixture(scope="module")
def api(home: Path, model_server: ModelServer) -> Iterator[Server]:
    assert model_server.url
    with beside(home, FRONTDESK_CACHE_ANSWERS="0", FRONTDESK_ENDPOINT_TIMEOUT_S="30") as server:
        yield server


def names(server: ModelServer) -> set[str]:
    with server.client() as client:
        return {row["id"] for row in client.get("/v1/models").json()["data"]}


def test_adapters_are_swapped_under_load_without_a_restart(
    home: Path, model_server: ModelServer, api: Server, tmp_path: Path
) -> None:
    folder = tmp_path / "other"
    shutil.copytree(SHIPPED, folder)
    settings = IngestSettings(home=home)
    other = ReleaseStore(settings.releases_folder, packaged_base).add(folder, "other")
    live = LiveReleases(open_database(settings.sqlalchemy_url))
    before = model_server.vllm().pid
    with loaded(api) as load:
        until(lambda: load.engines()["endpoint"] >= CLIENTS // 2, 180)
        live.promote(other.id)
        until(
            lambda: (
                {release for at, _, engine, release in load.replies if engine == "endpoint"} >= {"support", other.label}
            ),
            120,
        )
        live.rollback()
        back = time.monotonic()
        until(
            lambda: any(
                at > back + 5 and (engine, release) == ("endpoint", "support")
                for at, _, engine, release in load.replies
            ),
            120,
        )
        # What nobody asks for any more is detached when its last answers have had their time.
        until(lambda: names(model_server) == {"support"}, 120)
    assert load.hung == []
    assert {status for _, status, _, _ in load.replies} == {200}
    assert set(load.engines()) <= {"endpoint", "extractive"}
    assert model_server.vllm().pid == before
