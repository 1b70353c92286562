"""The ledger's side of an intake: records in, events appended once each by event id, refusals out.

What holds. An event that was appended is found again by its id in this node's own views, however old it is, so a record
that is delivered again makes no second event. `catch_up` makes sure that the views have everything which the partition's
last owner had appended. What an owner still appends after it was fenced off is a duplicate to the fold, which remembers
ids for 7 days: no node must sleep that long in the middle of an append.
"""

import logging
import sqlite3
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Final

from domain.invalid import Invalid
from projections.history import is_of_another_stream
from schemas.codec import Draft
from services.commands import draft_of
from services.errors import EventIdReused, NotReady, ServiceError, TooLarge, Unprocessable, VersionMismatch
from services.intake.refusal import IntakeRecord, Refusal, Refused, refusal_of
from services.intake.validation import take
from services.ledger import BOUNDS_TIMEOUT_SECONDS, Ledger
from services.publisher import Result

CATCH_UP_SECONDS_MAX: Final = 10.0

_FOR_GOOD: Final = (EventIdReused, VersionMismatch, Unprocessable, TooLarge, Invalid)
"""What is refused. Every other error passes, and the records are tried again."""
_SENTENCES: Final[dict[type[ServiceError], str]] = {
    EventIdReused: "the event id stands for something else already; give another event another id",
    VersionMismatch: "the set has another version now: read it again, then decide",
    Unprocessable: "the document would have more values than are allowed; take some away first",
    TooLarge: "the event takes more bytes than the ledger takes; make it smaller, or several",
}
"""Instead of the ledger's own sentences, which name the holder."""

Refusals = list[tuple[IntakeRecord, Refusal]]

log = logging.getLogger(__name__)


class Acceptance:
    """Appends what the records of one environment's intake say to its ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def catch_up(self) -> None:
        """Fold all that the log has. Raises NotReady, LogUnavailable."""
        bounds = await self._ledger.log.bounds(timeout_seconds=BOUNDS_TIMEOUT_SECONDS)
        if not await self._ledger.views.watcher.wait_past(bounds.end - 1, CATCH_UP_SECONDS_MAX):
            raise NotReady(f"this node has not folded the log up to record {bounds.end} yet")

    async def accept(self, records: Sequence[IntakeRecord]) -> Refusals:
        """Append the records' events, in order; those that are refused, in order.

        Raises ServiceError where nothing can be said of a record yet: all of them are to be tried again.
        """
        judged = await self._judged(records)
        refusals = {record.offset: (record, judged_) for record, judged_ in judged if isinstance(judged_, Refusal)}
        drafts = [(record, draft) for record, draft in judged if isinstance(draft, Draft)]
        for run in _runs_of_different_ids(drafts):
            for record, refusal in await self._publish(run):
                refusals[record.offset] = (record, refusal)
        return [refusals[offset] for offset in sorted(refusals)]

    async def _judged(self, records: Sequence[IntakeRecord]) -> list[tuple[IntakeRecord, Draft | Refusal]]:
        return [*zip(records, await self._ledger.turns.each(self._judge, records, _size), strict=True)]

    def _judge(self, record: IntakeRecord) -> Draft | Refusal:
        try:
            taken = take(record)
            return draft_of(self._ledger, taken.holder, taken.body, taken.request)
        except Refused as refused:
            return refused.refusal
        except Exception as error:
            # A bug. It must not hold up everybody else's events; the publisher gets these bytes back. The text of the
            # error may quote them, so only its kind is told.
            log.error(
                "%s partition %d offset %d failed by %s", record.topic, record.partition, record.offset, type(error).__name__
            )
            return Refusal("internal", f"the node failed on this event ({type(error).__name__}); it is a bug of the ledger")

    async def _publish(self, run: Sequence[tuple[IntakeRecord, Draft]]) -> Refusals:
        """Publish events of different ids; which of them are refused."""
        drafts = [draft for _, draft in run]
        elsewhere = await self._ledger.views.reader.read(partial(_of_other_streams, drafts=drafts))
        refusals = [
            (record, Refusal(EventIdReused.type, _SENTENCES[EventIdReused]))
            for record, draft in run
            if draft.event_id in elsewhere
        ]
        fresh = [(record, draft) for record, draft in run if draft.event_id not in elsewhere]
        results = await self._results([draft for _, draft in fresh])
        for (record, _), result in zip(fresh, results, strict=True):
            refusal = _refusal_in(result)
            if refusal is not None:
                refusals.append((record, refusal))
        return refusals

    async def _results(self, drafts: Sequence[Draft]) -> list[Result | Invalid]:
        """One result each, though an event that can't be appended fails those beside it. Raises ServiceError."""
        if not drafts:
            return []
        try:
            return [*await self._ledger.publisher.publish(drafts, may_repeat=True)]
        except _FOR_GOOD as error:
            if len(drafts) == 1:
                return [error]
        half = len(drafts) // 2
        return [*await self._results(drafts[:half]), *await self._results(drafts[half:])]


def _refusal_in(result: Result | Invalid) -> Refusal | None:
    """Why the event is refused; None where it counts. Raises ServiceError where neither is known."""
    if isinstance(result, Invalid):
        return refusal_of(result)
    if not isinstance(result, ServiceError):
        return None
    sentence = _SENTENCES.get(type(result))
    if sentence is None:
        raise result
    return Refusal(result.type, sentence)


def _size(record: IntakeRecord) -> int:
    return len(record.value or b"")


def _of_other_streams(connection: sqlite3.Connection, drafts: Sequence[Draft]) -> set[bytes]:
    """The ids that stand for an event of another holder."""
    return {draft.event_id for draft in drafts if is_of_another_stream(connection, draft.stream, draft.event_id)}


def _runs_of_different_ids(drafts: Iterable[tuple[IntakeRecord, Draft]]) -> list[list[tuple[IntakeRecord, Draft]]]:
    """The events in order, cut before each whose id came already: the second is judged when the first is known."""
    runs: list[list[tuple[IntakeRecord, Draft]]] = [[]]
    seen: set[bytes] = set()
    for record, draft in drafts:
        if draft.event_id in seen:
            runs.append([])
            seen.clear()
        seen.add(draft.event_id)
        runs[-1].append((record, draft))
    return runs
