"""Where a question's time goes: spans for a collector, where one is named; otherwise nothing, at no cost.

Switched on by OpenTelemetry's own variable, OTEL_EXPORTER_OTLP_ENDPOINT; only then is its SDK imported (serving/otel.py).
A span is handed down to whoever works on the question, never found by looking around: answers are made by generators and in
threads, where "the current span" may be somebody else's. What spans carry are names, numbers and reasons of ours, and never
a word of a customer, a document or an answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TypeAlias

from ingest.errors import SettingsError

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
Value: TypeAlias = str | int | float | bool


class Span:
    """A part of a question's way; this one belongs to no trace and does nothing."""

    def child(self, name: str, **attributes: Value) -> AbstractContextManager[Span]:
        """A part of this part, as long as the block; an error that leaves the block is noted by its kind."""
        return _NOTHING

    def past(self, name: str, began: float, **attributes: Value) -> None:
        """A part that is over now.

        began: time.perf_counter() when it began.
        """

    def note(self, **attributes: Value) -> None:
        """Say more about it."""

    def headers(self) -> dict[str, str]:
        """What a request of another server carries, so that its spans belong to the same trace."""
        return {}


NO_SPAN = Span()
_NOTHING = nullcontext(NO_SPAN)


class Tracing:
    """Traces of this process; these are off."""

    def request(self, name: str, headers: Mapping[str, str]) -> AbstractContextManager[Span]:
        """The span of a request that came in; it goes on with the caller's trace, where ``headers`` name one."""
        return _NOTHING

    def close(self) -> None:
        """Hand over what is left; waits some seconds at most."""


def tracing_of(environment: Mapping[str, str]) -> Tracing:
    """Traces as the environment's variables want them; off without a collector's address.

    Raises:
        SettingsError: a collector is named, and the packages that speak to it are not installed.
    """
    named = any(environment.get(name, "").strip() for name in ENDPOINTS)
    off = environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    if not named or off or environment.get("OTEL_TRACES_EXPORTER", "otlp").strip().lower() == "none":
        return Tracing()
    try:
        from serving.otel import open_tracing
    except ImportError as exc:
        raise SettingsError(
            f"OTEL_EXPORTER_OTLP_ENDPOINT asks for traces, and a package is missing ({exc.name}): run `make setup`"
        ) from exc
    return open_tracing()
