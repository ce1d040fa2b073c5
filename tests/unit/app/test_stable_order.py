"""Prompts that begin alike: passages in an order of their own, and marks that still name what they meant."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from app.rag.answer import Ask
from serving.citations import renumbered
from serving.engines import ChatEngine
from tests.fakes import ScriptedChatModel
from tests.unit.app.rigging import KB, desk

MODELS = {"a.md": "WM-700", "b.md": "WM-900", "c.md": "DR-500"}
TEXTS = {
    name: f"The motor of the {model} is guaranteed for {10 + i} years."
    for i, (name, model) in enumerate(MODELS.items())
}
QUESTIONS = [f"How long is the motor of the {model} guaranteed?" for model in MODELS.values()]


def asked(question: str, context: int = 800, **options: Any) -> tuple[str, str]:
    """What stood in the prompt, and the document that was cited by whoever copied its line."""

    class Copies(ScriptedChatModel):
        async def _astream(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Any:
            prompt = str(messages[-1].content)
            product = next(p for p in MODELS.values() if p in question)
            found = re.search(rf"\[(\d)\][^\[]*?(The motor of the {product}[^\n.]*)\.", prompt)
            assert found is not None
            self.pieces = [f"{found[2]} [{found[1]}]."]
            async for chunk in super()._astream(messages, stop, run_manager, **kwargs):
                yield chunk

    model = Copies()
    source = ChatEngine("endpoint", "m", model, ("*",), context, 5, lambda text: len(text) // 4)
    answer = asyncio.run(desk(TEXTS).chain(source, **options).answer(Ask(question, KB)))
    # Written by the engine: a mark that names the wrong passage would be withheld, and the right one quoted instead.
    assert (answer.engine, answer.withheld, answer.fallen) == ("endpoint", (), ())
    assert len(answer.citations) == 1
    return str(model.asked[0][-1].content), answer.citations[0].document


def test_prompts_on_the_same_passages_begin_alike_and_cite_what_they_name() -> None:
    prompts, cited = zip(*(asked(question, stable_order=True) for question in QUESTIONS), strict=True)
    assert len({prompt.partition("Question:")[0] for prompt in prompts}) == 1
    assert list(cited) == list(MODELS)


def test_by_rank_the_best_comes_first_and_prompts_differ() -> None:
    prompts, cited = zip(*(asked(question) for question in QUESTIONS), strict=True)
    assert len({prompt.partition("Question:")[0] for prompt in prompts}) > 1
    assert list(cited) == list(MODELS)
    assert all(product in prompt.splitlines()[1] for prompt, product in zip(prompts, MODELS.values(), strict=True))


def test_where_not_all_fit_the_best_stay() -> None:
    prompt, cited = asked(QUESTIONS[2], context=130, stable_order=True)
    assert "DR-500" in prompt.splitlines()[1]
    assert cited == "c.md"


@pytest.mark.parametrize(
    ("text", "numbers", "said"),
    [
        ("True [1].", {1: 3}, "True [3]."),
        ("Both [1, 2] and [3].", {1: 2, 2: 1}, "Both [2, 1] and [3]."),
        ("中文【1】。", {1: 2}, "中文【2】。"),
        ("Year 1 [9].", {1: 2}, "Year 1 [9]."),
        ("True [1].", {}, "True [1]."),
    ],
)
def test_marks_get_other_numbers(text: str, numbers: dict[int, int], said: str) -> None:
    assert renumbered(text, numbers) == said
