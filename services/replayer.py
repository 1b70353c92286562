"""Replaying the log up to one moment: folded into a file of its own, which is read out and then removed.

Nothing of it comes from the live views, but for one thing that only the present knows: who was forgotten since.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any

import msgspec

from projections.digest import views_digest
from projections.holders import forgotten_since
from projections.position import instant_text, parse_position
from projections.record_source import RecordSource
from projections.views_file import open_reader, path_of, remove
from projections.whole_state import counts, environment_documents, page_of_holders
from services.errors import ServiceError
from services.replay import RUNNING, JobSlot, Phase, Replay, taken_out
from services.replay_target import Target, target_of
from services.settled import is_settled
from services.version import VERSION
from services.views import Views

SCRATCH_NUMBER = 0
"""No views file that serves has this number; a node's start clears away what a crash left of it."""
KEPT_SECONDS = 600.0
"""How long a finished replay waits to be read. One that is being read meanwhile is read to its end."""
READINGS_MAX = 4

log = logging.getLogger(__name__)


class NothingReplayed(ServiceError):
    """There is no finished replay of this position to be read, or too many read it."""

    type = "conflict"
    status = 409


class Replayer:
    """One environment's replays, one at a time. Cancelling is safe at any moment, and so is running again."""

    def __init__(
        self,
        environment: str,
        views: Views,
        source: RecordSource,
        slot: JobSlot,
        *,
        kept_seconds: float = KEPT_SECONDS,
    ) -> None:
        self._environment = environment
        self._views = views
        self._source = source
        self._slot = slot
        self._kept_seconds = kept_seconds
        self._path = path_of(views.folder, SCRATCH_NUMBER)
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._readings = 0
        self._begin(Phase.NONE, None)

    def _begin(self, phase: Phase, target: Target | None) -> None:
        self._phase = phase
        self._until = target.until if target is not None else None
        self._total = target.expected if target is not None else 0
        self._folded = 0
        self._manifest: dict[str, Any] | None = None
        self._trouble: str | None = None

    async def start(self, until: str) -> None:
        """Begin to replay up to a position, or an instant. One that is done and was settled is not done again.

        Raises JobRuns, Invalid, OtherLedger, PositionNotReached, Unprocessable, NotReady.
        """
        if self._until == until and self._manifest is not None and self._manifest["settled"]:
            self._keep()
            return
        self._slot.check_free()
        target = await target_of(until, self._source, self._views)
        self._slot.check_free()
        self._drop()
        self._begin(Phase.FOLDING, target)
        self._task = asyncio.create_task(self._guarded(target), name="replay")
        self._slot.take("a replay", self._task)

    def progress(self) -> dict[str, Any]:
        """How it goes. `manifest` says at the end what was replayed."""
        return {
            "phase": self._phase.value,
            "records_folded": self._folded,
            "records_total": self._total,
            "until": self._until,
            "manifest": self._manifest,
            "trouble": self._trouble,
        }

    async def cancel(self) -> None:
        """Give up what is under way, and remove the file."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        if self._phase in RUNNING:
            self._phase = Phase.CANCELLED  # Before its first step.
        self._drop()

    def remove(self, position: str) -> None:
        """Remove the file of a finished replay of this position, if there is one."""
        if self._manifest is not None and self._manifest["position"] == position:
            self._drop()

    def remove_outdated(self) -> None:
        """Remove the file of a finished replay: the log has said since what does not count in it."""
        if self._phase is Phase.DONE:
            self._drop()

    async def environment(self, position: str) -> dict[str, Any]:
        """The catalogue, the keys and the bulk operations. Raises NothingReplayed."""
        self._check_readable(position)
        return await asyncio.to_thread(self._read_environment)

    def holders(self, position: str) -> AsyncIterator[bytes]:
        """A line of JSON for each holder, pages of them at a time. Raises NothingReplayed, before the first of them.

        One that was forgotten since is left out: nothing shows again what was to be forgotten.
        """
        self._check_readable(position)
        return self._lines(parse_position(position).offset)

    def _check_readable(self, position: str) -> None:
        if self._manifest is None or self._manifest["position"] != position:
            raise NothingReplayed(
                "there is no finished replay of this position to be read: it was never made, another took its place, "
                "or it was removed after its time; replay again"
            )
        if self._readings >= READINGS_MAX:
            raise NothingReplayed(f"{READINGS_MAX} are reading this replay already; read it when one of them is done")
        self._keep()

    def _read_environment(self) -> dict[str, Any]:
        connection = open_reader(self._path)
        try:
            return dict(environment_documents(connection))
        finally:
            connection.close()

    async def _lines(self, offset: int) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        # One thread for all that touches it: when this is cancelled, the file is closed after a page, not under it.
        thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="replay-read")
        self._readings += 1
        try:
            connection = await loop.run_in_executor(thread, open_reader, self._path)
            try:
                above = 0
                while page := await loop.run_in_executor(thread, page_of_holders, connection, above):
                    above = page[-1].id
                    streams = [state.stream for state in page]
                    hidden = await self._views.reader.read(partial(forgotten_since, streams=streams, offset=offset))
                    yield b"".join(msgspec.json.encode(each.shown) + b"\n" for each in page if each.stream not in hidden)
            finally:
                thread.submit(connection.close)
        finally:
            self._readings -= 1
            thread.shutdown(wait=False)

    def _keep(self) -> None:
        """Leave the file in its place for a while longer."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(self._kept_seconds, self._drop)

    def _drop(self) -> None:
        """Remove the file. Whoever is reading it goes on: a file that is open outlives its name."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._phase not in RUNNING:
            remove(self._views.folder, SCRATCH_NUMBER)
        if self._phase is Phase.DONE:
            self._begin(Phase.NONE, None)

    async def _guarded(self, target: Target) -> None:
        try:
            # As on every node now: what was taken out since is parked at any moment of the past.
            skips = await taken_out(self._source)
            async with Replay(self._path, self._source, self._note, skips) as replay:
                met_later = await replay.fold_to(target.end, target.instant_milliseconds)
                self._total = self._folded
                self._phase = Phase.DIGESTING
                manifest = await self._described(replay, target, met_later)
            self._phase, self._manifest = Phase.DONE, manifest
            self._keep()
        except asyncio.CancelledError:
            self._phase = Phase.CANCELLED
            raise
        except Exception as error:
            self._phase, self._trouble = Phase.FAILED, str(error) or type(error).__name__
            log.exception("the replay failed; the live views were never touched")
        finally:
            if self._phase is not Phase.DONE:
                self._drop()

    def _note(self, folded: int, _: int) -> None:
        self._folded, self._total = folded, max(folded, self._total)

    async def _described(self, replay: Replay, target: Target, met_later: bool) -> dict[str, Any]:
        """What the file says of itself. The digest is that of any views which stand at the same record."""
        digest = await replay.in_thread(views_digest, replay.connection)
        checkpoint = replay.checkpoint
        assert checkpoint is not None
        instant = target.instant_milliseconds
        settled = instant is None or is_settled(
            instant,
            seen_milliseconds=instant + 1 if met_later else checkpoint.recorded_at_milliseconds,
            asked_at_milliseconds=target.asked_at_milliseconds,
        )
        return {
            "environment": self._environment,
            "ledger_id": checkpoint.ledger_id,
            "generation": checkpoint.generation,
            "until": target.until,
            "position": checkpoint.position,
            "recorded_at": instant_text(checkpoint.recorded_at_milliseconds),
            "settled": settled,
            "records": checkpoint.next_offset,
            "sealed": checkpoint.sealed,
            "digest": digest.digest,
            "counts": await replay.in_thread(counts, replay.connection),
            "fold_version": checkpoint.fold_version,
            "release": VERSION,
        }
