"""What the figures count: first sentences, answers that nobody got, releases, health, model servers."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.api.arrival import Arrival
from app.api.pace import paced
from app.errors import Overdue
from app.health import Component, Health
from app.metrics import MOST_RELEASES, OTHER, Metrics
from app.metrics_of_parts import PackagedMetrics, PartMetrics, ServerMetrics
from app.rag.answer import Answer, Done, Fall, Outcome, Retracted, Sentence
from serving.server_watch import Seen, ServerWatch, State
from serving.tracing import NO_SPAN
from tests.unit.app.http_rigging import LOOPBACK, Chain, Desks, send
from tests.unit.serving.test_server_figures import EXPOSITION
from tests.unit.serving.test_server_watch import SERVER

ANSWER = Answer("It is ten years [1].", Outcome.ANSWERED, release="support", engine="packaged")
SENTENCE = Sentence("It is ten years [1].")
ASK = {"question": "How long is it?"}


def said(metrics: Metrics, name: str) -> dict[str, float]:
    """Samples of a metric by their labels; buckets and times of making left out."""
    families = text_string_to_metric_families(metrics.exposition().decode())
    return {
        ",".join(sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
        if sample.name == name
    }


@pytest.mark.parametrize(
    ("stream", "answer", "label"),
    [
        (True, ANSWER, "packaged,stream"),
        (False, ANSWER, "packaged,whole"),
        (True, Answer("I could not find it.", Outcome.REFUSED), "none,stream"),
        (False, Answer("x", Outcome.ANSWERED, engine="endpoint", cached="exact"), "cache,whole"),
        (True, Answer("x", Outcome.ANSWERED, engine="endpoint", cached="shared"), "endpoint,stream"),
    ],
)
def test_a_first_sentence_is_counted_once_by_who_gave_it(make: Desks, stream: bool, answer: Answer, label: str) -> None:
    sentences = [SENTENCE, SENTENCE] if answer.engine else []
    client = make(Chain(*sentences, Done(answer)))
    assert send(client, "POST", "/api/chat", json=ASK | {"stream": stream}).status_code == 200
    metrics = make.service.metrics
    assert said(metrics, "frontdesk_first_sentence_seconds_count") == {label: 1}
    assert said(metrics, "frontdesk_answers_unfinished_total") == {}


def pace(chain: Chain, metrics: Metrics, *, streamed: bool, ago: float = 2.0, leave: bool = False) -> None:
    import time

    async def scene() -> None:
        events: Any = chain.stream(None)
        told = paced(events, metrics, Arrival(time.perf_counter() - ago), NO_SPAN, streamed=streamed)
        async for _ in told:
            if leave:
                break
        await told.aclose()

    asyncio.run(scene())


def test_it_is_measured_from_the_requests_arrival() -> None:
    metrics = Metrics()
    pace(Chain(SENTENCE, Done(ANSWER)), metrics, streamed=True)
    assert 2 <= said(metrics, "frontdesk_first_sentence_seconds_sum")["packaged,stream"] < 4


def test_a_sentence_that_was_taken_back_was_given_out_all_the_same() -> None:
    metrics = Metrics()
    pace(Chain(SENTENCE, Retracted(Fall("endpoint", "broke", "x")), SENTENCE, Done(ANSWER)), metrics, streamed=True)
    assert said(metrics, "frontdesk_first_sentence_seconds_count") == {"packaged,stream": 1}


@pytest.mark.parametrize(
    ("chain", "leave", "reason", "first"),
    [
        (Chain(error=Overdue("late")), False, "Overdue", {}),
        (Chain(SENTENCE, error=Overdue("late")), False, "Overdue", {"unfinished,stream": 1}),
        (Chain(SENTENCE, hangs=True), True, "gone", {"unfinished,stream": 1}),
    ],
)
def test_answers_that_nobody_got_are_counted_with_the_reason(
    chain: Chain, leave: bool, reason: str, first: dict[str, float]
) -> None:
    metrics = Metrics()
    try:
        pace(chain, metrics, streamed=True, leave=leave)
    except Overdue:
        assert not leave
    assert said(metrics, "frontdesk_answers_unfinished_total") == {reason: 1}
    assert said(metrics, "frontdesk_first_sentence_seconds_count") == first


def test_releases_have_a_label_of_their_own_up_to_a_number() -> None:
    metrics = Metrics()
    for n in range(MOST_RELEASES + 5):
        metrics.answered(Answer("x", Outcome.ANSWERED, release=f"r{n}", engine="packaged"))
    metrics.answered(Answer("x", Outcome.REFUSED, release="r0", engine="packaged"))
    counted = said(metrics, "frontdesk_release_answers_total")
    assert (counted[f"answered,{OTHER}"], counted["answered,r0"], counted["refused,r0"]) == (5, 1, 1)
    assert len(counted) == MOST_RELEASES + 2


def test_what_parts_keep_of_themselves() -> None:
    metrics = Metrics()
    servers = [Seen("http://a", "support", State.OK, 2, None), Seen("http://b", "support", State.LEFT_ALONE, 0, None)]
    servers.append(Seen("http://c", "tuned", State.AWAY, 0, None))
    servers.append(Seen("http://d", "tuned", State.GONE, 0, None))
    metrics.watch(ServerMetrics(lambda: [*servers, servers[0]]))
    metrics.watch(PackagedMetrics(lambda: (120, 6.0), lambda: 0.1))
    parts = [Component("database", Health.OK), Component("endpoint", Health.OFF), Component("index", Health.AWAY)]
    metrics.watch(PartMetrics(lambda: [*parts, Component("packaged", Health.DEGRADED)]))
    assert said(metrics, "frontdesk_model_server_well") == {
        "support,http://a": 1, "support,http://b": 1, "tuned,http://c": 0, "tuned,http://d": 0,
    }  # fmt: skip
    assert said(metrics, "frontdesk_model_server_left_alone")["support,http://b"] == 1
    assert said(metrics, "frontdesk_model_server_asking")["support,http://a"] == 2
    assert said(metrics, "frontdesk_packaged_tokens_total") == {"": 120}
    assert said(metrics, "frontdesk_packaged_writing_seconds_total") == {"": 6}
    assert said(metrics, "frontdesk_canary_share") == {"": 0.1}
    assert said(metrics, "frontdesk_part_well") == {"database": 1, "index": 0, "packaged": 0.5}


def test_staff_see_the_last_look_at_the_model_servers(make: Desks) -> None:
    app = make.app(Chain())
    watch = ServerWatch(
        lambda: [SERVER], lambda: [], httpx.MockTransport(lambda _: httpx.Response(200, text=EXPOSITION))
    )
    make.service.servers = watch

    def system() -> Any:
        transport = httpx.ASGITransport(app)
        return send(httpx.AsyncClient(transport=transport, base_url=LOOPBACK), "GET", "/api/system").json()

    # Asking starts no look: nobody waits for a model server.
    assert system()["model_servers"] == []
    watch.look()
    (server,) = system()["model_servers"]
    figures = server.pop("figures")
    assert server == {"url": SERVER.url, "release": "support", "state": "ok", "asking": 0}
    assert (figures["running"], figures["waiting"], figures["hit_rate_since_start"]) == (3, 2, 0.6)
    assert SERVER.key not in str(system())
