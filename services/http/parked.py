"""`/parked`: records that count for nothing, and what is done about them."""

import re
import sqlite3
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response

from domain.identifier import check_text
from domain.invalid import Invalid
from domain.json_value import JsonValue
from projections.parked import PAGE_LIMIT, ParkedQuery, ParkedRecord, ParkedState, page, shown
from services.commands import Request as CommandRequest
from services.errors import Unprocessable
from services.event_commands import parse_event
from services.http.auth import Caller
from services.http.cursor import Cursor, CursorParameter, cursor_text, parse_cursor
from services.http.exchange import MayAdminister, MayAudit, answer, queries_of, read_members
from services.http.openapi import PROVENANCE, answers, takes
from services.http.parked_models import (
    DiscardBody,
    ParkedAnswer,
    ParkedEntry,
    ParkedRecordAnswer,
    ReplayBody,
    ReplayedAnswer,
)
from services.http.paths import decode_segment
from services.http.problems import Problem
from services.http.writes import REASON_LENGTH_MAX, command_request, refuse_condition
from services.parked import discard, find_open, read_as_event, read_record, show_parked
from services.parked_replay import Late, late_event, mended_event, replay
from services.queries import Moment, When

router = APIRouter(prefix="/parked", tags=["parked records"])

_OFFSET = re.compile("[0-9]{1,18}")
_REPLAYED = {"event": {"type": "PreferenceSetMerged", "holder": "user:jhammond", "preferences": {"enabled": False}}}


@router.get("", responses=answers(ParkedAnswer))
async def list_parked(
    request: Request,
    caller: MayAudit,
    state: Annotated[
        Literal["open", "replayed", "discarded"] | None, Query(description="Only records of which this became.")
    ] = None,
    order: Annotated[Literal["newest", "oldest"], Query(description="Which come first.")] = "newest",
    limit: Annotated[int, Query(ge=1, le=PAGE_LIMIT, description="Entries a page.")] = 100,
    cursor: CursorParameter = None,
) -> Response:
    """The parked records, without their bytes.

    A page looks at 20,000 records at most: one that found fewer than asked for may have a `next_cursor` all the same.
    """
    question = ("parked", state, order)
    started = parse_cursor(cursor, question) if cursor is not None else None
    wanted = ParkedState(state) if state is not None else None
    oldest_first = order == "oldest"

    def read(connection: sqlite3.Connection, moment: Moment) -> dict[str, Any]:
        start = started.number if started is not None else 0 if oldest_first else moment.offset
        found = page(connection, caller.ledger.environment_stream, ParkedQuery(start, oldest_first, wanted, limit))
        next_cursor = (
            cursor_text(Cursor(moment.position, found.next_start), question) if found.next_start is not None else None
        )
        return {
            "entries": [shown(record) for record in found.records],
            "position": moment.position,
            "next_cursor": next_cursor,
        }

    return answer(await queries_of(request, caller).ask(When(min_position=started and started.position), read))


@router.get("/{offset}", responses=answers(ParkedRecordAnswer))
async def get_parked(offset: str, caller: MayAudit) -> Response:
    """One parked record with the bytes that the log has, and what this release makes of them now."""
    return answer(await show_parked(caller.ledger, _offset(offset)))


@router.post("/{offset}/discard", responses=answers(ParkedEntry), openapi_extra=takes(DiscardBody) | PROVENANCE)
async def discard_parked(request: Request, offset: str, caller: MayAdminister) -> Response:
    """Say that a parked record was looked at and will not be mended. Its bytes stay in the log."""
    act = _act(request, caller)
    body = await read_members(request, "reason")
    reason = check_text(body.get("reason"), "/reason", "the reason", length_max=REASON_LENGTH_MAX)
    if not reason.strip():
        raise Invalid("/reason", "say why the record is discarded")
    return answer(await discard(caller.ledger, _offset(offset), reason, act))


@router.post("/{offset}/replay", responses=answers(ReplayedAnswer), openapi_extra=takes(ReplayBody, _REPLAYED) | PROVENANCE)
async def replay_parked(request: Request, offset: str, caller: MayAdminister) -> Response:
    """Say anew what a parked record has left to say: nothing that any later event changed, or said no to.

    What is left out is told as `superseded`. `event` is what the record should have said, where this release can't read
    its bytes, or where they were wrong; it has the members of an event of `POST /events`.
    """
    act = _act(request, caller)
    body = await read_members(request, "event")
    found = find_open(caller.ledger, _offset(offset))
    if body.get("event") is not None:
        late = _mended(body["event"], found, act)
    else:
        late = await _readable(caller, found.offset, act)
    return answer(await replay(caller.ledger, found, late, act))


async def _readable(caller: Caller, offset: int, act: CommandRequest) -> Late:
    event = read_as_event(await read_record(caller.ledger, offset))
    if isinstance(event, str):
        raise Unprocessable(f"this release can't read record {offset} ({event}): send the event that it should have been")
    return late_event(event, offset, act)


def _act(request: Request, caller: Caller) -> CommandRequest:
    """Who acts. What is done once to a record is not done twice, so there is nothing to make idempotent."""
    refuse_condition(request, "a parked record is open or settled")
    if "idempotency-key" in request.headers:
        raise Problem("bad-request", "a record is settled once, so sending this again is safe: send no Idempotency-Key")
    return command_request(request, caller)


def _mended(event: JsonValue, found: ParkedRecord, act: CommandRequest) -> Late:
    for name in ("event_id", "expected_version"):
        if isinstance(event, dict) and event.get(name) is not None:
            raise Invalid(f"/event/{name}", f"a replay has an {name.replace('_', ' ')} of its own")
    try:
        parsed = parse_event(event, act)
    except Invalid as error:
        raise Invalid(f"/event{error.pointer}", error.message) from None
    return mended_event(parsed.holder, parsed.body, parsed.request, found)


def _offset(segment: str) -> int:
    text = decode_segment(segment)
    if not _OFFSET.fullmatch(text):
        raise Invalid("", f"{text[:60]!r} is not the offset of a record; it is a number, as a list of parked records has it")
    return int(text)
