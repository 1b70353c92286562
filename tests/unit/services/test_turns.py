"""Long work on the event loop: in order, and never for long at a time, however many have some."""

import asyncio
import threading
import time

import pytest

from services import turns as turns_module
from services.turns import STEP_BYTES_MAX, TURN_SECONDS, Turns, size_of
from tests.golden.drafts import DRAFTS


def slow(item: int) -> int:
    until = time.perf_counter() + 2 * TURN_SECONDS
    while time.perf_counter() < until:
        pass
    return -item


class Rounds:
    """Counts the event loop's rounds."""

    def __init__(self) -> None:
        self.count = 0
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while True:
            self.count += 1
            await asyncio.sleep(0)

    def stop(self) -> None:
        self._task.cancel()


async def test_each_item_has_its_result_in_order() -> None:
    assert await Turns().each(slow, range(20)) == [-item for item in range(20)]
    assert await Turns().each(slow, []) == []


async def test_small_work_is_done_in_one_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns_module, "TURN_SECONDS", 10.0)
    other = asyncio.create_task(asyncio.sleep(0))
    await Turns().each(lambda item: item, [1, 2, 3])
    assert not other.done(), "for a few small steps nobody else has to be let in"


async def test_others_get_in_between_two_turns() -> None:
    rounds = Rounds()
    await Turns().each(slow, range(50))
    rounds.stop()
    assert rounds.count >= 49, "a question would have waited for several steps"


async def test_all_who_have_much_to_do_share_one_turn_a_round() -> None:
    """However many publish at once, a question waits for one of them."""
    turns = Turns()
    steps: list[tuple[int, int]] = []
    rounds = Rounds()

    def step(who: int) -> int:
        steps.append((rounds.count, who))
        return slow(who)

    await asyncio.gather(*(turns.each(step, [who] * 10) for who in range(4)))
    rounds.stop()
    assert sorted(who for _, who in steps[:4]) == [0, 1, 2, 3], "nobody waits for the first turn"
    in_one_round = [number for number, _ in steps[4:]]
    assert max(in_one_round.count(number) for number in set(in_one_round)) == 1
    assert {who for _, who in steps[4:12]} == {0, 1, 2, 3}, "who came first would be done before anybody else goes on"


async def test_who_has_little_to_do_does_not_wait_for_who_has_much() -> None:
    turns = Turns()
    large = asyncio.create_task(turns.each(slow, range(50)))
    await asyncio.sleep(0)
    assert await turns.each(slow, [1]) == [-1]
    assert not large.done()
    await large


async def test_who_has_much_to_do_does_not_wait_for_all_who_have_little() -> None:
    """Or a batch of a thousand would stand behind every single event that is published beside it."""
    turns = Turns()
    singles = 0

    async def publish_single_events() -> None:
        nonlocal singles
        while True:
            await turns.each(slow, [1])
            singles += 1
            await asyncio.sleep(0)

    crowd = [asyncio.create_task(publish_single_events()) for _ in range(5)]
    await turns.each(slow, range(20))
    for task in crowd:
        task.cancel()
    assert singles <= 5 * 3 * 20


async def test_what_a_step_raises_ends_the_work_and_harms_nobody_else() -> None:
    turns = Turns()
    done: list[int] = []

    def step(item: int) -> None:
        if item == 2:
            raise ValueError("no")
        done.append(item)

    with pytest.raises(ValueError, match="no"):
        await turns.each(step, range(5))
    assert done == [0, 1]
    assert await turns.each(slow, [1]) == [-1]


async def test_a_large_step_is_done_on_a_thread_and_all_stay_in_order() -> None:
    """It can't be cut, and would hold every question up for as long as it takes."""

    def step(size: int) -> tuple[int, bool]:
        return size, threading.current_thread() is threading.main_thread()

    sizes = [1, STEP_BYTES_MAX + 1, 2, STEP_BYTES_MAX, 5 * STEP_BYTES_MAX, 5 * STEP_BYTES_MAX]
    done = await Turns().each(step, sizes, lambda size: size)
    assert done == [(size, size <= STEP_BYTES_MAX) for size in sizes]


async def test_nobody_waits_for_anothers_large_step() -> None:
    turns = Turns()
    go_on = threading.Event()
    large = asyncio.create_task(turns.each(lambda _: go_on.wait(10), [STEP_BYTES_MAX + 1], lambda size: size))
    await asyncio.sleep(0)
    assert await turns.each(slow, range(3)) == [0, -1, -2]
    assert not large.done()
    go_on.set()
    assert await large == [True]


async def test_who_gives_up_between_two_turns_lets_the_others_go_on() -> None:
    turns = Turns()
    for _ in range(3):
        giving_up = asyncio.create_task(turns.each(slow, range(1_000)))
        await asyncio.sleep(0)
        giving_up.cancel()
        assert await turns.each(slow, range(3)) == [0, -1, -2]
        assert giving_up.cancelled()


@pytest.mark.parametrize("name", DRAFTS)
def test_the_size_of_every_kind_of_event_can_be_told(name: str) -> None:
    assert 0 < size_of((DRAFTS[name].body, DRAFTS[name].provenance)) < 10_000
