"""Adapters that come and go while a model server runs: what is live and what a canary is, as the database says.

One vLLM serves the base with several adapters. What is promoted is verified against its hashes, attached, and only then announced; what no
longer answers is announced no more at once, and detached when what it was still writing has had its time.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field

from sqlalchemy.exc import SQLAlchemyError

from ingest.errors import FrontdeskError
from serving.errors import DamagedRelease, EngineAway
from serving.front import Upstream
from serving.live import Roles
from serving.loading import packaged_base
from serving.release_store import ReleaseStore
from serving.releases import ADAPTER, BASE, Release
from serving.vllm import MOST_RANK, VllmServer

log = logging.getLogger(__name__)
# Seconds between two looks, and until a release that could not be attached is tried again.
LOOK_S, RETRY_S = 1.0, 60.0
Announce = Callable[[str], AbstractContextManager[None]]


@dataclass(slots=True)
class _Attached:
    """A release that the server serves.

    said:  its announcement, for as long as it is open.
    until: when it may be detached; None while it is wanted.
    """

    release: Release
    said: ExitStack
    until: float | None = None


@dataclass(slots=True)
class Follower:
    """Keeps a server's adapters those that are wanted.

    first:    the release that the server was started with; it is there already.
    announce: tells frontdesk of a release by its label, until the context ends.
    roles:    what the database says.
    grace_s:  how long after the last announcement answers may still be written.
    """

    server: VllmServer
    upstream: Upstream
    store: ReleaseStore
    roles: Callable[[], Roles]
    announce: Announce
    grace_s: float
    clock: Callable[[], float] = time.monotonic
    _attached: dict[str, _Attached] = field(default_factory=dict)
    _failed: dict[str, float] = field(default_factory=dict)
    _looked: float = float("-inf")

    def begin(self, first: Release) -> None:
        """The server has answered: announce the release that it was started with, and see what else is wanted."""
        self._attached[first.reference] = self._announced(first)
        self.look()

    def look(self) -> None:
        """See what is wanted now; asks the database at most once a second."""
        now = self.clock()
        if now - self._looked < LOOK_S:
            return
        self._looked = now
        try:
            roles = self.roles()
        except SQLAlchemyError as exc:
            log.warning("what is released cannot be looked up, so it stays as it was: %s", type(exc).__name__)
            return
        wanted = {roles.live or self.store.default, roles.canary} - {""}
        for reference in sorted(wanted):
            self._want(reference, now)
        self._let_go([each for each in self._attached if each not in wanted], now)

    def end(self) -> None:
        """Announce nothing any more."""
        for each in self._attached.values():
            each.said.close()
        self._attached.clear()

    def _want(self, reference: str, now: float) -> None:
        if (there := self._attached.get(reference)) is not None:
            if there.until is not None:
                there.until = None
                there.said.enter_context(self.announce(there.release.label))
            return
        if now < self._failed.get(reference, 0.0):
            return
        try:
            self._attached[reference] = self._attach(reference)
            self._failed.pop(reference, None)
        except (FrontdeskError, OSError) as exc:
            # Frontdesk answers for it with the model in its own process meanwhile, and says so.
            self._failed[reference] = now + RETRY_S
            log.warning("release %s is not served here: %s", reference, exc)

    def _attach(self, reference: str) -> _Attached:
        release = self.store.get(reference)
        if reason := unfit(release):
            raise DamagedRelease(reason)
        if release.folder is not None:
            # What is served is what was gated: nothing changed, nothing put beside.
            release.verify()
            self.server.attach(release.label, release.folder.resolve())
        return self._announced(release)

    def _announced(self, release: Release) -> _Attached:
        self._name(release.label)
        said = ExitStack()
        said.enter_context(self.announce(release.label))
        log.info("%s is served", release.label)
        return _Attached(release, said)

    def _let_go(self, references: Iterable[str], now: float) -> None:
        for reference in references:
            each = self._attached[reference]
            if each.until is None:
                each.said.close()
                each.until = now + self.grace_s
            elif now >= each.until:
                del self._attached[reference]
                self._name(each.release.label, served=False)
                self._detach(each.release)

    def _detach(self, release: Release) -> None:
        if release.folder is None:
            return
        try:
            self.server.detach(release.label)
            log.info("%s is detached", release.label)
        except EngineAway as exc:
            log.warning("%s", exc)

    def _name(self, label: str, *, served: bool = True) -> None:
        others = tuple(each for each in self.upstream.models if each != label)
        self.upstream.models = (*others, label) if served else others


def unfit(release: Release) -> str:
    """Why a release cannot be attached to a running server of the packaged model; "" where it can."""
    if problem := release.problem():
        return problem
    if release.name == BASE and release.folder is None:
        return ""
    if release.manifest.kind != ADAPTER:
        return (
            f"{release.label} has weights of its own: frontdesk serve-model {release.label} on another port serves it"
        )
    if release.manifest.base != packaged_base():
        return f"{release.label} was made on {release.manifest.base.name}, which is not what this server serves"
    if (rank := release.rank()) > MOST_RANK:
        return f"{release.label} has rank {rank}, and at most {MOST_RANK} can be attached: serve it merged (--set adapter=merged)"
    return ""
