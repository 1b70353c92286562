"""How many parked records wait for somebody: counted now and then, off the event loop, and only if that may have changed."""

import asyncio
import logging
from contextlib import suppress
from dataclasses import replace
from functools import partial

from projections.parked import OpenRecords, newest_parked, open_records
from services.views import Views

LOOK_SECONDS = 2.0
COUNTED_MAX = 100_000

log = logging.getLogger(__name__)


class ParkedWatch:
    """Counts one environment's open records. `found` is of a moment ago."""

    def __init__(self, views: Views, environment_stream: bytes) -> None:
        self._views = views
        self._stream = environment_stream
        self._task: asyncio.Task[None] | None = None
        self._mark: tuple[int, int, int] | None = None
        self._number = -1
        self._settled_below = 0
        self.found = OpenRecords()

    def start(self) -> None:
        """Begin to count."""
        self._task = asyncio.create_task(self._run(), name="count parked records")

    async def stop(self) -> None:
        """Count no more."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            try:
                await self.look()
            except Exception:
                # Views may be closed or swapped under it; a count is worth no more than the next try.
                log.debug("the parked records could not be counted", exc_info=True)
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Count anew, if a record was parked or settled since."""
        number, checkpoint = self._views.number, self._views.progress.checkpoint
        if checkpoint is None:
            return
        newest = await self._views.reader.read(newest_parked)
        mark = (number, newest, checkpoint.environment_offset)
        # The event that ends a replay is in the holder's stream: nothing of the mark tells of it.
        if mark == self._mark and not self.found.begun:
            return
        if number != self._number:
            self._number, self._settled_below = number, 0
        found = await self._counted()
        # What is settled stays so: the next look begins at the oldest that is not.
        self._settled_below = newest + 1 if found.oldest_offset is None else found.oldest_offset
        self._mark, self.found = mark, found

    async def _counted(self) -> OpenRecords:
        found = OpenRecords(next_start=self._settled_below)
        while found.next_start is not None and found.count < COUNTED_MAX:
            part = await self._views.reader.read(
                partial(open_records, environment_stream=self._stream, start=found.next_start)
            )
            oldest = found if found.oldest_offset is not None else part
            found = replace(
                oldest, count=found.count + part.count, begun=found.begun + part.begun, next_start=part.next_start
            )
        return found
