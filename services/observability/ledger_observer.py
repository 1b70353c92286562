"""One ledger's projector, watched: every batch is counted, and its opt-outs are timed."""

import logging
from collections.abc import Callable, Sequence

from projections.checkpoint import Checkpoint
from projections.observer import FoldedBatch
from schemas.record import LogRecord
from services.observability.counts import LedgerCounts
from services.observability.traces import LedgerTraces
from services.opt_out_clock.clock import OptOutClock

log = logging.getLogger(__name__)


class LedgerObserver:
    """The projector's `Observer`. What the node made of each batch goes to all who asked for it."""

    def __init__(
        self,
        is_answering: Callable[[], bool],
        counts: LedgerCounts,
        clock: OptOutClock,
        traces: LedgerTraces | None = None,
    ) -> None:
        self._is_answering = is_answering
        self._traces = traces
        self._has_failed = False
        self._counts = counts
        self._clock = clock

    def resumed(self, checkpoint: Checkpoint) -> None:
        """See `Observer.resumed`."""
        self._clock.resumed(checkpoint)

    def begin(self, records: Sequence[LogRecord]) -> FoldedBatch:
        """See `Observer.begin`."""
        return FoldedBatch(records, self._clock.wants_opt_outs(records[-1].offset + 1), self._is_answering())

    def folded(self, batch: FoldedBatch) -> None:
        """See `Observer.folded`."""
        try:
            self._counts.folded(batch)
            self._clock.folded(batch)
            if self._traces is not None:
                self._traces.folded(batch)
        except Exception:
            # A bug of those who look on must not stop the projector. Told once: batches come by the hundred.
            if not self._has_failed:
                log.exception("what is measured of the projector is no longer whole")
            self._has_failed = True
