"""What one ledger counts of its own work since the node was started."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from projections.observer import Fate, FoldedBatch
from services.intake.counts import IntakeCounts
from services.log.port import AppendOutcome, Refused, Stored, Unknown
from services.observability.histogram import Histogram

TRANSACTION_SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
APPEND_SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

PARKED_CLASSES: Final = ("undecodable", "invalid", "not-this-holders-to-say", "skipped")
"""Why a record may be parked: each is there at 0, since a query can't see that a counter came to be at 1."""

OUTCOMES: Final[dict[type[AppendOutcome], str]] = {Stored: "stored", Refused: "refused", Unknown: "unknown"}


class LedgerCounts:
    """Counts and histograms. For use on the event loop, where a scrape reads them too."""

    def __init__(self) -> None:
        self.fates: Counter[Fate] = Counter()
        # A counter that a scrape first sees at 1 has not increased, to a query: so these are there at 0.
        self.appends: Counter[str] = Counter(dict.fromkeys(OUTCOMES.values(), 0))
        self.append_seconds = Histogram(APPEND_SECONDS)
        self.transaction_seconds = Histogram(TRANSACTION_SECONDS)
        self.intake: IntakeCounts | None = None
        """Where there is an intake."""

    def folded(self, batch: FoldedBatch) -> None:
        """A batch is in the views."""
        self.fates.update(batch.fates)
        if batch.checkpoint is not None:
            self.transaction_seconds.observe(batch.transaction_seconds)

    def appended(self, outcomes: Sequence[AppendOutcome], seconds: float) -> None:
        """One call to the log came back."""
        self.append_seconds.observe(seconds)
        for kind, count in Counter(map(type, outcomes)).items():
            self.appends[OUTCOMES[kind]] += count
