"""Where a log ends, for those who wait for it to grow."""

import asyncio


class EndWatch:
    """The next offset, as this process knows it. Waiters wake up at once when it moves."""

    def __init__(self) -> None:
        self.end = 0
        self._moved = asyncio.Event()

    def advance(self, end: int) -> None:
        self.end = end
        self.wake()

    def wake(self) -> None:
        """Let every waiter look again, as when the log closes."""
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    async def wait(self, *, timeout_seconds: float) -> None:
        """Return at the next `advance` or `wake`, or after `timeout_seconds`."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._moved.wait()
        except TimeoutError:
            return
