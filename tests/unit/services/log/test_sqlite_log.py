"""What only the embedded log promises: one sync a commit, nothing lost by kill -9, honest answers from a bad disk."""

import asyncio
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from schemas.record import LogRecord, NewRecord
from services.log.port import AppendOutcome, LogBounds, LogUnavailable, LogUnfit, Refused, Stored, Unknown
from services.log.sqlite_file import connect
from services.log.sqlite_log import SqliteEventLog
from tests.vfs import SQLITE_FULL, SQLITE_IOERR_FSYNC, WatchedVfs

TIMEOUT_SECONDS = 20.0
ROOT = Path(__file__).parents[4]


def record(number: int, size: int = 100) -> NewRecord:
    return NewRecord(b"key", (b"value %d " % number).ljust(size, b"."))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.sqlite"


@pytest.fixture
async def log(path: Path) -> AsyncIterator[SqliteEventLog]:
    log = SqliteEventLog(path)
    await log.start()
    yield log
    await log.stop()


@pytest.fixture
def vfs() -> Iterator[WatchedVfs]:
    vfs = WatchedVfs(f"watched-{uuid.uuid4().hex}")
    yield vfs
    vfs.unregister()


@pytest.fixture
async def watched_log(path: Path, vfs: WatchedVfs) -> AsyncIterator[SqliteEventLog]:
    log = SqliteEventLog(path, vfs=vfs.name)
    await log.start()
    yield log
    await log.stop()


async def append(log: SqliteEventLog, *numbers: int) -> list[AppendOutcome]:
    return await log.append([record(number) for number in numbers], timeout_seconds=TIMEOUT_SECONDS)


async def read_all(log: SqliteEventLog) -> list[LogRecord]:
    end = (await log.bounds(timeout_seconds=TIMEOUT_SECONDS)).end
    return await log.read(0, limit=end, wait_seconds=TIMEOUT_SECONDS) if end else []


# Durability


async def test_one_group_commit_is_one_sync(watched_log: SqliteEventLog, vfs: WatchedVfs) -> None:
    # The first commit after a checkpoint also writes, and syncs, the header of the write-ahead log.
    await append(watched_log, 0)
    vfs.syncs.clear()
    for number in range(20):
        await append(watched_log, number)
    assert vfs.syncs == {"wal": 20}
    await append(watched_log, *range(1_000))
    assert vfs.syncs == {"wal": 21}, "a batch must be synced once, not once a record"
    await asyncio.gather(*(append(watched_log, number) for number in range(64)))
    assert vfs.syncs["wal"] - 21 <= 2, "writers that wait together must be synced together"


async def test_the_write_ahead_log_does_not_grow_for_ever(path: Path, log: SqliteEventLog) -> None:
    for _ in range(20):
        await log.append([record(number, size=10_000) for number in range(300)], timeout_seconds=TIMEOUT_SECONDS)
    written = (await log.bounds(timeout_seconds=TIMEOUT_SECONDS)).end * 10_000
    assert path.with_name("log.sqlite-wal").stat().st_size < written / 2


WRITER = """
import asyncio, sys
from pathlib import Path
from schemas.record import LogRecord, NewRecord
from services.log.port import Stored
from services.log.sqlite_log import SqliteEventLog

async def write(log, name):
    number = 0
    while True:
        values = [f"{name} {number + index}".encode() for index in range(3)]
        number += 3
        outcomes = await log.append([NewRecord(b"key", value) for value in values], timeout_seconds=20)
        for value, outcome in zip(values, outcomes):
            assert isinstance(outcome, Stored), outcome
            print(outcome.offset, value.decode(), flush=True)

async def main():
    log = SqliteEventLog(Path(sys.argv[1]))
    await log.start()
    await asyncio.gather(*(write(log, f"{sys.argv[2]} writer-{number}") for number in range(8)))

asyncio.run(main())
"""


def kill_while_writing(path: Path, run: str, lines: int) -> list[str]:
    """Start a process that writes without end, and kill it as soon as it has acknowledged so many records."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), run],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None
    acknowledged = [process.stdout.readline() for _ in range(lines)]
    process.send_signal(signal.SIGKILL)
    rest, _ = process.communicate()
    return [line.rstrip("\n") for line in [*acknowledged, *rest.splitlines(keepends=True)] if line.endswith("\n")]


async def test_kill_9_loses_nothing_that_was_acknowledged(path: Path) -> None:
    acknowledged: list[str] = []
    for run in range(5):
        acknowledged += await asyncio.to_thread(kill_while_writing, path, f"run-{run}", 20 + 37 * run)
    log = SqliteEventLog(path)
    await log.start()
    records = await read_all(log)
    await log.stop()
    assert [found.offset for found in records] == list(range(len(records)))
    kept = {f"{found.offset} {found.value.decode()}" for found in records}
    assert len(kept) >= len(acknowledged) > 400
    assert set(acknowledged) - kept == set(), "acknowledged records are lost"


# A bad disk


async def test_a_full_disk_is_refused_and_writing_goes_on_when_there_is_space(
    watched_log: SqliteEventLog, vfs: WatchedVfs
) -> None:
    await append(watched_log, 0)
    vfs.write_answer = SQLITE_FULL
    (outcome,) = await append(watched_log, 1)
    vfs.write_answer = 0
    assert isinstance(outcome, Refused)
    assert "Free some space" in outcome.reason
    assert [type(one) for one in await append(watched_log, 2)] == [Stored]
    assert [found.value for found in await read_all(watched_log)] == [record(0).value, record(2).value]


async def test_a_sync_that_fails_is_unknown_and_leaves_no_hole(watched_log: SqliteEventLog, vfs: WatchedVfs) -> None:
    await append(watched_log, 0)
    vfs.sync_answer = SQLITE_IOERR_FSYNC
    (outcome,) = await append(watched_log, 1)
    vfs.sync_answer = 0
    assert isinstance(outcome, Unknown)
    (after,) = await append(watched_log, 2)
    records = await read_all(watched_log)
    assert [found.offset for found in records] == list(range(len(records)))
    assert isinstance(after, Stored)
    assert records[after.offset].value == record(2).value


async def test_a_second_process_that_wrote_is_noticed(path: Path, log: SqliteEventLog) -> None:
    await append(log, 0)
    other = SqliteEventLog(path)
    await other.start()
    await append(other, 1)
    (outcome,) = await append(log, 2)
    assert isinstance(outcome, Refused)
    assert "Another process" in outcome.reason
    await other.stop()
    assert [type(one) for one in await append(log, 3)] == [Stored]
    assert [found.value for found in await read_all(log)] == [record(0).value, record(1).value, record(3).value]


# The clock


async def test_a_clock_that_is_set_back_does_not_set_the_log_back(path: Path) -> None:
    instants = iter([1_000, 400, 1_000, 2_000])
    log = SqliteEventLog(path, clock=lambda: next(instants))
    await log.start()
    for number in range(3):
        await append(log, number)
    await log.stop()
    log = SqliteEventLog(path, clock=lambda: 500)
    await log.start()
    await append(log, 3)
    records = await read_all(log)
    await log.stop()
    assert [found.timestamp_milliseconds for found in records] == [1_000, 1_000, 1_000, 1_000]


# Lost records


async def test_records_that_go_missing_are_noticed_by_the_reader(path: Path, log: SqliteEventLog) -> None:
    await append(log, *range(10))
    delete_behind_its_back(path, 5)
    assert len(await log.read(0, limit=5, wait_seconds=0)) == 5
    for offset in (0, 4, 5):
        with pytest.raises(LogUnfit, match="missing"):
            await log.read(offset, limit=10, wait_seconds=0)


# Followers


async def test_who_keeps_up_is_given_what_was_committed_without_a_read_of_the_file(path: Path, log: SqliteEventLog) -> None:
    await append(log, *range(3))
    await append(log, *range(3, 10))
    delete_behind_its_back(path, 4)
    followed = await log.follow(2, limit=5, wait_seconds=0)
    assert [(found.offset, found.value) for found in followed] == [(at, record(at).value) for at in range(2, 7)]
    with pytest.raises(LogUnfit, match="missing"):
        await log.read(2, limit=5, wait_seconds=0)  # Who checks the log must see what it has lost.


async def test_what_is_given_from_memory_is_what_the_file_has(log: SqliteEventLog) -> None:
    headed = [NewRecord(b"key", b"value", (("name", b"\x00"), ("name", b""))), NewRecord(b"", b"")]
    await log.append(headed, timeout_seconds=TIMEOUT_SECONDS)
    assert await log.follow(0, limit=2, wait_seconds=0) == await read_all(log)


def delete_behind_its_back(path: Path, *offsets: int) -> None:
    connection = connect(path, read_only=False)
    connection.execute("DROP TRIGGER no_delete")
    connection.executemany('DELETE FROM record WHERE "offset" = ?', [(offset,) for offset in offsets])
    connection.close()


# Backup


async def test_a_backup_is_a_whole_log_of_its_own(path: Path, tmp_path: Path, log: SqliteEventLog) -> None:
    await append(log, *range(100))
    target = tmp_path / "copy.sqlite"
    writer = asyncio.create_task(append(log, *range(100, 200)))
    bounds = await log.backup(target)
    await writer
    assert bounds.end in (100, 200)
    assert [name for name in names_in(tmp_path) if "copy" in name] == ["copy.sqlite"], "the copy must be one file"
    copy = SqliteEventLog(target)
    await copy.start()
    records = await read_all(copy)
    assert await copy.bounds(timeout_seconds=TIMEOUT_SECONDS) == bounds
    assert records == (await read_all(log))[: bounds.end]
    (outcome,) = await append(copy, 1)
    assert isinstance(outcome, Stored)
    assert outcome.offset == bounds.end
    await copy.stop()


async def test_a_backup_never_overwrites(tmp_path: Path, log: SqliteEventLog) -> None:
    target = tmp_path / "copy.sqlite"
    target.write_bytes(b"")
    with pytest.raises(FileExistsError):
        await log.backup(target)
    assert target.read_bytes() == b""


async def test_a_backup_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    log = SqliteEventLog(tmp_path / "never-started.sqlite")
    target = tmp_path / "copy.sqlite"
    with pytest.raises(LogUnavailable, match="backup"):
        await log.backup(target)
    assert not target.exists()


async def test_no_files_are_left_beside_a_stopped_log(path: Path, tmp_path: Path) -> None:
    log = SqliteEventLog(path)
    await log.start()
    await append(log, *range(10))
    assert await log.bounds(timeout_seconds=1) == LogBounds(0, 10)
    await read_all(log)
    await log.stop()
    assert names_in(tmp_path) == ["log.sqlite"]


def names_in(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())
