"""Every text in every language: the same keys, the same placeholders, none missing in the code."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

from ui.texts import FOLDER, LANGUAGES, language_of, texts, translator

UI = Path(__file__).parents[3] / "ui"
PLACEHOLDER = re.compile(r"\{(\w+)\}")


def files(language: str) -> dict[str, dict[str, str]]:
    return {path.name: json.loads(path.read_text("utf-8")) for path in sorted((FOLDER / language).glob("*.json"))}


@pytest.mark.parametrize("language", [code for code in LANGUAGES if code != "en"])
def test_languages_have_the_same_texts(language: str) -> None:
    english, other = files("en"), files(language)
    assert {name: set(of) for name, of in english.items()} == {name: set(of) for name, of in other.items()}
    for name, found in english.items():
        for key, text in found.items():
            assert set(PLACEHOLDER.findall(text)) == set(PLACEHOLDER.findall(other[name][key])), key


def test_a_key_stands_in_one_file_only() -> None:
    keys = [key for found in files("en").values() for key in found]
    assert len(keys) == len(set(keys))


def test_every_key_in_the_code_has_its_text() -> None:
    known = texts("en")
    used = set()
    for path in UI.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            named = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "t"
            if named and isinstance(node.args[0], ast.Constant):
                used.add(node.args[0].value)
    assert used
    assert used <= set(known)


def test_translations_and_their_values() -> None:
    assert translator("zh")("page_n", n=3) == "第 3 页"
    assert translator("fr")("page_n", n=3) == "page 3"


@pytest.mark.parametrize(
    ("locale", "language"),
    [("zh-CN", "zh"), ("zh_TW", "zh"), ("en-GB", "en"), ("fr-FR", "en"), (None, "en"), ("", "en")],
)
def test_the_browsers_language(locale: str | None, language: str) -> None:
    assert language_of(locale) == language
