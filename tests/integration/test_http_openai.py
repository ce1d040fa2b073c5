"""Whoever speaks OpenAI's API: its own client, LangChain, curl; streamed, not streamed, errors."""

from __future__ import annotations

import asyncio
import json
import subprocess
from typing import Any

import openai
import pytest
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from openai import OpenAI

from tests.integration.conftest import KEY
from tests.integration.http_server import Server

QUESTION = "How long is the motor of the WM-900 guaranteed?"
ANSWER = "The motor of the WM-900 is guaranteed for 10 years [1]."
UNKNOWN = "What is the noise level of the FD-180?"
MODEL = "default@extractive"


@pytest.fixture
def client(api: Server) -> OpenAI:
    return OpenAI(base_url=f"{api.url}/v1", api_key=KEY, max_retries=0)


def asked(question: str) -> list[Any]:
    return [{"role": "system", "content": "Be brief."}, {"role": "user", "content": question}]


def test_models_are_knowledge_bases_with_and_without_a_release(client: OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["default", "default@support", "default@extractive"]
    assert client.models.retrieve("default@support").owned_by == "frontdesk"


def test_a_whole_answer_with_its_citations(client: OpenAI) -> None:
    reply = client.chat.completions.create(model=MODEL, messages=asked(QUESTION), temperature=0.3, seed=1)
    message = reply.choices[0].message
    assert (message.content, reply.choices[0].finish_reason, reply.model) == (ANSWER, "stop", MODEL)
    assert message.model_extra is not None
    assert [c["document"] for c in message.model_extra["citations"]] == ["en/warranty.docx"]
    assert "10 years" in message.model_extra["citations"][0]["text"]
    assert reply.usage is not None
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens > 10
    assert reply.model_extra is not None
    assert (reply.model_extra["frontdesk"]["outcome"], reply.model_extra["frontdesk"]["engine"]) == (
        "answered",
        "extractive",
    )


def test_a_streamed_answer_with_citations_in_its_last_chunk(client: OpenAI) -> None:
    stream = client.chat.completions.create(
        model=MODEL, messages=asked(QUESTION), stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == ANSWER
    assert chunks[0].choices[0].delta.role == "assistant"
    last = [chunk for chunk in chunks if chunk.choices][-1]
    assert last.choices[0].finish_reason == "stop"
    assert last.model_extra is not None
    assert [c["document"] for c in last.model_extra["citations"]] == ["en/warranty.docx"]
    assert chunks[-1].usage is not None
    assert len({chunk.id for chunk in chunks}) == 1


def test_the_packaged_model_can_be_asked_for_by_release(client: OpenAI) -> None:
    reply = client.with_options(timeout=90).chat.completions.create(model="default", messages=asked(QUESTION))
    assert "10 years" in (reply.choices[0].message.content or "")


def test_a_refusal_is_an_answer(client: OpenAI) -> None:
    chunks = list(client.chat.completions.create(model=MODEL, messages=asked(UNKNOWN), stream=True))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert "rather not guess" in text
    assert chunks[-1].model_extra is not None
    assert (chunks[-1].model_extra["citations"], chunks[-1].model_extra["frontdesk"]["outcome"]) == ([], "refused")


def test_a_follow_up_is_read_with_the_conversation(client: OpenAI) -> None:
    messages = [
        *asked(QUESTION),
        {"role": "assistant", "content": ANSWER},
        {"role": "user", "content": "And the WM-700?"},
    ]
    reply = client.chat.completions.create(model=MODEL, messages=messages)
    assert "5 years" in (reply.choices[0].message.content or "")


def test_parts_of_a_message_are_read(client: OpenAI) -> None:
    parts: Any = [{"role": "user", "content": [{"type": "text", "text": QUESTION}]}]
    assert client.chat.completions.create(model=MODEL, messages=parts).choices[0].message.content == ANSWER


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"model": "nowhere"}, openai.NotFoundError, "no knowledge base named 'nowhere'"),
        ({"model": "default@nothing"}, openai.NotFoundError, "no release named 'nothing'"),
        ({"n": 2}, openai.UnprocessableEntityError, "one answer"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, openai.UnprocessableEntityError, "tools"),
        ({"messages": [{"role": "user", "content": " "}]}, openai.BadRequestError, "empty"),
        ({"messages": [{"role": "user", "content": "x" * 2001}]}, openai.BadRequestError, "2000"),
        ({"messages": [{"role": "assistant", "content": "x"}]}, openai.UnprocessableEntityError, "last one"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_errors_are_the_clients_own_kinds(
    client: OpenAI, changes: dict[str, Any], error: type[Exception], said: str, stream: bool
) -> None:
    arguments: dict[str, Any] = {"model": MODEL, "messages": asked(QUESTION), "stream": stream, **changes}
    with pytest.raises(error, match=said):
        client.chat.completions.create(**arguments)


def test_a_wrong_key_is_refused(api: Server) -> None:
    with pytest.raises(openai.AuthenticationError, match="FRONTDESK_API_KEY"):
        OpenAI(base_url=f"{api.url}/v1", api_key="another-key-of-many-letters", max_retries=0).models.list()


def test_embeddings_in_both_encodings(client: OpenAI) -> None:
    # The client asks for base64 unless it is told otherwise.
    packed = client.embeddings.create(model="packaged", input=["motor", "guarantee"])
    plain = client.embeddings.create(model="packaged", input="motor", encoding_format="float")
    assert [len(each.embedding) for each in packed.data] == [384, 384]
    assert packed.data[0].embedding == pytest.approx(plain.data[0].embedding, abs=1e-6)
    assert packed.usage.total_tokens == 2
    with pytest.raises(openai.BadRequestError, match="384"):
        client.embeddings.create(model="packaged", input="motor", dimensions=10)
    with pytest.raises(openai.UnprocessableEntityError, match="check_embedding_ctx_length"):
        client.embeddings.create(model="packaged", input=[[1, 2]])


def test_langchain(api: Server) -> None:
    chat = ChatOpenAI(base_url=f"{api.url}/v1", api_key=KEY, model=MODEL, max_retries=0)  # type: ignore[arg-type]  # its alias takes str
    assert chat.invoke(QUESTION).content == ANSWER
    assert "".join(str(chunk.content) for chunk in chat.stream(QUESTION)) == ANSWER

    async def streamed() -> str:
        return "".join([str(chunk.content) async for chunk in chat.astream(QUESTION)])

    assert asyncio.run(streamed()) == ANSWER
    embeddings = OpenAIEmbeddings(
        base_url=f"{api.url}/v1",
        api_key=KEY,  # type: ignore[arg-type]  # its alias takes str
        model="packaged",
        check_embedding_ctx_length=False,
    )
    assert len(embeddings.embed_query("motor")) == 384


def curl(*arguments: str) -> str:
    ended = subprocess.run(["curl", "-sS", *arguments], capture_output=True, text=True, timeout=60, check=True)
    return ended.stdout


def test_curl(api: Server) -> None:
    key = ("-H", f"Authorization: Bearer {KEY}", "-H", "Content-Type: application/json")
    body = json.dumps({"model": MODEL, "messages": asked(QUESTION)})
    reply = json.loads(curl(*key, "-d", body, f"{api.url}/v1/chat/completions"))
    assert reply["choices"][0]["message"]["content"] == ANSWER
    streamed = curl("-N", *key, "-d", json.dumps({"question": QUESTION, "engine": "extractive"}), f"{api.url}/api/chat")
    events = [line.removeprefix("event: ") for line in streamed.splitlines() if line.startswith("event: ")]
    assert events == ["sources", "sources", "sentence", "done"]
    for arguments, status, kind in (
        (("-d", body, f"{api.url}/v1/chat/completions"), 401, "unauthorized"),
        ((*key, "-d", "{", f"{api.url}/api/chat"), 422, "invalid_request"),
        ((*key, "-X", "PUT", f"{api.url}/api/chat"), 405, "invalid_request"),
        ((*key, f"{api.url}/nowhere"), 404, "not_found"),
    ):
        text, code = curl(*arguments, "-w", "\n%{http_code}").rsplit("\n", 1)
        error = json.loads(text)["error"]
        assert (int(code), error["type"]) == (status, kind)
        assert set(error) == {"message", "type", "code", "param", "request_id"}
