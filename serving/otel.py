"""Spans by OpenTelemetry's SDK, sent as OTLP over HTTP; imported only where a collector is named (serving/tracing.py).

The provider is this module's own and not the process's: libraries that would write whole URLs, bodies or prompts into spans
as soon as they find a provider (web framework, workflows, chains) find none.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from serving.tracing import Span, Tracing, Value

SERVICE = "frontdesk"
CLOSE_MS = 3000
_PROPAGATOR = TraceContextTextMapPropagator()


def open_tracing() -> Tracing:
    """Traces to the collector that OpenTelemetry's variables name: endpoint, headers, timeout, sampler, service name."""
    # It exports in a thread of its own, and drops spans rather than wait where the collector is away.
    return OtelTracing(BatchSpanProcessor(OTLPSpanExporter()))


class OtelTracing(Tracing):
    """Traces of this process."""

    def __init__(self, processor: SpanProcessor) -> None:
        named = Resource.create()
        if str(named.attributes.get("service.name", "unknown_service")).startswith("unknown_service"):
            # Neither OTEL_SERVICE_NAME nor OTEL_RESOURCE_ATTRIBUTES gives one.
            named = named.merge(Resource({"service.name": SERVICE}))
        self._provider = TracerProvider(resource=named, shutdown_on_exit=False)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("frontdesk")

    @contextmanager
    def request(self, name: str, headers: Mapping[str, str]) -> Iterator[Span]:
        """See ``Tracing.request``."""
        parent = _PROPAGATOR.extract({key.lower(): value for key, value in headers.items()}, context=Context())
        with _OtelSpan.around(self._tracer, name, parent, {}, trace.SpanKind.SERVER) as span:
            yield span

    def close(self) -> None:
        """See ``Tracing.close``."""
        self._provider.force_flush(CLOSE_MS)
        self._provider.shutdown()


class _OtelSpan(Span):
    def __init__(self, tracer: trace.Tracer, span: trace.Span) -> None:
        self._tracer, self._span = tracer, span
        self._context = trace.set_span_in_context(span, Context())

    @classmethod
    @contextmanager
    def around(
        cls,
        tracer: trace.Tracer,
        name: str,
        parent: Context,
        attributes: Mapping[str, Value],
        kind: trace.SpanKind = trace.SpanKind.INTERNAL,
    ) -> Iterator[Span]:
        span = tracer.start_span(name, parent, kind, _named(attributes))
        try:
            yield cls(tracer, span)
        except (GeneratorExit, asyncio.CancelledError):
            # Whoever asked went away, or had waited long enough, which is no fault of what was doing.
            span.set_attribute("frontdesk.given_up", True)
            raise
        except BaseException as exc:
            # By its kind alone: a message may repeat what a customer wrote.
            kind_of = getattr(exc, "reason", type(exc).__name__)
            span.set_attribute("error.type", str(kind_of))
            span.set_status(trace.StatusCode.ERROR)
            raise
        finally:
            span.end()

    def child(self, name: str, **attributes: Value) -> AbstractContextManager[Span]:
        return self.around(self._tracer, name, self._context, attributes)

    def past(self, name: str, began: float, **attributes: Value) -> None:
        now = time.time_ns()
        start = now - int((time.perf_counter() - began) * 1e9)
        self._tracer.start_span(name, self._context, attributes=_named(attributes), start_time=start).end(now)

    def note(self, **attributes: Value) -> None:
        self._span.set_attributes(_named(attributes))

    def headers(self) -> dict[str, str]:
        carried: dict[str, str] = {}
        _PROPAGATOR.inject(carried, context=self._context)
        return carried


def _named(attributes: Mapping[str, Value]) -> dict[str, Value]:
    return {f"frontdesk.{name}": value for name, value in attributes.items()}
