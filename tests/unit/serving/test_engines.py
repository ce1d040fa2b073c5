"""Engines: pieces of a stream, and every foreign failure as one of our kinds."""

from __future__ import annotations

import asyncio
import inspect

import httpx2
import openai
import pytest

from serving import errors
from serving.engines import ChatEngine, _translated
from serving.errors import (
    ContextOverflow,
    EngineAway,
    EngineBroke,
    EngineBusy,
    EngineError,
    EngineFailed,
    EngineRefused,
    EngineTimeout,
    UnknownModel,
)
from serving.prompts import Message
from tests.fakes import ScriptedChatModel

REQUEST = httpx2.Request("POST", "http://endpoint/v1/chat/completions")
ASKED = [Message("system", "Answer."), Message("user", "Question?"), Message("assistant", "Before.")]


def status(kind: type[openai.APIStatusError], code: int, message: str = "no") -> openai.APIStatusError:
    return kind(message, response=httpx2.Response(code, request=REQUEST), body=None)


def engine(total_s: float = 5.0, languages: tuple[str, ...] = ("*",), **script: object) -> ChatEngine:
    model = ScriptedChatModel(**script)  # type: ignore[arg-type]
    return ChatEngine("endpoint", "some-model", model, languages, 800, total_s, len)


async def heard(source: ChatEngine) -> tuple[list[str], EngineError | None]:
    pieces: list[str] = []
    try:
        async for piece in source.stream(ASKED):
            pieces.append(piece)
    except EngineError as exc:
        return pieces, exc
    return pieces, None


FAILURES = [
    (openai.APITimeoutError(REQUEST), EngineTimeout),
    (httpx2.ReadTimeout("late"), EngineTimeout),
    (status(openai.AuthenticationError, 401), EngineRefused),
    (status(openai.PermissionDeniedError, 403), EngineRefused),
    (status(openai.NotFoundError, 404), UnknownModel),
    (status(openai.BadRequestError, 400, "maximum context length is 2048 tokens"), ContextOverflow),
    (status(openai.BadRequestError, 400, "temperature is wrong"), EngineBroke),
    (openai.APIConnectionError(request=REQUEST), EngineAway),
    (status(openai.InternalServerError, 500), EngineFailed),
    (status(openai.InternalServerError, 502), EngineFailed),
    (status(openai.InternalServerError, 503), EngineAway),
    (status(openai.InternalServerError, 504), EngineFailed),
    (status(openai.RateLimitError, 429), EngineBusy),
    (status(openai.ConflictError, 409), EngineBroke),
    (status(openai.UnprocessableEntityError, 422), EngineBroke),
    (openai.APIError("error in the stream", REQUEST, body=None), EngineBroke),
    (httpx2.RemoteProtocolError("closed"), EngineBroke),
    (ValueError("garbage"), EngineBroke),
]


@pytest.mark.parametrize(("failure", "kind"), FAILURES, ids=lambda value: getattr(value, "__name__", repr(value)[:40]))
def test_a_failure_before_the_first_word(failure: Exception, kind: type[EngineError]) -> None:
    pieces, error = asyncio.run(heard(engine(error=failure)))
    assert (pieces, type(error)) == ([], kind)
    assert error is not None
    assert error.__cause__ is failure


@pytest.mark.parametrize(
    "failure",
    [openai.APITimeoutError(REQUEST), openai.APIConnectionError(request=REQUEST), httpx2.ReadError("reset")],
    ids=lambda value: type(value).__name__,
)
def test_a_failure_in_the_middle_is_told_from_one_at_the_start(failure: Exception) -> None:
    pieces, error = asyncio.run(heard(engine(pieces=["Two ", "years"], error=failure)))
    assert pieces == ["Two ", "years"]
    assert isinstance(error, EngineBroke)
    assert "in the middle" in str(error)


def _instances(kind: type[openai.OpenAIError]) -> Exception:
    """An exception of a class without regard to its constructor, as the client would hand it over."""
    made = kind.__new__(kind)
    Exception.__init__(made, kind.__name__)
    if isinstance(made, openai.APIStatusError):
        made.status_code = 400
    return made


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize(
    "kind",
    [
        value
        for _, value in inspect.getmembers(openai, inspect.isclass)
        if issubclass(value, openai.OpenAIError) and issubclass(value, Exception)
    ],
)
def test_no_exception_of_the_client_is_left_unmapped(kind: type[openai.OpenAIError], begun: bool) -> None:
    error = _translated(_instances(kind), "endpoint", begun)
    assert isinstance(error, EngineError)
    assert error.reason != EngineError.reason


def test_every_kind_has_a_reason_of_its_own() -> None:
    kinds = [k for _, k in inspect.getmembers(errors, inspect.isclass) if issubclass(k, EngineError)]
    reasons = [kind.reason for kind in kinds]
    assert len(set(reasons)) == len(reasons)


def test_our_own_errors_pass_through() -> None:
    ours = EngineAway("the packaged model cannot be loaded")
    assert _translated(ours, "packaged", begun=False) is ours


def test_messages_of_errors_are_one_short_line() -> None:
    error = _translated(ValueError("first\n" + "x" * 5000), "endpoint", begun=False)
    assert "first" in str(error)
    assert "\n" not in str(error)
    assert len(str(error)) < 300


def test_pieces_pass_through_and_roles_are_kept() -> None:
    model = ScriptedChatModel(pieces=["Two ", "", "years."])
    source = ChatEngine("endpoint", "m", model, ("*",), 800, 5, len)
    assert asyncio.run(heard(source)) == (["Two ", "years."], None)
    assert [(m.type, m.content) for m in model.asked[0]] == [
        ("system", "Answer."),
        ("human", "Question?"),
        ("ai", "Before."),
    ]


@pytest.mark.parametrize("pieces", [[], ["Two "]])
def test_the_deadline_ends_a_stream_that_hangs(pieces: list[str]) -> None:
    got, error = asyncio.run(heard(engine(total_s=0.1, pieces=pieces, hangs=True)))
    assert got == pieces
    assert isinstance(error, EngineTimeout)
    assert "0.1 s" in str(error)


@pytest.mark.parametrize(
    ("languages", "language", "speaks"), [(("*",), "zh", True), (("en",), "en", True), (("en",), "zh", False)]
)
def test_an_engine_knows_its_languages(languages: tuple[str, ...], language: str, speaks: bool) -> None:
    assert engine(languages=languages).speaks(language) is speaks


@pytest.mark.parametrize(
    ("name", "tuned", "told"), [("endpoint", True, True), ("endpoint", False, False), ("packaged", True, False)]
)
def test_only_a_server_of_ours_is_told_whose_question_it_is(name: str, tuned: bool, told: bool) -> None:
    asked = ChatEngine(name, "support", ScriptedChatModel(), ("*",), 800, 5.0, len, tuned=tuned)
    one, other = asked.tells_of("acme"), asked.tells_of("umbrella")
    assert (bool(one), one != other) == (told, told)
    assert "acme" not in str(one)
