"""Views files on disk: `views-N.sqlite`, and a pointer file that says which N serves.

Nothing is ever renamed under a write-ahead log: a rebuild writes the next number and then moves the pointer.
"""

import os
import sqlite3
from pathlib import Path

from domain.fold import FOLD_VERSION
from projections import tables
from projections.views_store import read_checkpoint

POINTER = "views"
MMAP_BYTES = 64 * 2**30
"""An upper bound of what may be mapped, not of what is used: the pages belong to the system's cache, not to us."""
WRITER_CACHE_KIBIBYTES = 32 * 1024
READER_CACHE_KIBIBYTES = 2 * 1024
BUSY_SECONDS = 5.0


class ViewsUnusable(Exception):
    """The file is not views of this release. The text says what to do."""


def path_of(folder: Path, number: int) -> Path:
    """The views file with this number."""
    return folder / f"views-{number}.sqlite"


def current_number(folder: Path) -> int:
    """The number that the pointer file names; 1 where there is none yet."""
    try:
        return int((folder / POINTER).read_text())
    except (FileNotFoundError, ValueError):
        return 1


def point_to(folder: Path, number: int) -> None:
    """Make `views-NUMBER.sqlite` the one that serves, surviving a crash at any moment."""
    fresh = folder / f"{POINTER}.new"
    with fresh.open("w") as file:
        file.write(f"{number}\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(folder / POINTER)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove(folder: Path, number: int) -> None:
    """Delete a views file and what SQLite keeps beside it."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        Path(f"{path_of(folder, number)}{suffix}").unlink(missing_ok=True)


def remove_others(folder: Path, keep: int) -> None:
    """Delete every views file but one: what a cancelled rebuild, or one that a crash cut off, left behind."""
    for path in folder.glob("views-*.sqlite"):
        number = path.stem.removeprefix("views-")
        if number.isdigit() and int(number) != keep:
            remove(folder, int(number))


def open_writer(path: Path) -> sqlite3.Connection:
    """The one connection that writes this file and checkpoints it; makes the tables of a new one. Raises ViewsUnusable.

    `synchronous=NORMAL`: after a power cut the last transactions may be gone, never torn; the log has them.
    """
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=BUSY_SECONDS)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA cache_size = -{WRITER_CACHE_KIBIBYTES}")
        connection.execute(f"PRAGMA mmap_size = {MMAP_BYTES}")
        connection.execute("PRAGMA wal_autocheckpoint = 8000")
        _prepare(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    application_id = connection.execute("PRAGMA application_id").fetchone()[0]
    has_tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] > 0
    if has_tables and application_id != tables.VIEWS_APPLICATION_ID:
        raise ViewsUnusable(f"{path} is a SQLite file, but not views of a preference ledger; move it away")
    if not has_tables:
        connection.executescript(
            f"BEGIN; PRAGMA application_id = {tables.VIEWS_APPLICATION_ID};"
            f"PRAGMA user_version = {FOLD_VERSION};{tables.CREATE}COMMIT;"
        )


def is_current(path: Path) -> bool:
    """Whether the file was made by this release's fold; one that was not is rebuilt, never served."""
    if not path.exists():
        return False
    connection = sqlite3.connect(_read_only(path), uri=True)
    try:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version != FOLD_VERSION:
            return False
        checkpoint = read_checkpoint(connection)
        return checkpoint is None or checkpoint.fold_version == FOLD_VERSION
    except sqlite3.DatabaseError:
        return False
    finally:
        connection.close()


def _read_only(path: Path) -> str:
    """The file as a URI (sqlite.org/uri.html), in which a `#`, `?` or `%` of its name is no more than that."""
    return f"{path.absolute().as_uri()}?mode=ro"


def open_reader(path: Path) -> sqlite3.Connection:
    """A connection that can only read."""
    connection = sqlite3.connect(
        _read_only(path), uri=True, isolation_level=None, check_same_thread=False, timeout=BUSY_SECONDS
    )
    connection.execute("PRAGMA query_only = 1")
    connection.execute(f"PRAGMA mmap_size = {MMAP_BYTES}")
    connection.execute(f"PRAGMA cache_size = -{READER_CACHE_KIBIBYTES}")
    return connection
