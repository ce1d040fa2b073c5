"""What a request to the front of a model server may say, and nothing else.

vLLM understands a hundred fields more: some cost memory or time that others wait for, some change what others get.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

# Whose question it is, for the tenant's rate and cache: a hash, so that no name leaves the process that answers.
TENANT = "x-frontdesk-tenant"
Role = Literal["system", "user", "assistant"]
# vLLM looks for each of them in the whole answer after every token, in the process that serves everybody.
MOST_STOPS, STOP_CHARS = 4, 64
_Stop = Annotated[str, Field(min_length=1, max_length=STOP_CHARS)]
_Penalty = Annotated[float, Field(ge=-2, le=2, allow_inf_nan=False)]
_NAMES = {"n": "one answer a request", "max_tokens": "a number from 1", "max_completion_tokens": "a number from 1"}


class _Strict(BaseModel):
    # Strict: vLLM would read "2", 2.0 and true as it likes.
    model_config = ConfigDict(extra="forbid", strict=True)


class _Message(_Strict):
    role: Role
    content: str


class _StreamOptions(_Strict):
    include_usage: bool = False


class Question(_Strict):
    """A request for an answer."""

    model: str
    messages: Annotated[list[_Message], Field(min_length=1)]
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    temperature: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    n: Annotated[int, Field(ge=1, le=1)] | None = None
    stop: _Stop | Annotated[list[_Stop], Field(max_length=MOST_STOPS)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    presence_penalty: _Penalty | None = None
    frequency_penalty: _Penalty | None = None
    user: Annotated[str, Field(max_length=256)] | None = None

    @property
    def characters(self) -> int:
        """Of all its messages."""
        return sum(len(message.content) for message in self.messages)

    def body(self, most: int) -> dict[str, Any]:
        """As the server is asked, for ``most`` tokens at the most."""
        asked = [each for each in (self.max_tokens, self.max_completion_tokens) if each is not None]
        said = self.model_dump(exclude_none=True, exclude={"max_tokens", "max_completion_tokens"})
        return {**said, "max_tokens": min([*asked, most])}


def problem(exc: ValidationError) -> str:
    """The first thing that is wrong with a request, for whoever sent it."""
    first = exc.errors(include_url=False, include_input=False, include_context=False)[0]
    place = [str(part) for part in first["loc"]]
    if first["type"] in ("json_invalid", "recursion_loop"):
        return "the request is no JSON"
    if not place:
        return "the request is no JSON object"
    if first["type"] == "extra_forbidden" and len(place) == 1:
        return f"{place[0]!r} cannot be asked for here"
    if place[0] == "messages":
        return "messages: a list of {role, content}, both text; roles are " + ", ".join(get_args(Role))
    return f"{place[0]}: {_NAMES.get(place[0]) or first['msg']}"
