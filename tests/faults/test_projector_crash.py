"""A projector that dies anywhere: what it leaves behind, and what the next one makes of it."""

import asyncio
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from shutil import copyfile
from typing import Any

import pytest

from domain.event import HolderDescribed, HolderForgotten
from domain.holder import tenant_set, user
from domain.preference_set import Patch
from projections.digest import ViewsDigest, views_digest
from projections.position_watcher import PositionWatcher
from projections.projector import Projector, State
from projections.views_file import open_writer
from projections.views_store import read_checkpoint
from schemas.record import LogRecord
from tests.unit.projections.following import HANG_SECONDS, Gate, open_log, until
from tests.unit.projections.records import Records, fold_on, folded, merge_of, stream_of

ANN, BOB = user("ann"), user("bob")
CUTS = (1, 6, 12, 68, 73, 76)


@pytest.fixture(scope="module")
def log() -> list[LogRecord]:
    """Small, and yet with every kind of row: sets, properties, choices that move, a snapshot, parked and repeated ones."""
    records = Records()
    for number in range(66):
        records.add(ANN, merge_of({"channel_types": {"email": bool(number % 2)}}))
        if number % 16 == 3:
            records.add(BOB, merge_of({"workflows": {"w": False}}, tenant_set("acme")), event_id=b"i" * 16)
            records.add_bytes(b"poison", stream_of(BOB))
    records.add(BOB, HolderDescribed(Patch({"/a": 1})))
    records.add(BOB, HolderForgotten("all"))
    return records.all


class Died(Exception):
    """The process is gone. Nothing that it would still have done happens."""


class Dying(sqlite3.Connection):
    """A connection of a process that dies at a certain statement, or at a certain row of one."""

    lives: int = 0

    def execute(self, *arguments: Any) -> sqlite3.Cursor:
        self._live()
        return super().execute(*arguments)

    def executemany(self, statement: str, rows: Iterable[Any], /) -> sqlite3.Cursor:
        self._live()
        return super().executemany(statement, self._each(rows))

    def _each(self, rows: Iterable[Any]) -> Iterator[Any]:
        for row in rows:
            self._live()
            yield row

    def _live(self) -> None:
        if self.lives <= 0:
            raise Died
        self.lives -= 1


def dies_after(path: Path, lives: int, records: Sequence[LogRecord]) -> bool:
    """Fold until the process dies; whether it did."""
    connection = sqlite3.connect(path, factory=Dying, isolation_level=None)
    connection.lives = lives
    try:
        fold_on(connection, records, CUTS)
    except Died:
        return True
    finally:
        connection.close()
    return False


def digests(path: Path, records: Sequence[LogRecord]) -> list[ViewsDigest]:
    """What the views say before the first batch and after each."""
    connection = open_writer(path)
    said = [views_digest(connection)]
    for end in (*CUTS, len(records)):
        fold_on(connection, records[:end])
        said.append(views_digest(connection))
    connection.close()
    return said


@pytest.mark.parametrize(("start", "end"), [(0, 9), (68, 80)], ids=["a new file", "around a snapshot"])
def test_a_crash_at_any_statement_leaves_whole_batches_and_the_next_run_ends_the_same(
    tmp_path: Path, log: list[LogRecord], start: int, end: int
) -> None:
    records = log[:end]
    whole = digests(tmp_path / "whole.sqlite", records)
    before, path = tmp_path / "before.sqlite", tmp_path / "views.sqlite"
    folded(before, records[:start], CUTS).close()
    points = 0
    for lives in count():
        copyfile(before, path)
        if not dies_after(path, lives, records):
            break
        points += 1
        connection = open_writer(path)
        assert views_digest(connection) in whole, f"a batch was torn by a crash at statement or row {lives}"
        fold_on(connection, records, CUTS)
        assert views_digest(connection) == whole[-1], f"the run after a crash at statement or row {lives} ended differently"
        connection.close()
    assert points > 40, "the crashes must reach every statement and row of every batch"


def test_a_crash_in_the_middle_of_a_statement_tears_nothing(tmp_path: Path, log: list[LogRecord]) -> None:
    """SQLite interrupts a running statement: between any two of its own steps."""
    whole = digests(tmp_path / "whole.sqlite", log)
    interrupted = 0
    for steps in range(50, 6_000, 250):
        path = tmp_path / f"views-{steps}.sqlite"
        connection = open_writer(path)
        connection.set_progress_handler(lambda: True, steps)
        with suppress(sqlite3.OperationalError):
            fold_on(connection, log, CUTS)
            interrupted -= 1
        interrupted += 1
        connection.close()
        again = open_writer(path)
        assert views_digest(again) in whole, f"torn after {steps} steps"
        fold_on(again, log, CUTS)
        assert views_digest(again) == whole[-1]
        again.close()
    assert interrupted > 3


async def test_a_projector_cancelled_at_any_await_goes_on_where_it_stood(tmp_path: Path, log: list[LogRecord]) -> None:
    async with open_log(tmp_path / "log.sqlite", log) as event_log:
        expected = await run_to_end(tmp_path / "clean.sqlite", Gate(event_log, limit=7), len(log))
        after_a_batch = 0
        for steps in (*range(1, 30), *(int(30 * 1.3**power) for power in range(20))):
            views = tmp_path / f"views-{steps}.sqlite"
            connection = open_writer(views)
            projector = Projector(Gate(event_log, limit=7), connection, PositionWatcher())
            task = asyncio.create_task(projector.run())
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            assert projector.progress.state is State.STOPPED
            await projector.stop(HANG_SECONDS)
            said = await run_to_end(views, Gate(event_log, limit=11), len(log))
            assert said == expected, f"cancelled after {steps} steps, the views ended differently"
            after_a_batch += projector.progress.checkpoint is not None
        assert after_a_batch > 0, "some of the cancellations must come after a batch, or only starts were tried"


async def test_a_projector_left_behind_in_mid_batch_and_its_successor_apply_nothing_twice(
    tmp_path: Path, log: list[LogRecord]
) -> None:
    """The old one's thread can't be called back: it may still write while the new one already reads."""
    async with open_log(tmp_path / "log.sqlite", log) as event_log:
        expected = await run_to_end(tmp_path / "clean.sqlite", Gate(event_log, limit=7), len(log))
        for steps in range(4, 60, 8):
            views = tmp_path / f"views-{steps}.sqlite"
            left_behind = Projector(Gate(event_log, limit=7), open_writer(views), PositionWatcher())
            task = asyncio.create_task(left_behind.run())
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            successor = Projector(Gate(event_log, limit=7), open_writer(views), PositionWatcher())
            running = asyncio.create_task(successor.run())
            await live_or_stopped(successor, running)
            for projector, its_task in ((left_behind, task), (successor, running)):
                its_task.cancel()
                with suppress(asyncio.CancelledError):
                    await its_task
                await projector.stop(HANG_SECONDS)
            assert await run_to_end(views, Gate(event_log, limit=7), len(log)) == expected


async def live_or_stopped(projector: Projector, task: asyncio.Task[None]) -> None:
    await until(lambda: task.done() or projector.progress.state is State.LIVE, "it gets to the log's end, or stops")


async def run_to_end(views: Path, source: Gate, length: int) -> ViewsDigest:
    """Follow the log to its end, stop, and say what the views say."""
    projector = Projector(source, open_writer(views), PositionWatcher())
    task = asyncio.create_task(projector.run())
    await live_or_stopped(projector, task)
    assert not task.done(), projector.progress.trouble
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    await projector.stop(HANG_SECONDS)
    connection = folded(views, [])
    checkpoint = read_checkpoint(connection)
    assert checkpoint is not None
    assert checkpoint.next_offset == length
    said = views_digest(connection)
    connection.close()
    return said
