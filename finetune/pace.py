"""How fast a run learns: the learning rate rises, then falls to nothing when the steps or the minutes are over.

A run that may take so many minutes ends with a learning rate of nothing whenever that is: on a busy machine it has seen less,
and what it has seen it has learnt to the end.
"""

from __future__ import annotations

import time
from collections.abc import Callable


class Pace:
    """Share of the full learning rate at a step.

    steps:   of the whole run.
    warmup:  share of it in which the rate rises.
    minutes: of the whole run, those before an interruption included; None: as long as it takes.
    spent:   seconds before an interruption.
    clock:   seconds.
    """

    def __init__(
        self,
        steps: int,
        warmup: float,
        minutes: float | None,
        spent: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._steps = max(1, steps)
        self._warmup = max(1, round(warmup * steps))
        self._limit = 60 * minutes if minutes is not None else None
        self._before = spent
        self._clock = clock
        self._begun = clock()

    @property
    def spent(self) -> float:
        """Seconds of the run so far."""
        return self._before + self._clock() - self._begun

    def done(self, step: int) -> float:
        """How much of the run is over, 0 to 1."""
        of_time = self.spent / self._limit if self._limit else 0.0
        return min(1.0, max(step / self._steps, of_time))

    def over(self, step: int) -> bool:
        """Whether steps or minutes are used up."""
        return self.done(step) >= 1.0

    def factor(self, step: int) -> float:
        """0 to 1: linear up, linear down."""
        left = 1.0 - self.done(step)
        return min((step + 1) / self._warmup, left)
