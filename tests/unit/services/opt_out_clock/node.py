"""A node's log, projector and opt-out clock, with the two system clocks that they go by in the hands of a test."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from domain.event import Body
from domain.holder import Holder
from projections.position_watcher import PositionWatcher
from projections.projector import Projector, State
from projections.views_file import open_writer
from projections.views_reader import ViewsReader
from services.log.sqlite_log import SqliteEventLog
from services.observability.counts import LedgerCounts
from services.observability.ledger_observer import LedgerObserver
from services.opt_out_clock.clock import OptOutClock
from services.opt_out_clock.keeper import Report
from services.opt_out_clock.measurement import Totals
from tests.unit.projections.following import HANG_SECONDS, Following, Gate, Log, until
from tests.unit.projections.records import START_MILLISECONDS, Records

DAY = 24 * 3600 * 1000


class Time:
    """What the log's clock and the node's clock show, in Unix milliseconds."""

    def __init__(self) -> None:
        self.now = START_MILLISECONDS

    def pass_by(self, milliseconds: int) -> None:
        self.now += milliseconds


class TimedLog(Log):
    """An embedded log that goes by the test's clock."""

    def __init__(self, path: Path, time: Time) -> None:
        self.log = SqliteEventLog(path, clock=lambda: time.now)
        self.records = Records()

    async def say(self, holder: Holder, *bodies: Body) -> None:
        """Append events, as a node would."""
        await self.append([self.records.add(holder, body) for body in bodies])


class Node:
    """One process of a node. It answers from the moment at which it has caught up, and does not stop doing so."""

    def __init__(self, follower: Following, gate: Gate, observer: LedgerObserver, views: ViewsReader) -> None:
        self.follower, self.gate, self.observer, self.views = follower, gate, observer, views

    @property
    def clock(self) -> OptOutClock:
        return self.observer._clock

    async def folded(self, log: TimedLog) -> None:
        await until(lambda: self.follower.watcher.next_offset == len(log.records.all), "everything is folded")

    async def report(self, longer_than_seconds: float = 1) -> Report:
        return await self.clock.report(int(longer_than_seconds * 1000), above=-1, limit=1_000)

    async def totals(self) -> Totals:
        totals = (await self.report()).totals
        assert totals is not None, "nothing was measured"
        return totals


@asynccontextmanager
async def open_timed_log(folder: Path, time: Time) -> AsyncIterator[TimedLog]:
    log = TimedLog(folder / "log.sqlite", time)
    await log.log.start()
    try:
        await log.append(log.records.all)
        yield log
    finally:
        await log.log.stop()


@asynccontextmanager
async def open_node(
    folder: Path, log: TimedLog, time: Time, *, killed: bool = False, readable_below: int = 1_000_000
) -> AsyncIterator[Node]:
    """`killed`: the process ends as by SIGKILL, in that its clock gets no word of it."""
    views = folder / "views-1.sqlite"
    connection = open_writer(views)
    reader = ViewsReader(views)
    was_live = False

    def is_answering() -> bool:
        nonlocal was_live
        was_live = was_live or projector.progress.state is State.LIVE
        return was_live

    clock = OptOutClock(folder, is_answering, lambda: time.now)
    observer = LedgerObserver(is_answering, LedgerCounts(), clock)
    gate, watcher = Gate(log), PositionWatcher()
    gate.readable_below = readable_below
    projector = Projector(gate, connection, watcher, monotonic=lambda: 0.0, observer=observer)
    await clock.start(lambda: reader)
    follower = Following(projector, watcher)
    try:
        if readable_below > len(log.records.all):
            await until(is_answering, "the node answers")
        yield Node(follower, gate, observer, reader)
    finally:
        await follower.end()
        if killed:
            await forget(clock)
        else:
            async with asyncio.timeout(HANG_SECONDS):
                await clock.stop()
        reader.close()


async def forget(clock: OptOutClock) -> None:
    """What is left of a clock when its process is killed: what its file has."""
    if clock._task is not None:
        clock._task.cancel()
    clock._thread.submit(clock._keeper.close).result(HANG_SECONDS)
    clock._thread.shutdown()
