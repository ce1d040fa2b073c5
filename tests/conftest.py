"""Walls around the tests: no network in unit tests, loopback only in integration tests, an environment of their own."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_socket

from tests import packaged_model

TESTS = Path(__file__).parent
SHARED_DATA = TESTS.parent.parent / "shared" / "data"
# Pages first of the slow ones: they stay together, and would run alone at the end. Chromium is closed after each file:
# Playwright's event loop runs in the thread of the tests while it is open.
_ORDER = ("unit", "browser", "integration")
# Minutes each: begun first, so that they do not run alone at the end while the other process has nothing to do.
_LONGEST = ("test_kill_ingest.py", "test_http_schema.py", "test_http_crash.py", "test_hostile.py", "test_durable.py")
LOOPBACK = ["127.0.0.1", "localhost", "::1"]
# Read before the environment is cleared: a server that a developer offers to the contract tests.
QDRANT_HOST = urlsplit(os.environ.get("FRONTDESK_QDRANT_URL", "")).hostname
# Likewise: where the prepared models of this run shall be, when something else uses them afterwards.
MODELS = os.environ.get("FRONTDESK_TEST_MODELS", "")
SERVING = bool(os.environ.get("FRONTDESK_TEST_SERVING"))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """A file stays in one process (``--dist loadfile``); all pages do, for they share a server and pages that take minutes to start."""
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class ByFile(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.split("::", 1)[0]
            return "browser" if "/browser/" in file else file

    return ByFile(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # Fast tests first.
    items.sort(key=lambda item: (_ORDER.index(item.path.relative_to(TESTS).parts[0]), item.path.name not in _LONGEST))
    for item in items:
        if _is_below(item, "integration"):
            item.add_marker(pytest.mark.integration)
        if item.get_closest_marker("shared_data") and not SHARED_DATA.is_dir():
            item.add_marker(pytest.mark.skip(reason=f"the measuring data is not at {SHARED_DATA}"))
        if item.get_closest_marker("serving") and not SERVING:
            item.add_marker(pytest.mark.skip(reason="it starts a real vLLM: make test-serving"))
        if item.get_closest_marker("gpu") and not _has_cuda():
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))


def pytest_runtest_setup(item: pytest.Item) -> None:
    # Before the fixtures; pytest-socket itself lifts the walls after each test. Event loops need Unix sockets.
    if _is_below(item, "unit"):
        pytest_socket.disable_socket(allow_unix_socket=True)
    else:
        pytest_socket.socket_allow_hosts(LOOPBACK + ([QDRANT_HOST] if QDRANT_HOST else []), allow_unix_socket=True)


@pytest.fixture(scope="session", autouse=True)
def _models(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[None]:
    """One folder of prepared models for all data folders of a run."""
    base = tmp_path_factory.getbasetemp()
    # Each process of a run has a folder below the run's own.
    folder = Path(MODELS) if MODELS else (base.parent if hasattr(request.config, "workerinput") else base) / "models"
    if any(not _is_below(item, "unit") for item in request.session.items):
        packaged_model.prepare(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(packaged_model.VARIABLE, str(folder))
        yield


@pytest.fixture(autouse=True)
def _own_main(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streamlit's test runner leaves its script as ``__main__``; a process spawned by a later test would run it."""
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder of the test's own; no setting and no .env of the developer reaches it."""
    for name in [name for name in os.environ if name.startswith("FRONTDESK_")]:
        if name == packaged_model.VARIABLE:
            continue
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "home"
    monkeypatch.setenv("FRONTDESK_HOME", str(folder))
    return folder


def _is_below(item: pytest.Item, folder: str) -> bool:
    return item.path.is_relative_to(TESTS / folder)


def _has_cuda() -> bool:
    # The driver is asked directly: importing torch would cost every run seconds.
    try:
        return ctypes.CDLL("libcuda.so.1").cuInit(0) == 0
    except OSError:
        return False
