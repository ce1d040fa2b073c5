"""What is told of a question by its words: its parts, the answer it wants, whether it leans on what was said."""

from __future__ import annotations

import pytest

from app.rag.answer_type import AnswerType, expected_type, gives
from app.rag.question import question_parts
from app.rag.refusals import closest, refusal
from ingest.language import detect_language


@pytest.mark.parametrize(
    ("question", "parts"),
    [
        ("How long is the guarantee?", []),
        ("保修多久？", []),
        ("I like it. Thanks.", []),
        ("I bought it second-hand. Does the guarantee still hold?", ["Does the guarantee still hold?"]),
        ("我买了二手的洗衣机。保修还有效吗？", ["保修还有效吗？"]),
        ("Is the motor covered, and what does a visit cost?", ["Is the motor covered", "what does a visit cost?"]),
        ("My oven is old. Is it covered? What does a visit cost? Can I pay by card?", ["What does a visit cost?", "Can I pay by card?"]),
        ("My son plays with the buttons. How can I stop that?", []),
        ("Will you take my washer away, and do I have to pay for that?", ["Will you take my washer away"]),
        ("我的洗衣机坏了。它还能修吗？", []),
        ("My WM-900 hums. What does a visit cost?", ["WM-900: What does a visit cost?"]),
        ("I had a WM-700. How loud is the FD-200?", ["How loud is the FD-200?"]),
        ("Hotel Rose: I come by car. Does the hotel have a garage?", ["Hotel Rose: Does the hotel have a garage?"]),
        ("Hotel Rose: is there a pool?", []),
        ("The door of the FD-200 leaks and hums.", []),
    ],
)  # fmt: skip
def test_parts_of_a_message(question: str, parts: list[str]) -> None:
    assert question_parts(question) == parts


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("How much does the filter cost?", "an amount of money"),
        ("What does a visit cost?", "an amount of money"),
        ("Do I have to pay for the collection?", "an amount of money"),
        ("过滤网多少钱？", "an amount of money"),
        ("安装费用是多少？", "an amount of money"),
        ("How long is the motor guaranteed?", "a length of time"),
        ("How soon will an engineer come?", "a length of time"),
        ("保修多久？", "a length of time"),
        ("几个工作日能到？", "a length of time"),
        ("What time do you open on Sundays?", "a time of day"),
        ("你们几点开门？", "a time of day"),
        ("营业时间？", "a time of day"),
        ("How loud is the FD-200?", "a sound level"),
        ("FD-200 的噪音是多少分贝？", "a sound level"),
        ("How many litres does a cycle use?", "a volume"),
        ("一次用多少升水？", "a volume"),
        ("How many cubic metres an hour does the hood move?", "a flow"),
        ("风量多少立方米？", "a flow"),
        ("How heavy is the oven?", "a weight"),
        ("多重？", "a weight"),
        ("How wide is the hood?", "a length"),
        ("How many place settings does it hold?", "a number"),
        ("有几种颜色？", "a number"),
        ("Where is the shop in Leeds?", None),
        ("Can I return a used hob?", None),
        ("How do I clean the filter?", None),
        ("哪里可以维修？", None),
    ],
)
def test_kind_of_answer_that_a_question_wants(question: str, kind: str | None) -> None:
    found = expected_type(question)
    assert (found.name if found else None) == kind


MONEY, TIME, CLOCK = "How much does it cost?", "How long does it take?", "What time do you open?"
SOUND, VOLUME, FLOW, COUNT = "How loud?", "How many litres?", "How many cubic metres?", "How many?"


def wanted(question: str) -> AnswerType:
    kind = expected_type(question)
    assert kind is not None
    return kind


@pytest.mark.parametrize(
    ("question", "text"),
    [
        (MONEY, "It costs £25."),
        (MONEY, "上门费每次 60 元。"),
        (MONEY, "安装免费。"),
        (MONEY, "Collection is free of charge."),
        (MONEY, "Part: pump; Price (£): 64.5"),
        (MONEY, "A restocking fee of 15 % applies."),
        (TIME, "It takes 25 days."),
        (TIME, "within 3 working days"),
        (TIME, "within 3 WORKING DAYS"),
        (TIME, "a 12-month guarantee"),
        (TIME, "保修十年"),
        (TIME, "3 个工作日内"),
        (TIME, "We answer immediately."),
        (CLOCK, "9:00 to 17:30"),
        (CLOCK, "from 9 am"),
        (CLOCK, "上午 9 点开门"),
        (SOUND, "44 dB(A)"),
        (SOUND, "Noise (dB): 44"),
        (SOUND, "44 分贝"),
        (VOLUME, "uses 9.5 litres"),
        (VOLUME, "Water (litres): 11.5"),
        (VOLUME, "用水 9.5 升"),
        (FLOW, "moves 600 m³/h"),
        (FLOW, "风量 600 立方米"),
        (COUNT, "It holds 13 settings."),
        (COUNT, "three baskets"),
        (COUNT, "共 12 套餐具"),
    ],
)
def test_a_text_gives_that_kind(question: str, text: str) -> None:
    assert gives(wanted(question), text)


@pytest.mark.parametrize(
    ("question", "text"),
    [
        (MONEY, "It takes 25 days."),
        (MONEY, "保修 10 年"),
        (MONEY, "Clean the filter."),
        (TIME, "It costs £25."),
        (TIME, "Call us about the CH-60 days before."),
        (TIME, "安装费 60 元"),
        (CLOCK, "It takes 9 days."),
        (SOUND, "It uses 44 litres."),
        (SOUND, "噪音很低"),
        (VOLUME, "It runs at 44 dB."),
        (FLOW, "It moves 600 litres."),
        (COUNT, "The CH-60 hood of 2026-02"),
        (COUNT, "none at all"),
    ],
)
def test_a_text_does_not_give_that_kind(question: str, text: str) -> None:
    assert not gives(wanted(question), text)


@pytest.mark.parametrize(
    "language", ["en", "zh", "de", "fr", "es", "it", "pt", "nl", "ja", "ko", "ru", "pl", "tr", "ar"]
)
def test_refusals_are_written_in_their_language(language: str) -> None:
    assert detect_language(refusal(language)) == language


def test_a_language_without_a_refusal_gets_the_english_one() -> None:
    assert refusal("sw") == refusal("en")
    assert closest("sw") == closest("en")
    assert detect_language(closest("zh")) == "zh"
