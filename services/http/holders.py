"""`/holders`: preference sets, properties, history."""

import sqlite3
from hashlib import sha256
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request, Response

from domain.document import unflatten
from domain.event import PROPERTIES, SUPPRESSION, Body, is_set_item, set_item
from domain.fold import Outcome
from domain.holder import Holder, HolderKind, SetId, SetKind, parse_set_id
from domain.invalid import Invalid
from domain.layers import stack, without_catalogue
from domain.preference_set import show_preference_set
from domain.resolve import resolved_view
from projections import history as history_view
from projections import holders as holders_view
from projections.batch_state import ItemRow
from projections.history import HistoryPage, HistoryQuery, offset_at
from projections.position import parse_instant
from services import commands
from services.commands import draft_of
from services.facts import Circle, facts_of, shared_facts
from services.http.auth import Caller
from services.http.cursor import cursor_of, numbers_of
from services.http.exchange import (
    AskedWhen,
    MayAdminister,
    MayPublish,
    MayRead,
    answer,
    command_request,
    etag,
    if_match,
    queries_of,
    read_json,
)
from services.http.models import EVENT_ANSWER, HISTORY_ANSWER, HOLDER_ANSWER, LIST_ANSWER, PREFERENCE_BODY, SET_ANSWER
from services.http.paths import holder_of, set_of
from services.queries import Moment, When, check_limit
from services.stream_reader import StreamReader

router = APIRouter(tags=["holders"])

Limit = Annotated[int, Query(ge=1, le=1000, description="Entries a page.")]
CursorParameter = Annotated[str | None, Query(description="`next_cursor` of the page before.")]


@router.get("/holders/{holder}/preferences/{set_name}", responses=SET_ANSWER)
async def get_preference_set(
    request: Request,
    holder: str,
    set_name: str,
    when: AskedWhen,
    caller: MayRead,
    resolved: Annotated[bool, Query(description="Merge all layers, as an evaluation would.")] = False,
    tenant: Annotated[str | None, Query(description="With `resolved`: the tenant in play.")] = None,
) -> Response:
    """A preference set as stored, or resolved. A holder that was never heard of has an empty set."""
    who, which = holder_of(holder), set_of(set_name)
    if tenant is not None and not resolved:
        raise Invalid("/tenant", "tenant goes with resolved=true")

    def read(_: sqlite3.Connection, moment: Moment) -> tuple[dict[str, Any], dict[str, str]]:
        reader = StreamReader(moment.state, caller.ledger.secrets)
        if resolved:
            return _resolved(reader, moment, who, which, tenant)
        row = moment.state.item(caller.ledger.secrets.stream_key(who), set_item(which))
        return _stored(who, which, row, moment), etag(row.version if row is not None else 0)

    content, headers = await queries_of(request, caller).ask(when, read)
    if request.headers.get("if-none-match") == headers["etag"]:
        return Response(status_code=304, headers=headers)
    return answer(content, headers=headers, stale_seconds=caller.ledger.readiness.stale_seconds())


def _stored(holder: Holder, set_id: SetId, row: ItemRow | None, moment: Moment) -> dict[str, Any]:
    return {
        "holder": str(holder),
        "set": str(set_id),
        "preferences": show_preference_set(row.stored.leaves) if row is not None else {},
        "version": row.version if row is not None else 0,
        **moment.told(),
    }


def _resolved(
    reader: StreamReader, moment: Moment, holder: Holder, set_id: SetId, tenant_id: str | None
) -> tuple[dict[str, Any], dict[str, str]]:
    circle = _circle_of(set_id, tenant_id)
    facts = facts_of(reader, shared_facts(reader, circle), circle, holder)
    view = resolved_view(without_catalogue(stack(facts, str(holder))))
    preferences = show_preference_set(view.leaves)
    content = {
        "holder": str(holder),
        "set": str(set_id),
        "tenant": circle.tenant_id,
        "preferences": preferences,
        "origins": {
            path: {"holder": origin.layer.holder, "set": origin.layer.set_name, "path": origin.path}
            for path, origin in view.origins.items()
        },
        **moment.told(),
    }
    digest = sha256(msgspec.json.encode(preferences, order="sorted")).hexdigest()[:32]
    return content, {"etag": f'"resolved-{digest}"'}


def _circle_of(set_id: SetId, tenant_id: str | None) -> Circle:
    if set_id.kind is SetKind.TENANT:
        if tenant_id not in (None, set_id.id):
            raise Invalid("/tenant", "this set already belongs to another tenant")
        return Circle("", tenant_id=set_id.id)
    if set_id.kind is SetKind.SUBSCRIPTION:
        raise Invalid("", "a subscription's set is a gate, not a layer: it has no resolved view")
    return Circle("", tenant_id=tenant_id, context=set_id if set_id.kind is SetKind.CONTEXT else None)


@router.put("/holders/{holder}/preferences/{set_name}", responses=EVENT_ANSWER, openapi_extra=PREFERENCE_BODY)
async def put_preference_set(request: Request, holder: str, set_name: str, caller: MayPublish) -> Response:
    """Replace the whole set. `If-Match` with the ETag of a read makes sure that nobody wrote in between."""
    who, which = holder_of(holder), set_of(set_name)
    return await _write(request, caller, who, which, commands.replace_set(who, which, await read_json(request)))


@router.patch("/holders/{holder}/preferences/{set_name}", responses=EVENT_ANSWER, openapi_extra=PREFERENCE_BODY)
async def patch_preference_set(request: Request, holder: str, set_name: str, caller: MayPublish) -> Response:
    """Merge into the set (JSON Merge Patch, RFC 7396): null takes a value away."""
    who, which = holder_of(holder), set_of(set_name)
    return await _write(request, caller, who, which, commands.merge_set(who, which, await read_json(request)))


@router.delete("/holders/{holder}/preferences/{set_name}", responses=EVENT_ANSWER)
async def delete_preference_set(request: Request, holder: str, set_name: str, caller: MayPublish) -> Response:
    """The set says nothing any more. Its history stays."""
    who, which = holder_of(holder), set_of(set_name)
    return await _write(request, caller, who, which, commands.delete_set(who, which))


async def _write(request: Request, caller: Caller, holder: Holder, set_id: SetId, body: Body) -> Response:
    item = set_item(set_id)
    content, version = await write_item(request, caller, holder, item, body)
    content["set"] = str(set_id)
    content["preferences"] = show_preference_set(content.pop("leaves"))
    return answer(content, headers=etag(version))


async def write_item(request: Request, caller: Caller, holder: Holder, item: str, body: Body) -> tuple[dict[str, Any], int]:
    """Publish one event and read the item that it touched."""
    command = command_request(request, caller, str(holder), "0", expected_version=if_match(request))
    draft = draft_of(caller.ledger, holder, body, command)
    receipt = await caller.ledger.publisher.publish_one(draft, may_repeat=command.event_id is not None)

    def read(connection: sqlite3.Connection) -> ItemRow | None:
        return queries_of(request, caller).now(connection).state.item(draft.stream, item)

    row = caller.ledger.views.reader.read_now(read)
    version = row.version if row is not None else 0
    return {
        "holder": str(holder),
        "leaves": row.stored.leaves if row is not None else {},
        "version": version,
        "position": receipt.position,
        "event_id": receipt.entry["event_id"],
        "outcome": receipt.outcome,
    }, version


@router.get("/holders/{holder}/preferences", responses=LIST_ANSWER)
async def list_preference_sets(request: Request, holder: str, when: AskedWhen, caller: MayRead) -> Response:
    """All of a holder's sets that say something."""
    who = holder_of(holder)

    def read(_: sqlite3.Connection, moment: Moment) -> dict[str, Any]:
        rows = moment.state.items(caller.ledger.secrets.stream_key(who), "set:")
        sets = [
            {
                "set": item.removeprefix("set:"),
                "preferences": show_preference_set(row.stored.leaves),
                "version": row.version,
            }
            for item, row in rows.items()
            if row.stored.leaves
        ]
        return {"holder": str(who), "sets": sets, **moment.told()}

    return answer(await queries_of(request, caller).ask(when, read))


@router.get("/holders/{holder}/history", responses=HISTORY_ANSWER)
async def get_history(
    request: Request,
    holder: str,
    caller: MayRead,
    set_name: Annotated[str | None, Query(alias="set", description="Only this set.")] = None,
    path: Annotated[str | None, Query(description="Only changes at or below this JSON Pointer.")] = None,
    from_: Annotated[str | None, Query(alias="from", description="Recorded at or after this instant.")] = None,
    to: Annotated[str | None, Query(description="Recorded at or before this instant.")] = None,
    outcome: Annotated[
        str | None, Query(description="applied, rejected, duplicate, parked, or several with commas.")
    ] = None,
    limit: Limit = 50,
    cursor: CursorParameter = None,
) -> Response:
    """Everything that was said of a holder, newest first, with before and after. All pages belong to one position."""
    who = holder_of(holder)
    item = set_item(parse_set_id(set_name, "/set")) if set_name is not None else None
    outcomes = _outcomes(outcome)
    question = ("history", str(who), item, path, from_, to, *outcomes)
    pinned, below = numbers_of(cursor, question, 2) if cursor is not None else (None, None)

    def read(connection: sqlite3.Connection, moment: Moment) -> tuple[HistoryPage, int, str | None]:
        end = moment.offset if pinned is None else pinned
        top = end if below is None else below
        if to is not None:
            top = min(top, offset_at(connection, parse_instant(to, "/to")))
        above = offset_at(connection, parse_instant(from_, "/from") - 1) if from_ is not None else -1
        page = history_view.page(
            connection,
            HistoryQuery(caller.ledger.secrets.stream_key(who), top, above, item, path, outcomes, check_limit(limit, 1000)),
        )
        return page, end, history_view.position_at(connection, end)

    page, end, position = await queries_of(request, caller).ask(When(), read)
    next_cursor = cursor_of(question, end, page.next_below) if page.next_below is not None else None
    return answer({"holder": str(who), "entries": page.entries, "position": position, "next_cursor": next_cursor})


def _outcomes(text: str | None) -> tuple[Outcome, ...]:
    if text is None:
        return tuple(history_view.SHOWN_OUTCOMES)
    try:
        return tuple(Outcome(name) for name in text.split(","))
    except ValueError:
        raise Invalid("/outcome", f"an outcome is one of {', '.join(Outcome)}") from None


@router.get("/holders", responses=LIST_ANSWER)
async def find_holders(
    request: Request,
    caller: MayRead,
    set_name: Annotated[str, Query(alias="set", description="The set to look at.")] = "default",
    path: Annotated[str | None, Query(description="A JSON Pointer into the set, as in /channel_types/email.")] = None,
    equals: Annotated[bool | None, Query(description="What the set must say there: true or false.")] = None,
    limit: Limit = 100,
    cursor: CursorParameter = None,
) -> Response:
    """Who opted out of what: the holders whose set says so now. Without a path, all holders."""
    if (path is None) != (equals is None):
        raise Invalid("/path", "path and equals go together")
    item = set_item(parse_set_id(set_name, "/set"))
    question = ("holders", item, path, equals)
    above = numbers_of(cursor, question, 1)[0] if cursor is not None else 0

    def read(connection: sqlite3.Connection, moment: Moment) -> tuple[list[dict[str, Any]], int, dict[str, Any]]:
        if path is None or equals is None:
            rows = holders_view.page_of_holders(connection, above, limit)
            return [{"holder": name} for _, name in rows], rows[-1][0] if rows else 0, moment.told()
        found = holders_view.page_of_choosers(connection, item, path, equals, above=above, limit=limit)
        entries = [{"holder": name, "set": set_name, "version": version} for _, name, version in found]
        return entries, found[-1][0] if found else 0, moment.told()

    entries, last, told = await queries_of(request, caller).ask(When(), read)
    next_cursor = cursor_of(question, last) if len(entries) == limit else None
    return answer({"entries": entries, "next_cursor": next_cursor, **told})


@router.get("/holders/{holder}", responses=HOLDER_ANSWER)
async def get_holder(request: Request, holder: str, when: AskedWhen, caller: MayRead) -> Response:
    """A holder's properties and the names of its sets."""
    who = holder_of(holder)

    def read(_: sqlite3.Connection, moment: Moment) -> tuple[dict[str, Any], int]:
        rows = moment.state.items(caller.ledger.secrets.stream_key(who))
        properties = rows.get(PROPERTIES)
        suppression = rows.get(SUPPRESSION)
        version = properties.version if properties is not None else 0
        return {
            "holder": str(who),
            "properties": unflatten(properties.stored.leaves) if properties is not None else {},
            "suppress": suppression.stored.leaves.get("/suppress", "none") if suppression is not None else "none",
            "sets": [item.removeprefix("set:") for item, row in rows.items() if is_set_item(item) and row.stored.leaves],
            "version": version,
            **moment.told(),
        }, version

    content, version = await queries_of(request, caller).ask(when, read)
    return answer(content, headers=etag(version), stale_seconds=caller.ledger.readiness.stale_seconds())


@router.put("/holders/{holder}", responses=EVENT_ANSWER)
async def put_holder(request: Request, holder: str, caller: MayPublish) -> Response:
    """Replace the holder's properties. Here a property can be null."""
    body = await read_json(request)
    return await _write_properties(request, caller, holder_of(holder), commands.describe(body))


@router.patch("/holders/{holder}", responses=EVENT_ANSWER)
async def patch_holder(request: Request, holder: str, caller: MayPublish) -> Response:
    """Merge into the holder's properties (JSON Merge Patch, RFC 7396): null takes a property away."""
    body = await read_json(request)
    return await _write_properties(request, caller, holder_of(holder), commands.describe_partly(body))


async def _write_properties(request: Request, caller: Caller, holder: Holder, body: Body) -> Response:
    content, version = await write_item(request, caller, holder, PROPERTIES, body)
    content["properties"] = unflatten(content.pop("leaves"))
    return answer(content, headers=etag(version))


@router.delete("/holders/{holder}", responses=EVENT_ANSWER)
async def forget_holder(
    request: Request,
    holder: str,
    caller: MayAdminister,
    suppress: Annotated[str, Query(description="What must never be sent again: none, commercial or all.")] = "all",
) -> Response:
    """Forget the holder: nothing of it is shown any more. What must not be sent to it stays known."""
    who = holder_of(holder)
    if who.kind is HolderKind.ENVIRONMENT:
        raise Invalid("", "the environment can't be forgotten")
    content, _ = await write_item(request, caller, who, SUPPRESSION, commands.forget(suppress))
    content["suppress"] = content.pop("leaves").get("/suppress", "none")
    return answer(content)
