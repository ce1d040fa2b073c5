"""How closely a passage's wording meets a question's."""

from __future__ import annotations

import pytest

from app.rag.closeness import Closeness, compare, tokens_of


def wordings(question: str, *texts: str, head: str = "") -> list[Closeness]:
    return compare(question, [tokens_of(text, head) for text in texts])


def test_words_in_one_sentence_count_more_than_the_same_words_far_apart() -> None:
    together, apart = wordings(
        "When must the filter be replaced?",
        "The filter must be replaced every month. The door is white.",
        "The filter is white. Wipe it with a cloth. The lamp must be replaced every month.",
    )
    assert together.sentence > apart.sentence
    assert together.near > apart.near


def test_two_sentences_in_a_row_may_share_the_words() -> None:
    neighbours, apart = wordings(
        "filter replaced",
        "Open the filter. It is replaced at once. Close the door.",
        "Open the filter. Close the door. It is replaced at once.",
    )
    assert neighbours.sentence == apart.sentence
    assert neighbours.sentences > apart.sentences


@pytest.mark.parametrize(
    ("question", "same", "turned"),
    [
        ("Does Anna pay Bert?", "Anna pays Bert.", "Bert pays Anna."),
        ("保修期多长", "本机保修期为两年。", "期保修为两年。"),
    ],
)
def test_the_order_of_words_is_seen(question: str, same: str, turned: str) -> None:
    first, second = wordings(question, same, turned)
    assert first.phrase > second.phrase


def test_a_rare_word_weighs_more_than_a_common_one() -> None:
    rare, common, *_ = wordings("gasket door", "A gasket.", "A door.", "The door.", "Any door.")
    assert rare.sentence > common.sentence


def test_title_and_headings_help_every_sentence() -> None:
    (bare,) = wordings("FD-200 price", "The price is 20.")
    (headed,) = wordings("FD-200 price", "The price is 20.", head="FD-200")
    assert headed.sentence == 1.0 > bare.sentence
    assert headed.head > 0.0 == bare.head


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("退貨運費由誰承擔", "退货运费由谁承担"),
        ("Is the fd200 quiet?", "The FD-200 is quiet."),
        ("replacing filters", "Replace the filter."),
    ],
    ids=["scripts", "codes", "stems"],
)
def test_one_thing_written_two_ways(question: str, text: str) -> None:
    (found,) = wordings(question, text)
    assert found.sentence == 1.0


@pytest.mark.parametrize(
    ("question", "text"), [("", "Some text."), ("the of", "Some text."), ("filter", ""), ("?", "!")]
)
def test_nothing_to_compare_is_nothing(question: str, text: str) -> None:
    assert wordings(question, text) == [Closeness(0.0, 0.0, 0.0, 0.0, 0.0)]


def test_no_passages() -> None:
    assert compare("filter", []) == []
