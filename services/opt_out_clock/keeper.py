"""The opt-out clock's own thread: what was measured, and the file that it is kept in."""

import logging
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from projections.batch_state import OptOut
from projections.checkpoint import Checkpoint
from services.errors import NotReady
from services.observability.histogram import Histogram
from services.opt_out_clock.measurement import BUCKETS_SECONDS, Measurement, Totals
from services.opt_out_clock.store import LISTED_MAX, OptOutStore, SlowPage, StoreUnusable

UNREADABLE: Final = ".unreadable"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FoldedOptOuts:
    """The opt-outs of one batch. `start` is the offset of its first record, the moment that from which it was in force."""

    start: int
    checkpoint: Checkpoint
    opt_outs: Sequence[OptOut]
    was_answering: bool
    at_milliseconds: int


@dataclass(frozen=True, slots=True)
class Note:
    """What is to be measured and kept. `latest` is where the views stand after all of it."""

    folded: Sequence[FoldedOptOuts]
    overflowed: int
    latest: Checkpoint | None
    at_milliseconds: int
    is_answering: bool
    ends: bool


@dataclass(frozen=True, slots=True)
class Report:
    """What an auditor is told. `totals` is None while nothing was measured yet."""

    totals: Totals | None
    slow: SlowPage


class Keeper:
    """For use on one thread at a time. What the file can't take is kept here, and tried again with the next note."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.histogram = Histogram(BUCKETS_SECONDS)
        self._store: OptOutStore | None = None
        self._measurement: Measurement | None = None
        self._begins = True
        self._trouble: str | None = None

    @property
    def totals(self) -> Totals | None:
        """What is known; None while nothing was measured."""
        return self._measurement.totals if self._measurement is not None else None

    def open(self) -> Totals | None:
        """What was noted before this process; None where nothing was."""
        try:
            self._store = self._opened()
        except (OSError, sqlite3.Error, StoreUnusable) as error:
            self._fail(error)
            return None
        if self._store.totals is not None:
            self._measurement, self._begins = Measurement(self._store.totals, self.histogram), False
        return self.totals

    def close(self) -> None:
        """Let go of the file."""
        if self._store is not None:
            self._store.close()

    def take_up(self, opt_outs: Sequence[OptOut], beyond: int) -> None:
        """Opt-outs that were folded and not noted when the last process ended, and how many records were too many."""
        if self._measurement is not None:
            self._measurement.met_unnoted(opt_outs)
            self._measurement.totals.unmeasured += beyond

    def take(self, note: Note) -> None:
        """Measure, and keep it all."""
        if self._store is None or note.latest is None:
            return
        if self._measurement is not None and not self._measurement.totals.is_of(note.latest):
            log.warning("%s was of another ledger; measuring begins anew", self._path.name)
            self._measurement = None
        for folded in note.folded:
            self._measure(folded)
        if self._measurement is None and note.is_answering:
            self._begin(note.latest, note.latest.next_offset, note.at_milliseconds)
        if self._measurement is not None:
            totals = self._measurement.totals
            self._measurement.passed(note.latest.next_offset)
            totals.unmeasured += note.overflowed
            if note.is_answering:
                totals.answering_until, totals.ended_well = note.at_milliseconds, note.ends
            self._save(self._measurement)

    def report(self, longer_than_milliseconds: int, above: int, limit: int) -> Report:
        """What is kept; of those that took longer, the first ones above an offset. Raises NotReady."""
        try:
            if self._store is not None and self._trouble is None:
                slow = self._store.slower_than(longer_than_milliseconds, above=above, limit=limit)
                return Report(self.totals, slow)
        except sqlite3.Error as error:
            self._fail(error)
        raise NotReady(
            f"the opt-out clock can't keep what it measures ({self._trouble}), so it vouches for nothing: mend the data "
            f"folder's disk; if {self._path.name} itself is at fault, restart the node"
        )

    def _opened(self) -> OptOutStore:
        try:
            return OptOutStore(self._path)
        except StoreUnusable as error:
            log.error("%s; it is put aside, and measuring begins anew", error)
            for suffix in ("-wal", "-shm"):
                Path(f"{self._path}{suffix}").unlink(missing_ok=True)
            self._path.replace(f"{self._path}{UNREADABLE}")
            return OptOutStore(self._path)

    def _measure(self, folded: FoldedOptOuts) -> None:
        if self._measurement is None and folded.was_answering:
            self._begin(folded.checkpoint, folded.start, folded.at_milliseconds)
        if self._measurement is None:
            return
        if folded.was_answering:
            self._measurement.honoured(folded.opt_outs, folded.at_milliseconds)
        else:
            self._measurement.met_after_absence(folded.opt_outs)
        self._measurement.passed(folded.checkpoint.next_offset)

    def _begin(self, checkpoint: Checkpoint, measured_below: int, at_milliseconds: int) -> None:
        totals = Totals(checkpoint.ledger_id, checkpoint.generation, at_milliseconds, measured_below, at_milliseconds)
        self._measurement, self._begins = Measurement(totals, self.histogram), True

    def _save(self, measurement: Measurement) -> None:
        if self._store is None:
            return
        try:
            measurement.totals = self._store.save(measurement.totals, measurement.slow, anew=self._begins)
            measurement.slow.clear()
            self._begins = False
            self._trouble = None
        except sqlite3.Error as error:
            self._fail(error)
            if len(measurement.slow) > LISTED_MAX:
                measurement.totals.unmeasured += len(measurement.slow)
                measurement.slow.clear()

    def _fail(self, error: Exception) -> None:
        if self._trouble is None:
            log.error("the opt-out clock can't keep what it measures: %s", error)
        self._trouble = str(error)
