"""Rebuilding views beside the live ones: from the log's first record into a new file, compared, then swapped in."""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from projections.digest import ViewsDigest, views_digest
from projections.record_source import RecordSource
from projections.views_file import open_reader, path_of, remove
from projections.views_store import read_checkpoint
from services.replay import RUNNING, JobSlot, Phase, Replay
from services.views import Views

log = logging.getLogger(__name__)


class RebuildFailed(Exception):
    """The rebuilt views must not serve. The live ones go on."""


class Rebuilder:
    """One environment's rebuilds. Cancelling is safe at any moment, and so is running again."""

    def __init__(self, views: Views, source: RecordSource, slot: JobSlot) -> None:
        self._views = views
        self._source = source
        self._slot = slot
        self._task: asyncio.Task[None] | None = None
        self._phase = Phase.NONE
        self._folded = 0
        self._target = 0
        self._digest: str | None = None
        self._trouble: str | None = None

    def start(self) -> None:
        """Begin. Raises JobRuns."""
        self._slot.check_free()
        self._phase, self._folded, self._target, self._digest, self._trouble = Phase.FOLDING, 0, 0, None, None
        self._task = asyncio.create_task(self._guarded(), name="rebuild")
        self._slot.take("a rebuild", self._task)

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
        """Give up, if there is anything to give up, and clean up. A swap that has begun is seen through: it is short."""
        if self._task is not None:
            if self._phase is not Phase.SWAPPING:
                self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        if self._phase in RUNNING:
            self._phase = Phase.CANCELLED  # Before its first step.

    async def _guarded(self) -> None:
        number = self._views.number + 1
        remove(self._views.folder, number)
        try:
            await self._run(number)
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

    def _note(self, folded: int, target: int) -> None:
        self._folded, self._target = folded, target

    async def _run(self, number: int) -> None:
        async with Replay(path_of(self._views.folder, number), self._source, self._note) as replay:
            await replay.fold_to(self._views.folded)
            await self._compare(replay)
            self._phase = Phase.FOLDING
            await replay.fold_to(self._views.folded)
            self._phase = Phase.SWAPPING
            async with self._views.paused():
                await replay.fold_to(self._views.folded)
                await replay.close()
                await self._views.replace(number)

    async def _compare(self, replay: Replay) -> None:
        """Both files at the same record must say the same. A read transaction holds the live one still meanwhile."""
        loop = asyncio.get_running_loop()
        # One thread for all that touches it: when this is cancelled, the file is closed after the digest, not under it.
        thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="rebuild-compare")
        live = await loop.run_in_executor(thread, open_reader, self._views.path)
        try:
            live.execute("BEGIN")
            checkpoint = read_checkpoint(live)
            await replay.fold_to(checkpoint.next_offset if checkpoint is not None else 0)
            self._phase = Phase.COMPARING
            ours = await replay.in_thread(views_digest, replay.connection)
            theirs: ViewsDigest = await loop.run_in_executor(thread, views_digest, live)
        finally:
            await loop.run_in_executor(thread, live.close)
            thread.shutdown(wait=False)
        if ours != theirs:
            raise RebuildFailed(
                f"at record {ours.next_offset} the rebuilt views say something else than the live ones "
                f"({ours.digest[:16]} against {theirs.digest[:16]}); nothing was swapped: "
                "`prefledger verify` names the first difference"
            )
        self._digest = ours.digest
