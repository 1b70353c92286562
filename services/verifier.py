"""Verifying the live views: the log folded anew beside them, both compared row by row, nothing swapped."""

import asyncio
import logging
import sqlite3
from contextlib import suppress
from typing import Any

from projections.comparison import Difference, Stopped, first_difference
from projections.history import position_and_time_at
from projections.position import instant_text
from projections.record_source import RecordSource
from projections.views_file import open_reader, path_of, remove
from projections.views_store import read_checkpoint
from services.replay import RUNNING, JobSlot, Phase, Replay
from services.views import Views

log = logging.getLogger(__name__)


class Verifier:
    """One environment's verifications. Cancelling is safe at any moment, and so is running again."""

    def __init__(self, views: Views, source: RecordSource, slot: JobSlot) -> None:
        self._views = views
        self._source = source
        self._slot = slot
        self._task: asyncio.Task[None] | None = None
        self._is_stopped = False
        self._begin(Phase.NONE)

    def _begin(self, phase: Phase) -> None:
        self._phase = phase
        self._folded = 0
        self._target = 0
        self._position: str | None = None
        self._same: bool | None = None
        self._difference: dict[str, Any] | None = None
        self._trouble: str | None = None
        self._is_stopped = False

    def start(self) -> None:
        """Begin. Raises JobRuns."""
        self._slot.check_free()
        self._begin(Phase.FOLDING)
        self._task = asyncio.create_task(self._guarded(), name="verify")
        self._slot.take("a verification", self._task)

    def progress(self) -> dict[str, Any]:
        """How it goes. `same` is known at the end; `position` is where both were compared."""
        return {
            "phase": self._phase.value,
            "records_folded": self._folded,
            "records_total": self._target,
            "position": self._position,
            "same": self._same,
            "difference": self._difference,
            "trouble": self._trouble,
        }

    async def cancel(self) -> None:
        """Give up, if there is anything to give up, and clean up."""
        self._is_stopped = True
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        if self._phase in RUNNING:
            self._phase = Phase.CANCELLED  # Before its first step.

    async def _guarded(self) -> None:
        # The file that a rebuild would use: only one of the two runs, and a node's start clears away what a crash left.
        number = self._views.number + 1
        remove(self._views.folder, number)
        try:
            async with Replay(path_of(self._views.folder, number), self._source, self._note) as replay:
                await replay.fold_to(self._views.folded)
                await self._compare(replay)
            self._phase = Phase.DONE
        except asyncio.CancelledError:
            self._phase = Phase.CANCELLED
            raise
        except Exception as error:
            self._phase, self._trouble = Phase.FAILED, str(error) or type(error).__name__
            log.exception("the verification failed; it says nothing about the live views")
        finally:
            remove(self._views.folder, number)

    def _note(self, folded: int, target: int) -> None:
        self._folded, self._target = folded, target

    async def _compare(self, replay: Replay) -> None:
        """Both files at the same record. A read transaction holds the live one still meanwhile."""
        live = await asyncio.get_running_loop().run_in_executor(None, open_reader, self._views.path)
        try:
            live.execute("BEGIN")
            checkpoint = read_checkpoint(live)
            await replay.fold_to(checkpoint.next_offset if checkpoint is not None else 0)
            self._phase = Phase.COMPARING
            found = await replay.in_thread(self._first_difference, live, replay.connection)
        finally:
            # After whatever the thread still does with it.
            await asyncio.shield(replay.in_thread(live.close))
        self._position = checkpoint.position if checkpoint is not None else None
        self._same, self._difference = found is None, found
        if found is not None:
            # The values stay out of the log: they may be about a person.
            log.error("the live views differ from the log, first in %s at %s", found["view"], found["position"])

    def _first_difference(self, live: sqlite3.Connection, anew: sqlite3.Connection) -> dict[str, Any] | None:
        try:
            found = first_difference(live, anew, lambda: self._is_stopped)
        except Stopped:
            return None
        return None if found is None else _told(found, anew)


def _told(found: Difference, anew: sqlite3.Connection) -> dict[str, Any]:
    """A difference as answers show it. Where it is, is told as the log has it."""
    at = position_and_time_at(anew, found.offset) if found.offset is not None else None
    return {
        "view": found.view,
        "holder": found.holder,
        "item": found.item,
        "position": at[0] if at is not None else None,
        "recorded_at": instant_text(at[1]) if at is not None else None,
        "path": found.path,
        "column": found.column,
        **found.sides,
        "sentence": _sentence(found),
    }


def _sentence(found: Difference) -> str:
    where = ", ".join(
        part
        for part in (
            f"record {found.offset}" if found.offset is not None else None,
            found.holder,
            found.item,
            found.path if found.path is not None else found.column,
        )
        if part is not None
    )
    if "log" not in found.sides:
        what = "the live views have what does not follow from the log"
    elif "live" not in found.sides:
        what = "the live views lack what follows from the log"
    else:
        what = "the live views say something else than the log"
    return (
        f"{what}: {found.view} ({where}). Keep a copy of the views if you want to know why, then stop the node, delete "
        "its views and start it again: it folds them anew from the log"
    )
