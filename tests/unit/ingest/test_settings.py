"""Settings: defaults, the environment, and errors that name the variable."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.errors import SettingsError
from ingest.settings import IngestSettings, load_settings


def test_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FRONTDESK_HOME")
    settings = load_settings(IngestSettings)
    assert settings.home == Path(".frontdesk")
    assert settings.sqlalchemy_url == "sqlite:///.frontdesk/frontdesk.db"
    assert (settings.vector_engine, settings.embedding_model) == ("edge", "packaged")
    assert settings.database_url is settings.qdrant_api_key is settings.embedding_languages is None


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("FRONTDESK_CHUNK_TOKENS", "many"),
        ("FRONTDESK_CHUNK_TOKENS", "8"),
        ("FRONTDESK_VECTOR_ENGINE", "faiss"),
        ("FRONTDESK_QDRANT_TIMEOUT_S", "0"),
    ],
)
def test_a_wrong_value_is_one_line_that_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as caught:
        load_settings(IngestSettings)
    assert str(caught.value).startswith(f"{variable}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("value", "expected"), [("en", ("en",)), ("en, ZH ,", ("en", "zh")), ("*", ("*",))])
def test_languages(monkeypatch: pytest.MonkeyPatch, value: str, expected: tuple[str, ...]) -> None:
    monkeypatch.setenv("FRONTDESK_EMBEDDING_LANGUAGES", value)
    assert load_settings(IngestSettings).embedding_languages == expected


def test_the_env_file_is_read_and_the_environment_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("FRONTDESK_CHUNK_TOKENS=100\nFRONTDESK_QDRANT_URL=http://a\nOTHER=1\n")
    monkeypatch.setenv("FRONTDESK_QDRANT_URL", "http://b")
    settings = load_settings(IngestSettings)
    assert (settings.chunk_tokens, settings.qdrant_url) == (100, "http://b")


def test_secrets_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRONTDESK_DATABASE_URL", "postgresql://me:hunter2@db/x")
    monkeypatch.setenv("FRONTDESK_QDRANT_API_KEY", "hunter2")
    settings = load_settings(IngestSettings)
    assert "hunter2" not in repr(settings)
    assert settings.sqlalchemy_url == "postgresql://me:hunter2@db/x"
