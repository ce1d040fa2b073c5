"""A release on vLLM, wired: what is served, how, and where the front of it listens."""

from __future__ import annotations

import asyncio
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn

from app.model_following import Follower, unfit
from app.training import live_release, store_of
from app.workspace import Settings
from ingest.database import open_database
from ingest.errors import SettingsError
from serving.announcements import Announced, announced
from serving.errors import CannotServe, EngineAway
from serving.export import export, why_not_served
from serving.front import Front, Limits, Upstream
from serving.live import LiveReleases
from serving.loading import convert
from serving.machine import Machine, this_machine
from serving.passages import Passage
from serving.prompts import Message, render_answer
from serving.releases import ADAPTER, LIVE, Release
from serving.served import FOLLOW_S
from serving.settings import SHORTEST_KEY, is_loopback
from serving.vllm import VllmServer, find_python, free_port
from serving.vllm_plan import Plan, choose, overridden, shape_of

# Below the data folder: merged weights that are served, vLLM's log.
SERVED, LOGS = "served", "logs"
LOOK_S = 0.5
# Seconds after which nobody comes any more who looks at the announcements, and that answers have to be written to their end.
FOLLOWED_S, GRACE_S = 2 * FOLLOW_S, 30
# How often vLLM may end by itself within so many seconds and be started again: a machine that is too small for it is told.
MOST_ENDED, ENDED_WITHIN_S = 3, 1800
# Seconds between two looks at its health, how long each may take, and how many in vain mean that it hangs: a card under full load may be slow
# to say so, and starting it again costs everybody who waits.
HEALTH_S, HEALTH_TAKES_S, MOST_SILENT = 10.0, 5.0, 6
# Seconds before it is started again, twice as long after each start that failed: what it left in memory may need them.
AGAIN_S = 2.0


@dataclass(frozen=True, slots=True)
class Prepared:
    """What is about to be served.

    follows: whether adapters are attached and detached as releases are promoted.
    rate:    questions a second that a tenant may ask; None for what the server could begin at all.
    """

    release: Release
    plan: Plan
    python: Path
    extra: tuple[str, ...]
    follows: bool = False
    rate: float | None = None


def prepare(
    settings: Settings,
    wanted: str,
    changes: tuple[str, ...],
    extra: tuple[str, ...],
    machine: Machine | None = None,
    rate: float | None = None,
) -> Prepared:
    """A release by name, with the settings that fit it here; nothing is started.

    rate: as ``Prepared`` has it.

    Raises:
        NoSuchRelease, DamagedRelease: it is not there, or cannot be asked as it was trained.
        CannotServe: vLLM does not serve weights of its kind.
        SettingsError: vLLM is not installed, the weights do not fit, or a change cannot be made.
    """
    store = store_of(settings)
    release = store.get(live_release(settings, store) if wanted == LIVE else wanted)
    if problem := release.problem():
        raise SettingsError(problem)
    if why := why_not_served(release):
        raise CannotServe(why)
    python = find_python(settings.serving.vllm_python)
    manifest = release.manifest
    # An adapter's own folder has no shape: that of its base counts.
    own = release.folder if release.folder is not None and manifest.kind != ADAPTER else None
    shape = shape_of(own or convert(settings.ingest.models_folder))
    # What is live may be the base today and an adapter of it tomorrow.
    attachable = manifest.kind == ADAPTER or (wanted == LIVE and not unfit(release))
    plan = choose(machine or this_machine(), shape, adapter=attachable, small=manifest.small)
    plan = overridden(plan, changes)
    if plan.settings.adapter == "attached" and (problem := unfit(release)):
        raise SettingsError(problem)
    return Prepared(release, plan, python, extra, wanted == LIVE and plan.settings.adapter == "attached", rate)


def serve(
    prepared: Prepared,
    settings: Settings,
    host: str,
    port: int,
    stop: threading.Event,
    told: Callable[[str], None],
    ready: Callable[[str, Path, float], None],
) -> None:
    """Serve until told to stop.

    told:  called with the stage of the start.
    ready: called with the front's URL, vLLM's log and the seconds that it took.

    Raises:
        SettingsError: others than this machine would be served without a key.
        EngineAway: vLLM did not start, or ended by itself again and again.
    """
    key = _key(settings, host)
    clock = time.monotonic()
    release, plan = prepared.release, prepared.plan
    told("preparing the weights")
    folder = settings.ingest.home.resolve() / SERVED
    attached = plan.settings.adapter == "attached"
    served = export(release, settings.ingest.models_folder.resolve(), folder, attached=attached)
    log = settings.ingest.home.resolve() / LOGS / "vllm.log"
    server = VllmServer(
        prepared.python,
        served.weights,
        release.label,
        plan.settings,
        plan.device,
        log,
        adapter=served.adapter,
        extra=prepared.extra,
        adapters=prepared.follows,
    )
    server.start()
    try:
        server.wait(first_question(release), stop.is_set, told)
        upstream = Upstream(server.url, server.key, (release.label,))
        front = Front(upstream, key, limits_of(plan, prepared.rate))
        url = f"http://{f'[{host}]' if ':' in host else host}:{port}"

        def announce(label: str) -> AbstractContextManager[None]:
            return announced(settings.ingest.home, Announced(url, key, label, os.getpid()))

        with listening(front, host, port):
            again = Again(server, upstream, first_question(release), stop, told)
            while True:
                with _announcing(prepared, settings, server, upstream, announce) as look:
                    ready(url, log, time.monotonic() - clock)
                    why = watched(server, look, stop)
                if stop.is_set():
                    break
                clock = time.monotonic()
                # The front stays where it is and says that it is not ready; who follows the announcements asks others.
                again.start(why)
            # Who follows the announcements has gone over to others by then; what is being written is written to its end.
            time.sleep(FOLLOWED_S)
    except EngineAway:
        # Asked to stop while it started: that is no failure.
        if not stop.is_set():
            raise
    finally:
        server.stop()


@contextmanager
def _announcing(
    prepared: Prepared,
    settings: Settings,
    server: VllmServer,
    upstream: Upstream,
    announce: Callable[[str], AbstractContextManager[None]],
) -> Iterator[Callable[[], None]]:
    """What the server serves is announced; yields what is to be called now and then."""
    if not prepared.follows:
        with announce(prepared.release.label):
            yield lambda: None
        return
    # What was attached to one that ended is not attached to its successor.
    upstream.models = (prepared.release.label,)
    engine = open_database(settings.ingest.sqlalchemy_url)
    follower = Follower(
        server, upstream, store_of(settings), LiveReleases(engine).roles, announce, FOLLOWED_S + GRACE_S
    )
    try:
        follower.begin(prepared.release)
        yield follower.look
    finally:
        follower.end()
        engine.dispose()


def first_question(release: Release) -> list[Message]:
    """A question as the release is asked, so that the first customer waits for nothing that is done once."""
    passage = Passage(1, "warm-up", "warm-up", "Opening hours", "", "The shop is open from nine to five.")
    return list(
        render_answer(
            "When is the shop open?",
            [passage],
            brief=release.manifest.prompt == "brief",
            count_tokens=lambda text: len(text) // 2,
        )
    )


def watched(server: VllmServer, look: Callable[[], None], stop: threading.Event) -> str:
    """Look after a server until it must be started again, and say why; or until told to stop.

    look: called twice a second.
    """
    silent, asked = 0, time.monotonic()
    while server.running:
        if stop.wait(LOOK_S):
            return ""
        look()
        if time.monotonic() - asked >= HEALTH_S:
            silent = 0 if server.well(HEALTH_TAKES_S) else silent + 1
            asked = time.monotonic()
            if silent >= MOST_SILENT:
                return f"vLLM has not said for {MOST_SILENT * HEALTH_S:.0f} s that it is well"
    return "vLLM ended by itself"


@dataclass(slots=True)
class Again:
    """Starts a server again, as often as that may help."""

    server: VllmServer
    upstream: Upstream
    prompt: list[Message]
    stop: threading.Event
    told: Callable[[str], None]
    _times: list[float] = field(default_factory=list)

    def start(self, why: str) -> None:
        """Until it has answered a question, or was told to stop.

        Raises:
            EngineAway: it had to be started too often within too short a time.
        """
        pause, last = AGAIN_S, why
        while True:
            now = time.monotonic()
            self._times = [*(each for each in self._times if now - each < ENDED_WITHIN_S), now]
            if len(self._times) > MOST_ENDED:
                raise EngineAway(
                    f"vLLM had to be started again {len(self._times)} times in {ENDED_WITHIN_S / 60:.0f} minutes; the last time: {last}; its log is "
                    f"{self.server.log}"
                )
            self.told(f"{last.splitlines()[0]}; it is started again")
            self.server.stop()
            if self.stop.wait(pause):
                return
            # Somebody may have taken its port meanwhile.
            self.server.port = free_port()
            self.upstream.url = self.server.url
            self.server.start()
            try:
                self.server.wait(self.prompt, self.stop.is_set, self.told)
                return
            except EngineAway as exc:
                if self.stop.is_set():
                    return
                last, pause = str(exc), 2 * pause


def limits_of(plan: Plan, rate: float | None = None) -> Limits:
    """What the front lets through of what a server planned like this can do.

    rate: questions a second of a tenant.
    """
    most, at_once = plan.settings.max_model_len, 8 * plan.settings.max_num_seqs
    # A token is seldom more than eight characters; what is longer in tokens, vLLM refuses itself.
    tokens, characters = min(1024, most // 2), 8 * most
    if rate is None:
        return Limits(tokens, characters=characters, rate=at_once, burst=at_once, at_once=at_once)
    return Limits(tokens, characters=characters, rate=rate, burst=max(1, round(4 * rate)), at_once=at_once)


def _key(settings: Settings, host: str) -> str:
    given = settings.serving.endpoint_api_key
    if given is not None:
        key = given.get_secret_value()
        if len(key) < SHORTEST_KEY and not is_loopback(host):
            raise SettingsError(
                f"FRONTDESK_ENDPOINT_API_KEY must have at least {SHORTEST_KEY} characters where other machines are served (openssl rand "
                "-hex 24 makes one)"
            )
        return key
    if not is_loopback(host):
        raise SettingsError(
            f"--host {host} would serve other machines without a key: set FRONTDESK_ENDPOINT_API_KEY (openssl rand -hex 24 "
            "makes one) here and where frontdesk runs, or bind 127.0.0.1"
        )
    return secrets.token_urlsafe(32)


@contextmanager
def listening(front: Front, host: str, port: int) -> Iterator[None]:
    """The front, served from a thread of its own."""
    config = uvicorn.Config(
        front.app(), host=host, port=port, log_level="warning", server_header=False, timeout_graceful_shutdown=GRACE_S
    )
    server = uvicorn.Server(config)
    failed: list[BaseException] = []

    def run() -> None:
        try:
            asyncio.run(server.serve())
        # uvicorn ends the process where a port is taken; here it ends a thread.
        except (SystemExit, OSError) as exc:
            failed.append(exc)

    thread = threading.Thread(target=run, name="front", daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.05)
    if not server.started:
        raise SettingsError(f"{host}:{port} cannot be used: stop what uses it, or give another one (--port)") from (
            failed[0] if failed else None
        )
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(GRACE_S + 5)
