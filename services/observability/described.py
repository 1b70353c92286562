"""Every metric of a node: its name, kind, labels and meaning. The documentation's table is made from this.

Base units, totals end in `_total`. No label could name a holder, a tenant or a key: only closed lists and environments.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from services.observability.histogram import Histogram

_FAMILIES: Final = {"counter": CounterMetricFamily, "gauge": GaugeMetricFamily, "histogram": HistogramMetricFamily}


@dataclass(frozen=True, slots=True)
class Described:
    """One metric."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    text: str


_E: Final = ("environment",)

METRICS: Final = (
    Described("prefledger_build_info", "gauge", ("version", "fold_version", "python"), "1, with what runs here."),
    Described("prefledger_ready", "gauge", _E, "1 while the node is ready for this environment."),
    Described("prefledger_projection_offset", "gauge", _E, "The next record to be folded."),
    Described("prefledger_projection_lag_records", "gauge", _E, "Records that the log is known to be ahead of the views."),
    Described(
        "prefledger_projection_lag_seconds",
        "gauge",
        _E,
        "Age of the last folded record while the log is known to be ahead; 0 when it is not.",
    ),
    Described(
        "prefledger_projection_stale_seconds",
        "gauge",
        _E,
        "Time since the views were known to have everything: nothing they lack is older. Grows while the log is away.",
    ),
    Described(
        "prefledger_events_folded_total",
        "counter",
        ("environment", "type", "outcome"),
        "Records folded since the node was started, the parked ones too.",
    ),
    Described("prefledger_events_parked_total", "counter", ("environment", "class"), "Records parked since then, by why."),
    Described(
        "prefledger_parked_records", "gauge", _E, "Parked records that are open: nobody has replayed or discarded them."
    ),
    Described("prefledger_parked_oldest_seconds", "gauge", _E, "Age of the oldest of them; no sample where there is none."),
    Described(
        "prefledger_sqlite_transaction_seconds",
        "histogram",
        _E,
        "Time to write one batch of records into the views.",
    ),
    Described(
        "prefledger_appends_total",
        "counter",
        ("environment", "outcome"),
        "Events sent to the log: `stored`, `refused` or `unknown`.",
    ),
    Described("prefledger_append_seconds", "histogram", _E, "Time of one append, until the log had it durably."),
    Described(
        "prefledger_evaluation_seconds",
        "histogram",
        ("kind",),
        "Time to answer one evaluation request, once its body has arrived; `one` or `batch`.",
    ),
    Described(
        "prefledger_optout_effective_seconds",
        "histogram",
        _E,
        "Time from an opt-out's `recorded_at` until this node answered with it.",
    ),
    Described(
        "prefledger_optouts_unmeasured",
        "gauge",
        _E,
        "At most so many opt-outs were honoured at a moment that nobody noted.",
    ),
    Described(
        "prefledger_decision_log_lines_total",
        "counter",
        _E,
        "Answers written to the decision log; no sample where it is off.",
    ),
    Described(
        "prefledger_decision_log_lost_total",
        "counter",
        ("environment", "reason"),
        "Answers that it could not keep: `queue_full`, `too_large` or `write_failed`.",
    ),
    Described(
        "prefledger_intake_accepted_total",
        "counter",
        _E,
        "Events of the intake that this node took in; they are in the log.",
    ),
    Described(
        "prefledger_intake_refused_total", "counter", ("environment", "reason"), "Records of the intake that it refused."
    ),
    Described(
        "prefledger_intake_lost_total",
        "counter",
        _E,
        "Records that the intake's topic deleted before any node had taken them.",
    ),
    Described(
        "prefledger_intake_lag_records",
        "gauge",
        ("environment", "partition"),
        "Records that wait in a partition which this node takes in; no sample for those of other nodes.",
    ),
    Described("prefledger_intake_taking", "gauge", _E, "1 while this node takes part in the intake."),
    Described(
        "prefledger_ledger_verification_ok",
        "gauge",
        _E,
        "1 if the last verification found the live views the same as the log, else 0; absent before one has ended.",
    ),
)


class Scrape:
    """What one scrape is answered: every metric that is described, those too of which there is nothing to say yet."""

    def __init__(self) -> None:
        self._families = {
            described.name: _FAMILIES[described.kind](
                described.name, described.text.replace("`", ""), labels=described.labels
            )
            for described in METRICS
        }

    def add(self, name: str, labels: Sequence[str], value: float | Histogram) -> None:
        """One sample. Raises KeyError for a metric that is not described, TypeError for one of another kind."""
        family = self._families[name]
        if isinstance(family, HistogramMetricFamily) and isinstance(value, Histogram):
            family.add_metric(labels, value.buckets(), value.sum)
        elif not isinstance(family, HistogramMetricFamily) and not isinstance(value, Histogram):
            family.add_metric(labels, value)
        else:
            raise TypeError(f"{name} is of another kind")

    def families(self) -> Iterable[Metric]:
        """All of them."""
        return self._families.values()
