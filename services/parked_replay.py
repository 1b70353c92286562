"""Replaying a parked record: a new event that says what it has left to say, and undoes nothing that was said since.

Two events, in this order. The first, in the environment's stream, claims the record: of several claims the fold lets one
count. The second, in the holder's stream, expects the version of what was compared: if anybody wrote meanwhile it does
not count, and both are made again. Until the second is there the record is open, so a node that dies in between loses
nothing: whoever comes after a minute claims anew.
"""

import asyncio
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from domain.event import (
    Body,
    EntryDefined,
    EntryRemoved,
    Event,
    HolderDescribed,
    HolderForgotten,
    ParkedReplayed,
    PolicySet,
    PreferenceSetDeleted,
    PreferenceSetMerged,
    PreferenceSetReplaced,
    is_set_item,
    item_of,
    set_item,
    type_of,
)
from domain.holder import DEFAULT_SET, ENVIRONMENT, Holder
from domain.identifier import event_id_text
from domain.preference_set import Patch
from domain.remainder import Later, Remainder, Since, remainder
from projections.history import event_at
from projections.parked import LaterRecord, ParkedRecord, ParkedState, records_since, was_forgotten_since
from projections.position import parse_position
from projections.state import PastState, PresentState
from schemas.codec import Draft, decode
from services.commands import Request, draft_of
from services.errors import Conflict, NotReady, Unprocessable, VersionMismatch
from services.identifiers import derived_event_id
from services.ledger import Ledger
from services.parked import read_record, settle
from services.preparing import checked, encoded

LATER_MAX = 1_000
"""Records of the stream since the parked one that are compared with it: what one replay may cost."""
ATTEMPTS_MAX = 5
COMPARE_SECONDS = 30.0

_OF_ONE_ITEM = (PreferenceSetReplaced, PreferenceSetMerged, PreferenceSetDeleted, HolderDescribed)
_OF_THE_CATALOGUE = (EntryDefined, EntryRemoved, PolicySet)


@dataclass(frozen=True, slots=True)
class Late:
    """What a parked record should have said."""

    holder: Holder
    body: Body
    request: Request

    @property
    def item(self) -> str:
        return item_of(self.body) or ""


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the views say of the stream, all of one moment."""

    version: int
    before: dict[str, dict[str, Any]]
    """The items as they stood at the parked record."""
    later: list[LaterRecord]


def late_event(event: Event, offset: int, replayer: Request) -> Late:
    """A parked record that this release can read, said anew by whom it was said first."""
    said = event.provenance
    evidence = {**said.evidence, "replayed_offset": offset, "replayed_by": replayer.provenance.actor}
    request = Request(
        said._replace(evidence=evidence),
        occurred_at_milliseconds=event.occurred_at_milliseconds,
        correlation_id=event.correlation_id,
        causation_id=event_id_text(event.event_id),
    )
    return Late(event.holder, event.body, request)


def mended_event(holder: Holder, body: Body, request: Request, record: ParkedRecord) -> Late:
    """What an operator says that a parked record should have said. It was said when it was recorded, at the latest."""
    provenance = request.provenance
    occurred_at = request.occurred_at_milliseconds
    mended = replace(
        request,
        provenance=provenance._replace(evidence={**provenance.evidence, "replayed_offset": record.offset}),
        occurred_at_milliseconds=record.recorded_at_milliseconds if occurred_at is None else occurred_at,
    )
    return Late(holder, body, mended)


async def replay(ledger: Ledger, found: ParkedRecord, late: Late, request: Request) -> dict[str, Any]:
    """Replay an open record. Raises Conflict, Unprocessable, NotReady, and what publishing raises."""
    check_replayable(late)
    for attempt in range(ATTEMPTS_MAX):
        seen = await ledger.views.reader.read(partial(_see, stream=_stream(ledger, late), late=late, offset=found.offset))
        left = await _left_to_say(ledger, late, seen)
        event_id = derived_event_id(ledger.environment, "parked", str(found.offset), str(found.act_version + attempt))
        draft = draft_of(
            ledger,
            late.holder,
            _said_now(late, left),
            replace(late.request, event_id=event_id, expected_version=seen.version),
        )
        # After the claim it would be too late to find that the event can't be appended.
        await ledger.views.reader.read(partial(_check, draft=draft))
        claimed = replace(found, act_version=found.act_version + attempt)
        await settle(ledger, claimed, ParkedReplayed(found.offset, event_id, left.superseded), request)
        try:
            receipt = await ledger.publisher.publish_one(draft)
        except VersionMismatch:
            continue
        return {
            "offset": found.offset,
            "position": receipt.position,
            "state": ParkedState.REPLAYED.value,
            "event_id": event_id_text(receipt.event_id),
            "holder": str(late.holder),
            "changes": await ledger.views.reader.read(partial(_changes, position=receipt.position)),
            "superseded": [*left.superseded],
        }
    raise Conflict(f"{late.holder} is written to too often just now: record {found.offset} is not replayed; try again later")


def check_replayable(late: Late) -> None:
    """Raises Unprocessable for what is not replayed, with what to do in its place."""
    body, type_ = late.body, type_of(late.body)
    if isinstance(body, _OF_ONE_ITEM):
        return
    if isinstance(body, _OF_THE_CATALOGUE):
        if late.holder != ENVIRONMENT:
            raise Unprocessable(f"{type_} is the environment's to say, not {late.holder}'s: send the event as it should be")
        return
    if isinstance(body, HolderForgotten):
        raise Unprocessable(
            f"{type_} is not replayed, it would take what was said since: forget {late.holder} anew, if that is still "
            "asked for, and discard the record"
        )
    raise Unprocessable(f"{type_} is not replayed: do anew what it was about, if it still has to be, and discard the record")


def _stream(ledger: Ledger, late: Late) -> bytes:
    return ledger.secrets.stream_key(late.holder)


def _see(connection: sqlite3.Connection, stream: bytes, late: Late, offset: int) -> _Seen:
    """The item now and then, and everything that was said since. Raises Conflict, Unprocessable."""
    if was_forgotten_since(connection, stream, offset):
        raise Conflict(f"{late.holder} was forgotten since: nothing that it said before comes back; discard record {offset}")
    later = records_since(connection, stream, offset, LATER_MAX + 1)
    if len(later) > LATER_MAX:
        raise Unprocessable(
            f"more than {LATER_MAX} events of {late.holder} came after record {offset}, too many to compare: publish anew "
            "what still holds, and discard the record"
        )
    past = PastState(connection, offset)
    items = {late.item, *_asked_together(late.item, (record.item for record in later))}
    rows = {item: past.item(stream, item) for item in items}
    present = PresentState(connection).item(stream, late.item)
    return _Seen(
        version=present.version if present is not None else 0,
        before={item: row.stored.leaves if row is not None else {} for item, row in rows.items()},
        later=[record for record in later if record.item is None or record.item in items],
    )


def _asked_together(item: str, touched: Iterable[str | None]) -> set[str]:
    """The sets beside this one whose newer noes an old yes could undo: the default set with any, any with it."""
    default = set_item(DEFAULT_SET)
    if not is_set_item(item):
        return set()
    return {default} if item != default else {other for other in touched if other is not None and is_set_item(other)}


async def _left_to_say(ledger: Ledger, late: Late, seen: _Seen) -> Remainder:
    if isinstance(late.body, _OF_THE_CATALOGUE):
        if seen.later:
            raise Conflict(
                f"{late.item} was defined or removed since, so nothing is left of {type_of(late.body)}: discard it"
            )
        return Remainder(Patch({}), ())
    bodies = await _bodies_at(ledger, [record.offset for record in seen.later])
    histories = {
        item: Since(
            before,
            [
                Later(bodies[record.offset], record.changes_of(item))
                for record in seen.later
                if record.item is None or record.item == item
            ],
        )
        for item, before in seen.before.items()
    }
    own = histories.pop(late.item)
    # A set of some thousands of values, over some hundreds of events.
    return await asyncio.to_thread(remainder, late.body, late.item, own, [*histories.values()])


def _check(connection: sqlite3.Connection, draft: Draft) -> None:
    checked(connection, encoded(draft, source=""), may_repeat=False)


def _changes(connection: sqlite3.Connection, position: str) -> list[dict[str, Any]]:
    entry = event_at(connection, parse_position(position).offset)
    return [*entry["changes"]] if entry is not None else []


async def _bodies_at(ledger: Ledger, offsets: Sequence[int]) -> dict[int, Body]:
    """What the records at these offsets say, from the log: the views keep only what it changed."""
    bodies: dict[int, Body] = {}
    try:
        async with asyncio.timeout(COMPARE_SECONDS):
            for offset in offsets:
                bodies[offset] = decode((await read_record(ledger, offset)).value).body
    except TimeoutError:
        raise NotReady("the log is too slow just now to compare the record with what was said since; try again") from None
    return bodies


def _said_now(late: Late, left: Remainder) -> Body:
    match late.body:
        case PreferenceSetReplaced() | PreferenceSetMerged() | PreferenceSetDeleted():
            return PreferenceSetMerged(late.body.set_id, left.patch)
        case HolderDescribed():
            return HolderDescribed(left.patch)
    return late.body
