"""Which files are taken for a log, and which are refused and left as they are."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from schemas.record import Headers, LogRecord, NewRecord
from services.log.port import LogUnavailable, LogUnfit
from services.log.sqlite_file import connect, encode_headers, open_writer, read_records
from services.log.sqlite_writer import SqliteWriter


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.sqlite"


def writer_of(path: Path) -> SqliteWriter:
    return SqliteWriter(path, clock=lambda: 1, vfs=None)


def write(path: Path, count: int) -> None:
    writer = writer_of(path)
    writer.open()
    writer.commit([NewRecord(b"key", b"value %d" % number) for number in range(count)])
    writer.close()


def test_the_writing_connection_syncs_every_commit_and_never_checkpoints_by_itself(path: Path) -> None:
    with closing(open_writer(path)) as connection:
        settings = {
            name: connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("synchronous", "journal_mode", "fullfsync", "wal_autocheckpoint")
        }
    assert settings == {"synchronous": 2, "journal_mode": "wal", "fullfsync": 1, "wal_autocheckpoint": 0}


def test_the_folder_must_exist(tmp_path: Path) -> None:
    with pytest.raises(LogUnavailable, match="folder exists"):
        open_writer(tmp_path / "missing" / "log.sqlite")


@contextmanager
def without_roots_rights() -> Iterator[None]:
    user = os.geteuid()
    if user == 0:
        os.seteuid(65_534)
    try:
        yield
    finally:
        os.seteuid(user)


def test_the_file_must_be_writable() -> None:
    # Not `tmp_path`, which only its owner may enter.
    with TemporaryDirectory() as name:
        folder = Path(name)
        write(folder / "log.sqlite", 1)
        (folder / "log.sqlite").chmod(0o444)
        folder.chmod(0o755)
        with without_roots_rights(), pytest.raises(LogUnavailable, match="permissions"):
            open_writer(folder / "log.sqlite")


def test_a_name_with_the_signs_of_a_uri_is_a_name(tmp_path: Path) -> None:
    path = tmp_path / "a?mode=memory&b#%20ü.sqlite"
    write(path, 1)
    assert path.stat().st_size > 0


def test_another_programs_database_is_left_alone(path: Path) -> None:
    with closing(connect(path, read_only=False)) as connection:
        connection.execute("CREATE TABLE precious (data TEXT)")
    before = path.read_bytes()
    with pytest.raises(LogUnfit, match="another program's database"):
        open_writer(path)
    assert path.read_bytes() == before


def test_a_database_that_says_whose_it_is_is_left_alone(path: Path) -> None:
    with closing(connect(path, read_only=False)) as connection:
        connection.execute("PRAGMA application_id = 252006674")
    with pytest.raises(LogUnfit, match="another program's database"):
        open_writer(path)


def test_a_file_that_is_no_database_is_left_alone(path: Path) -> None:
    path.write_bytes(b"the only copy of my thesis\n" * 100)
    before = path.read_bytes()
    with pytest.raises(LogUnfit, match="not a log file"):
        open_writer(path)
    assert path.read_bytes() == before


def test_a_newer_releases_log_is_left_alone(path: Path) -> None:
    with closing(open_writer(path)) as connection:
        connection.execute("PRAGMA user_version = 2")
    with pytest.raises(LogUnfit, match="layout 2"):
        open_writer(path)


def test_a_crash_while_the_file_was_made_leaves_one_that_can_be_used(path: Path) -> None:
    with closing(connect(path, read_only=False)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    write(path, 3)
    with closing(connect(path, read_only=True)) as connection:
        assert len(read_records(connection, 0, 10, 1_000)) == 3


@pytest.mark.parametrize("lost", [[0], [0, 1], [4], [3, 7], [8]])
def test_records_that_are_missing_are_noticed_when_the_log_is_opened(path: Path, lost: list[int]) -> None:
    write(path, 10)
    with closing(connect(path, read_only=False)) as connection:
        connection.execute("DROP TRIGGER no_delete")
        connection.executemany('DELETE FROM record WHERE "offset" = ?', [(offset,) for offset in lost])
    with pytest.raises(LogUnfit, match=f"^{len(lost)} records are missing"):
        writer_of(path).open()


@pytest.mark.parametrize("statement", ["DELETE FROM record", "UPDATE record SET value = x'00'"])
def test_a_hand_with_sql_can_not_rewrite_history(path: Path, statement: str) -> None:
    write(path, 1)
    with (
        closing(connect(path, read_only=False)) as connection,
        pytest.raises(sqlite3.IntegrityError, match="the log only grows"),
    ):
        connection.execute(statement)


def test_a_reader_ends_early_rather_than_hold_too_many_bytes(path: Path) -> None:
    write(path, 10_000)
    with closing(connect(path, read_only=True)) as connection:
        records = read_records(connection, 7, 10_000, 100)
    assert 0 < len(records) < 9_993
    assert [found.offset for found in records] == list(range(7, 7 + len(records)))


@pytest.mark.parametrize("headers", [(), (("a", b""),), (("ä", b"\x00\xff"), ("a", b"1"), ("a", b"2"))])
def test_headers_come_back_as_they_were(path: Path, headers: Headers) -> None:
    writer = writer_of(path)
    writer.open()
    writer.commit([NewRecord(b"", b"", headers)])
    writer.close()
    with closing(connect(path, read_only=True)) as connection:
        assert read_records(connection, 0, 1, 1) == [LogRecord(0, 1, b"", b"", headers)]


def test_headers_are_kept_in_a_form_that_other_programs_can_read() -> None:
    # MessagePack: an array of 1, holding an array of 2, a string and a byte string (msgpack.org, spec).
    assert encode_headers((("ce_id", b"1"),)) == b"\x91\x92\xa5ce_id\xc4\x011"
    assert encode_headers(()) is None
