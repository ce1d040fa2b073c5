"""Traces: off without a collector, at no cost; on, they hold no text."""

from __future__ import annotations

import ast
import asyncio
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from ingest.errors import SettingsError
from serving.errors import EngineAway
from serving.otel import OtelTracing
from serving.tracing import NO_SPAN, Span, Tracing, tracing_of

ROOT = Path(__file__).parents[3]
PACKAGES = [path for name in ("app", "finetune", "ingest", "serving", "ui") for path in (ROOT / name).rglob("*.py")]
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Kept:
    """Traces that are kept instead of sent."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.tracing = OtelTracing(SimpleSpanProcessor(self._exporter))

    @property
    def spans(self) -> dict[str, ReadableSpan]:
        return {span.name: span for span in self._exporter.get_finished_spans()}


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": " "},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "OTEL_SDK_DISABLED": "true"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "OTEL_TRACES_EXPORTER": "none"},
    ],
)
def test_off_without_a_collector(environment: dict[str, str]) -> None:
    tracing = tracing_of(environment)
    assert type(tracing) is Tracing
    with tracing.request("GET request", {"traceparent": PARENT}) as span, span.child("answer", kb="a") as child:
        child.note(engine="packaged")
        child.past("check", 0.0)
        assert (span, child, child.headers()) == (NO_SPAN, NO_SPAN, {})
    tracing.close()


def test_off_nothing_that_makes_or_sends_traces_is_imported() -> None:
    """In a process of its own. What others import for themselves does nothing without a provider: the web framework
    OpenTelemetry's interfaces, LangSmith (which comes with LangChain) the SDK's types, where it is installed."""
    code = (
        "import sys, app.main, serving.tracing as t; t.tracing_of({}); "
        "from opentelemetry import trace; assert 'Proxy' in type(trace.get_tracer_provider()).__name__; "
        "found = [m for m in sys.modules if m.startswith(('opentelemetry.exporter', 'opentelemetry.proto', 'opentelemetry.sdk.trace.export'))]; "
        "assert 'serving.otel' not in sys.modules and not found, found"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=240)
    assert ended.returncode == 0, ended.stderr


def test_off_none_of_our_modules_imports_anything_of_it() -> None:
    assert {str(path.relative_to(ROOT)) for path in PACKAGES if "opentelemetry" in _imported(path)} == {
        "serving/otel.py"
    }
    # And that one is imported inside the function that found a collector named.
    users = {str(path.relative_to(ROOT)) for path in PACKAGES if "serving.otel" in path.read_text()}
    assert users == {"serving/tracing.py"}
    assert "\n        from serving.otel import open_tracing" in (ROOT / "serving" / "tracing.py").read_text()


def _imported(path: Path) -> set[str]:
    """The packages that a file imports, wherever in it."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    return {name.partition(".")[0] for name in names}


def test_a_missing_package_is_said_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "serving.otel", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(SettingsError, match="make setup"):
        tracing_of({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"})


def test_a_trace_goes_on_with_the_callers_and_is_passed_on() -> None:
    kept = Kept()
    with (
        kept.tracing.request("POST request", {"TraceParent": PARENT}) as span,
        span.child("rung", engine="endpoint") as rung,
    ):
        carried = rung.headers()
    spans = kept.spans
    assert spans["POST request"].parent is not None
    assert f"{spans['POST request'].context.trace_id:032x}" == PARENT.split("-")[1]
    assert f"{spans['POST request'].parent.span_id:016x}" == PARENT.split("-")[2]
    _, trace_id, span_id, _ = carried["traceparent"].split("-")
    assert (trace_id, span_id) == (PARENT.split("-")[1], f"{spans['rung'].context.span_id:016x}")
    assert dict(spans["rung"].attributes or {}) == {"frontdesk.engine": "endpoint"}
    assert spans["POST request"].resource.attributes["service.name"] == "frontdesk"


def test_an_error_is_noted_by_its_kind_alone() -> None:
    kept = Kept()
    with pytest.raises(EngineAway), kept.tracing.request("request", {}) as span, span.child("rung"):
        raise EngineAway("it said: my name is Ada Lovelace")
    for span in kept.spans.values():
        assert "Ada" not in span.to_json()
        assert (span.attributes or {})["error.type"] == "away"


def test_a_span_of_a_generator_that_is_given_up_is_ended_and_no_failure() -> None:
    kept = Kept()

    async def source(span: Span) -> AsyncGenerator[int, None]:
        with span.child("rung"):
            yield 1
            yield 2

    async def scene() -> None:
        with kept.tracing.request("request", {}) as span:
            async with aclosing(source(span)) as numbers:
                await anext(numbers)

    asyncio.run(scene())
    assert dict(kept.spans["rung"].attributes or {}) == {"frontdesk.given_up": True}
    assert kept.spans["rung"].status.is_ok or kept.spans["rung"].status.is_unset


def test_a_span_of_a_task_that_is_cancelled_is_no_failure_either() -> None:
    kept = Kept()

    async def work(span: Span) -> None:
        with span.child("rung"):
            await asyncio.Event().wait()

    async def scene() -> None:
        with kept.tracing.request("request", {}) as span, pytest.raises(TimeoutError):
            await asyncio.wait_for(work(span), 0.01)

    asyncio.run(scene())
    assert dict(kept.spans["rung"].attributes or {}) == {"frontdesk.given_up": True}


def test_what_is_over_keeps_its_time() -> None:
    import time

    kept = Kept()
    began = time.perf_counter() - 0.5
    with kept.tracing.request("request", {}) as span:
        span.past("first sentence", began, engine="packaged")
    over = kept.spans["first sentence"]
    assert over.end_time is not None
    assert over.start_time is not None
    assert 0.45 < (over.end_time - over.start_time) / 1e9 < 5
