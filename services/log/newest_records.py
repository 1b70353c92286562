"""The records that were committed last, in memory: whoever keeps up with the log gets them without a read of the file."""

from collections import deque
from collections.abc import Sequence
from itertools import islice

from schemas.record import LogRecord, NewRecord
from services.log.append_queue import record_bytes
from services.log.port import AppendOutcome, Stored


class NewestRecords:
    """The end of a log, without holes, up to so many bytes."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._bytes = 0
        self._records: deque[LogRecord] = deque()

    def add(self, records: Sequence[NewRecord], outcomes: Sequence[AppendOutcome]) -> None:
        """These were committed next, one outcome each. After a failure nobody knows what the log has: all is let go."""
        for record, outcome in zip(records, outcomes, strict=True):
            if not isinstance(outcome, Stored):
                self.clear()
                return
            if self._records and outcome.offset != self._records[-1].offset + 1:
                self.clear()
            self._records.append(
                LogRecord(outcome.offset, outcome.timestamp_milliseconds, record.key, record.value, record.headers)
            )
            self._bytes += record_bytes(record)
        while self._bytes > self._bytes_max:
            self._bytes -= record_bytes(self._records.popleft())

    def read(self, offset: int, limit: int) -> list[LogRecord]:
        """Up to `limit` records from `offset` on; none where the record at `offset` is not among them."""
        if not self._records or offset < self._records[0].offset:
            return []
        start = offset - self._records[0].offset
        return [*islice(self._records, start, start + limit)]

    def clear(self) -> None:
        """Let go of everything."""
        self._records.clear()
        self._bytes = 0
