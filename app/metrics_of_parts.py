"""Figures that parts keep of themselves, read when somebody looks: model servers, the packaged model, health."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from app.health import Component, Health
from serving.server_watch import Seen, State

# What is not set up has no figure.
_WELL = {Health.OK: 1.0, Health.DEGRADED: 0.5, Health.AWAY: 0.0}


class ServerMetrics(Collector):
    """Model servers as they were seen last; what vLLM counts is asked of each server itself."""

    def __init__(self, seen: Callable[[], list[Seen]]) -> None:
        self._seen = seen

    def collect(self) -> Iterator[Metric]:
        """Three families, by server and release."""
        labels = ["server", "release"]
        well = GaugeMetricFamily(
            "frontdesk_model_server_well",
            "Whether a model server replies; 0, too, for one that ended and was not stopped",
            labels=labels,
        )
        alone = GaugeMetricFamily(
            "frontdesk_model_server_left_alone",
            "Whether it is left alone for a while, as it failed in a row",
            labels=labels,
        )
        asking = GaugeMetricFamily(
            "frontdesk_model_server_asking", "Questions of this process that it works on", labels=labels
        )
        # Two processes may announce the same address for a moment; a label set is given once.
        for server in {(each.url, each.release): each for each in self._seen()}.values():
            values = [server.url, server.release]
            well.add_metric(values, float(server.state.well))
            alone.add_metric(values, float(server.state is State.LEFT_ALONE))
            asking.add_metric(values, server.asking)
        yield from (well, alone, asking)


class PackagedMetrics(Collector):
    """What the packaged model wrote.

    written: tokens and seconds.
    canary:  share of the conversations.
    """

    def __init__(self, written: Callable[[], tuple[int, float]], canary: Callable[[], float]) -> None:
        self._written, self._canary = written, canary

    def collect(self) -> Iterator[Metric]:
        """Tokens and seconds, of which one by the other is the time per token."""
        tokens, seconds = self._written()
        yield CounterMetricFamily("frontdesk_packaged_tokens", "Tokens that the packaged model wrote", value=tokens)
        yield CounterMetricFamily("frontdesk_packaged_writing_seconds", "Seconds that it wrote them in", value=seconds)
        yield GaugeMetricFamily(
            "frontdesk_canary_share", "Share of the conversations that a canary answers", value=self._canary()
        )


class PartMetrics(Collector):
    """Health of each part."""

    def __init__(self, components: Callable[[], list[Component]]) -> None:
        self._components = components

    def collect(self) -> Iterator[Metric]:
        """One family: frontdesk_part_well{part}."""
        family = GaugeMetricFamily(
            "frontdesk_part_well", "1 for a part that works, 0.5 degraded, 0 away", labels=["part"]
        )
        for component in self._components():
            if component.status in _WELL:
                family.add_metric([component.name], _WELL[component.status])
        yield family
