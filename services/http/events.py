"""`/events`: publishing in batches, one event's outcome, and the log as a feed."""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from domain.fold import Outcome
from domain.holder import parse_holder
from domain.identifier import event_id_text
from domain.invalid import Invalid
from domain.json_value import JsonValue
from projections.history import event_by_id, feed, position_at
from projections.position import parse_position
from schemas.bodies import BODY_TYPES
from schemas.codec import Draft
from services.commands import Request as CommandRequest
from services.commands import draft_of, is_configuration
from services.errors import NotFound, OtherLedger, PositionNotReached, ServiceError
from services.event_commands import parse_event
from services.http.auth import ENVIRONMENT_HEADER, Caller
from services.http.body_models import EventsBody
from services.http.exchange import MayAudit, MayPublish, MayRead, answer, node_of, read_members
from services.http.models import EventsAnswer, HistoryEntry
from services.http.openapi import EVENTS_EXAMPLE, REFUSED, SENT_ONCE, answers, takes
from services.http.paths import decode_segment
from services.http.problems import problem_of
from services.http.writes import command_request, refuse_condition
from services.identifiers import derived_event_id, parse_event_id
from services.keys import Scope
from services.publisher import Result
from services.turns import size_of

router = APIRouter(prefix="/events", tags=["events"])

Wanted = Mapping[str, frozenset[str] | None]
"""What a feed is to have: by an entry's member, the values that it may have; None for any."""

PARKED = "Parked"
"""The type of a record that could not be read."""

BATCH_MAX = 1_000
FEED_PAGE = 500
FOLLOW_SILENCE_SECONDS_MAX = 15.0
"""How long a followed feed is silent before it sends an empty line, so that neither side takes the other for dead."""
FOLLOW_STEP_SECONDS = 0.5
"""How often one that waits looks whether it may still go on."""


@router.post("", responses=answers(EventsAnswer), openapi_extra=takes(EventsBody, EVENTS_EXAMPLE) | SENT_ONCE)
async def publish_events(request: Request, caller: MayPublish) -> Response:
    """Publish up to 1,000 events. All are checked before the first is appended; each then has its own outcome.

    With event ids, or an Idempotency-Key, the whole request is safe to send again.
    """
    refuse_condition(request, "each event can have an expected_version")
    body = await read_members(request, "events")
    events = body.get("events")
    if not isinstance(events, list) or not 1 <= len(events) <= BATCH_MAX:
        raise Invalid("/events", f"events must be a list of 1 to {BATCH_MAX} events")
    base = command_request(request, caller)
    drafts = await caller.ledger.turns.each(partial(_draft, caller, base), [*enumerate(events)], size_of)
    may_repeat = base.event_id is not None or any("event_id" in event for event in events if isinstance(event, dict))
    results = await caller.ledger.publisher.publish(drafts, may_repeat=may_repeat)
    return answer({"results": [_shown(draft, result) for draft, result in zip(drafts, results, strict=True)]})


def _draft(caller: Caller, base: CommandRequest, numbered: tuple[int, JsonValue]) -> Draft:
    at, event = numbered
    try:
        parsed = parse_event(event, base)
    except Invalid as error:
        raise Invalid(f"/events/{at}{error.pointer}", error.message) from None
    if is_configuration(parsed.holder, parsed.body):
        caller.check(Scope.ADMIN)
    command = parsed.request
    if base.event_id is not None and command.event_id == base.event_id:
        # One Idempotency-Key stands for all events of the request: each has an id of its own by its place.
        event_id = derived_event_id(event_id_text(base.event_id), str(parsed.holder), str(at))
        command = replace(command, event_id=event_id)
    return draft_of(caller.ledger, parsed.holder, parsed.body, command)


def _shown(draft: Draft, result: Result) -> dict[str, Any]:
    event_id = event_id_text(draft.event_id)
    if isinstance(result, ServiceError):
        return {"event_id": event_id, "outcome": "failed", "problem": problem_of(result).document()}
    position, outcome, why, version = result.folded
    shown = {"event_id": event_id, "outcome": outcome, "position": position, "version": version}
    return shown if why is None else {**shown, "why": why}


@router.get("/{event_id}", responses=answers(HistoryEntry))
async def get_event(event_id: str, caller: MayRead) -> Response:
    """What became of an event: the way to find out after an answer that never came."""
    caller.ledger.readiness.check_answer()
    wanted = parse_event_id(decode_segment(event_id), "")
    entry = caller.ledger.views.reader.read_now(partial(event_by_id, event_id=wanted))
    if entry is None:
        raise NotFound(
            "this node has folded no event with this id: it was not stored, or it is still on its way",
            event_id=event_id[:60],
        )
    return answer(entry)


@router.get(
    "",
    responses={
        200: {"description": "A HistoryEntry a line", "content": {"application/x-ndjson": {"schema": {"type": "string"}}}},
        **REFUSED,
    },
    response_class=StreamingResponse,
)
async def read_events(
    request: Request,
    caller: MayAudit,
    after: Annotated[str | None, Query(description="A position: begin with the record after it.")] = None,
    follow: Annotated[bool, Query(description="Go on as new events come.")] = False,
    limit: Annotated[int | None, Query(ge=1, description="End after this many events.")] = None,
    types: Annotated[str | None, Query(alias="type", description="Only events of these types; several with commas.")] = None,
    holder: Annotated[str | None, Query(description="Only what is said of this holder.")] = None,
    outcome: Annotated[str | None, Query(description="Only these outcomes; several with commas.")] = None,
) -> Response:
    """The ledger's records in order, one JSON object a line."""
    caller.ledger.readiness.check_answer()
    start = _start(caller, after)
    wanted = {
        "type": _one_of(types, {*BODY_TYPES, PARKED}, "/type"),
        "holder": None if holder is None else frozenset({str(parse_holder(holder, "/holder"))}),
        "outcome": _one_of(outcome, set(Outcome), "/outcome"),
    }

    def still_allowed() -> bool:
        """Asked again and again: a feed can be followed for longer than its key is valid, or the node runs."""
        try:
            return not caller.ledger.is_ending and _caller_again(request).credential == caller.credential
        except ServiceError:
            return False

    lines = _lines(caller, start, follow, limit, wanted, still_allowed)
    return StreamingResponse(lines, media_type="application/x-ndjson")


def _one_of(text: str | None, known: set[str], pointer: str) -> frozenset[str] | None:
    """The names in a parameter; None where it is not given. Raises Invalid."""
    if text is None:
        return None
    names = frozenset(text.split(","))
    if not names <= known:
        raise Invalid(pointer, f"{sorted(names - known)[0][:60]!r} is none of {', '.join(sorted(known))}")
    return names


def _caller_again(request: Request) -> Caller:
    headers = request.headers
    caller = node_of(request).gate.caller(headers.get("authorization"), headers.get(ENVIRONMENT_HEADER))
    caller.check(Scope.AUDIT)
    return caller


def _start(caller: Caller, after: str | None) -> int:
    if after is None:
        return 0
    position = parse_position(after, "/after")
    checkpoint = caller.ledger.views.progress.checkpoint
    if checkpoint is None or (position.ledger, position.generation) != (checkpoint.ledger_tag, checkpoint.generation):
        raise OtherLedger("after is a position of another ledger or of another generation of this one")
    if position.offset >= checkpoint.next_offset:
        raise PositionNotReached("this node has not come to the position after which to begin; try again shortly")
    if caller.ledger.views.reader.read_now(partial(position_at, offset=position.offset)) != after:
        raise OtherLedger("after is a position of a log that was made anew; this ledger has another record there")
    return position.offset + 1


async def _lines(
    caller: Caller, start: int, follow: bool, limit: int | None, wanted: Wanted, still_allowed: Callable[[], bool]
) -> AsyncIterator[bytes]:
    filters = [(member, values) for member, values in wanted.items() if values is not None]
    left, silent_seconds = limit, 0.0
    while (left is None or left > 0) and still_allowed():
        entries = await caller.ledger.views.reader.read(partial(feed, start=start, limit=FEED_PAGE))
        found = [entry for entry in entries if all(entry.get(member) in values for member, values in filters)][:left]
        for entry in found:
            yield msgspec.json.encode(entry) + b"\n"
        start += len(entries)
        left = None if left is None else left - len(found)
        if len(entries) < FEED_PAGE and left != 0:
            if not follow:
                return
            if not await caller.ledger.views.watcher.wait_past(start, FOLLOW_STEP_SECONDS):
                silent_seconds += FOLLOW_STEP_SECONDS
            if silent_seconds >= FOLLOW_SILENCE_SECONDS_MAX:
                silent_seconds = 0.0
                yield b"\n"
