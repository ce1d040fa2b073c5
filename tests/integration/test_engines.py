"""An OpenAI-compatible endpoint in every state, behind the real chain, over files that were really ingested."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Iterator
from contextlib import aclosing

import pytest

from app.rag.answer import Answer, Ask, Outcome, Retracted, Sentence
from app.rag.chain import AnswerChain
from app.rag.retrieve import HybridSearch
from ingest.catalog import Catalog
from ingest.database import open_database
from ingest.files import FileStore
from ingest.index.edge import EdgeIndex
from ingest.pipeline import Pipeline, Upload
from ingest.records import KnowledgeBase, State
from ingest.settings import load_settings
from ingest.sparse import SparseEncoder
from serving.engines import endpoint_engine
from serving.errors import EngineError
from serving.prompts import Message
from serving.settings import ServingSettings
from tests.fakes import HashEmbedder
from tests.integration.openai_server import EndpointServer, Script

KEY = "sk-frontdesk-very-secret"
QUESTION = "How long is the motor of the WM-900 guaranteed?"
TRUE = "The motor of the WM-900 is guaranteed for 10 years [1]."
FILES = {
    "warranty.md": "# Guarantee\n\nThe motor of the WM-900 is guaranteed for 10 years. The tub cannot rust through.\n",
    "fees.txt": "A visit that finds no fault is charged at 65 pounds.\n",
    "bx.md": "# 保修条款\n\nRF-360N 的变频压缩机保修 12 年。上门费每次 60 元。\n",
}
DEADLINE_S = 2.0


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[HybridSearch, KnowledgeBase, HashEmbedder]]:
    """The files above in a real catalog and a real Edge index."""
    folder = tmp_path_factory.mktemp("shop")
    engine = open_database(f"sqlite:///{folder / 'frontdesk.db'}")
    catalog, embedder, sparse = Catalog(engine), HashEmbedder(languages=("en",)), SparseEncoder()
    index = EdgeIndex(folder / "index", embedder.size)
    pipeline = Pipeline(catalog, FileStore(folder / "files"), index, embedder, sparse, 256)
    kb = catalog.create_knowledge_base("default")
    uploads = []
    for name, text in FILES.items():
        (folder / name).write_text(text, encoding="utf-8")
        uploads.append(Upload(name, folder / name))
    assert {result.state for result in pipeline.ingest(kb, uploads)} == {State.READY}
    yield HybridSearch(index, catalog, embedder, sparse), kb, embedder
    index.close()
    engine.dispose()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[EndpointServer]:
    with EndpointServer() as running:
        set_endpoint(monkeypatch, running.url)
        running.script.answer = TRUE
        yield running


def set_endpoint(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("FRONTDESK_ENDPOINT_URL", url)
    monkeypatch.setenv("FRONTDESK_ENDPOINT_MODEL", "tuned")
    monkeypatch.setenv("FRONTDESK_ENDPOINT_API_KEY", KEY)
    monkeypatch.setenv("FRONTDESK_ENDPOINT_TIMEOUT_S", str(DEADLINE_S))


def chain_of(shop: tuple[HybridSearch, KnowledgeBase, HashEmbedder]) -> AnswerChain:
    engine = endpoint_engine(load_settings(ServingSettings))
    assert engine is not None
    return AnswerChain(shop[0], shop[2], [engine])


def ask(
    shop: tuple[HybridSearch, KnowledgeBase, HashEmbedder], question: str = QUESTION, engine: str | None = None
) -> Answer:
    return asyncio.run(chain_of(shop).answer(Ask(question, shop[1], engine=engine)))


Shop = tuple[HybridSearch, KnowledgeBase, HashEmbedder]


def test_a_healthy_endpoint_writes_the_answer(shop: Shop, server: EndpointServer) -> None:
    answer = ask(shop)
    assert (answer.answer, answer.engine, answer.release, answer.fallen) == (TRUE, "endpoint", "tuned", ())
    assert [c.document for c in answer.citations] == ["warranty.md"]
    asked = server.script.asked[0]
    assert (asked["path"], asked["model"], asked["stream"], asked["temperature"]) == (
        "/v1/chat/completions",
        "tuned",
        True,
        0,
    )
    assert "[1] " in asked["messages"][-1]["content"]
    assert server.script.keys == [f"Bearer {KEY}"]


def test_a_proxy_of_the_environment_is_not_asked_for_a_server_of_this_machine(
    shop: Shop, server: EndpointServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    answer = ask(shop)
    # The quote of the next rung would be the same words.
    assert (answer.answer, answer.engine, answer.fallen) == (TRUE, "endpoint", ())


def test_a_healthy_endpoint_answers_in_chinese(shop: Shop, server: EndpointServer) -> None:
    server.script.answer = "RF-360N 的变频压缩机保修 12 年[1]。"
    answer = ask(shop, "RF-360N 的变频压缩机保修多少年？")
    assert (answer.answer, answer.engine) == ("RF-360N 的变频压缩机保修 12 年 [1]。", "endpoint")
    assert answer.citations[0].document == "bx.md"


FAULTS = [
    pytest.param({"behaviour": "cut"}, "broke", id="connection closed in the middle"),
    pytest.param({"behaviour": "status", "status": 401, "message": f"bad key {KEY}"}, "refused key", id="401"),
    pytest.param({"behaviour": "status", "status": 403, "message": "forbidden"}, "refused key", id="403"),
    pytest.param({"behaviour": "status", "status": 404, "message": "no model tuned"}, "unknown model", id="404"),
    pytest.param({"behaviour": "status", "status": 400, "message": "This model's maximum context length is 2048 tokens."}, "context overflow", id="context overflow"),
    pytest.param({"behaviour": "status", "status": 429, "message": f"too fast for {KEY}"}, "busy", id="429"),
    pytest.param({"behaviour": "status", "status": 503, "message": "loading"}, "away", id="503"),
    pytest.param({"behaviour": "hang"}, "timeout", id="accepts and never answers"),
    pytest.param({"behaviour": "hang after a token"}, "timeout", id="one token, then silence"),
    pytest.param({"behaviour": "garbage"}, "broke", id="garbage"),
    pytest.param({"behaviour": "answer", "answer": "The motor of the WM-900 is guaranteed for 12 years [1]."}, "unsupported", id="not true"),
]  # fmt: skip


@pytest.mark.parametrize(("fault", "reason"), FAULTS)
def test_the_next_rung_answers_within_the_deadline(
    fault: dict[str, object],
    reason: str,
    shop: Shop,
    server: EndpointServer,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    for name, value in fault.items():
        setattr(server.script, name, value)
    clock = time.monotonic()
    with caplog.at_level(logging.DEBUG):
        answer = ask(shop)
    assert time.monotonic() - clock < DEADLINE_S + 3
    assert (answer.outcome, answer.engine, answer.release) == (Outcome.ANSWERED, "extractive", None)
    assert answer.answer.startswith(TRUE)
    assert answer.citations[0].document == "warranty.md"
    assert [(fall.engine, fall.reason) for fall in answer.fallen] == [("endpoint", reason)]
    captured = capfd.readouterr()
    assert KEY not in "".join((str(answer.as_json()), caplog.text, captured.out, captured.err))


def test_nobody_listens(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        set_endpoint(monkeypatch, f"http://127.0.0.1:{probe.getsockname()[1]}/v1")
    answer = ask(shop)
    assert (answer.engine, [(fall.engine, fall.reason) for fall in answer.fallen]) == (
        "extractive",
        [("endpoint", "away")],
    )
    assert "FRONTDESK_ENDPOINT_URL" in answer.fallen[0].detail


def test_a_pinned_endpoint_that_fails_is_an_error_without_the_key(shop: Shop, server: EndpointServer) -> None:
    server.script.behaviour, server.script.status, server.script.message = "status", 401, f"bad key {KEY}"
    with pytest.raises(EngineError, match="FRONTDESK_ENDPOINT_API_KEY") as caught:
        ask(shop, engine="endpoint")
    assert KEY not in str(caught.value)


def test_a_sentence_that_was_shown_is_retracted_when_the_connection_breaks(shop: Shop, server: EndpointServer) -> None:
    server.script.behaviour, server.script.answer = "cut", f"{TRUE} The tub cannot"

    async def collect() -> list[type]:
        return [type(event) async for event in chain_of(shop).stream(Ask(QUESTION, shop[1]))]

    kinds = asyncio.run(collect())
    assert kinds[:3] == [Sentence, Retracted, Sentence]


def test_a_follow_up_is_rewritten_by_the_endpoint_and_by_rule_when_it_is_away(
    shop: Shop, server: EndpointServer
) -> None:
    history = (Message("user", QUESTION), Message("assistant", "For 10 years [1]."))
    follow_up = Ask("And can its tub rust?", shop[1], history)
    server.script.answer = "Can the tub of the WM-900 rust through?"
    rewritten = asyncio.run(chain_of(shop).answer(follow_up))
    assert (rewritten.standalone_question, rewritten.standalone_by) == (server.script.answer, "model")
    server.script.behaviour, server.script.status = "status", 503
    by_rules = asyncio.run(chain_of(shop).answer(follow_up))
    assert (by_rules.standalone_question, by_rules.standalone_by) == ("WM-900: And can its tub rust?", "rules")


def test_a_customer_who_leaves_ends_the_request(shop: Shop, server: EndpointServer) -> None:
    server.script = Script("endless")

    async def leave() -> None:
        chain = chain_of(shop)

        async def listen() -> None:
            async with aclosing(chain.stream(Ask(QUESTION, shop[1]))) as stream:
                async for _ in stream:
                    pass

        listening = asyncio.create_task(listen())
        while not server.script.asked:
            await asyncio.sleep(0.01)
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        await asyncio.to_thread(server.script.gone.wait, 10)

    asyncio.run(leave())
    assert server.script.gone.is_set()
