"""One thread that writes: torch uses every core already, whichever release writes; a release's own answers it writes together."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from serving.errors import EngineAway, EngineBusy

# Eight at once take about as long as four one after the other (docs/experiments.md): who comes later is served better by
# the next rung at once.
MOST_QUEUED = 8


class Turns:
    """A thread that writes, and a short queue in front of it; shared by all releases in memory.

    most: answers that are written or wait.
    """

    def __init__(self, most: int = MOST_QUEUED) -> None:
        self._most = most
        self._owners: Counter[int] = Counter()
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

    def enter(self, owner: object) -> None:
        """Take a place in the queue.

        owner: whose answers are written together.

        Raises:
            EngineBusy: too many wait already.
        """
        with self._counting:
            if self._queued >= self._most:
                raise EngineBusy(f"the packaged model has {self._queued} answers to write already")
            self._queued += 1
            self._owners[id(owner)] += 1

    def submit(self, work: Callable[[], None]) -> None:
        """Have the thread do something when it gets to it.

        Raises:
            EngineAway: it was closed.
        """
        try:
            self._writer.submit(work)
        except RuntimeError as exc:
            raise EngineAway("the packaged model has been shut down") from exc

    def ended(self, owner: object) -> None:
        """A generation is over: said by the work itself, before it tells its reader."""
        with self._counting:
            self._queued -= 1
            self._owners[id(owner)] -= 1

    def others(self, owner: object) -> bool:
        """Whether somebody else's answers wait."""
        with self._counting:
            return self._queued > self._owners[id(owner)]

    def close(self) -> None:
        """Take nothing further; what waits ends unanswered."""
        self._writer.shutdown(wait=False, cancel_futures=True)
