"""Parked records: shown with the bytes that the log has, and discarded with a reason. Replaying is a module of its own."""

from base64 import b64encode
from dataclasses import replace
from functools import partial
from typing import Any

from domain.event import Event, ParkedDiscarded, ParkedReplayed, type_of
from domain.holder import ENVIRONMENT
from domain.identifier import event_id_text
from projections.history import actor_and_method
from projections.parked import ParkedRecord, ParkedState, parked_at, shown, was_forgotten_since
from projections.position import instant_text, parse_instant, parse_position
from schemas.codec import Undecodable, UnknownSchema, decode
from schemas.record import LogRecord
from services.commands import Request, draft_of
from services.errors import Conflict, NotFound, NotReady, VersionMismatch
from services.ledger import Ledger, now_milliseconds
from services.log.port import LogUnavailable, LogUnfit
from services.stream_reader import shown_set

READ_SECONDS = 5.0
TAKEN_OVER_AFTER_MILLISECONDS = 60_000
"""A replay that began and has not come to its end by then was cut off: whoever comes next goes on with it."""


def find_parked(ledger: Ledger, offset: int) -> ParkedRecord:
    """The parked record at an offset. Raises NotFound, NotReady."""
    ledger.readiness.check_answer()
    find = partial(parked_at, environment_stream=ledger.environment_stream, offset=offset)
    record = ledger.views.reader.read_now(find)
    if record is None:
        raise NotFound(f"record {offset} is not parked: it counts, or there is no such record here")
    return record


def find_open(ledger: Ledger, offset: int) -> ParkedRecord:
    """The same, if nothing was done about it yet. Raises Conflict too."""
    record = find_parked(ledger, offset)
    if record.act is None:
        return record
    _, position, recorded_at = record.act.events[0]
    if record.state is not ParkedState.OPEN:
        raise Conflict(f"record {offset} was {record.state} at {recorded_at}", position=position)
    if now_milliseconds() < parse_instant(recorded_at) + TAKEN_OVER_AFTER_MILLISECONDS:
        raise Conflict(
            f"a replay of record {offset} began at {recorded_at} and has not come to its end yet; try again in a minute",
            position=position,
        )
    return record


async def read_record(ledger: Ledger, offset: int) -> LogRecord:
    """A record as the log has it. Raises NotReady."""
    try:
        records = await ledger.log.read(offset, limit=1, wait_seconds=READ_SECONDS)
    except (LogUnavailable, LogUnfit) as error:
        raise NotReady(f"the log can't be read just now: {error}") from error
    if not records:
        raise NotReady(f"the log did not give out record {offset} within {READ_SECONDS:.0f} seconds; try again")
    return records[0]


def read_as_event(record: LogRecord) -> Event | str:
    """The event that this release reads in a record's bytes, or in a sentence why it reads none."""
    try:
        return decode(record.value)
    except (Undecodable, UnknownSchema) as error:
        return str(error)


async def show_parked(ledger: Ledger, offset: int) -> dict[str, Any]:
    """Everything about a parked record. What a holder said that was forgotten since is not shown."""
    found = find_parked(ledger, offset)
    entry = shown(found)
    if "settled" in entry:
        settled_at = parse_position(entry["settled"]["position"]).offset
        actor, _ = ledger.views.reader.read_now(partial(actor_and_method, offset=settled_at))
        entry["settled"] = {**entry["settled"], "actor": actor}
    record = await read_record(ledger, offset)
    event = read_as_event(record)
    if found.is_forgotten or _is_forgotten(ledger, event, offset):
        return {**entry, "forgotten": True}
    entry["record"] = {
        "key": b64encode(record.key).decode(),
        "value": b64encode(record.value).decode(),
        "headers": [{"name": name, "value": b64encode(value).decode()} for name, value in record.headers],
    }
    return {**entry, "unreadable": event} if isinstance(event, str) else {**entry, "reads_as": _event_shown(event)}


def _is_forgotten(ledger: Ledger, event: Event | str, offset: int) -> bool:
    """Bytes under a wrong key may still be about a holder that was forgotten."""
    if isinstance(event, str):
        return False
    stream = ledger.secrets.stream_key(event.holder)
    return ledger.views.reader.read_now(partial(was_forgotten_since, stream=stream, offset=offset))


def _event_shown(event: Event) -> dict[str, Any]:
    return {
        "event_id": event_id_text(event.event_id),
        "type": type_of(event.body),
        "holder": str(event.holder),
        "set": shown_set(event.item) if event.item is not None else None,
        "actor": event.provenance.actor,
        "occurred_at": instant_text(event.occurred_at_milliseconds),
    }


async def discard(ledger: Ledger, offset: int, reason: str, request: Request) -> dict[str, Any]:
    """Say that a parked record will not be mended. Raises NotFound, Conflict, and what publishing raises."""
    await settle(ledger, find_open(ledger, offset), ParkedDiscarded(offset, reason), request)
    return shown(find_parked(ledger, offset))


async def settle(ledger: Ledger, found: ParkedRecord, act: ParkedDiscarded | ParkedReplayed, request: Request) -> None:
    """Publish an act upon a parked record. Of several, on whichever nodes, the fold lets one count. Raises Conflict."""
    draft = draft_of(ledger, ENVIRONMENT, act, replace(request, expected_version=found.act_version))
    try:
        await ledger.publisher.publish_one(draft)
    except VersionMismatch as error:
        raise Conflict(
            f"record {found.offset} was replayed or discarded by another request just now; look at it again",
            **error.extensions,
        ) from None
