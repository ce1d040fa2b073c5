"""Model servers of this machine as a rung: the release that should answer is asked where it is served.

`frontdesk serve-model` announces itself in the data folder; every process that answers looks there. Who is promoted, rolled
back or tried as a canary is answered by a server of that release, as soon as there is one; without one the next rung answers.
"""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from serving.announcements import Announced, running
from serving.engines import CONNECT_S, ENDPOINT, AskedAs, ChatEngine, Chosen
from serving.errors import DamagedRelease, EngineAway, NoSuchRelease
from serving.pool import Backend, PooledEngine
from serving.prompts import Message
from serving.releases import Release
from serving.settings import ServingSettings

if TYPE_CHECKING:
    from pydantic import SecretStr

    from serving.release_store import ReleaseStore

# Seconds between two looks at what is announced.
FOLLOW_S = 1.0
Wanted = Callable[[str, str | None], Release]


class ServedModels:
    """What is announced, by release; a server keeps its state from one look to the next.

    home:   the data folder.
    models: folder of the converted packaged model, whose tokenizer counts.
    """

    def __init__(self, home: Path, models: Path, settings: ServingSettings) -> None:
        self._home, self._models, self._settings = home, models, settings
        self._backends: dict[Announced, Backend] = {}
        self._found: list[Announced] = []
        self._looked: float | None = None
        self._lock = threading.Lock()

    def announced(self) -> list[Announced]:
        """The servers that run."""
        return self._look()

    def backends(self) -> list[Backend]:
        """Those of the servers that were asked by this process, with what is known of how they are."""
        with self._lock:
            return list(self._backends.values())

    def engine(self, release: Release) -> ChatEngine:
        """An engine over the servers of a release.

        Raises:
            EngineAway: none serves it.
        """
        servers = [server for server in self._look() if server.release == release.label]
        if not servers:
            served = ", ".join(sorted({server.release for server in self._look()})) or "nothing"
            raise EngineAway(
                f"no model server serves {release.label} (they serve {served}): frontdesk serve-model {release.label}"
            )
        return PooledEngine([self._backend(server, release) for server in servers])

    def _look(self) -> list[Announced]:
        with self._lock:
            if self._looked is None or time.monotonic() - self._looked >= FOLLOW_S:
                found = running(self._home)
                for gone in set(self._backends) - set(found):
                    del self._backends[gone]
                self._found = found
                self._looked = time.monotonic()
            return self._found

    def _backend(self, server: Announced, release: Release) -> Backend:
        with self._lock:
            known = self._backends.get(server)
        if known is not None:
            return known
        from pydantic import SecretStr

        # Without the lock: the first time this imports the client's library, and the event loop takes the lock, too.
        made = Backend(server.url, self._engine_at(server, SecretStr(server.key), release))
        with self._lock:
            return self._backends.setdefault(server, made)

    def _engine_at(self, server: Announced, key: SecretStr, release: Release) -> ChatEngine:
        from serving.engines import chat_openai

        settings, how = self._settings, asked_as(release, self._models)
        return ChatEngine(
            ENDPOINT,
            release.label,
            chat_openai(f"{server.url}/v1", release.label, key, settings),
            how.languages,
            how.context,
            settings.endpoint_timeout_s,
            how.count_tokens,
            small=how.small,
            brief=how.brief,
            tuned=True,
            secret=server.key,
        )


def asked_as(release: Release, models: Path) -> AskedAs:
    """How a release wants to be asked; tokens are counted by its own tokenizer.

    models: folder of converted weights, whose tokenizer an adapter shares.
    """
    own = release.folder if release.folder is not None and (release.folder / "tokenizer.json").is_file() else None
    manifest = release.manifest
    return AskedAs(
        manifest.languages,
        manifest.context,
        lambda text: _counter(own or models)(text),
        small=manifest.small,
        brief=manifest.prompt == "brief",
    )


def named(store: ReleaseStore, settings: ServingSettings, models: Path) -> AskedAs | None:
    """How the endpoint's model wants to be asked, where it is called what a release here is called; None where it is not."""
    if not settings.endpoint_urls or not settings.endpoint_model:
        return None
    try:
        return asked_as(store.get(settings.endpoint_model), models)
    except (NoSuchRelease, DamagedRelease):
        return None


async def is_well(url: str) -> bool:
    """Whether a model server says that it can answer."""
    try:
        async with httpx.AsyncClient(timeout=CONNECT_S, trust_env=False) as client:
            return (await client.get(f"{url}/health")).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


@lru_cache(maxsize=4)
def _counter(folder: Path) -> Callable[[str], int]:
    """Tokens of a text as a model's own tokenizer counts them; weights are not loaded."""
    from tokenizers import Tokenizer

    from serving.loading import convert

    at = folder if (folder / "tokenizer.json").is_file() else convert(folder)
    tokenizer = Tokenizer.from_file(str(at / "tokenizer.json"))
    return lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids)


class ServedRung(ChatEngine):
    """Such servers as a rung; what it is depends on who asks, so the chain asks ``chosen`` first."""

    def __init__(
        self, served: ServedModels, wanted: Wanted, canary: Callable[[], bool], settings: ServingSettings
    ) -> None:
        # It stands for what is chosen, and has no model of its own: making one would import the client's library at every start.
        super().__init__(ENDPOINT, "", None, (), 0, settings.endpoint_timeout_s, len)  # type: ignore[arg-type]  # never asked
        self._served, self._wanted, self._canary = served, wanted, canary

    @property
    def present(self) -> bool:
        """Whether a server is announced."""
        return bool(self._served.announced())

    @property
    def words_questions(self) -> bool:
        """Its releases are tuned to answer."""
        return False

    @property
    def by_conversation(self) -> bool:
        """Whether a canary answers some of the conversations."""
        return self.present and self._canary()

    @property
    def release(self) -> str:
        """What would answer."""
        return self.released()

    def chosen(self, conversation: str = "", release: str | None = None) -> Chosen:
        """The engine of the conversation's release; raises as ``ServedModels.engine`` does."""
        try:
            wanted = self._wanted(conversation, release)
        except (NoSuchRelease, DamagedRelease) as exc:
            raise EngineAway(str(exc)) from exc
        return Chosen(self._served.engine(wanted))

    def released(self, conversation: str = "", release: str | None = None) -> str:
        """The release that would answer, as answers name it."""
        try:
            return self._wanted(conversation, release).label
        except (NoSuchRelease, DamagedRelease):
            return release or ""

    async def stream(
        self, messages: Sequence[Message], headers: Mapping[str, str] | None = None
    ) -> AsyncGenerator[str, None]:
        """Pieces of an answer of what is live; raises as ``ChatEngine.stream`` does."""
        async for piece in self.chosen().engine.stream(messages, headers):
            yield piece
