"""The pages' texts in each language: ui/i18n/LANGUAGE/{common,customer,staff}.json, flat keys, {placeholders}."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

FOLDER = Path(__file__).parent / "i18n"
# As their speakers write them.
LANGUAGES = {"en": "English", "zh": "中文"}
Translate = Callable[..., str]


@lru_cache(maxsize=len(LANGUAGES))
def texts(language: str) -> dict[str, str]:
    """All texts of a language by key; a key of one file is never that of another."""
    merged: dict[str, str] = {}
    for path in sorted((FOLDER / language).glob("*.json")):
        merged.update(json.loads(path.read_text(encoding="utf-8")))
    return merged


def translator(language: str) -> Translate:
    """``t("key", name=value)`` in a language, English where it is not ours."""
    known = texts(language if language in LANGUAGES else "en")

    def translate(key: str, **values: object) -> str:
        return known[key].format(**values) if values else known[key]

    return translate


def language_of(locale: str | None) -> str:
    """Our language for a browser's locale such as "zh-CN"."""
    code = (locale or "").replace("_", "-").split("-")[0].lower()
    return code if code in LANGUAGES else "en"
