"""Clients that go away, a server that is stopped, a server that is killed: nothing goes on for nobody, nothing is lost."""

from __future__ import annotations

import contextlib
import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

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


def test_sigterm_lets_an_answer_end(tmp_path: Path) -> None:
    with serving(tmp_path / "home") as server:
        server.upload(example("en/warranty.docx"))
        server.settled()
        events: list[str] = []
        begun = threading.Event()

        def read() -> None:
            body = {"question": QUESTION, "engine": "extractive"}
            with server.client() as client, client.stream("POST", "/api/chat", json=body) as reply:
                begun.set()
                events.extend(line for line in reply.iter_lines() if line.startswith("event: "))

        reader = threading.Thread(target=read)
        reader.start()
        assert begun.wait(20)
        assert server.stop() == 0
        reader.join(20)
        assert events[-1] == "event: done"
        assert not (server.home / "server.json").exists()


@pytest.fixture
def killed(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "home")
    server.start()
    yield server
    server.stop()


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


def test_a_kill_under_load_loses_no_accepted_upload_and_no_conversation(killed: Server) -> None:
    name, content = example("en/warranty.docx")
    killed.upload((name, content))
    killed.settled()
    accepted: dict[str, bytes] = {}
    answered: dict[str, str] = {}
    stop = threading.Event()

    def upload(n: int) -> None:
        text = f"Shop number {n} opens at {8 + n % 4} and closes at six. ".encode() * 40
        if killed.upload((f"shop-{n}.txt", text)).status_code == 202:
            accepted[f"shop-{n}.txt"] = text
        # Enough for a load; what is accepted has to be waited for.
        time.sleep(0.2)

    def chat(_: int) -> None:
        body = {"question": QUESTION, "engine": "extractive", "stream": False}
        with killed.client() as client:
            answer = client.post("/api/chat", json=body).json()
        answered[answer["conversation_id"]] = answer["answer"]

    def begin(_: int) -> None:
        leave_early(killed)

    threads = [repeat(work, stop) for work in (upload, chat, begin)]
    for last in (False, True):
        done = (len(accepted) + 3, len(answered) + 3)
        end = time.monotonic() + 90
        while len(accepted) < done[0] or len(answered) < done[1]:
            assert time.monotonic() < end, "the load did not come about"
            time.sleep(0.05)
        time.sleep(random.uniform(0, 1))
        killed.kill()
        stop.set()
        for thread in threads:
            thread.join(70)
        stop = threading.Event()
        killed.start()
        if not last:
            threads = [repeat(work, stop) for work in (upload, chat, begin)]
    assert accepted
    assert answered
    found = killed.settled()
    assert {name: found[name]["state"] for name in accepted} == dict.fromkeys(accepted, "ready")
    with killed.client() as client:
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
