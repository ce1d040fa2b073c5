"""Which languages an embedder knows: its folder says so, whatever it is called."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.embed import LANGUAGES, languages_of, write_languages
from ingest.errors import SettingsError


@pytest.mark.parametrize(
    ("name", "known"),
    [("packaged", ("en",)), ("BAAI/bge-small-en-v1.5", ("en",)), ("BAAI/bge-m3", ("*",)), ("./nowhere", ("*",))],
)
def test_a_name_suggests_them(name: str, known: tuple[str, ...]) -> None:
    assert languages_of(name) == known


def test_a_folder_says_them(tmp_path: Path) -> None:
    folder = tmp_path / "tuned-en-model"
    folder.mkdir()
    write_languages(folder, ["zh", "en"])
    assert languages_of(str(folder)) == ("en", "zh")


@pytest.mark.parametrize("said", ["[]", "{", '{"languages": 3}', '{"others": ["en"]}', '"en"'])
def test_what_cannot_be_read_is_named(tmp_path: Path, said: str) -> None:
    (tmp_path / LANGUAGES).write_text(said, encoding="utf-8")
    with pytest.raises(SettingsError, match=LANGUAGES):
        languages_of(str(tmp_path))
