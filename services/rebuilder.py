"""Rebuilding views beside the live ones: from the log's first record into a new file, compared, then swapped in."""

import asyncio
import logging
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from enum import StrEnum
from typing import Any

from projections.checkpoint import Checkpoint
from projections.digest import ViewsDigest, views_digest
from projections.projector import BATCH_LIMIT, RecordSource, apply_batch
from projections.views_file import open_reader, open_writer, path_of, remove
from projections.views_store import read_checkpoint
from services.errors import ServiceError
from services.views import Views

READ_WAIT_SECONDS = 5.0

log = logging.getLogger(__name__)


class RebuildRuns(ServiceError):
    """One rebuild at a time."""

    type = "conflict"
    status = 409


class RebuildFailed(Exception):
    """The rebuilt views must not serve. The live ones go on."""


class Phase(StrEnum):
    """Where a rebuild is."""

    NONE = "none"
    FOLDING = "folding"
    COMPARING = "comparing"
    SWAPPING = "swapping"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Rebuilder:
    """One environment's rebuilds. Cancelling is safe at any moment, and so is running again."""

    def __init__(self, views: Views, source: RecordSource) -> None:
        self._views = views
        self._source = source
        self._task: asyncio.Task[None] | None = None
        self._phase = Phase.NONE
        self._folded = 0
        self._target = 0
        self._digest: str | None = None
        self._trouble: str | None = None

    def start(self) -> None:
        """Begin. Raises RebuildRuns."""
        if self._task is not None and not self._task.done():
            raise RebuildRuns("a rebuild is already under way")
        self._phase, self._folded, self._target, self._digest, self._trouble = Phase.FOLDING, 0, 0, None, None
        self._task = asyncio.create_task(self._guarded(), name="rebuild")

    def progress(self) -> dict[str, Any]:
        """How it goes, for people and for the command line."""
        return {
            "phase": self._phase.value,
            "records_folded": self._folded,
            "records_total": self._target,
            "digest": self._digest,
            "trouble": self._trouble,
        }

    async def cancel(self) -> None:
        """Give up, if there is anything to give up, and clean up."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _guarded(self) -> None:
        number = self._views.number + 1
        remove(self._views.folder, number)
        try:
            await _Rebuild(self, self._views, self._source, number).run()
            self._phase = Phase.DONE
        except asyncio.CancelledError:
            self._phase = Phase.CANCELLED
            raise
        except Exception as error:
            self._phase, self._trouble = Phase.FAILED, str(error) or type(error).__name__
            log.exception("the rebuild failed; the live views go on")
        finally:
            if self._views.number != number:
                remove(self._views.folder, number)

    def note(self, phase: Phase, folded: int, target: int, digest: str | None = None) -> None:
        """Where the rebuild has come to."""
        self._phase, self._folded, self._target = phase, folded, target
        self._digest = digest or self._digest


class _Rebuild:
    """One run: a file, the thread that owns it, and how far it has come."""

    def __init__(self, owner: Rebuilder, views: Views, source: RecordSource, number: int) -> None:
        self._owner = owner
        self._views = views
        self._source = source
        self._number = number
        self._path = path_of(views.folder, number)
        self._checkpoint: Checkpoint | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="rebuild")

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        connection = await loop.run_in_executor(self._thread, open_writer, self._path)
        try:
            await self._fold_to(connection, self._live_offset())
            await self._compare(connection)
            await self._fold_to(connection, self._live_offset())
            self._owner.note(Phase.SWAPPING, self._folded, self._folded)
            async with self._views.paused():
                await self._fold_to(connection, self._live_offset(), Phase.SWAPPING)
                await loop.run_in_executor(self._thread, connection.close)
                await self._views.replace(self._number)
        finally:
            await loop.run_in_executor(self._thread, connection.close)
            self._thread.shutdown(wait=True)

    @property
    def _folded(self) -> int:
        return self._checkpoint.next_offset if self._checkpoint is not None else 0

    def _live_offset(self) -> int:
        checkpoint = self._views.progress.checkpoint
        return checkpoint.next_offset if checkpoint is not None else 0

    async def _fold_to(self, connection: sqlite3.Connection, target: int, phase: Phase = Phase.FOLDING) -> None:
        loop = asyncio.get_running_loop()
        while self._folded < target:
            limit = min(BATCH_LIMIT, target - self._folded)
            records = await self._source.read(self._folded, limit=limit, wait_seconds=READ_WAIT_SECONDS)
            if not records:
                raise RebuildFailed(f"the log gave no record {self._folded} within {READ_WAIT_SECONDS:.0f} seconds")
            self._checkpoint, unknown = await loop.run_in_executor(
                self._thread, apply_batch, connection, self._checkpoint, records
            )
            if unknown is not None:
                raise unknown
            self._owner.note(phase, self._folded, target)

    async def _compare(self, connection: sqlite3.Connection) -> None:
        """Both files at the same record must say the same. A read transaction holds the live one still meanwhile."""
        loop = asyncio.get_running_loop()
        live = await loop.run_in_executor(None, open_reader, self._views.path)
        try:
            live.execute("BEGIN")
            checkpoint = read_checkpoint(live)
            target = checkpoint.next_offset if checkpoint is not None else 0
            await self._fold_to(connection, target)
            self._owner.note(Phase.COMPARING, self._folded, target)
            ours = await loop.run_in_executor(self._thread, views_digest, connection)
            theirs: ViewsDigest = await loop.run_in_executor(None, views_digest, live)
        finally:
            await loop.run_in_executor(None, live.close)
        if ours != theirs:
            raise RebuildFailed(
                f"at record {ours.next_offset} the rebuilt views say something else than the live ones "
                f"({ours.digest[:16]} against {theirs.digest[:16]}); nothing was swapped"
            )
        self._owner.note(Phase.COMPARING, self._folded, self._folded, ours.digest)
