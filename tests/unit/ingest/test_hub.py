"""Where there is no hub, its client is not let ask for each file six times."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from ingest.embed import _load
from ingest.errors import SettingsError
from ingest.hub import only_here


def replies(monkeypatch: pytest.MonkeyPatch, reply: httpx.Response | Exception) -> list[str]:
    """What a hub is made to say; the addresses that it was asked at."""
    asked: list[str] = []

    def head(url: str, **_: Any) -> httpx.Response:
        asked.append(url)
        if isinstance(reply, Exception):
            raise reply
        return reply

    monkeypatch.setattr("ingest.hub.httpx.head", head)
    return asked


@pytest.mark.parametrize(
    ("reply", "alone"),
    [
        (httpx.Response(200), False), (httpx.Response(401), False), (httpx.Response(502), False), (httpx.ConnectError("no name"), True),
        (httpx.ConnectTimeout("late"), True), (httpx.ReadTimeout("late"), True), (httpx.UnsupportedProtocol("ftp"), True), (httpx.InvalidURL("odd"), True),
    ],
)  # fmt: skip
def test_a_name_is_looked_for_here_alone_where_the_hub_says_nothing(
    monkeypatch: pytest.MonkeyPatch, reply: httpx.Response | Exception, alone: bool
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "https://hub.example.com")
    asked = replies(monkeypatch, reply)
    assert only_here("BAAI/bge-m3") is alone
    assert asked == ["https://hub.example.com"]


def test_for_a_folder_no_hub_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = replies(monkeypatch, httpx.Response(200))
    assert only_here(str(tmp_path)) is False
    assert asked == []


def test_without_a_hub_a_wrong_name_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = replies(monkeypatch, httpx.ConnectError("no name"))
    monkeypatch.setattr("time.sleep", lambda seconds: pytest.fail(f"it waits {seconds} s for another try"))
    with pytest.raises(SettingsError, match="set HF_ENDPOINT or HF_HOME"):
        _load("nobody/has-this-model", half=False)
    assert len(asked) == 1
