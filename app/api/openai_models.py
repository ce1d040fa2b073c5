"""What goes over the wire on /v1: the part of OpenAI's API that a question with cited answer needs.

Fields that ask for something else (tools, several choices, log probabilities) are refused; fields that steer a writer
(temperature, seed and the like) are taken and have no effect: what is said is bound to the passages.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from app.api.examples import COMPLETION_REQUEST
from app.api.models import Citation, FallBody, FiltersBody, KbName, StandaloneBy, Text
from app.rag.answer import Outcome

MOST_MESSAGES = 200
MOST_INPUTS = 256


class Lenient(BaseModel):
    """Base of /v1 requests: clients send fields of their own, now and in later versions."""

    model_config = ConfigDict(extra="allow")


class TextPart(Lenient):
    """A piece of a message; only text is understood."""

    type: Literal["text"]
    text: Text


class ChatMessage(Lenient):
    """A message; system and developer messages have no effect, for the answer is bound to the passages."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: Annotated[Text, Field(max_length=100_000)] | list[TextPart] | None = None

    @property
    def text(self) -> str:
        """Its text in one piece."""
        if isinstance(self.content, list):
            return "\n".join(part.text for part in self.content)
        return self.content or ""


class StreamOptions(Lenient):
    """Whether the stream ends with the usage."""

    include_usage: bool | None = None


class CompletionRequest(Lenient):
    """A conversation whose last message is the question; ``model`` is a knowledge base, or ``kb@release``."""

    model_config = ConfigDict(extra="allow", json_schema_extra={"examples": [COMPLETION_REQUEST]})

    model: Annotated[Text, Field(min_length=1, max_length=200)]
    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=MOST_MESSAGES)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: int | None = None
    tools: list[Any] | None = None
    functions: list[Any] | None = None
    logprobs: bool | None = None
    response_format: dict[str, Any] | None = None
    filters: FiltersBody | None = None

    @model_validator(mode="after")
    def _only_what_we_do(self) -> CompletionRequest:
        if self.n not in (None, 1):
            raise ValueError("n: one answer is given, not several; leave it out")
        if self.tools or self.functions:
            raise ValueError("tools: they are not offered here; leave them out")
        if self.logprobs:
            raise ValueError("logprobs: they are not offered here; leave it out")
        if self.response_format is not None and self.response_format.get("type") not in (None, "text"):
            raise ValueError("response_format: answers are text; leave it out")
        if self.messages[-1].role != "user":
            raise ValueError("messages: the last one must be the user's question")
        return self


class Usage(BaseModel):
    """Tokens, counted by the embedder's tokenizer: a measure of size, not a bill."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class AnswerMessage(BaseModel):
    """The answer with its sources, which are an addition of ours."""

    role: Literal["assistant"] = "assistant"
    content: str
    refusal: None = None
    citations: list[Citation]


class Choice(BaseModel):
    """The one answer."""

    index: Literal[0] = 0
    message: AnswerMessage
    logprobs: None = None
    finish_reason: Literal["stop"] = "stop"


class Frontdesk(BaseModel):
    """What OpenAI's format has no place for: how the question ended, and who answered."""

    outcome: Outcome
    engine: str | None
    release: str | None
    fallen: list[FallBody]
    language: str
    standalone_question: str
    standalone_by: StandaloneBy
    timings_ms: dict[str, float]
    cached: Literal["exact", "semantic", "shared"] | None = None


class Completion(BaseModel):
    """An answer as OpenAI's clients read it."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[Choice]
    usage: Usage
    frontdesk: Frontdesk


class Model(BaseModel):
    """A knowledge base as a model."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str = "frontdesk"


class ModelList(BaseModel):
    """Everything that ``model`` may be."""

    object: Literal["list"] = "list"
    data: list[Model]


class EmbeddingsRequest(Lenient):
    """Texts to embed with the index's own embedder."""

    model_config = ConfigDict(extra="allow", json_schema_extra={"examples": [{"model": "packaged", "input": ["text"]}]})

    model: KbName | None = None
    input: (
        Annotated[Text, Field(min_length=1, max_length=100_000)]
        | Annotated[
            list[Annotated[Text, Field(min_length=1, max_length=100_000)]], Field(min_length=1, max_length=MOST_INPUTS)
        ]
    )
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: int | None = None

    @field_validator("input", mode="before")
    @classmethod
    def _no_tokens(cls, value: object) -> object:
        if isinstance(value, list) and value and all(isinstance(v, int | list) for v in value):
            raise ValueError(
                "send texts, not token numbers (LangChain's OpenAIEmbeddings: check_embedding_ctx_length=False)"
            )
        return value

    @property
    def texts(self) -> list[str]:
        """The texts, one or several."""
        return [self.input] if isinstance(self.input, str) else self.input


class Embedding(BaseModel):
    """One vector: floats, or base64 of little-endian float32."""

    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str


class EmbeddingsUsage(BaseModel):
    """Tokens of the texts."""

    prompt_tokens: int
    total_tokens: int


class Embeddings(BaseModel):
    """Vectors in the order of the texts."""

    object: Literal["list"] = "list"
    data: list[Embedding]
    model: str
    usage: EmbeddingsUsage
