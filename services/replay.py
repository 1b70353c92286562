"""Folding the log into a file of its own, beside the live views: what a rebuild and a verification have in common."""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar, TypeVarTuple, Unpack

from projections.checkpoint import Checkpoint
from projections.projector import BATCH_LIMIT, RecordSource, apply_batch
from projections.views_file import open_writer
from services.errors import ServiceError

READ_WAIT_SECONDS = 5.0

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")


class JobRuns(ServiceError):
    """One job beside the live views at a time: they would use the same file, and each other's disk."""

    type = "conflict"
    status = 409


class ReplayFailed(Exception):
    """The log could not be folded anew."""


class Phase(StrEnum):
    """Where a job beside the live views is."""

    NONE = "none"
    FOLDING = "folding"
    COMPARING = "comparing"
    SWAPPING = "swapping"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


RUNNING = frozenset({Phase.FOLDING, Phase.COMPARING, Phase.SWAPPING})


class JobSlot:
    """Room for one job of an environment."""

    def __init__(self) -> None:
        self._name = ""
        self._task: asyncio.Task[None] | None = None

    def check_free(self) -> None:
        """Raises JobRuns."""
        if self._task is not None and not self._task.done():
            raise JobRuns(f"{self._name} is already under way")

    def take(self, name: str, task: asyncio.Task[None]) -> None:
        """This job is under way until its task is done. For use right after `check_free`."""
        self._name, self._task = name, task


class Replay:
    """A views file in the making, the thread that owns it, and how far it has come."""

    def __init__(self, path: Path, source: RecordSource, note: Callable[[int, int], None]) -> None:
        """`note` hears the records folded so far, and how many there are to be."""
        self._path = path
        self._source = source
        self._note = note
        self._checkpoint: Checkpoint | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="replay")
        self.connection: sqlite3.Connection

    async def __aenter__(self) -> Self:
        try:
            self.connection = await self.in_thread(open_writer, self._path)
        except BaseException:
            self._thread.shutdown(wait=False)
            raise
        return self

    async def __aexit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        await self.close()
        self._thread.shutdown(wait=True)

    async def close(self) -> None:
        """Let go of the file. May be called more than once."""
        await self.in_thread(self.connection.close)

    async def in_thread(self, function: Callable[[Unpack[Arguments]], Result], *arguments: *Arguments) -> Result:
        """Run a call on the thread that owns the file."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)

    @property
    def folded(self) -> int:
        """Records folded so far."""
        return self._checkpoint.next_offset if self._checkpoint is not None else 0

    async def fold_to(self, target: int) -> None:
        """Fold every record below `target`. Raises ReplayFailed, and what the source and the fold raise."""
        while self.folded < target:
            limit = min(BATCH_LIMIT, target - self.folded)
            records = await self._source.read(self.folded, limit=limit, wait_seconds=READ_WAIT_SECONDS)
            if not records:
                raise ReplayFailed(f"the log gave no record {self.folded} within {READ_WAIT_SECONDS:.0f} seconds")
            self._checkpoint, unknown = await self.in_thread(apply_batch, self.connection, self._checkpoint, records)
            if unknown is not None:
                raise unknown
            self._note(self.folded, target)
