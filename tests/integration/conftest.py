"""One API server for all tests that only ask it, and one PostgreSQL; those that kill or configure a server start their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration import postgres_server
from tests.integration.http_server import Server, example, serving

KEY = "a-key-of-more-than-sixteen-letters"


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a key and three documents of the example company."""
    home = tmp_path_factory.mktemp("api") / "home"
    with serving(home, FRONTDESK_API_KEY=KEY, FRONTDESK_PACKAGED="on") as server:
        server.upload(example("en/warranty.docx"), example("en/stores.csv"), example("zh/warranty-zh.docx"))
        assert {document["state"] for document in server.settled().values()} == {"ready"}
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URL of a PostgreSQL of this session's own; each test leaves its tables empty."""
    with postgres_server.running() as url:
        yield url
