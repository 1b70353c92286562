"""The opt-out clock of one ledger on this node: told of every batch, noted in a file once a second, asked by auditors."""

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar, TypeVarTuple, Unpack

from projections.batch_state import OptOut
from projections.checkpoint import Checkpoint
from projections.observer import FoldedBatch
from projections.opt_outs import opt_outs_between
from projections.views_reader import ViewsReader
from projections.views_store import read_checkpoint
from services.observability.histogram import Histogram
from services.opt_out_clock.keeper import FoldedOptOuts, Keeper, Note, Report
from services.opt_out_clock.measurement import NOTED_WITHIN_MILLISECONDS

FILE: Final = "opt-outs.sqlite"
NOTE_SECONDS: Final = 1.0
QUIET_NOTE_MILLISECONDS: Final = NOTED_WITHIN_MILLISECONDS - 2_000
"""With nothing to note but that the node answers: a write a second would wear out a disk for nothing."""
STOP_SECONDS: Final = 5.0
SCAN_RECORDS_MAX: Final = 100_000
WAITING_MAX: Final = 1_000_000
"""Opt-outs that may wait for a disk that hangs."""

log = logging.getLogger(__name__)

Arguments = TypeVarTuple("Arguments")
Result = TypeVar("Result")


def now_milliseconds() -> int:
    """Unix time by this node's clock."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class _Unseen:
    """Records that came into the views without the projector, when these were made anew."""

    start: int
    checkpoint: Checkpoint
    was_answering: bool
    at_milliseconds: int


class OptOutClock:
    """Measures from the first moment at which the node answers, over restarts."""

    def __init__(self, folder: Path, is_answering: Callable[[], bool], now: Callable[[], int] = now_milliseconds) -> None:
        """`now` gives Unix milliseconds."""
        self._keeper = Keeper(folder / FILE)
        self._is_answering = is_answering
        self._now = now
        self._waiting: list[FoldedOptOuts | _Unseen] = []
        self._waiting_count = self._overflowed = 0
        self._latest: Checkpoint | None = None
        self._noted_at_milliseconds = 0
        self._measured_below: int | None = None
        self._turn = asyncio.Lock()
        """What is handed over must be in the order of the log."""

        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="opt-out-clock")
        self._task: asyncio.Task[None] | None = None
        self._reader: Callable[[], ViewsReader]

    @property
    def histogram(self) -> Histogram:
        """How long opt-outs took since this process began, in seconds. As of the last note."""
        return self._keeper.histogram

    @property
    def unmeasured(self) -> int:
        """At most so many opt-outs were never measured. As of the last note."""
        totals = self._keeper.totals
        return totals.unmeasured if totals is not None else 0

    async def start(self, reader: Callable[[], ViewsReader]) -> None:
        """Take up what was noted before this process, then note what comes. For use before the projector begins.

        `reader` gives the one of the views that serve.
        """
        self._reader = reader
        checkpoint = self._latest = await reader().read(read_checkpoint)
        totals = await self._in_thread(self._keeper.open)
        if totals is not None:
            self._measured_below = totals.measured_below
            if checkpoint is not None and totals.is_of(checkpoint):
                # What the last process folded, and ended before it could note it: a second's worth, if it was killed.
                opt_outs, beyond = await self._opt_outs_between(totals.measured_below, checkpoint.next_offset)
                await self._in_thread(self._keeper.take_up, opt_outs, beyond)
        self._task = asyncio.create_task(self._run(), name="opt-out clock")

    async def stop(self) -> None:
        """Note when the node stopped answering, and let go of the file, in bounded time."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            with suppress(TimeoutError):
                async with asyncio.timeout(STOP_SECONDS):
                    await self._note(ends=True)
                    await self._in_thread(self._keeper.close)
        self._thread.shutdown(wait=False, cancel_futures=True)

    def wants_opt_outs(self, end: int) -> bool:
        """Whether opt-outs of a batch that ends before the offset `end` count: what was measured long ago does not."""
        return self._is_answering() or (self._measured_below is not None and end > self._measured_below)

    def resumed(self, checkpoint: Checkpoint) -> None:
        """Every question is answered from views that stand here from now on."""
        latest, self._latest = self._latest, checkpoint
        if (
            latest is not None
            and checkpoint.next_offset > latest.next_offset
            and self.wants_opt_outs(checkpoint.next_offset)
        ):
            self._waiting.append(_Unseen(latest.next_offset, checkpoint, self._is_answering(), self._now()))

    def folded(self, batch: FoldedBatch) -> None:
        """Every question is answered from this batch from now on."""
        if batch.checkpoint is None:
            return
        self._latest = batch.checkpoint
        if self._waiting_count + len(batch.opt_outs) > WAITING_MAX:
            self._overflowed += len(batch.opt_outs)
        elif batch.opt_outs:
            self._waiting_count += len(batch.opt_outs)
            start = batch.records[0].offset
            folded = FoldedOptOuts(start, batch.checkpoint, batch.opt_outs, batch.is_answering, self._now())
            self._waiting.append(folded)

    async def report(self, longer_than_milliseconds: int, *, above: int, limit: int) -> Report:
        """Everything up to this moment; of those that took longer, the first ones above an offset. Raises NotReady."""
        await self._note()
        return await self._in_thread(self._keeper.report, longer_than_milliseconds, above, limit)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(NOTE_SECONDS)
            quiet_milliseconds = self._now() - self._noted_at_milliseconds
            if self._waiting or self._overflowed or not 0 <= quiet_milliseconds < QUIET_NOTE_MILLISECONDS:
                try:
                    await self._note()
                except Exception:
                    # A bug. Questions and writes go on without a clock; whoever asks for its report gets the error.
                    log.exception("the opt-out clock failed")

    async def _note(self, *, ends: bool = False) -> None:
        # Whoever waits may give up; what was taken to be handed over must be measured all the same.
        await asyncio.shield(asyncio.create_task(self._hand_over(ends=ends)))

    async def _hand_over(self, *, ends: bool) -> None:
        async with self._turn:
            waiting, self._waiting, self._waiting_count = self._waiting, [], 0
            overflowed, self._overflowed = self._overflowed, 0
            latest, at_milliseconds, is_answering = self._latest, self._now(), self._is_answering()
            self._noted_at_milliseconds = at_milliseconds
            folded: list[FoldedOptOuts] = []
            for one in waiting:
                if isinstance(one, _Unseen):
                    seen, beyond = await self._seen(one)
                    folded.append(seen)
                    overflowed += beyond
                else:
                    folded.append(one)
            note = Note(folded, overflowed, latest, at_milliseconds, is_answering, ends)
            await self._in_thread(self._keeper.take, note)

    async def _seen(self, unseen: _Unseen) -> tuple[FoldedOptOuts, int]:
        """What is in history of them, and how many were too many to look at."""
        opt_outs, beyond = await self._opt_outs_between(unseen.start, unseen.checkpoint.next_offset)
        seen = FoldedOptOuts(unseen.start, unseen.checkpoint, opt_outs, unseen.was_answering, unseen.at_milliseconds)
        return seen, beyond

    async def _opt_outs_between(self, start: int, end: int) -> tuple[list[OptOut], int]:
        scanned = min(end, start + SCAN_RECORDS_MAX)
        try:
            opt_outs = await self._reader().read(lambda connection: opt_outs_between(connection, start, scanned))
        except (sqlite3.Error, RuntimeError) as error:
            # The node is ending, or its disk fails. They count as unmeasured, each as if it were an opt-out.
            log.warning("opt-outs among %d records could not be measured: %s", end - start, type(error).__name__)
            return [], end - start
        return opt_outs, max(0, end - scanned)

    async def _in_thread(self, function: Callable[[Unpack[Arguments]], Result], *arguments: *Arguments) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)
