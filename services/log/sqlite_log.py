"""The embedded event log: one SQLite file, for one machine and one process, as durable as a database.

One thread holds the one connection that writes, and it checkpoints too: two connections that write or checkpoint at the
same instant can corrupt a file in WAL mode (sqlite.org/wal.html, "The WAL-Reset Bug"). Readers have their own.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from schemas.record import LogRecord, NewRecord
from services.log.append_queue import NOT_OPEN, AppendLimits, AppendQueue
from services.log.disk_threads import DiskThreads
from services.log.end_watch import EndWatch
from services.log.newest_records import NewestRecords
from services.log.port import AppendOutcome, LogBounds, LogUnavailable, LogUnfit, Unknown
from services.log.sqlite_file import back_up
from services.log.sqlite_reader import SqliteReaders
from services.log.sqlite_writer import SqliteWriter, now_milliseconds

MEBIBYTE: Final = 1024 * 1024
LIMITS: Final = AppendLimits(
    waiting_records_max=100_000,
    waiting_bytes_max=128 * MEBIBYTE,
    batch_records_max=10_000,
    batch_bytes_max=16 * MEBIBYTE,
    record_bytes_max=1 * MEBIBYTE,
)
OPEN_SECONDS_MAX: Final = 120.0
COMMIT_SECONDS_MAX: Final = 60.0
STOP_SECONDS_MAX: Final = 5.0
NEWEST_BYTES_MAX: Final = 1 * MEBIBYTE
"""A projector that keeps up is some milliseconds behind."""


class SqliteEventLog:
    """`EventLog` on a SQLite file. Only one process may have it open; the caller holds the lock that says so.

    `clock` gives Unix time in milliseconds. `vfs` names a SQLite VFS to use in place of the default one.
    """

    def __init__(
        self,
        path: Path,
        *,
        clock: Callable[[], int] = now_milliseconds,
        limits: AppendLimits = LIMITS,
        vfs: str | None = None,
    ) -> None:
        self._path = path
        self._writer = SqliteWriter(path, clock, vfs)
        self._queue = AppendQueue(self, limits)
        self._watch = EndWatch()
        self._newest = NewestRecords(NEWEST_BYTES_MAX)
        self._writing: DiskThreads | None = None
        self._readers: SqliteReaders | None = None

    async def start(self) -> None:
        """See `EventLog.start`. A file that does not exist is made; its folder must exist."""
        if self._writing is not None:
            raise ValueError("This log is started already.")
        self._writing = DiskThreads("write", 1)
        try:
            await self._writing.run(self._writer.open, timeout_seconds=OPEN_SECONDS_MAX)
        except BaseException:
            await self.stop()
            raise
        self._newest.clear()
        self._watch.advance(self._writer.end)
        self._readers = SqliteReaders(self._path)
        self._queue.start()

    async def stop(self) -> None:
        """See `EventLog.stop`. A disk that hangs is given up on after a few times STOP_SECONDS_MAX."""
        await self._queue.stop(timeout_seconds=STOP_SECONDS_MAX)
        readers, self._readers = self._readers, None
        writing, self._writing = self._writing, None
        self._watch.wake()
        if readers is not None:
            await readers.stop()
        if writing is not None:
            # Closed last, this connection checkpoints: the file is then whole without its write-ahead log.
            writing.submit(self._writer.close)
            await writing.stop(timeout_seconds=STOP_SECONDS_MAX)

    async def append(self, records: Sequence[NewRecord], *, timeout_seconds: float) -> list[AppendOutcome]:
        """See `EventLog.append`. All records that wait go into the next transaction, up to the limits."""
        return await self._queue.append(records, timeout_seconds=timeout_seconds)

    async def read(self, offset: int, *, limit: int, wait_seconds: float) -> list[LogRecord]:
        """See `EventLog.read`. It wakes up at once when this process appends."""
        readers = await self._wait_for(offset, wait_seconds)
        return [] if readers is None else await readers.read(offset, limit)

    async def follow(self, offset: int, *, limit: int, wait_seconds: float) -> list[LogRecord]:
        """See `EventLog.follow`."""
        readers = await self._wait_for(offset, wait_seconds)
        return [] if readers is None else self._newest.read(offset, limit) or await readers.read(offset, limit)

    async def _wait_for(self, offset: int, wait_seconds: float) -> SqliteReaders | None:
        """The readers, once there is a record at `offset`; None when none came in time."""
        deadline = asyncio.get_running_loop().time() + wait_seconds
        while self._readers is not None:
            if not 0 <= offset <= self._watch.end:
                raise LogUnfit(
                    f"The log {self._path} ends at offset {self._watch.end}, so it has no place {offset}. "
                    "It was cut, or is another log: restore a backup of it, or build the views anew."
                )
            if offset < self._watch.end:
                return self._readers
            seconds_left = deadline - asyncio.get_running_loop().time()
            if seconds_left <= 0:
                return None
            await self._watch.wait(timeout_seconds=seconds_left)
        raise LogUnavailable(NOT_OPEN)

    async def bounds(self, *, timeout_seconds: float) -> LogBounds:  # noqa: ARG002 - known here without asking
        """See `EventLog.bounds`. No other process writes the file, so nothing has to be asked."""
        if self._readers is None:
            raise LogUnavailable(NOT_OPEN)
        return LogBounds(0, self._watch.end)

    async def backup(self, target: Path) -> LogBounds:
        """Write a compact copy to `target` while the log goes on; answers what the copy holds.

        Raises FileExistsError when there is something at `target` already, OSError or LogUnavailable when it can't be
        written.
        """
        try:
            return LogBounds(0, await asyncio.to_thread(back_up, self._path, target))
        except sqlite3.Error as error:
            raise LogUnavailable(
                f"The backup to {target} failed ({error}). Check the space on its disk, and try again."
            ) from error

    async def prepare(self) -> None:
        """See `BatchStore.prepare`. After a failed commit the file is opened again, to see what is really in it."""
        if self._writer.is_open:
            return
        await self._writing_threads().run(self._writer.open, timeout_seconds=OPEN_SECONDS_MAX)
        self._watch.advance(self._writer.end)

    async def commit(self, records: Sequence[NewRecord], deadline: float) -> list[AppendOutcome]:  # noqa: ARG002
        """See `BatchStore.commit`. A transaction that runs can't be called back: `deadline` is for the callers."""
        threads = self._writing_threads()
        try:
            outcomes = await threads.run(lambda: self._writer.commit(records), timeout_seconds=COMMIT_SECONDS_MAX)
        except LogUnavailable as error:
            self._newest.clear()
            return [Unknown(str(error))] * len(records)
        self._newest.add(records, outcomes)
        self._watch.advance(self._writer.end)
        if self._writer.needs_checkpoint():
            threads.submit(self._writer.checkpoint)
        return outcomes

    def _writing_threads(self) -> DiskThreads:
        if self._writing is None:
            raise LogUnavailable(NOT_OPEN)
        return self._writing
