"""Waiting for the projection to pass an offset: how a write reads itself back."""

import asyncio


class PositionWatcher:
    """Knows how far the projection has come and wakes those who wait for more. For use on one event loop."""

    def __init__(self) -> None:
        self._next_offset = 0
        self._moved = asyncio.Condition()

    @property
    def next_offset(self) -> int:
        """The next record to be folded."""
        return self._next_offset

    async def advance(self, next_offset: int) -> None:
        """The projection has folded everything below `next_offset`. Only ever moves forward."""
        async with self._moved:
            self._next_offset = max(self._next_offset, next_offset)
            self._moved.notify_all()

    async def wait_past(self, offset: int, timeout_seconds: float) -> bool:
        """Whether the record at `offset` was folded before the time ran out."""
        if self._next_offset > offset:
            return True
        try:
            async with asyncio.timeout(timeout_seconds), self._moved:
                await self._moved.wait_for(lambda: self._next_offset > offset)
        except TimeoutError:
            return False
        return True
