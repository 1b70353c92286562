"""The event log: one port, and what every adapter promises behind it.

An adapter keeps one environment's records in one total order. Offsets start at 0 and have no holes. The same contract
suite (`tests/contract/test_event_log.py`) runs on every adapter.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from schemas.record import LogRecord, NewRecord


class LogUnavailable(Exception):
    """The log can't be reached, or did not answer before the deadline. The text says what to do about it."""


class LogUnfit(Exception):
    """The log answers, but must not be used as it is (wrong settings, lost records). The text says how to mend it."""


@dataclass(frozen=True, slots=True)
class Stored:
    """The log has the record, durably, at `offset`."""

    offset: int
    timestamp_milliseconds: int


@dataclass(frozen=True, slots=True)
class Refused:
    """The log does not have the record and never will from this attempt: it is safe to try again."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """The log may or may not have the record: only reading on can tell, by the event's id."""

    reason: str


AppendOutcome = Stored | Refused | Unknown


@dataclass(frozen=True, slots=True)
class LogBounds:
    """`earliest` is the first offset the log still has, `end` the offset that the next record will get."""

    earliest: int
    end: int


class EventLog(Protocol):
    """One environment's log. Every wait has a deadline; no method waits for ever."""

    async def start(self) -> None:
        """Open the log and check its settings.

        Raises LogUnavailable (try again later) or LogUnfit (mend it first).
        """

    async def stop(self) -> None:
        """Finish or fail what is in flight, in bounded time, and release everything. Safe to call twice."""

    async def append(self, records: Sequence[NewRecord], *, timeout_seconds: float) -> list[AppendOutcome]:
        """Append records in the order given, one outcome each. Never raises for a log that fails: that is an outcome.

        Records of one call keep their order; those of calls at the same time may interleave. When one is not stored,
        none after it in the same call is stored *because of* being sent blindly after it: later ones are Refused or Unknown.
        """

    async def read(self, offset: int, *, limit: int, wait_seconds: float) -> list[LogRecord]:
        """Up to `limit` records from `offset` on, in order and without holes; waits at most `wait_seconds` for the first.

        An empty list means that nothing was there in time. Raises LogUnavailable, and LogUnfit when the records at
        `offset` no longer exist (the log was cut or made anew).
        """

    async def follow(self, offset: int, *, limit: int, wait_seconds: float) -> list[LogRecord]:
        """`read`, for who folds what comes: it may be given from memory what this process has stored just now.

        Whoever is to find out what the log has kept uses `read`.
        """

    async def bounds(self, *, timeout_seconds: float) -> LogBounds:
        """The log's present first and next offset. Raises LogUnavailable."""
