"""An event log as the projector reads it."""

from projections.fold_batch import LogDisagrees
from projections.record_source import Unreachable
from schemas.record import LogRecord
from services.log.port import EventLog, LogUnavailable, LogUnfit


class LogSource:
    """The reading half of an event log, with its troubles told as passing (Unreachable) or final (LogDisagrees)."""

    def __init__(self, log: EventLog, *, follows: bool = False) -> None:
        """`follows`: for a projector, which may be given what was stored just now from memory."""
        self._log = log
        self._read = log.follow if follows else log.read

    async def read(self, offset: int, *, limit: int, wait_seconds: float) -> list[LogRecord]:
        """Records from `offset` on."""
        try:
            return await self._read(offset, limit=limit, wait_seconds=wait_seconds)
        except LogUnavailable as error:
            raise Unreachable(str(error)) from error
        except LogUnfit as error:
            raise LogDisagrees(str(error)) from error

    async def end(self, *, timeout_seconds: float) -> int:
        """The offset that the next record will get."""
        try:
            return (await self._log.bounds(timeout_seconds=timeout_seconds)).end
        except LogUnavailable as error:
            raise Unreachable(str(error)) from error
        except LogUnfit as error:
            raise LogDisagrees(str(error)) from error
