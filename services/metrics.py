"""Prometheus metrics. Base units, no label that could name a holder, a tenant or a key."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from itertools import accumulate

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from services.ledger import Ledger

BUCKETS_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 1.0)


class Durations(Collector):
    """A histogram that costs a tenth of the library's to observe: it is on the hot path. Sums up when it is read."""

    def __init__(self, name: str, text: str, kinds: Iterable[str]) -> None:
        self._name = name
        self._text = text
        self._counts = {kind: [0] * (len(BUCKETS_SECONDS) + 1) for kind in kinds}
        self._sums = dict.fromkeys(self._counts, 0.0)

    def observe(self, kind: str, seconds: float) -> None:
        """Count one. For use on one thread."""
        self._counts[kind][bisect_left(BUCKETS_SECONDS, seconds)] += 1
        self._sums[kind] += seconds

    def collect(self) -> Iterable[Metric]:
        """The histogram, cumulative as Prometheus wants it."""
        family = HistogramMetricFamily(self._name, self._text, labels=["kind"])
        for kind, counts in self._counts.items():
            bounds = [*map(str, BUCKETS_SECONDS), "+Inf"]
            family.add_metric([kind], list(zip(bounds, map(float, accumulate(counts)), strict=True)), self._sums[kind])
        return [family]


EVALUATION_SECONDS = Durations(
    "prefledger_evaluation_seconds", "Time to answer one evaluation request, once its body has arrived.", ("one", "batch")
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


class DecisionLogCollector(Collector):
    """What each environment's decision log has kept and lost. One that is off has no sample."""

    def __init__(self, ledgers: Mapping[str, Ledger]) -> None:
        self._ledgers = ledgers

    def collect(self) -> Iterable[Metric]:
        """One sample an environment; of what was lost, one a reason too."""
        lines = CounterMetricFamily(
            "prefledger_decision_log_lines", "Answers written to the decision log.", labels=["environment"]
        )
        lost = CounterMetricFamily(
            "prefledger_decision_log_lost", "Answers that the decision log could not keep.", labels=["environment", "reason"]
        )
        for environment, ledger in self._ledgers.items():
            if ledger.decisions.is_on:
                lines.add_metric([environment], ledger.decisions.lines_written)
                for reason, count in ledger.decisions.lost.items():
                    lost.add_metric([environment, reason.value], count)
        return [lines, lost]


def exposition(ledgers: Mapping[str, Ledger]) -> bytes:
    """The text that Prometheus scrapes."""
    registry = CollectorRegistry()
    registry.register(EVALUATION_SECONDS)
    registry.register(LedgerCollector(ledgers))
    registry.register(DecisionLogCollector(ledgers))
    return generate_latest(registry)
