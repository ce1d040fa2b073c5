"""What stands before every route of vLLM, in vLLM's own process."""

from __future__ import annotations

import ast
import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

from serving.guard import frontdesk_guard
from serving.guard.frontdesk_guard import KeyOnEveryRoute

KEY = "vllm's-own-key"


def status(monkeypatch: pytest.MonkeyPatch, scope: dict[str, Any]) -> Any:
    """Of the reply; "inside" where it was passed on."""
    monkeypatch.setenv("VLLM_API_KEY", KEY)
    said: list[Any] = []

    async def inside(_scope: Any, _receive: Any, _send: Any) -> None:
        said.append("inside")

    async def receive() -> dict[str, Any]:
        raise AssertionError("nobody reads the body of what is refused")

    async def send(message: Any) -> None:
        said.append(message.get("status") or message.get("code") or "")

    asyncio.run(KeyOnEveryRoute(inside)(scope, receive, send))
    return said[0]


def http(path: str, *keys: str, method: str = "POST") -> dict[str, Any]:
    headers = [(b"authorization", key.encode()) for key in keys]
    return {"type": "http", "path": path, "method": method, "headers": headers}


@pytest.mark.parametrize(
    "path", ["/adapters", "/tokenize", "/invocations", "/v1/chat/completions", "/metrics", "/health/", "//health"]
)
@pytest.mark.parametrize(
    "keys", [(), ("Bearer ",), ("Bearer wrong",), (KEY,), (f"Bearer {KEY}", "Bearer x"), ("Bearer schl\u00fcssel",)]
)
def test_without_the_key_nothing_is_reached(monkeypatch: pytest.MonkeyPatch, path: str, keys: tuple[str, ...]) -> None:
    assert status(monkeypatch, http(path, *keys)) == 401


def test_with_it_everything_is_and_health_without(monkeypatch: pytest.MonkeyPatch) -> None:
    assert status(monkeypatch, http("/adapters", f"Bearer {KEY}")) == "inside"
    assert status(monkeypatch, http("/health", method="GET")) == "inside"
    assert status(monkeypatch, http("/health", method="POST")) == 401
    assert status(monkeypatch, {"type": "lifespan"}) == "inside"


def test_a_websocket_without_it_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert status(monkeypatch, {"type": "websocket", "path": "/v1/realtime", "headers": []}) == 1008


def test_it_needs_nothing_that_vllms_environment_might_lack() -> None:
    tree = ast.parse(Path(frontdesk_guard.__file__).read_text(encoding="utf-8"))
    found = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    found |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert {name.partition(".")[0] for name in found} <= sys.stdlib_module_names
