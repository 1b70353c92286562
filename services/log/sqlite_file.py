"""The SQLite file of an embedded log: its layout, how it is opened, and how a stranger's or a damaged one is refused.

The file is for decades: `application_id` says whose it is, `user_version` which layout it has, and triggers keep
everything but appends out. Headers are MessagePack, an array of [name, bytes] pairs, or NULL when there are none.
"""

import os
import sqlite3
from pathlib import Path
from typing import Final

import msgspec

from schemas.record import Headers, LogRecord
from services.log.port import LogUnavailable, LogUnfit

APPLICATION_ID: Final = 0x50_4C_4C_47  # "PLLG", see sqlite.org/fileformat.html, offset 68
LAYOUT_VERSION: Final = 1
START_CHECK_RECORDS_MAX: Final = 1_000_000
READ_CHUNK_RECORDS: Final = 2_000
BUSY_TIMEOUT_SECONDS: Final = 5.0
WAL_BYTES_KEPT: Final = 64 * 1024 * 1024

INSERT: Final = 'INSERT INTO record ("offset", timestamp, key, value, headers) VALUES (?, ?, ?, ?, ?)'
SELECT: Final = 'SELECT "offset", timestamp, key, value, headers FROM record WHERE "offset" >= ? ORDER BY "offset" LIMIT ?'

_LAYOUT: Final = (
    """CREATE TABLE record (
        "offset" INTEGER PRIMARY KEY,
        timestamp INTEGER NOT NULL,
        key BLOB NOT NULL,
        value BLOB NOT NULL,
        headers BLOB
    )""",
    "CREATE TRIGGER no_update BEFORE UPDATE ON record BEGIN SELECT RAISE(ABORT, 'the log only grows'); END",
    "CREATE TRIGGER no_delete BEFORE DELETE ON record BEGIN SELECT RAISE(ABORT, 'the log only grows'); END",
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {LAYOUT_VERSION}",
)

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Headers).decode


def encode_headers(headers: Headers) -> bytes | None:
    return _encode(headers) if headers else None


def connect(path: Path, *, read_only: bool, vfs: str | None = None) -> sqlite3.Connection:
    """A connection without Python's own transactions, usable from one thread at a time.

    A reader must not create the file, and must not be the one that checkpoints.
    """
    uri = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}"
    if vfs is not None:
        uri += f"&vfs={vfs}"
    return sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, timeout=BUSY_TIMEOUT_SECONDS)


def open_writer(path: Path, *, vfs: str | None = None) -> sqlite3.Connection:
    """Open the file for appending, or lay out a new one. Raises LogUnavailable or LogUnfit."""
    try:
        connection = connect(path, read_only=False, vfs=vfs)
    except sqlite3.OperationalError as error:
        raise LogUnavailable(
            f"The log file {path} can't be opened ({error}). Check that its folder exists and may be written."
        ) from error
    try:
        _prepare(connection, path)
    except sqlite3.DatabaseError as error:
        connection.close()
        raise _as_log_error(path, error) from error
    except BaseException:
        connection.close()
        raise
    return connection


def _as_log_error(path: Path, error: sqlite3.DatabaseError) -> LogUnavailable | LogUnfit:
    if isinstance(error, sqlite3.OperationalError):
        return LogUnavailable(
            f"The log file {path} can't be used ({error}). "
            "Check its permissions, the space on its disk, and that no other process has it open."
        )
    return LogUnfit(f"{path} is not a log file, or is damaged ({error}). Name another file, or restore a backup.")


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    _check_owner(connection, path)
    mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal":
        raise LogUnfit(f"The disk of {path} can't do write-ahead logging (it stays at {mode}). Use a local disk.")
    for pragma in (
        "synchronous = FULL",
        "fullfsync = ON",  # macOS: fsync alone leaves the data in the disk's own cache
        "wal_autocheckpoint = 0",  # so that one group commit is one sync; the log checkpoints between commits
        f"journal_size_limit = {WAL_BYTES_KEPT}",
        "trusted_schema = OFF",
    ):
        connection.execute(f"PRAGMA {pragma}")
    if connection.execute("PRAGMA user_version").fetchone()[0] == 0:
        _lay_out(connection)
    # SQLite opens a file that it may not write without a word; only taking the write lock tells.
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("ROLLBACK")


def _check_owner(connection: sqlite3.Connection, path: Path) -> None:
    application_id = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if application_id == 0 and version == 0:
        if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:
            return
        raise LogUnfit(f"{path} is another program's database. Name another file for the log.")
    if application_id != APPLICATION_ID:
        raise LogUnfit(f"{path} is another program's database. Name another file for the log.")
    if version != LAYOUT_VERSION:
        raise LogUnfit(
            f"{path} has layout {version}, and this release knows {LAYOUT_VERSION}. "
            "Run the release that wrote it, or a newer one."
        )


def _lay_out(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    for statement in _LAYOUT:
        connection.execute(statement)
    connection.execute("COMMIT")


def check_contiguous(connection: sqlite3.Connection, path: Path) -> None:
    """Raises LogUnfit when the last million offsets have a hole: there are then fewer of them than their span.

    Counting costs a scan, hence the limit; every later read checks the records it gives out.
    """
    first, last = connection.execute('SELECT min("offset"), max("offset") FROM record').fetchone()
    if last is None:
        return
    start = max(0, last + 1 - START_CHECK_RECORDS_MAX)
    counted = connection.execute('SELECT count(*) FROM record WHERE "offset" >= ?', (start,)).fetchone()[0]
    if first != 0 or counted != last + 1 - start:
        missing = first if first != 0 else last + 1 - start - counted
        raise LogUnfit(f"{missing} records are missing from {path}. Restore a backup; never edit the file.")


def read_end(connection: sqlite3.Connection) -> tuple[int, int]:
    """The next offset, and the timestamp of the last record (0 in an empty log), in milliseconds."""
    row = connection.execute('SELECT "offset", timestamp FROM record ORDER BY "offset" DESC LIMIT 1').fetchone()
    return (0, 0) if row is None else (row[0] + 1, row[1])


def read_records(connection: sqlite3.Connection, offset: int, limit: int, bytes_max: int) -> list[LogRecord]:
    """Up to `limit` records from `offset` on, fewer once they hold `bytes_max` bytes. Raises LogUnfit on a hole."""
    records: list[LogRecord] = []
    size = 0
    cursor = connection.execute(SELECT, (offset, limit))
    try:
        while size < bytes_max and (rows := cursor.fetchmany(READ_CHUNK_RECORDS)):
            records += [
                LogRecord(at, timestamp, key, value, _decode(headers) if headers else ())
                for at, timestamp, key, value, headers in rows
            ]
            size += sum([len(row[3]) for row in rows])
    finally:
        cursor.close()
    if records and (records[0].offset != offset or records[-1].offset != offset + len(records) - 1):
        raise LogUnfit(f"Records are missing from the log after offset {offset}. Restore a backup.")
    return records


def back_up(path: Path, target: Path) -> int:
    """Write a compact, synced copy of the log to `target`, which must not exist; answers how many records it has."""
    target.touch(exist_ok=False)  # reserves the name; VACUUM INTO takes an empty file
    try:
        source = connect(path, read_only=True)
        try:
            source.execute("VACUUM INTO ?", (str(target.absolute()),))
        finally:
            source.close()
        copy = connect(target, read_only=True)
        try:
            end = read_end(copy)[0]
        finally:
            copy.close()
        _sync(target)
        _sync(target.absolute().parent)
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    return end


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
