"""Threads for work on a disk, with a deadline on every wait for it."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from services.log.port import LogUnavailable

Result = TypeVar("Result")


class DiskThreads:
    """A few threads of one purpose. With `count=1` the work is done in the order it was given."""

    def __init__(self, purpose: str, count: int) -> None:
        self._purpose = purpose
        self._executor = ThreadPoolExecutor(count, f"log-{purpose}")

    async def run(self, work: Callable[[], Result], *, timeout_seconds: float) -> Result:
        """Do the work. Raises LogUnavailable when it takes longer; it then still goes on in its thread."""
        try:
            async with asyncio.timeout(timeout_seconds):
                return await asyncio.get_running_loop().run_in_executor(self._executor, work)
        except TimeoutError as error:
            raise LogUnavailable(
                f"The log's {self._purpose} took longer than {timeout_seconds:g} s. Check the disk and its load."
            ) from error

    def submit(self, work: Callable[[], None]) -> None:
        """Do the work at some time after what was given before. It must not raise."""
        self._executor.submit(work)

    async def stop(self, *, timeout_seconds: float) -> None:
        """Wait for the work that runs; a thread that is stuck in the disk is left behind."""
        self._executor.shutdown(wait=False)
        try:
            async with asyncio.timeout(timeout_seconds):
                await asyncio.to_thread(self._executor.shutdown)
        except TimeoutError:
            return
