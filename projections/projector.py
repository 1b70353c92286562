"""The projector: follows the log and keeps the views. The only writer of a views file."""

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar, TypeVarTuple, Unpack

from projections.checkpoint import Checkpoint
from projections.fold_batch import LogDisagrees
from projections.folding import Halted, SkipFound, UnknownRecord, apply_records
from projections.observer import FoldedBatch, Observer
from projections.position import record_hash
from projections.position_watcher import PositionWatcher
from projections.record_source import RecordSource, Unreachable
from projections.skips import NOTHING_SKIPPED, Outdated, SkipSet, find_skips, look_ahead, skipped_so_far
from projections.views_store import CheckpointMoved, read_checkpoint, tidy_up
from schemas.record import LogRecord

BATCH_LIMIT = 10_000
"""Records a transaction while catching up. Larger ones gain little and hold more in memory."""
LIVE_BATCH_LIMIT = 1_000
WAIT_SECONDS = 0.5
PACE_SECONDS = 0.004
"""Between the starts of two live batches: many small transactions would take their time from the questions."""
RETRY_SECONDS = 0.5
TIDY_CHANGES = 5_000
"""Rows that are written from one checkpoint to the next: some 30 MB of write-ahead log.

SQLite's own checkpoint, at a commit, can't copy that commit while a read of what was before it is open; where there always
is one, the log would never be copied wholly, and grow for ever.
"""
CONFIRM_SECONDS = 1.0
BOUNDS_TIMEOUT_SECONDS = 5.0

log = logging.getLogger(__name__)

Arguments = TypeVarTuple("Arguments")
Result = TypeVar("Result")


EXPECTED = (LogDisagrees, UnknownRecord, SkipFound, CheckpointMoved)
"""What stops a projector by design: told in a sentence, without a traceback."""


class _Stopping(Exception):
    """The file is let go of, so nothing more is done with it."""


class State(StrEnum):
    """How the projector is doing."""

    STARTING = "starting"
    CATCHING_UP = "catching_up"
    LIVE = "live"
    STOPPED = "stopped"


@dataclass(slots=True)
class Progress:
    """What the rest of the node needs to know of the projector. Times are of the monotonic clock."""

    state: State = State.STARTING
    checkpoint: Checkpoint | None = None
    log_end: int | None = None
    start_end: int | None = None
    asked_at_seconds: float = 0.0
    """When the log was last asked for its end."""
    confirmed_at_seconds: float | None = None
    """The last moment of which it is known that the views had everything."""
    trouble: str | None = None


class Projector:
    """One log into one views file. `run` returns when it was stopped or can't go on; `progress` says which."""

    def __init__(
        self,
        source: RecordSource,
        connection: sqlite3.Connection,
        watcher: PositionWatcher,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        accept: Callable[[Checkpoint], None] = lambda _: None,
        moved: Callable[[], None] = lambda: None,
        outdated: Callable[[SkipSet], None] | None = None,
        progress: Progress | None = None,
        observer: Observer | None = None,
    ) -> None:
        """`accept` is shown the ledger's identity before anything is served; what it raises stops the projector.

        `moved` is called, on the event loop, whenever the views say something new. `outdated` is called when `run` ends
        because they must be made anew, with what is taken out now. `progress` is that of a projector that this one goes
        on for: a node that was live stays so.
        """
        self._source = source
        self._connection = connection
        self._watcher = watcher
        self._monotonic = monotonic
        self._accept = accept
        self._on_move = moved
        self._observer = observer
        self._on_outdated = outdated
        self._skips = NOTHING_SKIPPED
        self._tidied_changes = 0
        self._has_much_to_tidy = False
        self._untidy = True  # What the last run wrote may still lie in the write-ahead log.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="projector")
        self._stopping = asyncio.Event()
        self._batch_started_seconds = 0.0
        self.progress = progress if progress is not None else Progress()

    async def run(self) -> None:
        """Follow the log until `stop`."""
        outdated: Outdated | None = None
        try:
            await self._start()
            while not self._stopping.is_set():
                await self._step()
        except _Stopping:
            pass
        except Outdated as error:
            outdated = error
        except Exception as error:
            # Whatever it is (a full disk, a bug, another ledger), going on could only make wrong views.
            self.progress.trouble = str(error) or type(error).__name__
            foreseen = isinstance(error, EXPECTED)
            # What an unforeseen error says may quote a preference, so it is the log's formatter that decides.
            log.error("the projector stopped: %s", error if foreseen else type(error).__name__, exc_info=not foreseen)
        finally:
            self.progress.state = State.STOPPED
        if outdated is not None:
            self._hand_over(outdated)

    def _hand_over(self, outdated: Outdated) -> None:
        """What these views say still answers questions, ever staler, until others are made."""
        log.warning("the projector stopped: %s", outdated)
        if self._on_outdated is None:
            self.progress.trouble = str(outdated)
        else:
            self.progress.state = State.CATCHING_UP
            self._on_outdated(outdated.skips)

    async def stop(self, timeout_seconds: float) -> None:
        """Finish the batch at hand, then let go of the file."""
        self._stopping.set()
        loop = asyncio.get_running_loop()
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                await loop.run_in_executor(self._thread, self._connection.close)
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _start(self) -> None:
        checkpoint = await self._in_thread(read_checkpoint, self._connection)
        self._skips = await self._in_thread(skipped_so_far, self._connection)
        if checkpoint is not None:
            self._accept(checkpoint)
            await self._check_last_record(checkpoint)
        await self._moved(checkpoint)
        if self._observer is not None and checkpoint is not None:
            self._observer.resumed(checkpoint)
        if self.progress.state is State.STARTING:
            self.progress.state = State.CATCHING_UP

    async def _check_last_record(self, checkpoint: Checkpoint) -> None:
        """The record that the views came to must still be there, byte for byte: or the log is another one."""
        while not self._stopping.is_set():
            try:
                end = await self._source.end(timeout_seconds=BOUNDS_TIMEOUT_SECONDS)
                records = (
                    await self._source.read(checkpoint.next_offset - 1, limit=1, wait_seconds=WAIT_SECONDS)
                    if end >= checkpoint.next_offset
                    else []
                )
            except Unreachable as error:
                await self._wait_out(error)
                continue
            if end < checkpoint.next_offset:
                raise LogDisagrees(
                    f"the views have seen {checkpoint.next_offset} records, but the log has {end}: it was cut or made "
                    "anew; restore the log, or delete the views if this log is the right one"
                )
            if records:
                if record_hash(records[0].key, records[0].value) != checkpoint.record_hash:
                    raise LogDisagrees(
                        f"record {checkpoint.next_offset - 1} is not the one that the views were made from: "
                        "restore the log, or delete the views if this log is the right one"
                    )
                return

    @property
    def _next_offset(self) -> int:
        checkpoint = self.progress.checkpoint
        return checkpoint.next_offset if checkpoint is not None else 0

    async def _step(self) -> None:
        limit = LIVE_BATCH_LIMIT if self.progress.state is State.LIVE else BATCH_LIMIT
        try:
            await self._ask_for_end()
            records = await self._source.read(self._next_offset, limit=limit, wait_seconds=WAIT_SECONDS)
            self.progress.trouble = None
            if records:
                await self._pace()
                self._untidy = True
                await self._apply(records)
                if self._has_much_to_tidy:
                    await self._tidy_up()
            elif self._untidy:
                await self._tidy_up()
        except Unreachable as error:
            await self._wait_out(error)

    async def _apply(self, records: Sequence[LogRecord]) -> None:
        before = self.progress.checkpoint
        batch = self._observer.begin(records) if self._observer is not None else None
        checkpoint, halted = await self._in_thread(self._fold, before, records, batch)
        if before is None and checkpoint is not None:
            self._accept(checkpoint)
        await self._moved(checkpoint)
        if self._observer is not None and batch is not None:
            self._observer.folded(batch)
        if halted is not None:
            await self._look_ahead(halted)

    def _fold(
        self, before: Checkpoint | None, records: Sequence[LogRecord], batch: FoldedBatch | None
    ) -> tuple[Checkpoint | None, Halted | None]:
        folded = apply_records(self._connection, before, records, self._skips, batch)
        self._has_much_to_tidy = self._connection.total_changes - self._tidied_changes >= TIDY_CHANGES
        return folded

    async def _look_ahead(self, halted: Halted) -> None:
        """Go on past a record that an operator took out. Raises Outdated, what halted the folding, Unreachable."""
        # It may take a while, in which nothing that is written would be folded.
        self.progress.state = State.CATCHING_UP
        end = await self._source.end(timeout_seconds=BOUNDS_TIMEOUT_SECONDS)
        found = await find_skips(self._read_ahead, end)
        self._skips = look_ahead(found, self._skips, self._next_offset, halted)

    async def _read_ahead(self, offset: int, *, limit: int, wait_seconds: float) -> list[LogRecord]:
        if self._stopping.is_set():
            raise _Stopping
        return await self._source.read(offset, limit=limit, wait_seconds=wait_seconds)

    async def _ask_for_end(self) -> None:
        """Ask now and then where the log ends: to know how far behind this node is, and since when.

        While it is behind the end that it last heard of, there is nothing to learn.
        """
        progress = self.progress
        if progress.log_end is not None:
            behind = self._next_offset < progress.log_end
            if behind or self._monotonic() - progress.asked_at_seconds < CONFIRM_SECONDS:
                return
        asked_at_seconds = self._monotonic()
        progress.log_end = await self._source.end(timeout_seconds=BOUNDS_TIMEOUT_SECONDS)
        progress.asked_at_seconds = asked_at_seconds
        if progress.start_end is None:
            progress.start_end = progress.log_end
        self._see_how_far()

    def _see_how_far(self) -> None:
        progress, next_offset = self.progress, self._next_offset
        if progress.log_end is None or progress.start_end is None or progress.checkpoint is None:
            return
        if next_offset >= progress.log_end:
            progress.confirmed_at_seconds = progress.asked_at_seconds
        if progress.state is State.CATCHING_UP and next_offset >= progress.start_end:
            progress.state = State.LIVE

    async def _moved(self, checkpoint: Checkpoint | None) -> None:
        self.progress.checkpoint = checkpoint
        if checkpoint is not None:
            self._on_move()
            await self._watcher.advance(checkpoint.next_offset)
            self._see_how_far()

    async def _tidy_up(self) -> None:
        """Move what was written from the write-ahead log into the file, where reads are cheapest.

        Held reads are let go of before it, when the views moved, and after it: the next write begins the log anew.
        """
        await self._in_thread(self._tidy)
        self._on_move()

    def _tidy(self) -> None:
        if tidy_up(self._connection):
            self._untidy = self._has_much_to_tidy = False
            self._tidied_changes = self._connection.total_changes

    async def _pace(self) -> None:
        if self.progress.state is State.LIVE:
            wait_seconds = self._batch_started_seconds + PACE_SECONDS - self._monotonic()
            if wait_seconds > 0:
                await asyncio.sleep(wait_seconds)
        self._batch_started_seconds = self._monotonic()

    async def _wait_out(self, error: Unreachable) -> None:
        if self.progress.trouble is None:
            log.warning("the projector waits for the log: %s", error)
        self.progress.trouble = str(error)
        with suppress(TimeoutError):
            async with asyncio.timeout(RETRY_SECONDS):
                await self._stopping.wait()

    async def _in_thread(self, function: Callable[[Unpack[Arguments]], Result], *arguments: *Arguments) -> Result:
        if self._stopping.is_set():
            raise _Stopping
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)
