"""The views that serve just now: which file, who reads it, who writes it. A rebuild puts another in their place."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

from projections.checkpoint import Checkpoint
from projections.observer import Observer
from projections.position_watcher import PositionWatcher
from projections.projector import Progress, Projector
from projections.record_source import RecordSource
from projections.skips import SkipSet
from projections.views_file import current_number, is_current, open_writer, path_of, point_to, remove, remove_others
from projections.views_reader import ViewsReader

STOP_SECONDS = 10.0

log = logging.getLogger(__name__)


class Views:
    """One environment's views in a folder, followed by a projector."""

    def __init__(
        self,
        folder: Path,
        source: RecordSource,
        accept: Callable[[Checkpoint], None],
        outdated: Callable[[SkipSet], None] | None = None,
        observer: Observer | None = None,
    ) -> None:
        """`accept`, `outdated` and `observer` are the projector's."""
        self.folder = folder
        self._source = source
        self._accept = accept
        self._outdated = outdated
        self._observer = observer
        self._task: asyncio.Task[None] | None = None
        self.watcher = PositionWatcher()
        self.number = self._choose()
        self.projector = self._new_projector()
        self.progress: Progress = self.projector.progress
        """How the projector is doing. One that only stands still for a moment counts as it did before."""

        self.reader = ViewsReader(self.path)

    @property
    def path(self) -> Path:
        """The file that serves."""
        return path_of(self.folder, self.number)

    @property
    def folded(self) -> int:
        """Records that the views have folded so far."""
        checkpoint = self.progress.checkpoint
        return checkpoint.next_offset if checkpoint is not None else 0

    def start(self) -> None:
        """Begin to follow the log."""
        self._task = asyncio.create_task(self.projector.run(), name="projector")

    async def stop(self) -> None:
        """Finish the batch at hand and close the file."""
        await self._stop_projector()
        self.reader.close()

    @asynccontextmanager
    async def paused(self) -> AsyncIterator[None]:
        """The projector stands still inside, and follows the log again afterwards, on whichever file serves then."""
        before = self.progress = replace(self.progress)
        try:
            await self._stop_projector()
            yield
        finally:
            self.projector = self._new_projector(before)
            self.start()

    async def replace(self, number: int) -> None:
        """Serve another file from now on, and delete the one that served. Reads under way finish on the old one.

        For use while paused, with a file that has come at least as far as the one that serves.
        """
        old_number, old_reader = self.number, self.reader
        point_to(self.folder, number)
        self.number = number
        self.reader = ViewsReader(self.path)
        await asyncio.get_running_loop().run_in_executor(None, old_reader.close)
        remove(self.folder, old_number)

    def _new_projector(self, progress: Progress | None = None) -> Projector:
        """One for the file that serves, which goes on where the one with this progress stood."""
        return Projector(
            self._source,
            open_writer(self.path),
            self.watcher,
            accept=self._accept,
            moved=self._moved,
            outdated=self._outdated,
            progress=progress,
            observer=self._observer,
        )

    def _moved(self) -> None:
        self.reader.held.release()

    async def _stop_projector(self) -> None:
        await self.projector.stop(STOP_SECONDS)
        if self._task is not None:
            with suppress(asyncio.CancelledError, TimeoutError):
                async with asyncio.timeout(STOP_SECONDS):
                    await self._task
            self._task = None

    def _choose(self) -> int:
        """The file to go on with. Views of another release's fold are never served: a new file begins from the log."""
        number = current_number(self.folder)
        path = path_of(self.folder, number)
        if path.exists() and not is_current(path):
            log.warning("%s was made by another release; its views are made anew from the log", path.name)
            remove(self.folder, number)
            number += 1
        point_to(self.folder, number)
        remove_others(self.folder, number)
        return number
