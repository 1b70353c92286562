"""A replay inside a node: given up at any moment, read while another takes its place, and never left lying about."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from threading import Event

import msgspec
import pytest

from domain.event import NOBODY, PreferenceSetReplaced
from domain.holder import DEFAULT_SET, user
from projections.views_file import path_of, remove
from projections.whole_state import PAGE_HOLDERS
from services.commands import Request, draft_of
from services.ledger import Ledger
from services.replay import JobRuns, JobSlot, Replay
from services.replayer import READINGS_MAX, SCRATCH_NUMBER, NothingReplayed, Replayer
from services.source import LogSource

WAIT_SECONDS = 30.0
HOLDERS = 3 * PAGE_HOLDERS


async def written(ledger: Ledger, count: int) -> str:
    """So many more holders; the position of the last."""
    body = PreferenceSetReplaced(DEFAULT_SET, {"/enabled": False})
    drafts = [draft_of(ledger, user(str(number)), body, Request(NOBODY)) for number in range(count)]
    results = await ledger.publisher.publish(drafts, may_repeat=False)
    return str(getattr(results[-1], "position", None))


async def finished(replayer: Replayer) -> str:
    async with asyncio.timeout(WAIT_SECONDS):
        while replayer.progress()["phase"] in ("folding", "digesting"):  # noqa: ASYNC110 - a phase is no event
            await asyncio.sleep(0.001)
    return str(replayer.progress()["phase"])


def leftovers(ledger: Ledger) -> list[str]:
    return [path.name for path in ledger.views.folder.glob("views-0*")]


async def lines_of(stream: AsyncIterator[bytes]) -> list[str]:
    return [msgspec.json.decode(line)["holder"] async for page in stream for line in page.splitlines()]


@pytest.mark.parametrize("steps", [0, 1, 3, 8, 34])
async def test_one_that_is_given_up_leaves_nothing_and_another_can_begin(ledger: Ledger, steps: int) -> None:
    position = await written(ledger, 3)
    await ledger.replayer.start(position)
    for _ in range(steps):
        await asyncio.sleep(0)
    await ledger.replayer.cancel()
    assert ledger.replayer.progress()["phase"] in ("cancelled", "none"), "whoever watches it would wait for ever"
    assert leftovers(ledger) == []
    await ledger.replayer.start(position)
    assert await finished(ledger.replayer) == "done"


async def test_one_job_at_a_time(ledger: Ledger) -> None:
    first = await written(ledger, 1)
    second = await written(ledger, 1)
    await ledger.replayer.start(first)
    with pytest.raises(JobRuns):
        await ledger.replayer.start(second)
    with pytest.raises(JobRuns):
        ledger.verifier.start()
    assert await finished(ledger.replayer) == "done"


async def test_what_is_being_read_is_read_to_its_end(ledger: Ledger) -> None:
    """However slowly it is read, and whatever takes its place meanwhile."""
    position = await written(ledger, HOLDERS)
    await ledger.replayer.start(position)
    assert await finished(ledger.replayer) == "done"
    stream = ledger.replayer.holders(position)
    first = await anext(aiter(stream))
    await ledger.replayer.start(await written(ledger, 1))
    assert await finished(ledger.replayer) == "done"
    await ledger.replayer.cancel()
    rest = await lines_of(stream)
    assert len(first.splitlines()) + len(rest) == HOLDERS + 1
    with pytest.raises(NothingReplayed):
        ledger.replayer.holders(position)


async def test_a_finished_one_is_not_folded_again_while_it_is_there(ledger: Ledger) -> None:
    position = await written(ledger, 1)
    await ledger.replayer.start(position)
    assert await finished(ledger.replayer) == "done"
    await ledger.replayer.start(position)
    assert ledger.replayer.progress()["phase"] == "done"


async def test_only_so_many_read_at_once(ledger: Ledger) -> None:
    position = await written(ledger, 1)
    await ledger.replayer.start(position)
    assert await finished(ledger.replayer) == "done"
    streams = [ledger.replayer.holders(position) for _ in range(READINGS_MAX)]
    for stream in streams:
        await anext(aiter(stream))
    with pytest.raises(NothingReplayed, match="read it when one of them is done"):
        ledger.replayer.holders(position)
    for stream in streams:
        assert await lines_of(stream) == []
    assert len(await lines_of(ledger.replayer.holders(position))) == 2


async def test_one_that_nobody_reads_is_removed_after_its_time(ledger: Ledger) -> None:
    position = await written(ledger, 1)
    replayer = Replayer("test", ledger.views, LogSource(ledger.log), JobSlot(), kept_seconds=0.05)
    await replayer.start(position)
    assert await finished(replayer) in ("done", "none")
    async with asyncio.timeout(WAIT_SECONDS):
        while leftovers(ledger):  # noqa: ASYNC110 - nothing tells of a file that goes
            await asyncio.sleep(0.01)
    assert replayer.progress()["phase"] == "none"


async def test_a_node_that_stops_leaves_nothing_of_it_behind(ledger: Ledger) -> None:
    """The fixture looks, when it has stopped the node."""
    await ledger.replayer.start(await written(ledger, 1))
    assert await finished(ledger.replayer) == "done"
    assert leftovers(ledger) != []


async def test_whoever_gives_up_does_not_wait_until_a_file_is_read_through(ledger: Ledger) -> None:
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"
    begun = Event()
    connections: list[sqlite3.Connection] = []

    def count(connection: sqlite3.Connection) -> object:
        connections.append(connection)
        begun.set()
        return connection.execute(endless).fetchone()

    async def read_through() -> None:
        async with Replay(path_of(ledger.views.folder, SCRATCH_NUMBER), LogSource(ledger.log), lambda *_: None) as replay:
            await replay.in_thread(count, replay.connection)

    task = asyncio.create_task(read_through())
    await asyncio.to_thread(begun.wait, WAIT_SECONDS)
    task.cancel()
    done, _ = await asyncio.wait({task}, timeout=WAIT_SECONDS)
    if not done:
        connections[0].interrupt()
    assert done, "whoever gave up still waits"
    remove(ledger.views.folder, SCRATCH_NUMBER)
