"""Clients that go away, a server that is stopped, a server that is killed: nothing goes on for nobody, nothing is lost."""

from __future__ import annotations

import contextlib
import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.integration.http_server import Server, example, serving

QUESTION = "How long is the motor of the WM-900 guaranteed?"
CLIENTS = 100


def leave_early(server: Server) -> str:
    """Begin a streamed answer and go away once it has begun; returns the conversation's id, "" where it did not come."""
    with server.client() as client, client.stream("POST", "/api/chat", json={"question": QUESTION}) as reply:
        for line in reply.iter_lines():
            if line.startswith("data: "):
                return str(json.loads(line.removeprefix("data: "))["conversation_id"])
    return ""


def test_nothing_is_generated_for_clients_that_have_gone(api: Server) -> None:
    with ThreadPoolExecutor(CLIENTS) as crowd:
        conversations = list(crowd.map(lambda _: leave_early(api), range(CLIENTS)))
    assert all(conversations)
    time.sleep(2)
    assert (api.metric("frontdesk_answering"), api.metric("frontdesk_generating")) == (0, 0)
    with api.client() as client:
        for identity in random.sample(conversations, 10):
            question, answer = client.get(f"/api/conversations/{identity}").json()["messages"]
            assert (question["text"], question["state"]) == (QUESTION, "complete")
            # Who left early left before the end, or just after it.
            assert answer["state"] in ("interrupted", "complete")


def test_a_request_without_a_stream_is_given_up_too(api: Server) -> None:
    with api.client(timeout=0.3) as client, contextlib.suppress(httpx.ReadTimeout):
        client.post(
            "/v1/chat/completions", json={"model": "default", "messages": [{"role": "user", "content": QUESTION}]}
        )
    time.sleep(2)
    assert (api.metric("frontdesk_answering"), api.metric("frontdesk_generating")) == (0, 0)


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of this module's own, with the warranty terms."""
    with serving(tmp_path_factory.mktemp("crash") / "home") as server:
        server.upload(example("en/warranty.docx"))
        server.settled()
        yield server


@pytest.fixture
def own(started: Server) -> Server:
    """It, running; a test may end it."""
    assert started.process is not None
    if started.process.poll() is not None:
        started.start()
    return started


def repeat(work: Callable[[int], None], stop: threading.Event) -> threading.Thread:
    """Do something again and again until the server is gone."""

    def run() -> None:
        n = 0
        while not stop.is_set():
            try:
                work(n)
            except (httpx.HTTPError, ValueError):
                return
            n += 1

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_a_kill_under_load_loses_no_accepted_upload_and_no_conversation(own: Server) -> None:
    accepted: dict[str, bytes] = {}
    answered: dict[str, str] = {}
    stop = threading.Event()

    def upload(n: int) -> None:
        text = f"Shop number {n} opens at {8 + n % 4} and closes at six. ".encode() * 40
        if own.upload((f"shop-{n}.txt", text)).status_code == 202:
            accepted[f"shop-{n}.txt"] = text
        # Enough for a load; what is accepted has to be waited for.
        time.sleep(0.2)

    def chat(_: int) -> None:
        body = {"question": QUESTION, "engine": "extractive", "stream": False}
        with own.client() as client:
            answer = client.post("/api/chat", json=body).json()
        answered[answer["conversation_id"]] = answer["answer"]

    def begin(_: int) -> None:
        leave_early(own)

    threads = [repeat(work, stop) for work in (upload, chat, begin)]
    for last in (False, True):
        done = (len(accepted) + 3, len(answered) + 3)
        end = time.monotonic() + 90
        while len(accepted) < done[0] or len(answered) < done[1]:
            assert time.monotonic() < end, "the load did not come about"
            time.sleep(0.05)
        time.sleep(random.uniform(0, 1))
        own.kill()
        stop.set()
        for thread in threads:
            thread.join(70)
        stop = threading.Event()
        own.start()
        if not last:
            threads = [repeat(work, stop) for work in (upload, chat, begin)]
    assert accepted
    assert answered
    found = own.settled()
    assert {name: found[name]["state"] for name in accepted} == dict.fromkeys(accepted, "ready")
    with own.client() as client:
        for shop in random.sample(sorted(accepted), min(5, len(accepted))):
            assert client.get(f"/api/documents/{found[shop]['id']}/file").content == accepted[shop]
        for identity, text in answered.items():
            messages = client.get(f"/api/conversations/{identity}").json()["messages"]
            assert [(m["role"], m["state"]) for m in messages] == [("user", "complete"), ("assistant", "complete")]
            assert messages[1]["text"] == text
        assert client.post("/api/knowledge-bases/default/verify").json()["lost"] == []
        assert client.post("/api/knowledge-bases/default/verify").json()["orphans_removed"] == 0
        listed = client.get("/api/conversations", params={"limit": 500}).json()["conversations"]
        for conversation in listed:
            messages = client.get(f"/api/conversations/{conversation['id']}").json()["messages"]
            assert "pending" not in [message["state"] for message in messages]


def test_sigterm_lets_an_answer_end(own: Server) -> None:
    events: list[str] = []
    begun = threading.Event()

    def read() -> None:
        body = {"question": QUESTION, "engine": "extractive"}
        with own.client() as client, client.stream("POST", "/api/chat", json=body) as reply:
            begun.set()
            events.extend(line for line in reply.iter_lines() if line.startswith("event: "))

    reader = threading.Thread(target=read)
    reader.start()
    assert begun.wait(20)
    assert own.stop() == 0
    reader.join(20)
    assert events[-1] == "event: done"
    assert not (own.home / "server.json").exists()
