"""The house as Prometheus metrics. Labels are ids and names of classes: nothing personal."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from prometheus_client.core import CollectorRegistry, CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from agent.api.contract import AuditEntry, InventoryRow, State


class _House(Collector):
    def __init__(  # noqa: PLR0913, PLR0917 - each is a part of the house
        self,
        state: State,
        rows: Iterable[InventoryRow],
        receipts: Iterable[AuditEntry],
        losses: Mapping[str, int],
        failures: int,
        now: datetime,
    ) -> None:
        self._state, self._rows, self._losses, self._failures, self._now = state, tuple(rows), losses, failures, now
        self._unacknowledged = sum(not receipt.acknowledged for receipt in receipts if receipt.kind != "expired")

    def collect(self) -> Iterator[Metric]:
        state = self._state
        info = GaugeMetricFamily("portvakt_info", "Constant 1.", labels=["version"])
        info.add_metric([state.version], 1)
        yield info
        yield GaugeMetricFamily("portvakt_start_time_seconds", "When the agent was ready.", state.ready_at.timestamp())
        yield GaugeMetricFamily("portvakt_link_connected", "1 while the broker is reached.", int(state.link.connected))
        yield _labelled(
            "portvakt_service_up", "1 while the service runs.", "service",
            ((s.name, int(not s.problem)) for s in state.services),
        )  # fmt: skip
        yield CounterMetricFamily("portvakt_service_failures", "Services that failed and were retried.", self._failures)
        yield _labelled(
            "portvakt_device_reachable", "1 while the device answers.", "device",
            ((d.id, int(d.reachable)) for d in state.devices),
        )  # fmt: skip
        yield _labelled(
            "portvakt_camera_working", "1 while the camera delivers.", "camera",
            ((c.id, int(c.working)) for c in state.cameras),
        )  # fmt: skip
        yield _labelled("portvakt_records", "Records kept.", "class", ((r.record_class, r.count) for r in self._rows))
        yield _labelled(
            "portvakt_oldest_record_age_seconds", "Age of the oldest record of the class.", "class",
            ((r.record_class, (self._now - r.oldest).total_seconds()) for r in self._rows if r.oldest),
        )  # fmt: skip
        yield _labelled(
            "portvakt_record_limit_seconds", "How long a record of the class may live.", "class",
            ((r.record_class, r.limit_seconds) for r in self._rows if r.limit_seconds is not None),
        )  # fmt: skip
        yield _labelled(
            "portvakt_records_overdue", "1 while something of the class lives past its own limit.", "class",
            ((r.record_class, int(r.overdue)) for r in self._rows),
        )  # fmt: skip
        lost = CounterMetricFamily("portvakt_log_lines_lost", "Lines that never went out.", labels=["reason"])
        for reason, count in self._losses.items():
            lost.add_metric([reason], count)
        yield lost
        yield GaugeMetricFamily(
            "portvakt_receipts_unacknowledged", "Receipts the backend has not confirmed.", self._unacknowledged
        )


def exposition(  # noqa: PLR0913, PLR0917 - each is a part of the house
    state: State,
    rows: Iterable[InventoryRow],
    receipts: Iterable[AuditEntry],
    losses: Mapping[str, int],
    failures: int,
    now: datetime,
) -> str:
    """Everything in the text format, prefix `portvakt_`. `receipts` is the whole log: State shows only the newest."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_House(state, rows, receipts, losses, failures, now))
    return generate_latest(registry).decode()


def _labelled(name: str, help_: str, label: str, values: Iterable[tuple[str, float]]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, help_, labels=[label])
    for key, value in values:
        family.add_metric([key], value)
    return family
