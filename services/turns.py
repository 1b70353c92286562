"""Work of many small steps on the event loop, in turns so short that the questions between them hardly wait.

For small steps a thread would be no help: CPython runs one at a time, and one that has much to do holds the others up for
longer than such a turn. A large step is done on a thread after all: it can't be cut.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

import msgspec

TURN_SECONDS: Final = 0.0003
"""A step is begun before this."""
STEP_BYTES_MAX: Final = 2_048
"""What a step is about has so many bytes at most, or it is a large one: a millisecond and more."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def size_of(value: object) -> int:
    """How much a value says: its bytes as JSON. A microsecond for a usual event."""
    return len(msgspec.json.encode(value))


class Turns:
    """One ledger's queue of who has more to do than one turn: each round of the event loop gives one of them the next."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()

    async def each(
        self,
        function: Callable[[Item], Result],
        items: Sequence[Item],
        size: Callable[[Item], int] | None = None,
    ) -> list[Result]:
        """What the function makes of each item, in order. What it raises ends the work.

        `size`: the bytes that an item's step is about. Without it, every step is a small one.
        """
        results: list[Result] = []
        # Most have no more to do than this, and must not be made to wait for the few who have much.
        large = self._small_steps(function, items, size, results)
        while len(results) < len(items):
            if large:
                results.append(await asyncio.to_thread(function, items[len(results)]))
                large = False
                continue
            async with self._turn:
                # With the turn in hand, or everybody who waits for it would have one in this round.
                await asyncio.sleep(0)
                large = self._small_steps(function, items, size, results)
        return results

    async def one(self, function: Callable[[Item], Result], item: Item) -> Result:
        """What the function makes of one item; of a large one on a thread."""
        (result,) = await self.each(function, [item], size_of)
        return result

    def _small_steps(
        self,
        function: Callable[[Item], Result],
        items: Sequence[Item],
        size: Callable[[Item], int] | None,
        results: list[Result],
    ) -> bool:
        """One turn; whether it ended before a large step."""
        until = time.perf_counter() + TURN_SECONDS
        while len(results) < len(items):
            item = items[len(results)]
            if size is not None and size(item) > STEP_BYTES_MAX:
                return True
            results.append(function(item))
            if time.perf_counter() > until:
                break
        return False
