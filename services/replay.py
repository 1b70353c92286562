"""Folding the log into a file of its own, beside the live views: what a rebuild and a verification have in common."""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from enum import StrEnum
from itertools import takewhile
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar, TypeVarTuple, Unpack

from projections.checkpoint import Checkpoint
from projections.folding import Halted, apply_records
from projections.projector import BATCH_LIMIT, BOUNDS_TIMEOUT_SECONDS
from projections.record_source import RecordSource
from projections.skips import NOTHING_SKIPPED, Outdated, SkipSet, find_skips, look_ahead
from projections.views_file import open_writer
from schemas.record import LogRecord
from services.errors import ServiceError

READ_WAIT_SECONDS = 5.0
INTERRUPT_SECONDS = 0.02

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")


class JobRuns(ServiceError):
    """One job beside the live views at a time: they would use the same file, and each other's disk."""

    type = "conflict"
    status = 409


class ReplayFailed(Exception):
    """The log could not be folded anew."""


class Phase(StrEnum):
    """Where a job beside the live views is."""

    NONE = "none"
    FOLDING = "folding"
    COMPARING = "comparing"
    DIGESTING = "digesting"
    SWAPPING = "swapping"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


RUNNING = frozenset({Phase.FOLDING, Phase.COMPARING, Phase.DIGESTING, Phase.SWAPPING})


class JobSlot:
    """Room for one job of an environment."""

    def __init__(self) -> None:
        self._name = ""
        self._task: asyncio.Task[None] | None = None

    def check_free(self) -> None:
        """Raises JobRuns."""
        if self._task is not None and not self._task.done():
            raise JobRuns(f"{self._name} is already under way")

    def take(self, name: str, task: asyncio.Task[None]) -> None:
        """This job is under way until its task is done. For use right after `check_free`."""
        self._name, self._task = name, task

    async def wait_for_turn(self, name: str) -> None:
        """Wait until nothing else is under way; then this task is."""
        while self._task is not None and not self._task.done():
            await asyncio.wait({self._task})
        self._name, self._task = name, asyncio.current_task()


class Replay:
    """A views file in the making, the thread that owns it, and how far it has come."""

    def __init__(
        self, path: Path, source: RecordSource, note: Callable[[int, int], None], skips: SkipSet = NOTHING_SKIPPED
    ) -> None:
        """`note` hears the records folded so far, and how many there are to be.

        `skips` is what is taken out by records beyond those to be folded; what they take out themselves is found.
        """
        self._path = path
        self._source = source
        self._note = note
        self._skips = skips
        self._checkpoint: Checkpoint | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="replay")
        self.connection: sqlite3.Connection

    async def __aenter__(self) -> Self:
        opening = asyncio.get_running_loop().run_in_executor(self._thread, open_writer, self._path)
        try:
            self.connection = await asyncio.shield(opening)
        except BaseException:
            # Whoever gives up now removes the file next: it must not be made after that.
            with suppress(Exception):
                (await opening).close()
            self._thread.shutdown(wait=False)
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        closing = asyncio.ensure_future(self.close())
        while kind is asyncio.CancelledError and not closing.done():
            # Reading a large file through takes minutes, and whoever gave up waits until its thread is free.
            # Again and again: what is interrupted between two statements goes on with the next.
            with suppress(sqlite3.ProgrammingError):
                self.connection.interrupt()
            await asyncio.wait({closing}, timeout=INTERRUPT_SECONDS)
        await closing
        self._thread.shutdown(wait=True)

    async def close(self) -> None:
        """Let go of the file. May be called more than once."""
        await self.in_thread(self.connection.close)

    async def in_thread(self, function: Callable[[Unpack[Arguments]], Result], *arguments: *Arguments) -> Result:
        """Run a call on the thread that owns the file."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)

    @property
    def folded(self) -> int:
        """Records folded so far."""
        return self._checkpoint.next_offset if self._checkpoint is not None else 0

    @property
    def checkpoint(self) -> Checkpoint | None:
        """Where the file stands; None before the first record."""
        return self._checkpoint

    async def fold_to(self, target: int, until_milliseconds: int | None = None) -> bool:
        """Fold every record below `target`, or those before the first that was recorded after an instant.

        Returns whether it met such a record. Raises ReplayFailed, and what the source and the fold raise.
        """
        while self.folded < target:
            limit = min(BATCH_LIMIT, target - self.folded)
            read = await self._source.read(self.folded, limit=limit, wait_seconds=READ_WAIT_SECONDS)
            if not read:
                raise ReplayFailed(f"the log gave no record {self.folded} within {READ_WAIT_SECONDS:.0f} seconds")
            records = _recorded_by(read, until_milliseconds)
            if records:
                self._checkpoint, halted = await self.in_thread(
                    apply_records, self.connection, self._checkpoint, records, self._skips
                )
                self._note(self.folded, target)
                if halted is not None:
                    await self._look_ahead(halted)
                    continue
            if len(records) < len(read):
                return True
        return False

    async def _look_ahead(self, halted: Halted) -> None:
        """Go on past a record that an operator took out; from the beginning, where it was counted already."""
        found = await taken_out(self._source)
        try:
            self._skips = look_ahead(found, self._skips, self.folded, halted)
        except Outdated:
            self._skips, self._checkpoint = found, None
            self.connection = await self.in_thread(_opened_anew, self._path, self.connection)


async def taken_out(source: RecordSource) -> SkipSet:
    """What operators took out of the log as it is now. Reads all of it. Raises Unreachable."""
    return await find_skips(source.read, await source.end(timeout_seconds=BOUNDS_TIMEOUT_SECONDS))


def _opened_anew(path: Path, connection: sqlite3.Connection) -> sqlite3.Connection:
    connection.close()
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    return open_writer(path)


def _recorded_by(records: Sequence[LogRecord], until_milliseconds: int | None) -> Sequence[LogRecord]:
    """The records before the first later one. Recorded times never go back: what follows it was recorded later too."""
    if until_milliseconds is None:
        return records
    return list(takewhile(lambda record: record.timestamp_milliseconds <= until_milliseconds, records))
