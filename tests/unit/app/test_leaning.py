"""What a question leaves out: tables of customers' questions in English and Chinese, both scripts."""

from __future__ import annotations

import pytest

from app.rag.leaning import Lacks, bare, leaning

STANDS = [
    "How long is the motor of the WM-900 guaranteed?",
    "What does the delivery of a large appliance to Scotland cost?",
    "Is there a shop in Leeds?",
    "Is it possible to return an opened item?",
    "How long does it take to repair a dishwasher?",
    "Is it safe to put wooden boards into a dishwasher?",
    "I think that my dryer is broken: who repairs dryers?",
    "When did Tesla build his laboratory?",
    "What did the Normans do when they came to England?",
    "Is there a fee for appliances that I return opened?",
    "WM-900 的直驱电机保修多少年？",
    "送货到海南岛要多少钱？",
    "其他品牌的洗衣机可以以旧换新吗？",
    "洗衣機的保固期有多久？",
    "RF-310 坏了怎么办？",
]
NO_SUBJECT = [
    "How much is it?",
    "Do they have a garden?",
    "Is its drum made of steel?",
    "Can I use that for wool?",
    "Which shops sell this?",
    "Is parking free there?",
    "它保修多久？",
    "他們星期天營業嗎？",
    "這個要多少錢？",
    "那里可以停车吗？",
    "门票多少钱？",
    "另外一款有现货吗？",
]
NO_PREDICATE = [
    "Can I return either of them?",
    "Is the other one quieter at night?",
    "Which one is cheaper to run?",
    "What about the WM-700?",
    "How about installation on a Sunday?",
    "And in Scotland?",
    "and in winter?",
    "Why?",
    "How much?",
    "I meant the larger model",
    "那 WM-700 呢？",
    "那安裝費呢？",
    "新疆呢？",
    "为什么？",
]


@pytest.mark.parametrize("question", STANDS)
def test_a_question_that_stands_alone(question: str) -> None:
    assert leaning(question).lacks is Lacks.NOTHING


@pytest.mark.parametrize("question", NO_SUBJECT)
def test_a_question_without_its_subject(question: str) -> None:
    assert leaning(question).lacks is Lacks.SUBJECT


@pytest.mark.parametrize("question", NO_PREDICATE)
def test_a_question_without_its_predicate(question: str) -> None:
    assert leaning(question).lacks is Lacks.PREDICATE


def test_a_definite_noun_points_back_when_it_was_spoken_of() -> None:
    question = "Does the hotel have a garage for guests?"
    assert leaning(question, "I would recommend a hotel in the north.").lacks is Lacks.SUBJECT
    assert leaning(question, "Trains leave every ten minutes.").lacks is Lacks.NOTHING


@pytest.mark.parametrize(
    ("question", "left"),
    [
        ("OK, thanks. And in winter?", "And in winter?"),
        ("好的，谢谢你。那运费呢？", "那运费呢？"),
        ("No", "No"),
        ("Not all of them", "Not all of them"),
    ],
)
def test_politeness_before_a_question_is_not_a_part_of_it(question: str, left: str) -> None:
    assert bare(question) == left
