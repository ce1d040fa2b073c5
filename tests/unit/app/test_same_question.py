"""Which questions are the same: the near misses never, plain rewordings yes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.rag.same_question import asked_of, same_question

DATA = Path(__file__).parents[3] / "benchmarks" / "data"


def test_no_near_miss_is_the_same_question() -> None:
    rows = [json.loads(line) for line in (DATA / "near_misses.jsonl").read_text("utf-8").splitlines()]
    assert len(rows) == 200
    assert [row for row in rows if same_question(asked_of(row["one"]), asked_of(row["other"]))] == []


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("How do I cancel my order?", "Please tell me how I can cancel an order.", True),
        ("What are your opening hours?", "Could you tell me what the opening hours are?", True),
        ("Where can I buy a filter?", "Where do I purchase a filter?", True),
        ("How many people can sleep in two rooms?", "How many people can sleep in 2 rooms?", True),
        ("What is the WM-900?", "what is the wm900", True),
        ("Is it 1,000 pounds?", "Is it 1000 pounds?", True),
        ("What is the return policy?", "What is the policy for returns?", False),
        ("Is it 1.5 litres?", "Is it 15 litres?", False),
        ("Do you ship to the US?", "Do you ship to us?", False),
        ("Do you deliver to Paris?", "do you deliver to paris", True),
        ("Can I cancel it?", "How can I cancel it?", False),
        ("I can't log in", "I cannot log in", True),
        ("请问营业时间？", "营业时间", True),
        ("退货要七天吗？", "退货要八天吗？", False),
        ("Où est le magasin ?", "Wo ist das Geschäft?", False),
        ("?", "?", False),
    ],
)
def test_what_is_the_same_and_what_is_not(one: str, other: str, same: bool) -> None:
    assert same_question(asked_of(one), asked_of(other)) is same
    assert same_question(asked_of(other), asked_of(one)) is same
