"""Which language a text is in: ISO 639-1 codes, "und" when nothing can be said."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

# The languages a company's customers are likely to write; without the limit, short English texts are taken for Latin.
LANGUAGES = (
    "ar", "bg", "cs", "da", "de", "el", "en", "es", "et", "fi", "fr", "he", "hi", "hr", "hu", "id", "it", "ja", "ko",
    "lt", "lv", "ms", "nl", "no", "pl", "pt", "ro", "ru", "sk", "sl", "sv", "th", "tr", "uk", "ur", "vi", "zh",
)  # fmt: skip
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
_KANA = re.compile(r"[぀-ヿ]")
_HANGUL = re.compile(r"[가-힯]")
_LATIN_WORD = re.compile(r"[A-Za-zÀ-ɏ]{2,}")
# What carries no language: codes, numbers, addresses.
_NOISE = re.compile(r"https?://\S+|\S+@\S+|(?<![A-Za-z0-9])[A-Za-z0-9\-]*\d[A-Za-z0-9\-]*")


@lru_cache(maxsize=1)
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(list(LANGUAGES))
    return identifier


def detect_language(text: str) -> str:
    """Language of a text.

    Han, kana and hangul are decided by script. A Latin text is called English unless the model is sure of another
    language: short questions full of product names would otherwise land anywhere.
    """
    sample = _NOISE.sub(" ", text[:2000])
    han, kana, hangul = (len(p.findall(sample)) for p in (_HAN, _KANA, _HANGUL))
    words = len(_LATIN_WORD.findall(sample))
    if kana and kana * 10 >= han:
        return "ja"
    if hangul > han and hangul > words:
        return "ko"
    # Chinese questions are full of Latin names ("AKB48 Team 8 的成员有几人?"); the words between them decide.
    if han and 2 * han >= words:
        return "zh"
    if not any(char.isalpha() for char in sample):
        return "und"
    code, probability = _identifier().classify(sample)
    # Plain letters and few words prove nothing; an accent or an inverted question mark does.
    unsure = probability < 0.9 or (words < 3 and sample.isascii())
    return "en" if words and code != "en" and unsure else str(code)
