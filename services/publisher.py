"""Publishing: events into the log, and what became of each of them in this node's own fold."""

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

from domain.fold import Outcome
from domain.identifier import event_id_text
from projections.history import Folded, earlier_event, folded_at
from projections.position_watcher import PositionWatcher
from projections.views_reader import ViewsReader
from schemas.codec import Draft
from services.errors import (
    EventIdReused,
    LedgerIsSealed,
    NotAppended,
    OutcomeUnknown,
    PositionNotReached,
    ServiceError,
    VersionMismatch,
)
from services.log.port import AppendOutcome, EventLog, Refused, Stored
from services.preparing import Prepared, checked, encoded
from services.readiness import Readiness
from services.turns import Turns, size_of

UNRESOLVED_MAX = 10_000
RESOLVE_SECONDS = 2.0
RESOLVE_STEP_SECONDS = 0.1

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one event."""

    event_id: bytes
    folded: Folded
    first: Mapping[str, Any] | None = None
    """The history row of the first record with this id, where the event had been sent before."""

    @property
    def outcome(self) -> str:
        return self.folded.outcome

    @property
    def position(self) -> str:
        return self.folded.position


Result = Receipt | ServiceError

Answer = TypeVar("Answer")
Item = TypeVar("Item")


class Publisher:
    """Appends to one ledger's log and waits for its own projection."""

    def __init__(
        self,
        log: EventLog,
        reader: Callable[[], ViewsReader],
        watcher: PositionWatcher,
        readiness: Readiness,
        turns: Turns,
        source: str,
        *,
        append_timeout_seconds: float,
        wait_seconds: float,
    ) -> None:
        self._log = log
        self._reader = reader
        self._watcher = watcher
        self._readiness = readiness
        self._turns = turns
        self._source = source
        self._append_timeout_seconds = append_timeout_seconds
        self._wait_seconds = wait_seconds
        # Long after the append's own deadline the log has either taken the event or never will.
        self._unresolved_seconds_max = 3 * append_timeout_seconds
        self._unresolved: dict[bytes, tuple[bytes, float]] = {}

    async def publish_one(self, draft: Draft, *, may_repeat: bool = False) -> Receipt:
        """Publish one event. Raises the ServiceError that says why it does not count."""
        (result,) = await self.publish([draft], may_repeat=may_repeat)
        if isinstance(result, ServiceError):
            raise result
        return result

    async def publish(self, drafts: Sequence[Draft], *, may_repeat: bool = False) -> list[Result]:
        """Publish events in order, one result each. Raises ServiceError when nothing at all was appended.

        `may_repeat`: the ids are the asker's, so an event may have been sent before; what the ledger already has is
        answered from there, without a second record.
        """
        self._readiness.check_append()
        self._check_unresolved(drafts)
        made = await self._turns.each(partial(encoded, source=self._source), drafts, _size)
        ready = await self._in_turns(partial(checked, may_repeat=may_repeat), made)
        # Others had their turns meanwhile, and the projector may have stopped.
        self._readiness.check_append()
        self._check_unresolved(drafts)
        fresh = [index for index, one in enumerate(ready) if one.earlier is None]
        records = [ready[index].record for index in fresh]
        outcomes = await self._log.append(records, timeout_seconds=self._append_timeout_seconds) if records else []
        stored = [outcome.offset for outcome in outcomes if isinstance(outcome, Stored)]
        if stored and not await self._watcher.wait_past(max(stored), self._wait_seconds):
            log.warning("events were stored but not folded within %s seconds", self._wait_seconds)
        folded = dict(zip(stored, await self._in_turns(folded_at, stored), strict=True))
        results = [self._known(event) for event in ready]
        resolve_by = time.monotonic() + RESOLVE_SECONDS
        for index, outcome in zip(fresh, outcomes, strict=True):
            results[index] = await self._result(drafts[index], outcome, folded, resolve_by)
        return [result for result in results if result is not None]

    async def _in_turns(self, function: Callable[[sqlite3.Connection, Item], Answer], items: Sequence[Item]) -> list[Answer]:
        """What a function of point reads makes of each item, by the views as they are at its turn."""
        return await self._turns.each(lambda item: self._reader().held.read(lambda views: function(views, item)), items)

    def _known(self, event: Prepared) -> Result | None:
        """What became of this event when it was sent before; None when it was not."""
        if event.earlier is None:
            return None
        entry, fingerprint = event.earlier
        if fingerprint != event.fingerprint:
            return EventIdReused(
                "this event id or Idempotency-Key was used for something else",
                event_id=event_id_text(event.draft.event_id),
            )
        return self._judged_again(event.draft, entry)

    def _earlier(self, stream: bytes, event_id: bytes) -> tuple[dict[str, Any], bytes] | None:
        """The stream's first record with this event id. Another stream may have one of the same id: ids are the asker's."""
        return self._reader().read_now(partial(earlier_event, stream=stream, event_id=event_id))

    async def _result(
        self, draft: Draft, outcome: AppendOutcome, folded: Mapping[int, Folded | None], resolve_by: float
    ) -> Result:
        if isinstance(outcome, Stored):
            of_record = folded[outcome.offset]
            if of_record is None:
                return PositionNotReached(
                    "the event is stored, but this node has not folded it yet: do not send it again, "
                    "ask for it by its event_id",
                    event_id=event_id_text(draft.event_id),
                )
            return self._judged(draft, of_record)
        if isinstance(outcome, Refused):
            return NotAppended(
                f"the event was not appended: {outcome.reason}; it is safe to send it again",
                event_id=event_id_text(draft.event_id),
            )
        return await self._resolve(draft, outcome.reason, resolve_by)

    async def _resolve(self, draft: Draft, reason: str, resolve_by: float) -> Result:
        """An unknown outcome: the own fold is asked for the event id for a while, then the asker is told.

        All events of one request share the while, however many they are.
        """
        while True:
            known = self._earlier(draft.stream, draft.event_id)
            if known is not None:
                return self._judged_again(draft, known[0])
            if time.monotonic() >= resolve_by:
                break
            await asyncio.sleep(RESOLVE_STEP_SECONDS)
        self._remember_unresolved(draft)
        event_id = event_id_text(draft.event_id)
        return OutcomeUnknown(
            f"whether the event was stored is not known ({reason}): ask GET /ledger/v1/events/{event_id}, "
            "or send it again with the same event_id or Idempotency-Key",
            event_id=event_id,
        )

    def _remember_unresolved(self, draft: Draft) -> None:
        now = time.monotonic()
        if len(self._unresolved) >= UNRESOLVED_MAX:
            self._unresolved = {
                stream: (event_id, since)
                for stream, (event_id, since) in self._unresolved.items()
                if now - since <= self._unresolved_seconds_max
            }
        if len(self._unresolved) < UNRESOLVED_MAX:
            self._unresolved[draft.stream] = (draft.event_id, now)

    def _check_unresolved(self, drafts: Sequence[Draft]) -> None:
        """One unresolved write a stream and node: a second one could overtake the first, whichever way that went."""
        if not self._unresolved:
            return
        event_ids = {draft.event_id for draft in drafts}
        for draft in drafts:
            waiting = self._unresolved.get(draft.stream)
            if waiting is None:
                continue
            event_id, since = waiting
            known = self._earlier(draft.stream, event_id)
            if known is not None or time.monotonic() - since > self._unresolved_seconds_max:
                del self._unresolved[draft.stream]
            elif event_id not in event_ids:
                raise OutcomeUnknown(
                    "an earlier write of this holder is unresolved; nothing was appended, try again shortly",
                    event_id=event_id_text(event_id),
                )

    def _judged_again(self, draft: Draft, entry: dict[str, Any]) -> Result:
        """What became of the first record with the draft's id, whose history row this is."""
        folded = Folded(entry["position"], entry["outcome"], entry.get("why"), entry["version"])
        result = self._judged(draft, folded)
        return replace(result, first=entry) if isinstance(result, Receipt) else result

    def _judged(self, draft: Draft, folded: Folded) -> Result:
        if folded.outcome == Outcome.DUPLICATE:
            first = self._earlier(draft.stream, draft.event_id)
            return (
                self._judged_again(draft, first[0])
                if first is not None and first[0]["outcome"] != Outcome.DUPLICATE
                else Receipt(draft.event_id, folded)
            )
        if folded.outcome != Outcome.REJECTED:
            return Receipt(draft.event_id, folded)
        identity = {"event_id": event_id_text(draft.event_id), "position": folded.position}
        if folded.why == "version-mismatch":
            return VersionMismatch("the set has another version now: read it again, then decide", **identity)
        if folded.why == "event-id-reused":
            return EventIdReused("this event id or Idempotency-Key was used for something else", **identity)
        return LedgerIsSealed("this ledger is sealed and takes no more events; use the one that follows it", **identity)


def _size(draft: Draft) -> int:
    return size_of((draft.body, draft.provenance))
