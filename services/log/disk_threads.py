"""Threads for work on a disk, with a deadline on every wait for it."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from services.log.append_queue import NOT_OPEN
from services.log.port import LogUnavailable

Result = TypeVar("Result")


class DiskThreads:
    """A few threads of one purpose. With `count=1` the work is done in the order it was given."""

    def __init__(self, purpose: str, count: int) -> None:
        self._purpose = purpose
        self._executor = ThreadPoolExecutor(count, f"log-{purpose}")
        self._unfinished: set[Future[Any]] = set()
        self._open = True

    async def run(self, work: Callable[[], Result], *, timeout_seconds: float) -> Result:
        """Do the work. Raises LogUnavailable when it takes longer (it then still goes on), or after `stop`."""
        try:
            async with asyncio.timeout(timeout_seconds):
                return await asyncio.wrap_future(self._submit(work))
        except TimeoutError as error:
            raise LogUnavailable(
                f"The log's {self._purpose} took longer than {timeout_seconds:g} s. Check the disk and its load."
            ) from error

    def submit(self, work: Callable[[], None]) -> None:
        """Do the work some time after what was given before. It must not raise."""
        self._submit(work)

    async def stop(self, *, timeout_seconds: float) -> None:
        """Take no more work, and wait for what was given; a thread that is stuck in the disk is left behind."""
        self._open = False
        self._executor.shutdown(wait=False)
        unfinished = [asyncio.wrap_future(future) for future in list(self._unfinished)]
        if not unfinished:
            return
        done, _ = await asyncio.wait(unfinished, timeout=timeout_seconds)
        for future in done:
            # Whoever gave the work has its error; here it is only marked as seen.
            future.cancelled() or future.exception()

    def _submit(self, work: Callable[[], Result]) -> Future[Result]:
        if not self._open:
            raise LogUnavailable(NOT_OPEN)
        future = self._executor.submit(work)
        self._unfinished.add(future)
        future.add_done_callback(self._unfinished.discard)
        return future
