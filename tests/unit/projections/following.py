"""Shared by the tests of the projector: a real embedded log, and a projector that follows it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from projections.checkpoint import Checkpoint
from projections.position_watcher import PositionWatcher
from projections.projector import Progress, Projector, State
from projections.record_source import RecordSource, Unreachable
from projections.skips import SkipSet
from projections.views_file import open_writer
from schemas.record import LogRecord, NewRecord
from services.log.port import Stored
from services.log.sqlite_log import SqliteEventLog
from services.source import LogSource

HANG_SECONDS = 30.0
"""Only a hang reaches it."""


class Log:
    """An embedded log, filled with records made elsewhere."""

    def __init__(self, path: Path) -> None:
        self.log = SqliteEventLog(path, clock=lambda: 1_772_000_000_000)

    async def append(self, records: Sequence[LogRecord]) -> None:
        new = [NewRecord(record.key, record.value) for record in records]
        outcomes = await self.log.append(new, timeout_seconds=HANG_SECONDS)
        assert all(isinstance(outcome, Stored) for outcome in outcomes)


@asynccontextmanager
async def open_log(path: Path, records: Sequence[LogRecord] = ()) -> AsyncIterator[Log]:
    log = Log(path)
    await log.log.start()
    try:
        if records:
            await log.append(records)
        yield log
    finally:
        await log.log.stop()


class Gate:
    """The reading half of a log behind a gate: how much may be read at a time, how far, and whether it can be reached."""

    def __init__(self, log: Log, *, limit: int = 1_000_000) -> None:
        self._source = LogSource(log.log)
        self.limit = limit
        self.readable_below = 1_000_000
        self.unreachable: str | None = None
        self.tells_end = asyncio.Event()
        self.tells_end.set()
        self.reads = 0
        self.ends = 0

    async def read(self, offset: int, *, limit: int, wait_seconds: float) -> list[LogRecord]:
        self.reads += 1
        self._check()
        wanted = min(limit, self.limit, self.readable_below - offset)
        if wanted <= 0:
            await asyncio.sleep(0.001)
            return []
        return await self._source.read(offset, limit=wanted, wait_seconds=min(wait_seconds, 0.01))

    async def end(self, *, timeout_seconds: float) -> int:
        self.ends += 1
        self._check()
        await self.tells_end.wait()
        return await self._source.end(timeout_seconds=timeout_seconds)

    def _check(self) -> None:
        if self.unreachable is not None:
            raise Unreachable(self.unreachable)


class Following:
    """A projector at work."""

    def __init__(self, projector: Projector, watcher: PositionWatcher) -> None:
        self.projector = projector
        self.watcher = watcher
        self.task = asyncio.create_task(projector.run())
        self._stopped = False

    @property
    def progress(self) -> Progress:
        return self.projector.progress

    def trouble(self) -> str | None:
        return self.progress.trouble

    def is_in(self, state: State) -> bool:
        return self.progress.state is state

    async def stop(self) -> None:
        await self.projector.stop(HANG_SECONDS)
        self._stopped = True

    async def end(self) -> None:
        if not self._stopped:
            await self.stop()
        self.task.cancel()
        with suppress(asyncio.CancelledError):
            await self.task


@asynccontextmanager
async def following(
    views: Path,
    source: RecordSource,
    *,
    monotonic: Callable[[], float] = lambda: 0.0,
    accept: Callable[[Checkpoint], None] = lambda _: None,
    watcher: PositionWatcher | None = None,
    outdated: Callable[[SkipSet], None] | None = None,
    progress: Progress | None = None,
) -> AsyncIterator[Following]:
    watcher = watcher if watcher is not None else PositionWatcher()
    connection = open_writer(views)
    projector = Projector(
        source, connection, watcher, monotonic=monotonic, accept=accept, outdated=outdated, progress=progress
    )
    follower = Following(projector, watcher)
    try:
        yield follower
    finally:
        await follower.end()


async def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for something that must come true."""
    try:
        async with asyncio.timeout(HANG_SECONDS):
            while not condition():  # noqa: ASYNC110 - any condition, of parts that raise no event for it
                await asyncio.sleep(0.002)
    except TimeoutError:
        raise AssertionError(f"it never came to this: {what}") from None
