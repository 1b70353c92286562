"""Rebuilding while a node works: cancelling at any moment leaves one that goes on writing."""

import asyncio

import pytest

from domain.event import NOBODY, PreferenceSetReplaced
from domain.holder import DEFAULT_SET, user
from projections.projector import State
from services.commands import Request, draft_of
from services.ledger import Ledger

WAIT_SECONDS = 30.0


async def write(ledger: Ledger, enabled: bool = False) -> str:
    body = PreferenceSetReplaced(DEFAULT_SET, {"/enabled": enabled})
    draft = draft_of(ledger, user("zoe"), body, Request(NOBODY))
    return (await ledger.publisher.publish_one(draft)).outcome


@pytest.mark.parametrize("steps", [0, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89])
async def test_after_a_cancelled_rebuild_the_node_still_takes_writes(ledger: Ledger, steps: int) -> None:
    await write(ledger)
    ledger.rebuilder.start()
    for _ in range(steps):
        await asyncio.sleep(0)
    await ledger.rebuilder.cancel()
    assert ledger.rebuilder.progress()["phase"] in ("cancelled", "done"), "whoever watches it would wait for ever"
    assert await write(ledger, enabled=True) == "applied", "the rebuild took the projector with it"
    assert ledger.progress.state is State.LIVE


async def test_a_rebuild_that_is_cancelled_while_it_swaps_is_seen_through(ledger: Ledger) -> None:
    await write(ledger)
    ledger.rebuilder.start()
    async with asyncio.timeout(WAIT_SECONDS):
        while ledger.rebuilder.progress()["phase"] not in ("swapping", "done"):  # noqa: ASYNC110 - a phase is no event
            await asyncio.sleep(0)
    await ledger.rebuilder.cancel()
    assert ledger.rebuilder.progress()["phase"] == "done"
    assert await write(ledger, enabled=True) == "applied"


async def test_reads_and_writes_go_on_while_views_are_swapped(ledger: Ledger) -> None:
    outcomes: list[str] = []

    async def keep_writing() -> None:
        for number in range(40):
            outcomes.append(await write(ledger, enabled=number % 2 == 0))
            count = await ledger.views.reader.read(
                lambda connection: connection.execute("SELECT count(set_body) FROM holders").fetchone()
            )
            assert count[0] > 0

    writing = asyncio.create_task(keep_writing())
    for _ in range(2):
        ledger.rebuilder.start()
        async with asyncio.timeout(WAIT_SECONDS):
            while ledger.rebuilder.progress()["phase"] != "done":  # noqa: ASYNC110 - a phase is no event
                await asyncio.sleep(0.005)
    await writing
    assert outcomes == ["applied"] * 40, "somebody's write was refused because views were made anew"
