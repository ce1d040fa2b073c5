"""How each part is: database, index, ingestion, engines. Probed in the background, so that asking costs nothing."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from app.ingestion import Ingestor
from app.rag.answer import Answer
from app.workspace import Workspace
from ingest.errors import FrontdeskError
from serving.engines import ENDPOINT, EXTRACTIVE, PACKAGED, probe_endpoint
from serving.errors import EngineError
from serving.served import is_well

log = logging.getLogger(__name__)
EVERY_S = 15.0
PROBE_TIMEOUT_S = 5.0
# Faults that do not pass by themselves: somebody has to change a setting.
_LASTING = frozenset({"refused key", "unknown model", "context overflow"})
# How long a lasting fault, seen while answering, is remembered.
REMEMBERED_S = 600.0


class Health(StrEnum):
    """``off``: not set up, and nobody asked for it."""

    OK = "ok"
    DEGRADED = "degraded"
    AWAY = "away"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Component:
    """One part, with a sentence for people."""

    name: str
    status: Health
    detail: str = ""


class Checkup:
    """The latest state of every part."""

    def __init__(self, workspace: Workspace, ingestor: Ingestor) -> None:
        self._workspace = workspace
        self._ingestor = ingestor
        self._components: list[Component] = []
        self._faults: dict[str, tuple[float, str]] = {}

    @property
    def components(self) -> list[Component]:
        """Every part as last seen, with lasting faults that answering met since."""
        return [self._with_fault(component) for component in self._components]

    @property
    def status(self) -> str:
        """ready, degraded or unavailable."""
        parts = {c.name: c.status for c in self.components}
        if parts.get("database") is not Health.OK:
            return "unavailable"
        # Without the index questions are still taken, and handed to people: worse, but not nothing.
        if any(status in (Health.DEGRADED, Health.AWAY) for status in parts.values()):
            return "degraded"
        return "ready"

    def saw(self, answer: Answer) -> None:
        """Remember faults of engines that a setting must mend."""
        for fall in answer.fallen:
            if fall.reason in _LASTING:
                self._faults[fall.engine] = (time.monotonic(), fall.detail)
        if answer.engine is not None:
            self._faults.pop(answer.engine, None)

    def _with_fault(self, component: Component) -> Component:
        seen, detail = self._faults.get(component.name, (0.0, ""))
        if detail and component.status is Health.OK and time.monotonic() - seen < REMEMBERED_S:
            return Component(component.name, Health.DEGRADED, detail)
        return component

    async def watch(self) -> None:
        """Probe for ever; cancelled at the end."""
        while True:
            await asyncio.sleep(EVERY_S)
            await self.probe()

    async def probe(self) -> None:
        """Look at everything once."""
        before = {c.name: c.status for c in self._components}
        self._components = list(
            await asyncio.gather(
                self._timed("database", self._database()),
                self._timed("index", self._index()),
                self._timed("ingestion", self._ingestion()),
                self._timed(ENDPOINT, self._endpoint()),
                self._timed(PACKAGED, self._packaged()),
            )
        )
        self._components.append(Component(EXTRACTIVE, Health.OK))
        for component in self._components:
            if component.status is before.get(component.name):
                continue
            if component.status in (Health.DEGRADED, Health.AWAY):
                log.warning("%s is %s: %s", component.name, component.status, component.detail)
            elif component.name in before:
                log.info("%s is %s again", component.name, component.status)

    @staticmethod
    async def _timed(name: str, probe: Awaitable[Component]) -> Component:
        try:
            async with asyncio.timeout(PROBE_TIMEOUT_S):
                return await probe
        except TimeoutError:
            return Component(name, Health.AWAY, f"it did not answer within {PROBE_TIMEOUT_S:g} s")
        except Exception as exc:
            # What fails in a new way is news of its part, not the end of watching.
            log.warning("looking at %s failed", name, exc_info=exc)
            return Component(name, Health.AWAY, f"it cannot be looked at ({type(exc).__name__}); the log has more")

    async def _database(self) -> Component:
        def ask() -> None:
            with self._workspace.engine.connect() as connection:
                connection.execute(text("SELECT 1"))

        try:
            await asyncio.to_thread(ask)
        except SQLAlchemyError as exc:
            return Component("database", Health.AWAY, f"it cannot be asked ({type(exc).__name__})")
        return Component("database", Health.OK)

    async def _index(self) -> Component:
        try:
            await asyncio.to_thread(self._workspace.index.count, "0" * 32)
        except FrontdeskError as exc:
            return Component("index", Health.AWAY, str(exc))
        return Component("index", Health.OK, self._workspace.index.engine)

    async def _ingestion(self) -> Component:
        if not self._ingestor.alive:
            return Component("ingestion", Health.AWAY, "it has stopped; start frontdesk again")
        if self._ingestor.problem:
            return Component("ingestion", Health.DEGRADED, f"paused: {self._ingestor.problem}")
        return Component("ingestion", Health.OK)

    async def _endpoint(self) -> Component:
        if not self._workspace.settings.serving.endpoint_url:
            return await self._served()
        try:
            await probe_endpoint(self._workspace.settings.serving)
        except EngineError as exc:
            lasting = exc.reason in _LASTING
            return Component(ENDPOINT, Health.DEGRADED if lasting else Health.AWAY, str(exc))
        return Component(ENDPOINT, Health.OK, self._workspace.settings.serving.endpoint_model or "")

    async def _served(self) -> Component:
        """Model servers of this machine; each is asked whether it is well."""
        found = await asyncio.to_thread(self._workspace.served.announced)
        if not found:
            return Component(ENDPOINT, Health.OFF, "FRONTDESK_ENDPOINT_URL is not set")
        well = await asyncio.gather(*(is_well(server.url) for server in found))
        said = ", ".join(f"{server.release} at {server.url}" for server in found)
        if all(well):
            return Component(ENDPOINT, Health.OK, said)
        silent = ", ".join(server.url for server, ok in zip(found, well, strict=True) if not ok)
        return Component(ENDPOINT, Health.DEGRADED if any(well) else Health.AWAY, f"{silent} does not answer")

    async def _packaged(self) -> Component:
        if not self._workspace.settings.serving.packaged:
            return Component(PACKAGED, Health.OFF, "FRONTDESK_PACKAGED is off")
        problem = self._workspace.packaged.problem()
        if problem:
            return Component(PACKAGED, Health.AWAY, problem)
        packaged = self._workspace.packaged
        # What was promoted elsewhere is loaded now, not at the next question.
        await asyncio.to_thread(packaged.look)
        if problems := packaged.problems():
            return Component(PACKAGED, Health.DEGRADED, f"{'; '.join(problems.values())}; the packaged model answers")
        detail = "loaded" if packaged.loaded else "being loaded" if packaged.warming else "loads at first use"
        return Component(PACKAGED, Health.OK, detail)
