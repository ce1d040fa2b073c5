"""When a request came and which trace it belongs to, for whoever works on it; each request's task has its own."""

from __future__ import annotations

import time
from contextvars import ContextVar
from dataclasses import dataclass, field

from serving.tracing import NO_SPAN, Span


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request that came in.

    at: time.perf_counter() then.
    """

    at: float = field(default_factory=time.perf_counter)
    span: Span = NO_SPAN


# Set around the whole application, in no generator, so that a task that is started for a request has it as well.
_current: ContextVar[Arrival | None] = ContextVar("arrival", default=None)
arrived = _current.set
left = _current.reset


def arrival() -> Arrival:
    """That of the request that is being served; one of now where none is."""
    return _current.get() or Arrival()
