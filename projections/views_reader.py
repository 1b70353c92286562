"""Reading views: a connection for point reads on the event loop, and a few threads for everything longer."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from projections.checkpoint import Checkpoint
from projections.views_file import open_reader
from projections.views_store import read_checkpoint

READER_THREADS = 3

Result = TypeVar("Result")


class HeldRead:
    """A read transaction that stays open until the views move: to begin one costs as much as the point read in it.

    For use on one thread, which also calls `release` as soon as the views have moved.
    """

    def __init__(self, path: Path) -> None:
        self.connection = open_reader(path)
        self._checkpoint: Checkpoint | None = None

    def checkpoint(self) -> Checkpoint | None:
        """The checkpoint that every read belongs to until `release`; None where no record was folded yet."""
        if self._checkpoint is None:
            if not self.connection.in_transaction:
                self.connection.execute("BEGIN")
            self._checkpoint = read_checkpoint(self.connection)
            if self._checkpoint is None:
                self.release()
        return self._checkpoint

    def read(self, function: Callable[[sqlite3.Connection], Result]) -> Result:
        """What the function makes of the views, in that transaction: for point reads only.

        Two reads one after the other see different views where these have moved in between.
        """
        self.checkpoint()
        return function(self.connection)

    def release(self) -> None:
        """Let go of the transaction: the next read begins another. An open one would keep SQLite from tidying up."""
        self._checkpoint = None
        if self.connection.in_transaction:
            self.connection.execute("COMMIT")


class ViewsReader:
    """Read-only connections of one views file. A read is one function, on one connection, inside one transaction."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.hot = open_reader(path)
        """For single statements that touch a few rows: a hop to another thread would cost more than the read."""
        self.held = HeldRead(path)
        """For the hottest of those."""
        self._threads = ThreadPoolExecutor(max_workers=READER_THREADS, thread_name_prefix="views-reader")
        self._local = threading.local()
        self._opened: list[sqlite3.Connection] = []
        self._lock = threading.Lock()

    async def read(self, function: Callable[[sqlite3.Connection], Result]) -> Result:
        """What the function makes of the views, in one read transaction."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._read, function)

    def read_now(self, function: Callable[[sqlite3.Connection], Result]) -> Result:
        """The same on the calling thread: for point reads only."""
        return in_transaction(self.hot, function)

    def close(self) -> None:
        """Wait for the reads that were asked for, and close everything."""
        self._threads.shutdown(wait=True)
        with self._lock:
            for connection in self._opened:
                connection.close()
            self._opened.clear()
        self.hot.close()
        self.held.connection.close()

    def _read(self, function: Callable[[sqlite3.Connection], Result]) -> Result:
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = open_reader(self.path)
            with self._lock:
                self._opened.append(connection)
        return in_transaction(connection, function)


def in_transaction(connection: sqlite3.Connection, function: Callable[[sqlite3.Connection], Result]) -> Result:
    """Run a reading function inside one transaction, so that all it sees belongs to one checkpoint."""
    connection.execute("BEGIN")
    try:
        return function(connection)
    finally:
        connection.execute("COMMIT")
