"""How long opt-outs took to be honoured: the arithmetic, without a file and without a clock.

An opt-out runs from its `recorded_at` (the log's clock) to the moment from which this node answers no question without it
(this node's clock). A node that answers nothing breaks no opt-out: what is recorded while it is away does not run, and what
was running when it went away ran until then.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import msgspec

from projections.batch_state import OptOut
from projections.checkpoint import Checkpoint
from services.observability.histogram import Histogram

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
BUCKETS_SECONDS: Final = (
    0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, MINUTE, 5 * MINUTE, 15 * MINUTE,
    HOUR, 4 * HOUR, 12 * HOUR, DAY, 2 * DAY, 5 * DAY, 10 * DAY,
)  # fmt: skip
LISTED_MILLISECONDS: Final = 1_000
"""An opt-out that took longer is kept by itself. Of the others only the number is."""

NOTED_WITHIN_MILLISECONDS: Final = 11_000
"""A node that answers notes at least so often that it does: one that was killed answered no longer than this after it."""


class Totals(msgspec.Struct):
    """What is known of all opt-outs together. Instants in Unix milliseconds."""

    ledger_id: str
    generation: int
    since: int
    measured_below: int
    """The offset below which every opt-out is accounted for."""

    answering_until: int
    """The last moment of which it is noted that this node answered questions."""

    ended_well: bool = False
    """Whether the node stopped answering at exactly that moment."""

    opt_outs: int = 0
    while_away: int = 0
    unmeasured: int = 0
    not_listed: int = 0
    listed_from_milliseconds: int = LISTED_MILLISECONDS
    longest_milliseconds: int = 0
    ahead_milliseconds: int = 0
    """By how much the log's clock was ahead of this node's, at worst: so much too short a time may be."""

    def is_of(self, checkpoint: Checkpoint) -> bool:
        """Whether these are of the ledger that the checkpoint follows."""
        return (self.ledger_id, self.generation) == (checkpoint.ledger_id, checkpoint.generation)

    @property
    def away_since(self) -> int:
        """The moment after which the process that noted these answered nothing any more."""
        return self.answering_until + (0 if self.ended_well else NOTED_WITHIN_MILLISECONDS)


@dataclass(frozen=True, slots=True)
class SlowOptOut:
    """One that took long. `at_most`: it was honoured at that moment at the latest."""

    opt_out: OptOut
    honoured_at_milliseconds: int
    at_most: bool = False

    @property
    def took_milliseconds(self) -> int:
        """How long it took."""
        return self.honoured_at_milliseconds - self.opt_out.recorded_at_milliseconds


class Measurement:
    """Adds opt-outs to the totals. `slow` are those to be kept by themselves."""

    def __init__(self, totals: Totals, histogram: Histogram) -> None:
        self.totals = totals
        self.histogram = histogram
        self.slow: list[SlowOptOut] = []
        self._away_since, self._at_most = totals.away_since, not totals.ended_well

    def honoured(self, opt_outs: Iterable[OptOut], at_milliseconds: int) -> None:
        """They came while this node answered, and from this moment on it answers with them."""
        for opt_out in self._new(opt_outs):
            self._take(SlowOptOut(opt_out, at_milliseconds))

    def met_after_absence(self, opt_outs: Iterable[OptOut]) -> None:
        """They are folded now, before this node answers again."""
        for opt_out in self._new(opt_outs):
            if opt_out.recorded_at_milliseconds <= self._away_since:
                self._take(SlowOptOut(opt_out, self._away_since, self._at_most))
            else:
                self.totals.while_away += 1

    def met_unnoted(self, opt_outs: Iterable[OptOut]) -> None:
        """They are in the views of a process that ended before it could note them."""
        for opt_out in self._new(opt_outs):
            if opt_out.recorded_at_milliseconds <= self._away_since:
                self._take(SlowOptOut(opt_out, self._away_since, at_most=True))
            else:
                self.totals.unmeasured += 1

    def passed(self, next_offset: int) -> None:
        """Every record below is accounted for."""
        self.totals.measured_below = max(self.totals.measured_below, next_offset)

    def _new(self, opt_outs: Iterable[OptOut]) -> list[OptOut]:
        """Views that are made anew fold for a second time what was measured when it came."""
        return [opt_out for opt_out in opt_outs if opt_out.offset >= self.totals.measured_below]

    def _take(self, one: SlowOptOut) -> None:
        totals, took = self.totals, one.took_milliseconds
        totals.opt_outs += 1
        totals.ahead_milliseconds = max(totals.ahead_milliseconds, -took)
        totals.longest_milliseconds = max(totals.longest_milliseconds, took)
        self.histogram.observe(max(0, took) / 1000)
        if took > LISTED_MILLISECONDS:
            self.slow.append(one)
