"""The packaged engine over releases: which one answers a conversation, loaded beside the one that answers meanwhile.

Whoever promotes writes to the database; every process looks there every few seconds, loads what is new in a thread, and goes
over to it when it is ready. A release that cannot be used is answered for by the packaged model, with the reason in the answer.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from ingest.errors import FrontdeskError, SettingsError
from serving.engines import ChatEngine, Chosen, packaged_engine
from serving.errors import DamagedRelease, EngineAway, EngineBusy, NoSuchRelease
from serving.live import Roles
from serving.loading import is_converted, package_folder
from serving.packaged import PackagedModel
from serving.prompts import Message
from serving.release_store import ReleaseStore
from serving.releases import BASE, LIVE, SUPPORT, Release
from serving.settings import ServingSettings
from serving.turns import Turns

log = logging.getLogger(__name__)
# Seconds between two looks at what is live, and until a release that could not be loaded is tried again.
FOLLOW_S = 2.0
RETRY_S = 60.0
# Letters of a release's whole id.
_ID = 64


class PackagedFleet:
    """Releases in memory, at most the live one, a canary, and what is needed until they are loaded.

    models: folder of converted weights.
    roles:  what the database says.
    """

    def __init__(
        self, models: Path, settings: ServingSettings, store: ReleaseStore, roles: Callable[[], Roles]
    ) -> None:
        self._models_folder = models
        self._settings = settings
        self._store = store
        self._read_roles = roles
        self._turns = Turns()
        self._models: dict[str, PackagedModel] = {}
        self._problems: dict[str, tuple[float, str]] = {}
        self._beside: set[str] = set()
        self._roles: Roles | None = None
        self._looked = 0.0
        self._looking = threading.Lock()
        self._lock = threading.RLock()
        # What the live role was answered by last.
        self._answering = ""
        self._warming: threading.Thread | None = None
        self._known: dict[str, Release] = {}
        self._pin = ""
        if settings.release != LIVE:
            try:
                self._pin = store.get(settings.release).reference
            except (NoSuchRelease, DamagedRelease) as exc:
                raise SettingsError(f"FRONTDESK_RELEASE: {exc}") from exc

    def chosen(self, conversation: str = "", release: str | None = None) -> Chosen:
        """The engine for a conversation, or for a release that is asked for by name; may wait for weights at the first use.

        Raises:
            NoSuchRelease: there is no release of that name.
            DamagedRelease: the one that was named cannot be used; of the live one the packaged model takes the place.
            EngineBusy: weights are being loaded, and nothing older is there.
        """
        if self._warming not in (None, threading.current_thread()):
            raise EngineBusy("the packaged model is still being loaded")
        if release not in (None, "", LIVE):
            found = self._store.get(str(release))
            if problem := found.problem():
                raise DamagedRelease(problem)
            model = self._model(found.reference, found)
            if not found.shipped or found.folder is not None:
                model.load()
            return Chosen(packaged_engine(model, self._settings))
        wanted = self._wanted(conversation)
        model, problem = self._ready(wanted)
        fell = DamagedRelease(problem) if problem else None
        return Chosen(packaged_engine(model, self._settings), fell)

    def base(self) -> ChatEngine:
        """The packaged model's engine; nothing is loaded."""
        return packaged_engine(self._model(BASE), self._settings)

    def released(self, conversation: str = "", release: str | None = None) -> str:
        """The release that would answer now, as answers name it; loads nothing."""
        if release not in (None, "", LIVE):
            return str(release)
        wanted = self._wanted(conversation)
        model = self._models.get(wanted)
        if wanted == BASE or (model is not None and model.loaded):
            return model.release if model is not None else BASE
        older = self._models.get(self._answering)
        return older.release if older is not None else wanted

    def release_of(self, conversation: str = "", release: str | None = None) -> Release:
        """The release that should answer a conversation, or that is asked for by name, loaded or not.

        Raises:
            NoSuchRelease, DamagedRelease: it is not there, or its manifest cannot be read.
        """
        named = self._wanted(conversation) if release in (None, "", LIVE) else str(release)
        # What a reference stands for never changes but with the program; a name may be given anew.
        if len(named) != _ID and named not in (BASE, SUPPORT):
            return self._store.get(named)
        if named not in self._known:
            self._known[named] = self._store.get(named)
        return self._known[named]

    @property
    def canary(self) -> bool:
        """Whether a part of the conversations is answered by another release."""
        self._follow()
        return bool(self._roles and self._roles.canary and not self._pin)

    def look(self) -> None:
        """Look at what is live now, and load what is new beside."""
        self._refresh()
        for wanted in {self._wanted(""), self._roles.canary if self._roles and not self._pin else ""} - {"", BASE}:
            if self._answering:
                self._ready(wanted)

    def problems(self) -> dict[str, str]:
        """Why releases in use cannot be used, by their reference."""
        used = self._used()
        return {ref: reason for ref, (_, reason) in self._problems.items() if ref in used}

    # which

    def _wanted(self, conversation: str) -> str:
        if self._pin:
            return self._pin
        self._follow()
        roles = self._roles or Roles()
        return roles.of(conversation) or self._store.default

    def _used(self) -> set[str]:
        roles = self._roles or Roles()
        return {self._pin} if self._pin else {roles.live or self._store.default, roles.canary} - {""}

    def _follow(self) -> None:
        if self._pin:
            return
        if self._roles is None:
            with self._lock:
                if self._roles is None:
                    self._roles, self._looked = self._read_roles(), time.monotonic()
        elif time.monotonic() - self._looked > FOLLOW_S:
            # Nobody waits for the database: who asks now is answered by what was live a moment ago.
            self._looked = time.monotonic()
            threading.Thread(target=self._refresh, name="follow-releases", daemon=True).start()

    def _refresh(self) -> None:
        if self._pin or not self._looking.acquire(blocking=False):
            return
        try:
            roles = self._read_roles()
            if roles != self._roles:
                log.info("released now: %s", roles)
                # What was mended since is tried again at once.
                self._problems.clear()
            self._roles, self._looked = roles, time.monotonic()
        except SQLAlchemyError as exc:
            log.warning("what is released cannot be looked up, so it stays as it was: %s", type(exc).__name__)
        finally:
            self._looking.release()

    # weights

    def _model(self, reference: str, release: Release | None = None) -> PackagedModel:
        with self._lock:
            if reference not in self._models:
                served = None if reference == BASE else release or self._store.get(reference)
                parts = (self._models_folder, self._settings.packaged_dtype, served, self._turns)
                self._models[reference] = PackagedModel(*parts)
            return self._models[reference]

    def _ready(self, wanted: str) -> tuple[PackagedModel, str]:
        """The model that answers for a release now, and why it is not the release's own."""
        if wanted == BASE:
            self._went_over(wanted)
            return self._model(BASE), ""
        until, problem = self._problems.get(wanted, (0.0, ""))
        if time.monotonic() < until:
            return self._model(BASE), problem
        try:
            release = self._store.get(wanted)
            if why := release.problem():
                raise DamagedRelease(why)
            model = self._model(wanted, release)
        except (DamagedRelease, NoSuchRelease) as exc:
            return self._broken(wanted, exc)
        if model.loaded:
            self._went_over(wanted)
            return model, ""
        older = self._models.get(self._answering)
        if older is not None and older is not model:
            self._load_beside(wanted, model)
            return older, ""
        try:
            model.load()
        except EngineAway as exc:
            return self._broken(wanted, exc)
        self._went_over(wanted)
        return model, ""

    def _broken(self, wanted: str, exc: FrontdeskError) -> tuple[PackagedModel, str]:
        log.warning("the packaged model answers instead: %s", exc)
        self._problems[wanted] = (time.monotonic() + RETRY_S, str(exc))
        with self._lock:
            self._models.pop(wanted, None)
        return self._model(BASE), str(exc)

    def _load_beside(self, wanted: str, model: PackagedModel) -> None:
        with self._lock:
            if wanted in self._beside:
                return
            self._beside.add(wanted)

        def load() -> None:
            try:
                model.load()
            except EngineAway as exc:
                self._broken(wanted, exc)
            finally:
                self._beside.discard(wanted)

        threading.Thread(target=load, name="load-release", daemon=True).start()

    def _went_over(self, wanted: str) -> None:
        """Note what answers, and let go of weights that nobody is answered by any more."""
        if wanted != self._wanted(""):
            return
        with self._lock:
            self._answering = wanted
            for reference in set(self._models) - self._used() - {wanted} - self._beside:
                del self._models[reference]

    # as the service sees it

    def warm_up(self) -> None:
        """Load what is live in this thread; until that is done, questions are sent on to the next rung instead of waiting."""
        self._warming = threading.current_thread()
        try:
            if not is_converted(self._models_folder):
                # In a process of its own: converting would hold Python's lock, and with it the customers.
                command = [sys.executable, "-m", "serving.packaged", str(self._models_folder)]
                subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - our own module
            self._ready(self._wanted(""))[0].load()
        except (EngineAway, OSError, subprocess.CalledProcessError, SQLAlchemyError) as exc:
            log.warning("the packaged model is not ready: %s", exc)
        finally:
            self._warming = None

    @property
    def loaded(self) -> bool:
        """Whether the weights of what answers are in memory."""
        model = self._models.get(self._answering)
        return model is not None and model.loaded

    @property
    def warming(self) -> bool:
        """Whether they are being loaded beside."""
        return self._warming is not None and not self.loaded

    @property
    def queued(self) -> int:
        """Generations that run or wait."""
        return self._turns.queued

    @property
    def written(self) -> tuple[int, float]:
        """Tokens that were written in this process, and the seconds that they took; see ``Turns.written``."""
        return self._turns.written

    @property
    def canary_share(self) -> float:
        """Share of the conversations that a canary answers, as last seen; asks nobody."""
        roles = self._roles
        return roles.share if roles is not None and roles.canary and not self._pin else 0.0

    def problem(self) -> str:
        """Why the packaged model could not be loaded, without loading it; "" when nothing speaks against it."""
        try:
            package_folder()
        except ImportError as exc:
            return f"{exc}: run `make setup`"
        return ""

    def close(self) -> None:
        """Take no further question; what waits ends unanswered."""
        self._turns.close()
        with self._lock:
            for model in self._models.values():
                model.close()


class PackagedRung(ChatEngine):
    """The packaged engine as a rung of the ladder: what it is depends on who asks, so the chain asks ``chosen`` first."""

    def __init__(self, fleet: PackagedFleet) -> None:
        like = fleet.base()
        super().__init__(
            like.name, BASE, like.model, like.languages, like.context, like.total_s, like.count_tokens, small=like.small
        )
        self._fleet = fleet

    @property
    def by_conversation(self) -> bool:
        """Whether a canary answers some of the conversations."""
        return self._fleet.canary

    def chosen(self, conversation: str = "", release: str | None = None) -> Chosen:
        """The release's engine; raises as ``PackagedFleet.chosen`` does."""
        return self._fleet.chosen(conversation, release)

    def released(self, conversation: str = "", release: str | None = None) -> str:
        """The release that would answer, as answers name it."""
        return self._fleet.released(conversation, release)

    @property
    def release(self) -> str:
        """What is live."""
        return self._fleet.released()

    async def stream(
        self, messages: Sequence[Message], headers: Mapping[str, str] | None = None
    ) -> AsyncGenerator[str, None]:
        """Pieces of an answer of what is live; raises as ``ChatEngine.stream`` does."""
        engine = self.chosen().engine
        async for piece in engine.stream(messages):
            yield piece
