"""One ledger's projector, watched: every batch is counted, and its opt-outs are timed."""

from collections.abc import Callable, Sequence

from projections.observer import FoldedBatch
from schemas.record import LogRecord
from services.observability.counts import LedgerCounts
from services.opt_out_clock.clock import OptOutClock


class LedgerObserver:
    """The projector's `Observer`. What the node made of each batch goes to all who asked for it."""

    def __init__(self, is_answering: Callable[[], bool], counts: LedgerCounts, clock: OptOutClock) -> None:
        self._is_answering = is_answering
        self._counts = counts
        self._clock = clock

    def begin(self, records: Sequence[LogRecord]) -> FoldedBatch:
        """See `Observer.begin`."""
        return FoldedBatch(records, self._clock.wants_opt_outs(records[-1].offset + 1), self._is_answering())

    def folded(self, batch: FoldedBatch) -> None:
        """See `Observer.folded`."""
        self._counts.folded(batch)
        self._clock.folded(batch)
