"""`/holders`: who there is, what is known of them, and forgetting them."""

import sqlite3
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from domain.document import unflatten
from domain.event import PROPERTIES, SUPPRESSION, Body, is_set_item, set_item
from domain.holder import DEFAULT_SET, Holder, HolderKind, parse_set_id
from domain.invalid import Invalid
from domain.pointer import check_pointer
from projections.holders import PAGE_LIMIT, page_of_choosers, page_of_holders
from services import commands
from services.http.auth import Caller
from services.http.cursor import Cursor, CursorParameter, cursor_text, parse_cursor
from services.http.exchange import AskedWhen, MayAdminister, MayPublish, MayRead, answer, etag, queries_of, read_json
from services.http.models import HolderAnswer, HoldersAnswer, WriteAnswer
from services.http.openapi import GUARDED, SENT_ONCE, answers, takes
from services.http.paths import holder_of
from services.http.writes import refuse_condition, write_item
from services.queries import Moment, When

router = APIRouter(tags=["holders"])

Limit = Annotated[int, Query(ge=1, le=PAGE_LIMIT, description="Entries a page.")]


@router.get("/holders", responses=answers(HoldersAnswer))
async def find_holders(
    request: Request,
    caller: MayRead,
    set_name: Annotated[str | None, Query(alias="set", description="The set to look at; `default` if not given.")] = None,
    path: Annotated[str | None, Query(description="A JSON Pointer into the set, as in /channel_types/email.")] = None,
    equals: Annotated[bool | None, Query(description="What the set must say there: true or false.")] = None,
    limit: Limit = 100,
    cursor: CursorParameter = None,
) -> Response:
    """Who opted out of what: the holders whose set says so now. Without a path, all holders."""
    if (path is None) != (equals is None) or (set_name is not None and path is None):
        raise Invalid("/path", "path and equals go together, and set goes with them")
    if path is not None:
        check_pointer(path, "/path")
    which = parse_set_id(set_name, "/set") if set_name is not None else DEFAULT_SET
    question = ("holders", str(which), path, equals)
    started = parse_cursor(cursor, question) if cursor is not None else None
    above = started.number if started is not None else 0

    def read(connection: sqlite3.Connection, moment: Moment) -> dict[str, Any]:
        if path is None or equals is None:
            rows = page_of_holders(connection, above, limit)
            entries: list[dict[str, Any]] = [{"holder": name} for _, name in rows]
            last = rows[-1][0] if rows else 0
        else:
            found = page_of_choosers(connection, set_item(which), path, equals, above=above, limit=limit)
            entries = [{"holder": name, "set": str(which), "version": version} for _, name, version in found]
            last = found[-1][0] if found else 0
        next_cursor = cursor_text(Cursor(moment.position, last), question) if len(entries) == limit else None
        return {"entries": entries, "next_cursor": next_cursor, **moment.told()}

    return answer(await queries_of(request, caller).ask(When(min_position=started and started.position), read))


@router.get("/holders/{holder}", responses=answers(HolderAnswer))
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


@router.put("/holders/{holder}", responses=answers(WriteAnswer), openapi_extra=takes() | GUARDED)
async def put_holder(request: Request, holder: str, caller: MayPublish) -> Response:
    """Replace the holder's properties. Here a property can be null."""
    properties, who = await read_json(request), holder_of(holder)
    return await _write_properties(request, caller, who, await caller.ledger.turns.one(commands.describe, properties))


@router.patch("/holders/{holder}", responses=answers(WriteAnswer), openapi_extra=takes() | GUARDED)
async def patch_holder(request: Request, holder: str, caller: MayPublish) -> Response:
    """Merge into the holder's properties (JSON Merge Patch, RFC 7396): null takes a property away."""
    properties, who = await read_json(request), holder_of(holder)
    return await _write_properties(request, caller, who, await caller.ledger.turns.one(commands.describe_partly, properties))


async def _write_properties(request: Request, caller: Caller, holder: Holder, body: Body) -> Response:
    content, version = await write_item(request, caller, holder, PROPERTIES, body)
    content["properties"] = unflatten(content.pop("leaves"))
    return answer(content, headers=etag(version))


@router.delete("/holders/{holder}", responses=answers(WriteAnswer), openapi_extra=SENT_ONCE)
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
    refuse_condition(request, "a holder is forgotten whatever its version")
    content, _ = await write_item(request, caller, who, SUPPRESSION, commands.forget(suppress))
    content["suppress"] = content.pop("leaves").get("/suppress", "none")
    return answer(content)
