"""One generation at a time: torch uses every core for one answer already, whichever release writes it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from serving.errors import EngineAway, EngineBusy

# Answers take about two seconds each here: who comes later is served better by the next rung at once.
MOST_QUEUED = 4


class Turns:
    """A thread that writes, and a short queue in front of it; shared by all releases in memory."""

    def __init__(self) -> None:
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="packaged")
        self._queued = 0
        self._tokens, self._seconds = 0, 0.0
        self._counting = threading.Lock()

    @property
    def queued(self) -> int:
        """Generations that run or wait."""
        return self._queued

    @property
    def written(self) -> tuple[int, float]:
        """Tokens written after the first of each answer, and the seconds that they took."""
        with self._counting:
            return self._tokens, self._seconds

    def wrote(self, tokens: int, seconds: float) -> None:
        """An answer was written; of its tokens the first is left out, which waits for the prompt to be read."""
        with self._counting:
            self._tokens, self._seconds = self._tokens + tokens, self._seconds + seconds

    def take(self, work: Callable[[], None]) -> None:
        """Have something done when its turn comes.

        Raises:
            EngineBusy: too many wait already.
            EngineAway: it was closed.
        """
        with self._counting:
            if self._queued >= MOST_QUEUED:
                raise EngineBusy(f"the packaged model has {self._queued} answers to write already")
            self._queued += 1

        try:
            self._writer.submit(work)
        except RuntimeError as exc:
            self.ended()
            raise EngineAway("the packaged model has been shut down") from exc

    def ended(self) -> None:
        """A generation is over: said by the work itself, before it tells its reader."""
        with self._counting:
            self._queued -= 1

    def close(self) -> None:
        """Take nothing further; what waits ends unanswered."""
        self._writer.shutdown(wait=False, cancel_futures=True)
