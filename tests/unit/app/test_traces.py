"""The spans of a question: what was done, in which order, by whom; and not a word of what was said."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from app.rag.answer import Answer, Ask
from app.rag.chain import AnswerChain
from serving.errors import EngineAway
from serving.otel import OtelTracing
from tests.fakes import ScriptedChatModel
from tests.unit.app.http_rigging import Desks, send
from tests.unit.app.rigging import KB, desk, engine

QUESTION = "How long is the motor of the WM-900 guaranteed?"
WRITTEN = ["The motor of the WM-900 is ", "guaranteed for 10 years [1]. ", "Ask Ada Lovelace about it."]


class Kept:
    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.tracing = OtelTracing(SimpleSpanProcessor(self._exporter))

    @property
    def spans(self) -> list[ReadableSpan]:
        """In the order in which they began."""
        return sorted(self._exporter.get_finished_spans(), key=lambda span: span.start_time or 0)

    def of(self, name: str) -> list[dict[str, Any]]:
        return [
            {key.removeprefix("frontdesk."): value for key, value in (span.attributes or {}).items()}
            for span in self.spans
            if span.name == name
        ]


@pytest.fixture
def kept() -> Kept:
    return Kept()


def asked(kept: Kept, chain: AnswerChain) -> Answer:
    async def scene() -> Answer:
        with kept.tracing.request("POST request", {}) as span:
            return await chain.answer(Ask(QUESTION, KB, span=span))

    return asyncio.run(scene())


def test_each_step_and_each_rung_has_a_span(kept: Kept) -> None:
    chain = desk().chain(engine(error=EngineAway("away: Ada Lovelace")), engine("packaged", pieces=WRITTEN))
    answer = asked(kept, chain)
    assert answer.engine == "packaged"
    names = [span.name for span in kept.spans]
    assert names[:5] == ["POST request", "wording", "retrieval", "verdict", "rung"]
    assert kept.of("verdict")[0]["answerable"] is True
    fell, wrote = kept.of("rung")
    assert (fell["engine"], fell["error.type"]) == ("endpoint", "away")
    assert (wrote["engine"], wrote["release"], wrote["shown"], wrote["withheld"]) == (
        "packaged",
        "packaged-release",
        1,
        1,
    )
    checks = kept.of("citation check")
    assert (sum(c["shown"] for c in checks), sum(c["withheld"] for c in checks)) == (1, 1)


def test_quotes_are_a_rung_too(kept: Kept) -> None:
    assert asked(kept, desk().chain()).engine == "extractive"
    assert [rung["engine"] for rung in kept.of("rung")] == ["extractive"]


def test_the_model_server_is_told_of_the_trace_and_a_model_of_this_process_is_not(kept: Kept) -> None:
    endpoint, packaged = engine(pieces=["Nothing that holds. "]), engine("packaged", pieces=WRITTEN)
    asked(kept, desk().chain(endpoint, packaged))
    models = [each.model for each in (endpoint, packaged)]
    assert all(isinstance(model, ScriptedChatModel) for model in models)
    (there,), (here,) = (model.headers for model in models)  # type: ignore[attr-defined]  # a ScriptedChatModel
    rung = next(span for span in kept.spans if span.name == "rung")
    assert there["traceparent"].split("-")[1:3] == [f"{rung.context.trace_id:032x}", f"{rung.context.span_id:016x}"]
    assert here == {}


@pytest.mark.parametrize("stream", [True, False])
def test_a_request_is_one_trace_without_a_word_of_the_customers(kept: Kept, make: Desks, stream: bool) -> None:
    make.tracing = kept.tracing
    client = make(desk().chain(engine("packaged", pieces=WRITTEN)))
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    body = {"question": QUESTION, "stream": stream}
    assert send(client, "POST", "/api/chat", json=body, headers={"traceparent": parent}).status_code == 200
    assert {f"{span.context.trace_id:032x}" for span in kept.spans} == {parent.split("-")[1]}
    assert {"first sentence", "answer"} <= {span.name for span in kept.spans}
    told = kept.of("POST request")[0]
    assert (told["route"], told["status"]) == ("/api/chat", 200)
    for span in kept.spans:
        assert not {"WM-900", "Lovelace", "guaranteed", "warranty", "motor"} & set(
            span.to_json().replace('"', " ").split()
        )
        assert QUESTION not in span.to_json()


def test_machines_that_look_every_few_seconds_leave_no_trace(kept: Kept, make: Desks) -> None:
    make.tracing = kept.tracing
    for path in ("/health", "/metrics", "/api/knowledge-bases/default/documents/a secret.pdf?q=Ada"):
        send(make(), "GET", path)
    (told,) = kept.of("GET request")
    assert "secret" not in str([span.to_json() for span in kept.spans])
    assert "Ada" not in str([span.to_json() for span in kept.spans])
    assert told["status"] == 404
