"""Numbers and codes survive the tokenizer; BM25 weights are as the paper says."""

from __future__ import annotations

import pytest

from ingest.sparse import SparseEncoder, codes, with_codes


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no codes here", []),
        ("FD-200", ["fd200"]),
        ("fd200", ["fd200"]),
        ("ＦＤ－２００", ["fd200"]),
        ("型号FD-200的价格", ["fd200"]),
        ("Error E04.", ["e04"]),
        ("3.5 kg at 10:30 in 2019/20", ["35", "1030", "201920"]),
        ("保修2年", ["2"]),
        ("COVID-19 and 5G", ["covid19", "5g"]),
        ("item- page 3,", ["3"]),
    ],
)
def test_codes(text: str, expected: list[str]) -> None:
    assert list(codes(text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain words", "plain words"),
        ("the FD-200 of 2019", "the FD-200 of 2019\nzqfdcaa zqcabj"),
    ],
)
def test_codes_are_spelt_in_letters_at_the_end(text: str, expected: str) -> None:
    assert with_codes(text) == expected


@pytest.fixture(scope="module")
def encoder() -> SparseEncoder:
    return SparseEncoder()


@pytest.mark.parametrize(
    ("question", "passage", "matches"),
    [
        ("FD-200", "The price of the fd200 is low.", True),
        ("FD-200", "The price of the FD-300 is low.", True),  # "fd" is a word of both
        ("2019", "The law of 2019 holds.", True),
        ("2019", "The law of 2018 holds.", False),
        ("E04", "The display shows E04.", True),
        ("E04", "The display shows E05.", False),
        ("deliveries", "One delivery a day.", True),  # stemmed
        ("保修期", "洗衣机的保修期为两年", True),
        ("the of and", "the of and", False),  # stop words
    ],
)
def test_what_a_question_shares_with_a_passage(
    encoder: SparseEncoder, question: str, passage: str, matches: bool
) -> None:
    shared = set(encoder.encode_query(question).indices) & set(encoder.encode_document(passage).indices)
    assert bool(shared) == matches


def test_the_right_model_shares_more_than_its_neighbour(encoder: SparseEncoder) -> None:
    asked = set(encoder.encode_query("Is the FD-200 quiet?").indices)
    right, wrong = (
        set(encoder.encode_document(f"The {model} is a machine.").indices) for model in ("FD-200", "FD-300")
    )
    assert len(asked & right) > len(asked & wrong)


def test_weights_grow_with_frequency_but_saturate(encoder: SparseEncoder) -> None:
    once, twice, often = (max(encoder.encode_document("door " * n).values) for n in (1, 2, 50))
    assert once < twice < often < 2.2  # k1 + 1 is the limit for k1 = 1.2
    assert encoder.encode_query("door door window").values == [1.0, 1.0]
