"""Work of many small steps on the event loop, in turns so short that the questions between them hardly wait.

A thread would be no help: CPython runs one at a time, and one that has much to do holds the others up for longer.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

TURN_SECONDS: Final = 0.0003
"""A step is begun before this; a step that takes longer is a turn of its own."""

Item = TypeVar("Item")
Result = TypeVar("Result")


class Turns:
    """One queue for all who have much to do: each round of the event loop gives one of them one turn."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()

    async def each(self, function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        """What the function makes of each item, in order. What it raises ends the work."""
        results: list[Result] = []
        while True:
            async with self._turn:
                until = time.perf_counter() + TURN_SECONDS
                while len(results) < len(items):
                    results.append(function(items[len(results)]))
                    if time.perf_counter() > until:
                        break
                if len(results) == len(items):
                    return results
                # Kept for the rest of this round, or everybody who waits would have a turn in it.
                await asyncio.sleep(0)
