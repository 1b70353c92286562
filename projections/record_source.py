"""Where records come from: the part of an event log that following and folding it need."""

from typing import Protocol

from schemas.record import LogRecord


class Unreachable(Exception):
    """What a record source raises for trouble that passes: whoever reads waits and tries again."""


class RecordSource(Protocol):
    """The reading half of an event log."""

    async def read(self, offset: int, *, limit: int, wait_seconds: float) -> list[LogRecord]:
        """Up to `limit` records from `offset` on; empty when none came in time. Raises Unreachable."""

    async def end(self, *, timeout_seconds: float) -> int:
        """The offset that the next record will get. Raises Unreachable."""
