"""Languages of short texts, as customers and shops write them."""

from __future__ import annotations

import pytest

from ingest.language import detect_language


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # Nothing to say.
        ("", "und"), ("123 456", "und"), ("E04 2019", "und"), ("https://example.com/haus", "und"), ("— …", "und"), ("FD-200", "und"),
        # English, however short and full of names.
        ("Returns", "en"), ("When do you open?", "en"), ("How much is the FD-200?", "en"),
        ("FrostLine FD-200 DryMax", "en"), ("iPhone 15 Pro Max", "en"), ("info@firma.de hours", "en"),
        # Chinese by script, with Latin names in it.
        ("保修多久？", "zh"), ("FD-200 的价格是多少？", "zh"), ("洗衣机 FD-200 error E04", "zh"),
        ("FD200保修2年吗", "zh"),
        # Japanese by kana, even one among Han.
        ("保証期間はどのくらいですか", "ja"), ("冷蔵庫の保証期間", "ja"),
        # Others by the model, once there is enough of them.
        ("Wo finde ich die Bedienungsanleitung für meinen Kühlschrank?", "de"),
        ("Wie lange habe ich Garantie auf die Waschmaschine?", "de"),
        ("Combien coûte la livraison à domicile dans toute la France ?", "fr"),
        ("Сколько стоит доставка?", "ru"),
        ("배송은 얼마나 걸리나요?", "ko"),
    ],
)  # fmt: skip
def test_language(text: str, expected: str) -> None:
    assert detect_language(text) == expected


def test_a_few_foreign_names_do_not_change_a_text() -> None:
    text = "Our store in München is open from nine to six. Ask for Herr Müller at the desk."
    assert detect_language(text) == "en"
