"""The rungs that write: an OpenAI-compatible endpoint, the packaged model. One interface, typed failures, deadlines."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from serving.errors import (
    ContextOverflow,
    DamagedRelease,
    EngineAway,
    EngineBroke,
    EngineBusy,
    EngineError,
    EngineFailed,
    EngineRefused,
    EngineTimeout,
    UnknownModel,
)
from serving.front_requests import TENANT
from serving.prompts import Message
from serving.settings import ServingSettings, is_loopback

if TYPE_CHECKING:
    from pydantic import SecretStr

    from serving.packaged import PackagedModel

ENDPOINT, PACKAGED, EXTRACTIVE = "endpoint", "packaged", "extractive"
ANY_LANGUAGE = "*"
CONNECT_S = 3.0
_NOT_READY = 503
# SmolLM2 was trained on English; asked in Chinese it writes confident nonsense (docs/experiments.md).
PACKAGED_LANGUAGES = ("en",)
PACKAGED_CONTEXT = 800


class Chosen(NamedTuple):
    """An engine for a conversation, and why it is not the one that should have answered."""

    engine: ChatEngine
    fell: DamagedRelease | None = None


class AskedAs(NamedTuple):
    """How a release wants to be asked, wherever it is served; the fields are those of ``ChatEngine``."""

    languages: Collection[str]
    context: int
    count_tokens: Callable[[str], int]
    small: bool
    brief: bool


class ChatEngine:
    """A chat model as a rung of the ladder.

    name:       endpoint or packaged, as answers name it.
    release:    the release that serves; for an endpoint its model's name.
    context:    tokens that a prompt may have.
    total_s:    seconds from asking to the last token.
    secret:     the key; kept out of every message, for a server may repeat it in its own.
    small:      a model that answers whatever it is given and does not know when to stop: it is asked on good evidence
                only, with few passages, and cut off early.
    brief:      asked by the short instruction in the style ``sentence``; as ``small`` is when not given.
    tuned:      made to answer from passages, and not asked to word questions.
    """

    def __init__(
        self,
        name: str,
        release: str,
        model: BaseChatModel,
        languages: Collection[str],
        context: int,
        total_s: float,
        count_tokens: Callable[[str], int],
        *,
        small: bool = False,
        brief: bool | None = None,
        tuned: bool = False,
        secret: str = "",
        ensure_ready: Callable[[], None] | None = None,
    ) -> None:
        self.name = name
        self.small = small
        self.brief = small if brief is None else brief
        self.tuned = tuned
        self.context = context
        self.count_tokens = count_tokens
        self.model = model
        self.languages = frozenset(languages)
        self.total_s = total_s
        self._release = release
        self._secret = secret
        self._ensure_ready = ensure_ready

    @property
    def release(self) -> str:
        """The release that serves."""
        return self._release

    @property
    def present(self) -> bool:
        """Whether there is something to ask; a rung that is not there is passed over without a word."""
        return True

    @property
    def words_questions(self) -> bool:
        """Whether it may word a follow-up as a question that stands alone; a model that was tuned to answer may not."""
        return self.name == ENDPOINT and not self.tuned

    @property
    def by_conversation(self) -> bool:
        """Whether it depends on the conversation which release answers."""
        return False

    def chosen(self, conversation: str = "", release: str | None = None) -> Chosen:
        """The engine that answers a conversation; of an engine with several releases that of its own. May block.

        Raises:
            EngineError: none can.
        """
        return Chosen(self)

    def released(self, conversation: str = "", release: str | None = None) -> str:
        """The release that would answer a conversation, as answers name it; loads nothing."""
        return self.release

    def ensure_ready(self) -> None:
        """See that the engine can begin now.

        Raises:
            EngineBusy: it cannot; nothing has been tried.
        """
        if self._ensure_ready is not None:
            self._ensure_ready()

    def tells_of(self, tenant: str) -> dict[str, str]:
        """Headers that tell a front of ours whose question it is; others are told nothing."""
        if self.name != ENDPOINT or not self.tuned:
            return {}
        return {TENANT: hashlib.sha256(tenant.encode()).hexdigest()[:32]}

    def speaks(self, language: str) -> bool:
        """Whether customers can be answered in this language."""
        return ANY_LANGUAGE in self.languages or language in self.languages

    async def stream(
        self, messages: Sequence[Message], headers: Mapping[str, str] | None = None
    ) -> AsyncGenerator[str, None]:
        """Pieces of the answer.

        headers: what a request of a model server carries beside its own: the trace that it belongs to.

        Raises:
            EngineError: one of its kinds; the message names the setting to look at.
        """
        async with aclosing(self.stream_within(messages, self.total_s, headers)) as pieces:
            async for piece in pieces:
                yield piece

    async def stream_within(
        self, messages: Sequence[Message], seconds: float, headers: Mapping[str, str] | None = None
    ) -> AsyncGenerator[str, None]:
        """The same with less time than ``total_s``; raises as ``stream`` does."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        # Only where there are some: a model of this process knows no headers.
        given: dict[str, Any] = {"extra_headers": dict(headers)} if headers and self.name == ENDPOINT else {}
        pieces = self.model.astream(_langchain(messages), **given)
        begun = False
        try:
            while True:
                try:
                    async with asyncio.timeout_at(end):
                        chunk = await anext(pieces, None)
                except TimeoutError as exc:
                    raise EngineTimeout(f"the {self.name} engine was not done after {self.total_s:g} s") from exc
                except Exception as exc:
                    raise _translated(exc, self.name, begun, self._secret) from exc
                if chunk is None:
                    return
                begun = True
                # str(): LangChain types content as text or a list of parts; ours are text.
                if chunk.content:
                    yield str(chunk.content)
        finally:
            close = getattr(pieces, "aclose", None)
            if close is not None:
                await close()


def endpoint_engine(settings: ServingSettings, asked: AskedAs | None = None) -> ChatEngine | None:
    """The endpoint that the settings name, or None; no connection is made yet.

    asked: how its model wants to be asked, where it is a release of ours; else as a large model is.
    """
    from serving.pool import Backend, PooledEngine

    engines = [Backend(url, _engine_at(url, settings, asked)) for url in settings.endpoint_urls]
    # One alone as well: a dead one is not to cost every question the seconds until that is known.
    return PooledEngine(engines) if engines else None


def chat_openai(url: str, model: str, key: SecretStr | None, settings: ServingSettings) -> BaseChatModel:
    """A chat model behind an OpenAI-compatible URL; no connection is made yet."""
    import openai
    from langchain_openai import ChatOpenAI
    from pydantic import SecretStr

    # A proxy of the environment is the way to others; a server on this machine it could not reach, or would learn its prompts.
    direct: dict[str, Any] = {}
    if is_here(url):
        direct["http_client"] = openai.DefaultHttpxClient(trust_env=False)
        direct["http_async_client"] = openai.DefaultAsyncHttpxClient(trust_env=False)
    return ChatOpenAI(
        base_url=url,
        model=model,
        # Servers without a key still want the header; the client refuses to start without one.
        api_key=key or SecretStr("none"),
        temperature=0,
        max_completion_tokens=settings.max_new_tokens,
        timeout=openai.Timeout(settings.endpoint_timeout_s, connect=CONNECT_S),
        # The next rung is the retry.
        max_retries=0,
        stream_usage=False,
        **direct,
    )


def is_here(url: str) -> bool:
    """Whether a URL leads to this machine."""
    return is_loopback(urlsplit(url).hostname or "")


def _engine_at(url: str, settings: ServingSettings, asked: AskedAs | None) -> ChatEngine:
    # Of others the tokenizer is not here: 2 characters a token is on the safe side for Chinese and English.
    how = asked or AskedAs(
        settings.endpoint_languages, settings.endpoint_context, lambda text: len(text) // 2, small=False, brief=False
    )
    return ChatEngine(
        ENDPOINT,
        settings.endpoint_model or "",
        chat_openai(url, settings.endpoint_model or "", settings.endpoint_api_key, settings),
        how.languages,
        how.context,
        settings.endpoint_timeout_s,
        how.count_tokens,
        small=how.small,
        brief=how.brief,
        tuned=asked is not None,
        secret=settings.endpoint_api_key.get_secret_value() if settings.endpoint_api_key else "",
    )


async def probe_endpoint(settings: ServingSettings) -> None:
    """See that every server of the endpoint answers, takes the key and serves the model; nothing is generated.

    Raises:
        EngineAway, EngineTimeout, EngineRefused, UnknownModel: as an answer would meet them; of several servers, the first
            trouble that a setting must mend, else one that says how many do not answer.
    """
    urls = settings.endpoint_urls
    looked = await asyncio.gather(*(_probe(url, settings) for url in urls), return_exceptions=True)
    troubles = [trouble for trouble in looked if isinstance(trouble, BaseException)]
    lasting = [trouble for trouble in troubles if not isinstance(trouble, EngineAway | EngineTimeout)]
    if lasting or len(urls) == 1:
        for trouble in (*lasting, *troubles):
            raise trouble
    if troubles:
        raise EngineAway(
            f"{len(troubles)} of {len(urls)} model servers do not answer (FRONTDESK_ENDPOINT_URL): {troubles[0]}"
        )


async def _probe(url: str, settings: ServingSettings) -> None:
    import openai

    key = settings.endpoint_api_key.get_secret_value() if settings.endpoint_api_key else "none"
    timeout = openai.Timeout(CONNECT_S, connect=CONNECT_S)
    async with openai.AsyncOpenAI(base_url=url, api_key=key, timeout=timeout, max_retries=0) as client:
        try:
            served = [model.id async for model in client.models.list()]
        except openai.NotFoundError:
            # Some servers answer chats and list no models: the first answer will tell.
            return
        except openai.OpenAIError as exc:
            raise _translated(exc, ENDPOINT, False, key) from exc
    if served and settings.endpoint_model not in served:
        raise UnknownModel(
            f"the endpoint serves {', '.join(sorted(served)[:5])}, not {settings.endpoint_model!r} (FRONTDESK_ENDPOINT_MODEL)"
        )


def packaged_engine(packaged: PackagedModel, settings: ServingSettings) -> ChatEngine:
    """The packaged model as a rung, asked as its release wants to be."""
    from serving.packaged import PackagedChatModel

    manifest = packaged.served.manifest if packaged.served is not None else None

    model = PackagedChatModel(
        packaged=packaged, max_new_tokens=settings.max_new_tokens, timeout_s=settings.packaged_timeout_s
    )
    return ChatEngine(
        PACKAGED,
        packaged.release,
        model,
        manifest.languages if manifest else PACKAGED_LANGUAGES,
        manifest.context if manifest else PACKAGED_CONTEXT,
        settings.packaged_timeout_s,
        packaged.count_tokens,
        small=manifest.small if manifest else True,
        brief=manifest.prompt == "brief" if manifest else True,
        ensure_ready=packaged.ensure_ready,
    )


def _langchain(messages: Sequence[Message]) -> list[BaseMessage]:
    kinds: dict[str, type[BaseMessage]] = {"system": SystemMessage, "user": HumanMessage, "assistant": AIMessage}
    return [kinds[message.role](content=message.content) for message in messages]


def _translated(exc: Exception, name: str, begun: bool, secret: str = "") -> EngineError:
    """A foreign exception as one of ours; what is not known is "broke", never a crash."""
    import openai

    if isinstance(exc, EngineError):
        return exc
    # While a body is read the client lets its transport's errors through; which transport that is, is its own affair.
    late = isinstance(exc, openai.APITimeoutError) or type(exc).__name__.endswith("Timeout")
    if late and not begun:
        return EngineTimeout(
            "the endpoint did not answer in time (FRONTDESK_ENDPOINT_URL, FRONTDESK_ENDPOINT_TIMEOUT_S)"
        )
    if isinstance(exc, openai.AuthenticationError | openai.PermissionDeniedError):
        return EngineRefused("the endpoint refused the key (FRONTDESK_ENDPOINT_API_KEY)")
    if isinstance(exc, openai.NotFoundError):
        return UnknownModel("the endpoint does not serve that model or path (FRONTDESK_ENDPOINT_MODEL, _URL)")
    if isinstance(exc, openai.BadRequestError) and "context" in str(exc).lower():
        return ContextOverflow("the prompt does not fit the model's context (FRONTDESK_ENDPOINT_CONTEXT)")
    if isinstance(exc, openai.APIConnectionError) and not begun:
        return EngineAway("the endpoint cannot be reached (FRONTDESK_ENDPOINT_URL)")
    if isinstance(exc, openai.RateLimitError):
        return EngineBusy("the endpoint has no room for another question now (HTTP 429)")
    if isinstance(exc, openai.APIStatusError) and exc.status_code >= 500 and not begun:
        # Only this one says that nothing was begun, so that it may be asked of another server.
        if exc.status_code == _NOT_READY:
            return EngineAway(f"the endpoint is not ready (HTTP {exc.status_code})")
        return EngineFailed(f"the endpoint failed to answer (HTTP {exc.status_code})")
    return EngineBroke(
        f"the {name} engine failed {'in the middle of its answer' if begun else 'to answer'}: {_line(exc, secret)}"
    )


def _line(exc: Exception, secret: str) -> str:
    text = str(exc).replace(secret, "***") if secret else str(exc)
    return (text.splitlines() or [""])[0][:200] or type(exc).__name__
