"""Model servers on the staff's system page."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.ui.test_staff_pages import SYSTEM, shown, words
from ui.staff_pages import system
from ui.staff_pages.servers import facts
from ui.texts import translator
from ui.wire import ServerFigures

FIGURES: dict[str, Any] = {
    "running": 3, "waiting": 2, "cache_full": 0.25, "written_per_s": 1234.56, "read_per_s": 10.0,
    "hit_rate": 0.613, "hit_rate_since_start": 0.5,
}  # fmt: skip
SERVER: dict[str, Any] = {
    "url": "http://127.0.0.1:8001",
    "release": "support",
    "state": "ok",
    "asking": 0,
    "figures": FIGURES,
}


def page(*servers: dict[str, Any]) -> str:
    found = shown(system.show, {"/api/system": SYSTEM | {"model_servers": list(servers)}})
    assert not found.exception
    return words(found).replace("\\", "")


def test_none_is_said_in_a_line() -> None:
    assert "No model server runs" in page()


def test_each_with_its_state_and_its_figures() -> None:
    said = page(SERVER, SERVER | {"release": "tuned", "state": "away", "figures": None})
    assert "support" in said
    assert "prefix cache 61% hits (5 minutes), 50% since its start" in said
    assert "KV cache 25% in use" in said
    assert ("Works" in said, "Away" in said) == (True, True)


@pytest.mark.parametrize(
    ("state", "words_of_it"),
    [
        ("ok", "gives no figures"),
        ("left_alone", "failed several times in a row"),
        ("gone", "It ended and was not stopped"),
        ("something newer", "Away"),
    ],
)
def test_states_without_figures(state: str, words_of_it: str) -> None:
    assert words_of_it in page(SERVER | {"state": state, "figures": None})


def test_a_servers_own_words_are_no_markup() -> None:
    said = shown(system.show, {"/api/system": SYSTEM | {"model_servers": [SERVER | {"release": "**loud** <b>"}]}})
    assert "**loud**" not in words(said)


def test_figures_in_words() -> None:
    assert facts(ServerFigures(**FIGURES), translator("en")) == [
        "3 being answered", "2 waiting", "1,234.6 tokens/s written", "10 tokens/s read",
        "prefix cache 61% hits (5 minutes), 50% since its start", "KV cache 25% in use",
    ]  # fmt: skip
    at_first = ServerFigures(0, 0, 0.0)
    assert facts(at_first, translator("en"))[2] == "prefix cache – hits (5 minutes), – since its start"
    assert facts(at_first, translator("zh"))[0] == "0 个正在应答"
