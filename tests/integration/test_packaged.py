"""The packaged model as it is shipped: it loads, streams, stops, takes turns, and answers from a file."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

import pytest

from app.rag.answer import Ask, Outcome
from app.workspace import Settings, open_workspace
from ingest.pipeline import Upload
from ingest.records import State
from serving.engines import ChatEngine, packaged_engine
from serving.errors import EngineAway, EngineBusy, EngineTimeout
from serving.packaged import MOST_QUEUED, PackagedModel
from serving.passages import Passage
from serving.prompts import Message, render_answer
from serving.settings import ServingSettings
from tests import packaged_model

EXAMPLES = Path(__file__).parents[2] / "examples" / "files"
LONG = [Message("user", "Write a long story about a washing machine that travels around the world.")]


@pytest.fixture(scope="session")
def models() -> Path:
    """Folder of the converted weights of this run."""
    return Path(os.environ[packaged_model.VARIABLE])


@pytest.fixture(scope="session")
def model(models: Path) -> PackagedModel:
    packaged = PackagedModel(models)
    packaged.load()
    return packaged


def engine(model: PackagedModel, total_s: float = 60.0, tokens: int = 400) -> ChatEngine:
    return packaged_engine(model, ServingSettings(packaged_timeout_s=total_s, max_new_tokens=tokens))


def later(seconds: float) -> float:
    return time.monotonic() + seconds


def generating(model: PackagedModel) -> bool:
    """Whether a generation holds the model now."""
    return model.queued > 0


def wait_until_idle(model: PackagedModel, seconds: float = 5.0) -> bool:
    end = later(seconds)
    while generating(model) and time.monotonic() < end:
        time.sleep(0.02)
    return not generating(model)


def test_the_weights_are_converted_once(model: PackagedModel, models: Path) -> None:
    weights = models / "smollm2-135m-instruct" / "model.safetensors"
    before = weights.stat().st_mtime_ns
    PackagedModel(models).load()
    assert weights.stat().st_mtime_ns == before
    assert not [path for path in models.iterdir() if path.suffix == ".part"]


def test_tokens_are_counted(model: PackagedModel) -> None:
    assert model.count_tokens("") == 0
    assert 3 <= model.count_tokens("How long is the guarantee?") <= 10


def test_it_streams_in_pieces_and_the_same_again(model: PackagedModel) -> None:
    tokens, seconds = model._turns.written
    said = [list(model.generate(LONG, 12, threading.Event(), later(60))) for _ in range(2)]
    # Counted for the figures: all tokens but the first of each answer, for which the prompt is read.
    assert model._turns.written[0] - tokens == 2 * 11
    assert model._turns.written[1] > seconds
    assert len(said[0]) > 1
    assert "".join(said[0]).strip()
    assert said[0] == said[1]


def test_weights_that_cannot_be_read_are_an_engine_away(tmp_path: Path) -> None:
    broken = tmp_path / "smollm2-135m-instruct"
    broken.mkdir()
    (broken / "config.json").write_text("{", encoding="utf-8")
    with pytest.raises(EngineAway, match="make setup"):
        PackagedModel(tmp_path).load()


def test_closing_the_stream_stops_the_generation(model: PackagedModel) -> None:
    async def leave_early() -> str:
        async with aclosing(engine(model).stream(LONG)) as pieces:
            return await anext(pieces)

    assert asyncio.run(leave_early())
    assert wait_until_idle(model, 2)


def test_cancelling_the_reader_stops_the_generation(model: PackagedModel) -> None:
    async def cancel() -> None:
        first = asyncio.Event()

        async def read() -> None:
            async for _ in engine(model).stream(LONG):
                first.set()

        reading = asyncio.create_task(read())
        await first.wait()
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)

    asyncio.run(cancel())
    assert wait_until_idle(model, 2)


def test_two_generations_are_written_together_and_each_as_if_it_were_alone(models: Path) -> None:
    # In float32: where two words are nearly as likely as each other, which one bfloat16 rounds up depends on how many
    # answers are written at once.
    model = PackagedModel(models, "float32")
    passages = [
        Passage(
            1, "w", "w", "Warranty", "", "The motor of the WM-900 is guaranteed for 10 years from the day of delivery."
        ),
        Passage(2, "d", "d", "Delivery", "", "Delivery within the city costs 25 pounds, and takes two working days."),
    ]
    questions = {
        "a": "How long is the motor of the WM-900 guaranteed?",
        "b": "What does delivery within the city cost?",
    }
    order: list[str] = []

    async def read(name: str) -> str:
        said = ""
        async for piece in engine(model, tokens=24).stream(render_answer(questions[name], passages, brief=True)):
            order.append(name)
            said += piece
        return said

    async def both() -> list[str]:
        return await asyncio.gather(read("a"), read("b"))

    alone = [asyncio.run(read(name)) for name in questions]
    order.clear()
    together = asyncio.run(both())
    turns = [name for i, name in enumerate(order) if i == 0 or order[i - 1] != name]
    # Not one after the other.
    assert len(turns) > 3
    assert together == alone
    assert together[0] != together[1]


def test_more_questions_than_it_can_answer_are_sent_on_at_once(model: PackagedModel) -> None:
    async def first(stream: AsyncGenerator[str, None]) -> str:
        async with aclosing(stream):
            return await anext(stream)

    async def crowd() -> list[object]:
        streams = [engine(model, tokens=8).stream(LONG) for _ in range(MOST_QUEUED + 3)]
        return await asyncio.gather(*map(first, streams), return_exceptions=True)

    ended = asyncio.run(crowd())
    assert sum(isinstance(each, EngineBusy) for each in ended) == 3
    assert sum(isinstance(each, str) for each in ended) == MOST_QUEUED
    assert wait_until_idle(model, 5)


def test_the_deadline_ends_it(model: PackagedModel) -> None:
    async def read() -> list[str]:
        return [piece async for piece in engine(model, total_s=1.5).stream(LONG)]

    clock = time.monotonic()
    try:
        pieces = asyncio.run(read())
    except EngineTimeout:
        pieces = []
    assert time.monotonic() - clock < 6
    assert len(pieces) < 390
    assert wait_until_idle(model, 2)


def test_the_event_loop_goes_on_meanwhile(model: PackagedModel) -> None:
    async def both() -> int:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.005)
                ticks += 1

        ticking = asyncio.create_task(tick())
        async for _ in engine(model, tokens=24).stream(LONG):
            pass
        ticking.cancel()
        return ticks

    assert asyncio.run(both()) > 20


def test_a_question_over_a_file_is_answered_and_cited(model: PackagedModel, home: Path) -> None:
    with open_workspace(Settings.load()) as workspace:
        kb = workspace.catalog.create_knowledge_base("default")
        upload = Upload("warranty.docx", EXAMPLES / "en" / "warranty.docx")
        assert [result.state for result in workspace.pipeline.ingest(kb, [upload])] == [State.READY]
        kb = workspace.catalog.knowledge_base("default")
        question = "How long is the motor of the WM-900 guaranteed?"
        answer = asyncio.run(workspace.chain.answer(Ask(question, kb, engine="packaged")))
    assert (answer.outcome, answer.engine, answer.release, answer.fallen) == (
        Outcome.ANSWERED,
        "packaged",
        "support",
        (),
    )
    assert "10 years" in answer.answer
    assert "[1]" in answer.answer
    assert [c.document for c in answer.citations] == ["warranty.docx"]
    assert "The motor of the WM-900 is guaranteed for 10 years." in answer.citations[0].text
