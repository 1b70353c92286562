"""An event log whose appends are counted and timed."""

import time
from collections.abc import Sequence

from schemas.record import LogRecord, NewRecord
from services.log.port import AppendOutcome, EventLog, LogBounds
from services.observability.counts import LedgerCounts


class ObservedLog:
    """`EventLog` around another one."""

    def __init__(self, log: EventLog, counts: LedgerCounts) -> None:
        self._log = log
        self._counts = counts

    async def start(self) -> None:
        """See `EventLog.start`."""
        await self._log.start()

    async def stop(self) -> None:
        """See `EventLog.stop`."""
        await self._log.stop()

    async def append(self, records: Sequence[NewRecord], *, timeout_seconds: float) -> list[AppendOutcome]:
        """See `EventLog.append`."""
        begun_seconds = time.perf_counter()
        outcomes = await self._log.append(records, timeout_seconds=timeout_seconds)
        self._counts.appended(outcomes, time.perf_counter() - begun_seconds)
        return outcomes

    async def read(self, offset: int, *, limit: int, wait_seconds: float) -> list[LogRecord]:
        """See `EventLog.read`."""
        return await self._log.read(offset, limit=limit, wait_seconds=wait_seconds)

    async def follow(self, offset: int, *, limit: int, wait_seconds: float) -> list[LogRecord]:
        """See `EventLog.follow`."""
        return await self._log.follow(offset, limit=limit, wait_seconds=wait_seconds)

    async def bounds(self, *, timeout_seconds: float) -> LogBounds:
        """See `EventLog.bounds`."""
        return await self._log.bounds(timeout_seconds=timeout_seconds)
