"""Prometheus metrics: what is counted elsewhere, gathered when it is asked for."""

import platform
import time
from collections import Counter
from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from domain.fold import FOLD_VERSION, Outcome
from projections.parked import OpenRecords
from services.decisions.log import DecisionLog
from services.intake.counts import IntakeCounts
from services.ledger import Ledger
from services.observability.counts import PARKED_CLASSES, LedgerCounts
from services.observability.described import Scrape
from services.observability.histogram import Histogram
from services.version import VERSION

EVALUATION_BOUNDS_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 1.0)


class Durations:
    """A histogram for each of a few kinds. On the hot path."""

    def __init__(self, kinds: Iterable[str]) -> None:
        self.histograms = {kind: Histogram(EVALUATION_BOUNDS_SECONDS) for kind in kinds}

    def observe(self, kind: str, seconds: float) -> None:
        """Count one. For use on one thread."""
        self.histograms[kind].observe(seconds)


EVALUATION_SECONDS = Durations(("one", "batch"))


class NodeCollector(Collector):
    """Every metric of a node."""

    def __init__(self, ledgers: Mapping[str, Ledger]) -> None:
        self._ledgers = ledgers

    def collect(self) -> Iterable[Metric]:
        """All families, those too of which there is nothing to say yet."""
        scrape = Scrape()
        scrape.add("prefledger_build_info", [VERSION, str(FOLD_VERSION), platform.python_version()], 1)
        for kind, histogram in EVALUATION_SECONDS.histograms.items():
            scrape.add("prefledger_evaluation_seconds", [kind], histogram)
        for environment, ledger in self._ledgers.items():
            _add_progress(scrape, environment, ledger)
            _add_counts(scrape, environment, ledger.counts)
            _add_parked(scrape, environment, ledger.parked.found)
            scrape.add("prefledger_optout_effective_seconds", [environment], ledger.opt_out_clock.histogram)
            scrape.add("prefledger_optouts_unmeasured", [environment], ledger.opt_out_clock.unmeasured)
            if ledger.decisions.is_on:
                _add_decisions(scrape, environment, ledger.decisions)
            if ledger.counts.intake is not None:
                _add_intake(scrape, environment, ledger.counts.intake)
        return scrape.families()


def _add_progress(scrape: Scrape, environment: str, ledger: Ledger) -> None:
    """How far the views have come. What is not known has no sample."""
    readiness = ledger.readiness
    for name, value in (
        ("prefledger_ready", readiness.is_ready()),
        ("prefledger_projection_offset", ledger.views.folded),
        ("prefledger_projection_lag_records", readiness.lag_records()),
        ("prefledger_projection_lag_seconds", readiness.lag_seconds()),
        ("prefledger_projection_stale_seconds", readiness.stale_seconds()),
        ("prefledger_ledger_verification_ok", ledger.verifier.progress()["same"]),
    ):
        if value is not None:
            scrape.add(name, [environment], float(value))


def _add_counts(scrape: Scrape, environment: str, counts: LedgerCounts) -> None:
    folded: Counter[tuple[str, str]] = Counter()
    parked = Counter(dict.fromkeys(PARKED_CLASSES, 0))
    for (type_, outcome, why), count in counts.fates.items():
        folded[type_, outcome] += count
        if outcome == Outcome.PARKED:
            parked[why or "unknown"] += count
    for labels, count in folded.items():
        scrape.add("prefledger_events_folded_total", [environment, *labels], count)
    for why, count in parked.items():
        scrape.add("prefledger_events_parked_total", [environment, why], count)
    for outcome, count in counts.appends.items():
        scrape.add("prefledger_appends_total", [environment, outcome], count)
    scrape.add("prefledger_sqlite_transaction_seconds", [environment], counts.transaction_seconds)
    scrape.add("prefledger_append_seconds", [environment], counts.append_seconds)


def _add_parked(scrape: Scrape, environment: str, parked: OpenRecords) -> None:
    scrape.add("prefledger_parked_records", [environment], parked.count)
    if parked.oldest_recorded_at_milliseconds is not None:
        age_seconds = max(0.0, time.time() - parked.oldest_recorded_at_milliseconds / 1_000)
        scrape.add("prefledger_parked_oldest_seconds", [environment], age_seconds)


def _add_decisions(scrape: Scrape, environment: str, decisions: DecisionLog) -> None:
    scrape.add("prefledger_decision_log_lines_total", [environment], decisions.lines_written)
    for reason, count in decisions.lost.items():
        scrape.add("prefledger_decision_log_lost_total", [environment, reason.value], count)


def _add_intake(scrape: Scrape, environment: str, intake: IntakeCounts) -> None:
    scrape.add("prefledger_intake_accepted_total", [environment], intake.accepted)
    scrape.add("prefledger_intake_lost_total", [environment], intake.lost)
    scrape.add("prefledger_intake_taking", [environment], float(intake.is_taking))
    for reason, count in intake.refused.items():
        scrape.add("prefledger_intake_refused_total", [environment, reason], count)
    for partition, records in intake.lag_records.items():
        scrape.add("prefledger_intake_lag_records", [environment, str(partition)], records)


def exposition(ledgers: Mapping[str, Ledger]) -> bytes:
    """The text that Prometheus scrapes."""
    registry = CollectorRegistry()
    registry.register(NodeCollector(ledgers))
    return generate_latest(registry)
