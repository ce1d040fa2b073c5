"""Wrong settings stop the start with one line that names the variable."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.errors import SettingsError
from ingest.settings import load_settings
from serving.engines import endpoint_engine, is_here
from serving.settings import ServingSettings


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"ENDPOINT_URL": "http://127.0.0.1:1/v1"}, "FRONTDESK_ENDPOINT_MODEL"),
        ({"ENDPOINT_TIMEOUT_S": "0"}, "FRONTDESK_ENDPOINT_TIMEOUT_S"),
        ({"ENDPOINT_TIMEOUT_S": "soon"}, "FRONTDESK_ENDPOINT_TIMEOUT_S"),
        ({"ENDPOINT_CONTEXT": "10"}, "FRONTDESK_ENDPOINT_CONTEXT"),
        ({"PACKAGED_TIMEOUT_S": "-1"}, "FRONTDESK_PACKAGED_TIMEOUT_S"),
        ({"PACKAGED_DTYPE": "int4"}, "FRONTDESK_PACKAGED_DTYPE"),
        ({"MAX_NEW_TOKENS": "1"}, "FRONTDESK_MAX_NEW_TOKENS"),
    ],
)
def test_a_wrong_value_names_its_variable(
    environment: dict[str, str], named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(f"FRONTDESK_{name}", value)
    with pytest.raises(SettingsError, match=named) as caught:
        load_settings(ServingSettings)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("value", "languages"), [("*", ("*",)), ("en, ZH,", ("en", "zh"))])
def test_languages_are_comma_separated(value: str, languages: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRONTDESK_ENDPOINT_LANGUAGES", value)
    assert load_settings(ServingSettings).endpoint_languages == languages


def test_dotenv_is_read_and_the_environment_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("FRONTDESK_MAX_NEW_TOKENS=99\nFRONTDESK_ENDPOINT_CONTEXT=999\n", encoding="utf-8")
    monkeypatch.setenv("FRONTDESK_ENDPOINT_CONTEXT", "500")
    settings = load_settings(ServingSettings)
    assert (settings.max_new_tokens, settings.endpoint_context) == (99, 500)


def test_the_key_is_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRONTDESK_ENDPOINT_API_KEY", "sk-secret")
    assert "sk-secret" not in repr(load_settings(ServingSettings))


@pytest.mark.parametrize("name", ["ENDPOINT_API_KEY", "ENDPOINT_URL", "ENDPOINT_MODEL"])
def test_a_line_that_was_not_filled_in_says_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"FRONTDESK_{name}", "  ")
    assert getattr(load_settings(ServingSettings), name.lower()) is None


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://127.0.0.1:8001/v1", True), ("http://[::1]:8001/v1", True), ("http://localhost:8001", True), ("http://10.0.0.1/v1", False),
        ("https://models.example.com/v1", False), ("http://localhost.example.com/v1", False),
    ],
)  # fmt: skip
def test_which_servers_are_on_this_machine(url: str, here: bool) -> None:
    assert is_here(url) is here


def test_without_a_url_there_is_no_endpoint() -> None:
    assert endpoint_engine(load_settings(ServingSettings)) is None
