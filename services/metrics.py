"""Prometheus metrics. Base units, no label that could name a holder, a tenant or a key."""

from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from services.ledger import Ledger

REGISTRY = CollectorRegistry()

EVALUATION_SECONDS = Histogram(
    "prefledger_evaluation_seconds",
    "Time to answer one evaluation request, once its body has arrived.",
    ["kind"],
    registry=REGISTRY,
    buckets=(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 1.0),
)


class LedgerCollector(Collector):
    """How far each environment's views have come, read when it is asked for."""

    def __init__(self, ledgers: Mapping[str, Ledger]) -> None:
        self._ledgers = ledgers

    def collect(self) -> Iterable[Metric]:
        """One sample an environment."""
        families = {
            name: GaugeMetricFamily(f"prefledger_{name}", text, labels=["environment"])
            for name, text in (
                ("projection_offset", "The next record to be folded."),
                ("projection_lag_records", "Records that the log is known to be ahead of the views."),
                ("projection_stale_seconds", "Time since the views were known to have everything."),
                ("ready", "1 while the node answers for this environment."),
            )
        }
        for environment, ledger in self._ledgers.items():
            checks = ledger.readiness.checks()
            for name, value in (
                ("projection_offset", checks["records"]),
                ("projection_lag_records", checks["lag_records"]),
                ("projection_stale_seconds", checks["stale_seconds"]),
                ("ready", checks["ready"]),
            ):
                if isinstance(value, int | float):
                    families[name].add_metric([environment], float(value))
        return families.values()


def exposition(ledgers: Mapping[str, Ledger]) -> bytes:
    """The text that Prometheus scrapes."""
    fresh = CollectorRegistry()
    fresh.register(LedgerCollector(ledgers))
    return generate_latest(REGISTRY) + generate_latest(fresh)
