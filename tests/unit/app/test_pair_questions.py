"""A chat model's lines as candidates, the prompt that asks for them, and the check of answers behind pairs."""

from __future__ import annotations

from collections.abc import Sequence

from langchain_core.language_models import FakeListChatModel

from app.pair_checks import CitationSupport
from app.pair_questions import ChatQuestions, chat_complete
from ingest.pairs.model import QuestionTask
from ingest.pairs.records import SourceChunk, Style, Turn
from serving.prompts import Message

CHUNK = SourceChunk(
    "id", "hash", "v1", "shop.md", "Circle", "Points expire after 24 months. Delivery is not free.", ("Points",)
)


def test_numbers_bullets_and_quotes_are_taken_off() -> None:
    said = (
        '1. When do points expire?\n- "How long are points valid?"\n\n问题1：积分何时过期？\n1. When do points expire?'
    )
    asks = ChatQuestions("told", lambda messages: said)
    assert asks.ask(QuestionTask(CHUNK, "Points expire after 24 months.")) == [
        "When do points expire?",
        "How long are points valid?",
        "积分何时过期？",
    ]


def test_the_prompt_holds_passage_sentence_examples_turns_and_manner() -> None:
    seen: list[Sequence[Message]] = []

    def complete(messages: Sequence[Message]) -> str:
        seen.append(messages)
        return ""

    task = QuestionTask(
        CHUNK,
        "Points expire after 24 months.",
        Style.FOLLOW_UP,
        examples=(("We open at nine.", "When do you open?"),),
        history=(Turn("user", "What is the Circle?"),),
        count=3,
    )
    assert ChatQuestions("told", complete).ask(task) == []
    system, example, written, asked = seen[0]
    assert "Write 3." in system.content
    assert "asked before" in system.content
    assert (example.content, written.content) == ("Sentence: We open at nine.", "When do you open?")
    assert asked.content.index("Customer: What is the Circle?") < asked.content.index("Circle > Points")
    assert asked.content.endswith("Sentence: Points expire after 24 months.")


def test_any_chat_model_completes() -> None:
    complete = chat_complete(FakeListChatModel(responses=["When?"]))
    assert complete([Message("system", "a"), Message("user", "b"), Message("assistant", "c")]) == "When?"


def test_answers_are_checked_as_customers_answers_are() -> None:
    support = CitationSupport()
    assert support.problem("Points expire after 24 months.", "When do points expire?", CHUNK) == ""
    assert support.problem("Points expire after 12 months.", "When do points expire?", CHUNK)
    assert support.problem("Delivery is free.", "Is delivery free?", CHUNK)
    # One sentence that does not hold is enough.
    assert support.problem("Points expire after 24 months. Gift cards never do.", "When do points expire?", CHUNK)
