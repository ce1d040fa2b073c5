"""Passages that say the same take one place; those that differ in a word do not."""

from __future__ import annotations

import pytest

from app.rag.collapse import collapsed
from app.rag.fusion import Fused
from ingest.index.base import Hit

TERMS = 'Unused goods may be returned within 30 days - see "Costs". Opened filters are not taken back below -5 °C.'
CHINESE = "签收后 7 天内可以退货，运费由我们承担。"


def found(identity: str, text: str, score: float = 0.5, title: str = "Terms", **payload: object) -> Fused:
    fields = {"text": text, "title": title, "heading_path": ["Returns"], "document": f"{identity}.pdf", **payload}
    return Fused(Hit(identity, score, fields), score, score, None)


def same(one: Fused, other: Fused) -> bool:
    return len(collapsed([one, other], 5)) == 1


@pytest.mark.parametrize(
    ("text", "other"),
    [
        (TERMS, TERMS),
        (TERMS, TERMS.replace(" ", "\n", 4)),
        (TERMS, f"- {TERMS}"),
        (TERMS, f"## {TERMS.replace('not', '**not**')}"),
        (TERMS, TERMS.replace(' "Costs"', " “Costs”").replace(" - ", " – ").replace("-5", "−5")),
        (CHINESE, CHINESE.replace("，", "，\n").replace(" 7 ", "７")),
    ],
)
def test_what_a_files_format_makes_of_a_text_does_not_count(text: str, other: str) -> None:
    assert same(found("a", text), found("b", other))


@pytest.mark.parametrize(
    ("text", "other"),
    [
        (TERMS, TERMS.replace("30", "14")),
        (TERMS, TERMS.replace("are not taken", "are taken")),
        (TERMS, TERMS.replace("may be", "must be")),
        (TERMS, TERMS.replace("below", "above")),
        (TERMS, TERMS.replace("-5", "5")),
        (TERMS, TERMS.replace("goods", "FD-200 goods")),
        (TERMS, TERMS.replace("Unused", "Unused unopened")),
        ("- 5 °C\n6 °C", "5 °C\n6 °C"),
        ("It holds 10⁶ of them.", "It holds 106 of them."),
        ("The cat bites the dog.", "The dog bites the cat."),
        (CHINESE, CHINESE.replace("可以", "不可以")),
        ("保修 2、3 年", "保修 23 年"),
        ("", ""),
    ],
)
def test_one_word_or_sign_says_something_else(text: str, other: str) -> None:
    assert not same(found("a", text), found("b", other))


@pytest.mark.parametrize(
    "other",
    [
        found("b", TERMS, title="Terms of the FD-250"),
        found("b", TERMS, title="Hotel Mira"),
        found("b", TERMS, heading_path=["Returns of sofas"]),
        found("b", TERMS, document="fd-250/terms.pdf"),
        found("b", TERMS, document="terms_FD-250.pdf"),
        found("b", TERMS, sheet="Scotland"),
    ],
)
def test_what_stands_somewhere_else_is_about_something_else(other: Fused) -> None:
    assert not same(found("a", TERMS), other)


@pytest.mark.parametrize("document", ["old/terms.pdf", "terms_2024.docx", "https://example.com/00017/terms.html"])
def test_a_copy_may_lie_anywhere(document: str) -> None:
    assert same(found("a", TERMS), found("b", TERMS, document=document))


def test_copies_free_their_places_for_the_next() -> None:
    copies = [found(name, TERMS, 0.9) for name in ("first", "second", "third")]
    others = [found(name, f"The {name} costs ten pounds.", 0.5) for name in ("lid", "filter", "hose", "seal", "tub")]
    shown = collapsed([*copies, *others], 5)
    assert [each.hit.id for each, _ in shown] == ["first", "lid", "filter", "hose", "seal"]
    assert [each.hit.id for each in shown[0][1]] == ["second", "third"]


def test_the_latest_is_shown_in_the_place_of_the_best() -> None:
    old, new = found("old", TERMS, 0.9, valid_from=100), found("new", TERMS, 0.8, valid_from=200)
    ((shown, others),) = collapsed([old, new], 5)
    assert (shown.hit.id, shown.score, [each.hit.id for each in others]) == ("new", 0.9, ["old"])


def test_of_those_that_are_equally_late_the_best_is_shown() -> None:
    ((shown, _),) = collapsed([found("best", TERMS, 0.9), found("next", TERMS, 0.8)], 5)
    assert shown.hit.id == "best"
