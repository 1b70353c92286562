"""Waiting for the projection: how a write reads itself back."""

import asyncio

from projections.position_watcher import PositionWatcher

LONG_SECONDS = 30.0


async def test_what_is_folded_already_is_not_waited_for() -> None:
    watcher = PositionWatcher()
    assert watcher.next_offset == 0
    await watcher.advance(5)
    assert await watcher.wait_past(4, 0.0)
    assert not await watcher.wait_past(5, 0.0), "the record at 5 is the next one: it is not folded yet"


async def test_everyone_is_woken_once_their_record_is_folded() -> None:
    watcher = PositionWatcher()
    woken: list[int] = []

    async def wait(offset: int) -> None:
        assert await watcher.wait_past(offset, LONG_SECONDS)
        woken.append(offset)

    tasks = [asyncio.create_task(wait(offset)) for offset in (7, 0, 3, 3)]
    await asyncio.sleep(0)
    assert woken == []
    await watcher.advance(4)
    await asyncio.gather(*tasks[1:])
    assert sorted(woken) == [0, 3, 3], "the record at 7 is not folded yet"
    await watcher.advance(8)
    await asyncio.gather(*tasks)
    assert sorted(woken) == [0, 3, 3, 7]


async def test_the_projection_never_goes_back() -> None:
    watcher = PositionWatcher()
    await watcher.advance(8)
    await watcher.advance(3)
    assert watcher.next_offset == 8


async def test_a_wait_that_is_given_up_leaves_the_others_alone() -> None:
    watcher = PositionWatcher()
    patient = asyncio.create_task(watcher.wait_past(0, LONG_SECONDS))
    hasty = asyncio.create_task(watcher.wait_past(0, LONG_SECONDS))
    await asyncio.sleep(0)
    hasty.cancel()
    assert not await watcher.wait_past(0, 0.001)
    await watcher.advance(1)
    assert await patient
    assert hasty.cancelled()
