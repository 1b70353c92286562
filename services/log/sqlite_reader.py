"""Reading an embedded log: read-only connections, each used by one thread at a time."""

import sqlite3
from collections import deque
from pathlib import Path
from typing import Final

from schemas.record import LogRecord
from services.log.disk_threads import DiskThreads
from services.log.port import LogUnavailable
from services.log.sqlite_file import connect, read_records

READERS_MAX: Final = 4
READ_BYTES_MAX: Final = 64 * 1024 * 1024
READ_SECONDS_MAX: Final = 30.0
STOP_SECONDS_MAX: Final = 5.0


class SqliteReaders:
    """At most READERS_MAX reads at a time; more wait for their turn. Connections are kept for the next read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._threads = DiskThreads("read", READERS_MAX)
        self._idle: deque[sqlite3.Connection] = deque()

    async def read(self, offset: int, limit: int) -> list[LogRecord]:
        """Up to `limit` records, fewer when they hold READ_BYTES_MAX bytes. Raises LogUnavailable or LogUnfit."""
        return await self._threads.run(lambda: self._read(offset, limit), timeout_seconds=READ_SECONDS_MAX)

    async def stop(self) -> None:
        await self._threads.stop(timeout_seconds=STOP_SECONDS_MAX)
        while self._idle:
            self._idle.pop().close()

    def _read(self, offset: int, limit: int) -> list[LogRecord]:
        connection: sqlite3.Connection | None = None
        try:
            connection = self._take()
            records = read_records(connection, offset, limit, READ_BYTES_MAX)
            self._idle.append(connection)
            connection = None
        except sqlite3.Error as error:
            raise LogUnavailable(f"The log file {self._path} can't be read ({error}). Check the disk.") from error
        finally:
            if connection is not None:
                connection.close()
        return records

    def _take(self) -> sqlite3.Connection:
        try:
            return self._idle.pop()
        except IndexError:
            return connect(self._path, read_only=True)
