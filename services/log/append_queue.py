"""Group commit: what arrives while one commit runs goes, together, into the next one.

Both logs need the same thing in front of them: one commit at a time, so that order is kept; a bounded queue, so that a
slow log can't eat the memory; and a deadline on every caller's wait. Only the commit itself differs.
"""

import asyncio
import contextlib
import logging
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from schemas.record import LogRecord, NewRecord
from services.log.backoff import Backoff
from services.log.port import AppendOutcome, LogUnavailable, LogUnfit, Refused, Stored, Unknown

logger = logging.getLogger(__name__)

NOT_OPEN = "The log is not open: it was not started, or it is stopping."
AFTER_A_FAILURE = "Not sent: a record before it in the same call was not stored."
STOPPED_IN_FLIGHT = "The log was stopped before it answered."


class BatchStore(Protocol):
    """The part of an append that differs from log to log."""

    async def prepare(self) -> None:
        """Make ready to commit; nothing is sent yet. Raises LogUnavailable (tried again) or LogUnfit."""

    async def commit(self, records: Sequence[NewRecord], deadline: float) -> list[AppendOutcome]:
        """Store the records as one unit; one outcome each. `deadline` is in the running loop's time, in seconds."""


@dataclass(frozen=True, slots=True)
class AppendLimits:
    """How much may wait, how much goes into one commit, and how big one record may be."""

    waiting_records_max: int
    waiting_bytes_max: int
    batch_records_max: int
    batch_bytes_max: int
    record_bytes_max: int

    def __post_init__(self) -> None:
        if not 0 < self.record_bytes_max <= self.batch_bytes_max <= self.waiting_bytes_max:
            raise ValueError(f"The largest record must fit the batch, and the batch the queue: {self}")
        if not 0 < self.batch_records_max <= self.waiting_records_max:
            raise ValueError(f"A batch must fit the queue: {self}")


def record_bytes(record: NewRecord | LogRecord) -> int:
    """An upper bound of what the record takes in a log, in bytes; about what it takes in memory.

    It is Kafka's message format 2 (KIP-98) with every varint at its longest, which is more than SQLite needs.
    """
    size = 36 + len(record.key) + len(record.value)
    for name, value in record.headers:
        size += 10 + 4 * len(name) + len(value)
    return size


class _Call:
    """One caller's records. The first `len(outcomes)` are settled; those up to `taken` were handed to a commit."""

    __slots__ = ("answered", "deadline", "outcomes", "records", "sizes", "taken", "untaken_bytes")

    def __init__(self, records: Sequence[NewRecord], sizes: list[int], deadline: float) -> None:
        self.records = records
        self.sizes = sizes
        self.untaken_bytes = sum(sizes)
        self.deadline = deadline
        self.answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.taken = 0
        self.outcomes: list[AppendOutcome] = []

    def take(self, records_room: int, bytes_room: int) -> Sequence[NewRecord]:
        """The next records, as many as there is room for."""
        start = stop = self.taken
        if len(self.records) - start <= records_room and self.untaken_bytes <= bytes_room:
            stop = len(self.records)
            self.untaken_bytes = 0
        while stop < len(self.records) and stop - start < records_room and self.sizes[stop] <= bytes_room:
            bytes_room -= self.sizes[stop]
            self.untaken_bytes -= self.sizes[stop]
            stop += 1
        self.taken = stop
        return self.records[start:stop]

    def settle(self, outcomes: Sequence[AppendOutcome]) -> None:
        """Take in what a commit said; one failure refuses all that was not sent yet."""
        self.outcomes.extend(outcomes)
        if not all(isinstance(outcome, Stored) for outcome in outcomes):
            self.refuse_untaken(AFTER_A_FAILURE)
        elif len(self.outcomes) == len(self.records):
            self.release()

    def refuse_untaken(self, reason: str) -> None:
        """No commit may hold a part of the call at this moment: outcomes are kept in the order of the records."""
        self.outcomes.extend([Refused(reason)] * (len(self.records) - len(self.outcomes)))
        self.taken = len(self.records)
        self.release()

    def is_in_flight(self) -> bool:
        return self.taken > len(self.outcomes)

    def answer(self, unknown: str, unsent: str) -> list[AppendOutcome]:
        """What can be said now: records in a running commit are unknown, those not sent are refused."""
        in_flight = self.taken - len(self.outcomes)
        untaken = len(self.records) - self.taken
        return [*self.outcomes, *[Unknown(unknown)] * in_flight, *[Refused(unsent)] * untaken]

    def release(self) -> None:
        """Let the caller go on, with what can be said now."""
        if not self.answered.done():
            self.answered.set_result(None)


class _Batch:
    """What one commit carries, and whose it is."""

    def __init__(self) -> None:
        self.records: list[NewRecord] = []
        self.shares: list[tuple[_Call, int]] = []
        self.deadline = 0.0

    def add(self, call: _Call, records: Sequence[NewRecord]) -> None:
        self.records.extend(records)
        self.shares.append((call, len(records)))
        self.deadline = max(self.deadline, call.deadline)

    def settle(self, outcomes: list[AppendOutcome]) -> None:
        start = 0
        for call, count in self.shares:
            call.settle(outcomes[start : start + count])
            start += count


class AppendQueue:
    """Single-flight appends in front of one store. One asyncio task commits; callers wait for it."""

    def __init__(self, store: BatchStore, limits: AppendLimits) -> None:
        self._store = store
        self._limits = limits
        self._calls: OrderedDict[_Call, None] = OrderedDict()
        self._waiting_records = 0
        self._waiting_bytes = 0
        self._arrived = asyncio.Event()
        self._worker: asyncio.Task[None] | None = None
        self._open = False
        self._hindrance = ""

    def start(self) -> None:
        self._open = True
        self._worker = asyncio.create_task(self._work(), name="log-append")

    async def stop(self, *, timeout_seconds: float) -> None:
        """Refuse what is not sent, let the running commit end, give up on it after `timeout_seconds`."""
        self._open = False
        self._refuse_waiting(NOT_OPEN)
        self._arrived.set()
        worker, self._worker = self._worker, None
        if worker is None:
            return
        await asyncio.wait({worker}, timeout=timeout_seconds)
        worker.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await worker

    async def append(self, records: Sequence[NewRecord], *, timeout_seconds: float) -> list[AppendOutcome]:
        """See `EventLog.append`."""
        if not records:
            return []
        sizes = [record_bytes(record) for record in records]
        size = sum(sizes)
        reason = self._reason_to_refuse(len(sizes), size, max(sizes))
        if reason:
            return [Refused(reason)] * len(records)
        loop = asyncio.get_running_loop()
        call = _Call(records, sizes, loop.time() + timeout_seconds)
        self._waiting_records += len(sizes)
        self._waiting_bytes += size
        self._calls[call] = None
        self._arrived.set()
        timer = loop.call_at(call.deadline, call.release)
        try:
            await call.answered
        finally:
            timer.cancel()
            # Nobody waits for what is still unsent, so it must not be sent any more.
            self._calls.pop(call, None)
            self._waiting_records -= len(sizes)
            self._waiting_bytes -= size
        return call.answer(
            unknown=f"The log did not answer within {timeout_seconds:g} s.",
            unsent=f"Not sent within {timeout_seconds:g} s. {self._hindrance}".rstrip(),
        )

    def _reason_to_refuse(self, count: int, size: int, largest: int) -> str:
        """Empty when the records may wait."""
        limits = self._limits
        if not self._open:
            return NOT_OPEN
        if largest > limits.record_bytes_max:
            return f"A record of {largest} bytes is too big: this log takes {limits.record_bytes_max}. Make it smaller."
        if (
            self._waiting_records + count > limits.waiting_records_max
            or self._waiting_bytes + size > limits.waiting_bytes_max
        ):
            return (
                f"Too much waits for the log already ({self._waiting_records} records, {self._waiting_bytes} bytes). "
                "Try again later, or with fewer records in one call."
            )
        return ""

    def _refuse_waiting(self, reason: str) -> None:
        """Refuse every call of which no part is in a running commit."""
        for call in [call for call in self._calls if not call.is_in_flight()]:
            del self._calls[call]
            call.refuse_untaken(reason)

    async def _work(self) -> None:
        backoff = Backoff()
        while self._open:
            if not self._calls:
                self._arrived.clear()
                await self._arrived.wait()
            elif await self._is_prepared():
                backoff.reset()
                await self._commit(self._take())
                # The callers just answered get their turn, so that what they append next joins the next commit.
                await asyncio.sleep(0)
            else:
                await asyncio.sleep(backoff.next_seconds())
        self._refuse_waiting(NOT_OPEN)

    async def _is_prepared(self) -> bool:
        try:
            await self._store.prepare()
        except LogUnavailable as error:
            self._hindrance = str(error)
            return False
        except LogUnfit as error:
            self._hindrance = str(error)
            self._refuse_waiting(str(error))
            return False
        except Exception as error:
            logger.exception("The log could not be made ready to append, in an unforeseen way")
            self._hindrance = repr(error)
            return False
        self._hindrance = ""
        return True

    def _take(self) -> _Batch:
        batch = _Batch()
        records_room, bytes_room = self._limits.batch_records_max, self._limits.batch_bytes_max
        while self._calls and records_room:
            call = next(iter(self._calls))
            bytes_before = call.untaken_bytes
            records = call.take(records_room, bytes_room)
            if records:
                batch.add(call, records)
            records_room -= len(records)
            bytes_room -= bytes_before - call.untaken_bytes
            if call.taken < len(call.records):
                break
            del self._calls[call]
        return batch

    async def _commit(self, batch: _Batch) -> None:
        """Commit one batch; whatever happens, each of its records gets an outcome."""
        outcomes: list[AppendOutcome] = [Unknown(STOPPED_IN_FLIGHT)] * len(batch.records)
        try:
            if batch.records:
                outcomes = await self._store.commit(batch.records, batch.deadline)
        except Exception as error:
            logger.exception("The commit of %d records failed in an unforeseen way", len(batch.records))
            outcomes = [Unknown(f"The log failed in an unforeseen way: {error!r}")] * len(batch.records)
        finally:
            batch.settle(outcomes)
