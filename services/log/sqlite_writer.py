"""The one connection that writes an embedded log, and also checkpoints it. Everything here runs in one thread."""

import logging
import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from schemas.record import NewRecord
from services.log.port import AppendOutcome, Stored
from services.log.sqlite_file import INSERT, check_contiguous, encode_headers, open_writer, read_end
from services.log.sqlite_outcome import Stage, outcome_of_failure

logger = logging.getLogger(__name__)

CHECKPOINT_PAGES: Final = 4_000
_PAGE_BYTES: Final = 4_096
_PAGES_PER_COMMIT: Final = 3


def now_milliseconds() -> int:
    """Unix time, in milliseconds."""
    return time.time_ns() // 1_000_000


class SqliteWriter:
    """Appends batches, one transaction and one sync each. Timestamps never go back."""

    def __init__(self, path: Path, clock: Callable[[], int], vfs: str | None) -> None:
        self._path = path
        self._clock = clock
        self._vfs = vfs
        self._connection: sqlite3.Connection | None = None
        self._checked = False
        self._last_timestamp = 0
        self._wal_pages = 0
        self.end = 0

    def open(self) -> None:
        """Open, or open again after a failure. Raises LogUnavailable or LogUnfit."""
        if self._connection is not None:
            return
        connection = open_writer(self._path, vfs=self._vfs)
        try:
            if not self._checked:
                check_contiguous(connection, self._path)
            self.end, self._last_timestamp = read_end(connection)
        except BaseException:
            connection.close()
            raise
        self._connection, self._checked, self._wal_pages = connection, True, 0

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def commit(self, records: Sequence[NewRecord]) -> list[AppendOutcome]:
        """Store the records as one transaction; one outcome each."""
        connection = self._connection
        if connection is None:
            raise ValueError("commit before open")
        timestamp = max(self._clock(), self._last_timestamp)
        rows = [
            (offset, timestamp, record.key, record.value, encode_headers(record.headers))
            for offset, record in enumerate(records, self.end)
        ]
        stage = Stage.WRITING
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(INSERT, rows)
            stage = Stage.COMMITTING
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            # Only a new connection reads again from the file what is really there.
            self.close()
            return [outcome_of_failure(stage, error)] * len(records)
        self._last_timestamp = timestamp
        self._wal_pages += _PAGES_PER_COMMIT + sum([len(row[3]) for row in rows]) // _PAGE_BYTES
        self.end += len(rows)
        return [Stored(row[0], timestamp) for row in rows]

    @property
    def is_open(self) -> bool:
        return self._connection is not None

    def needs_checkpoint(self) -> bool:
        return self._wal_pages >= CHECKPOINT_PAGES

    def checkpoint(self) -> None:
        """Copy the write-ahead log into the file. A failure loses nothing: the next one goes on from there."""
        if self._connection is None:
            return
        self._wal_pages = 0
        try:
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        except sqlite3.Error as error:
            logger.warning("The checkpoint of %s failed, and will be tried again: %s", self._path, error)
