"""Views made anew because an operator took out a record that they had counted, or put one back.

The old ones serve meanwhile, ever staler; the node takes no writes until the new ones have caught up.
"""

import asyncio
import logging
from contextlib import suppress

from projections.folding import Halted
from projections.projector import BOUNDS_TIMEOUT_SECONDS, State
from projections.record_source import RecordSource, Unreachable
from projections.skips import SkipSet
from projections.views_file import path_of, remove
from services.replay import JobSlot, Replay, ReplayFailed
from services.views import Views

RETRY_SECONDS = 1.0

log = logging.getLogger(__name__)


class Remaker:
    """Makes one environment's views anew. A crash at any moment leaves the old ones, and the next start begins again."""

    def __init__(self, views: Views, source: RecordSource, slot: JobSlot) -> None:
        self._views = views
        self._source = source
        self._slot = slot
        self._task: asyncio.Task[None] | None = None
        self._is_swapping = False
        self._is_stopping = False
        self._wanted: SkipSet | None = None

    def start(self, skips: SkipSet) -> None:
        """Begin, with what is known to be taken out.

        The views that were just made may be outdated before this is done with letting go of their file: then once more.
        """
        self._wanted = skips
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._guarded(), name="make views anew")

    async def stop(self) -> None:
        """Give up, and clean up. A swap that has begun is seen through: it is short."""
        self._is_stopping = True
        if self._task is not None:
            if not self._is_swapping:
                self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _guarded(self) -> None:
        await self._slot.wait_for_turn("making the views anew")
        while self._wanted is not None and not self._is_stopping:
            skips, self._wanted = self._wanted, None
            number = self._views.number + 1
            remove(self._views.folder, number)
            try:
                await self._run(number, skips)
            except (Unreachable, ReplayFailed) as error:
                self._wanted = skips
                log.warning("the views can't be made anew just now: %s", error)
                await asyncio.sleep(RETRY_SECONDS)
            except Exception as error:
                progress = self._views.progress
                progress.state = State.STOPPED
                progress.trouble = f"the views could not be made anew: {str(error) or type(error).__name__}"
                log.exception("the views could not be made anew")
                return
            finally:
                self._is_swapping = False
                if self._views.number != number:
                    remove(self._views.folder, number)

    async def _run(self, number: int, skips: SkipSet) -> None:
        async with Replay(path_of(self._views.folder, number), self._source, lambda _, __: None, skips) as replay:
            try:
                await replay.fold_to(await self._source.end(timeout_seconds=BOUNDS_TIMEOUT_SECONDS))
            except Halted:
                if replay.folded < self._views.folded:
                    raise
                # Their own projector comes to the same record, and says why it can't go on.
            self._is_swapping = True
            async with self._views.paused():
                await replay.close()
                await self._views.replace(number)
        log.info("the views were made anew, up to record %s", replay.folded)
