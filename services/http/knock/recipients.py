"""Users and objects: identify, get, delete, list, merge."""

import sqlite3
from collections.abc import Sequence
from typing import Any

from domain.event import (
    PROPERTIES,
    SUPPRESS,
    SUPPRESSION,
    HolderDescribed,
    HolderForgotten,
    PreferenceSetMerged,
    SetsAdopted,
)
from domain.fold import patched
from domain.holder import Holder, HolderKind, object_in, parse_holder, parse_set_id, tenant, user
from domain.identifier import check_id
from domain.invalid import Invalid
from projections.history import event_by_id
from projections.holders import page_of_kind, page_of_objects
from services.http.knock import access
from services.http.knock.entities import life, own_sets, shown_entity
from services.http.knock.errors import no_such
from services.http.knock.exchange import Call, Write, event_index, publish, read
from services.http.knock.paging import PageAsked, asked_page, page_of
from services.http.knock.recipient_request import TENANTS, object_writes, user_writes
from services.http.knock.routing import Answer, Route
from services.keys import Scope
from services.stream_reader import StreamReader


async def put_entity(call: Call) -> Answer:
    """Describe a user or an object, which makes it if need be, and store the preferences that come along."""
    body, holder = await call.body(), call.holder
    if holder.kind is HolderKind.USER:
        access.check_own_user(call, "users/write")
        writes = user_writes(holder.id, body)
    else:
        writes = object_writes(holder.collection, holder.id, body)
    for _, event in writes:
        if isinstance(event, PreferenceSetMerged):
            access.check_set(call.token, event.set_id, access.WRITE)
    published = await publish(call, await needed(call, writes))
    return Answer(await seen(call, holder, published.unfolded), published.replay_headers(call))


async def seen(call: Call, holder: Holder, unfolded: Sequence[Write] = ()) -> dict[str, Any] | None:
    """A user or an object as it is now; None where there is none."""
    is_stored = bool(unfolded)
    return await read(
        call, lambda reader, connection, _: shown_entity(reader, connection, holder, is_stored=is_stored), unfolded
    )


async def needed(call: Call, writes: Sequence[Write]) -> list[Write]:
    """Without descriptions that say nothing new of a known holder: clients send one at each start."""

    def run(reader: StreamReader, connection: sqlite3.Connection, _: object) -> list[Write]:
        return [write for write in writes if not _is_known(reader, connection, *write)]

    return await read(call, run)


def _is_known(reader: StreamReader, connection: sqlite3.Connection, holder: Holder, body: object) -> bool:
    if not isinstance(body, HolderDescribed) or life(reader, connection, holder) is None:
        return False
    before = reader.leaves(holder, PROPERTIES)
    return patched(before, body.patch) == before


async def get_entity(call: Call) -> Answer:
    """A user or an object."""
    holder = call.holder
    access.check_own_user(call, "users/read")
    shown = await seen(call, holder)
    if shown is None:
        raise no_such(f"the {holder.kind.value} {holder.id[:60]!r}")
    return Answer(shown)


async def delete_entity(call: Call) -> Answer:
    """Forget a user or an object. As at Knock, somebody of that id who comes later starts afresh."""
    holder = call.holder
    holders = [holder, tenant(holder.id)] if holder.collection == TENANTS else [holder]
    await forget(call, holders)
    return Answer()


async def forget(call: Call, holders: Sequence[Holder]) -> None:
    """Forget those holders that there are."""

    def run(reader: StreamReader, connection: sqlite3.Connection, _: object) -> list[Write]:
        return [(one, forgetting(reader, one)) for one in holders if life(reader, connection, one) is not None]

    await publish(call, await read(call, run))


def forgetting(reader: StreamReader, holder: Holder) -> HolderForgotten:
    """The event that forgets a holder. What must never be sent to it, by an earlier word, stays so."""
    earlier = reader.leaves(holder, SUPPRESSION).get("/suppress")
    return HolderForgotten(next((known for known in SUPPRESS if known == earlier), "none"))


async def list_users(call: Call) -> Answer:
    """Users in the order in which the ledger heard of them."""
    asked = asked_page(call.request)
    descending = call.request.query_params.get("order") == "desc"

    def run(reader: StreamReader, connection: sqlite3.Connection, _: object) -> dict[str, Any]:
        page = page_of(
            asked,
            lambda beyond, limit, backwards: page_of_kind(
                connection, HolderKind.USER, row_id(beyond), limit, newest_first=backwards != descending
            ),
            lambda row: row[0],
        )
        return page.shown(_entries(call, reader, connection, [parse_holder(name) for _, name in page.rows]))

    return Answer(await read(call, run))


def row_id(cursor: str | None) -> int | None:
    """The row of a cursor. Raises Invalid."""
    if cursor is None:
        return None
    if not cursor.isdigit() or len(cursor) > 18:
        raise Invalid("/after", "this is no cursor that a page gave")
    return int(cursor)


async def list_objects(call: Call) -> Answer:
    """The objects of a collection."""
    asked, collection = asked_page(call.request), call.parameters["collection"]

    def run(reader: StreamReader, connection: sqlite3.Connection, _: object) -> dict[str, Any]:
        if collection == TENANTS:
            return _page_of_tenants(call, asked, reader, connection)
        prefix = str(object_in(collection, "x"))[:-1]
        page = page_of(
            asked,
            lambda beyond, limit, backwards: page_of_objects(
                connection, prefix, beyond if beyond is not None else prefix, limit, backwards=backwards
            ),
            lambda name: name,
        )
        return page.shown(_entries(call, reader, connection, [parse_holder(name) for name in page.rows]))

    return Answer(await read(call, run))


def _page_of_tenants(call: Call, asked: PageAsked, reader: StreamReader, connection: sqlite3.Connection) -> dict[str, Any]:
    page = page_of(
        asked,
        lambda beyond, limit, backwards: page_of_kind(
            connection, HolderKind.TENANT, row_id(beyond), limit, newest_first=backwards
        ),
        lambda row: row[0],
    )
    objects = [object_in(TENANTS, parse_holder(name).id) for _, name in page.rows]
    return page.shown(_entries(call, reader, connection, objects))


def _entries(
    call: Call, reader: StreamReader, connection: sqlite3.Connection, holders: Sequence[Holder]
) -> list[dict[str, Any]]:
    query = call.request.query_params
    included = {*query.getlist("include[]"), *query.getlist("include")}
    if not included <= {"preferences"}:
        raise Invalid("/include", "what can be included is preferences")
    entries = []
    for holder in holders:
        entry = shown_entity(reader, connection, holder) or {}
        entries.append({**entry, "preferences": own_sets(reader, holder)} if included else entry)
    return entries


async def merge_users(call: Call) -> Answer:
    """Take over the sets that the target has none of, and forget the source."""
    body, target = await call.body(), call.holder
    source = user(check_id(body.get("from_user_id"), "/from_user_id", "from_user_id"))
    if source == target:
        raise Invalid("/from_user_id", "a user can't be merged into itself")

    def run(reader: StreamReader, connection: sqlite3.Connection, _: object) -> list[Write] | None:
        if life(reader, connection, source) is None:
            return None
        # All of its sets, also those that only other dialects know: with the source they would be gone.
        rows = reader.state.items(reader.secrets.stream_key(source), "set:")
        sets = [(parse_set_id(item.removeprefix("set:")), row.stored.leaves) for item, row in rows.items()]
        adopted = SetsAdopted(source, tuple((set_id, leaves) for set_id, leaves in sets if leaves))
        return [(target, adopted), (source, forgetting(reader, source))]

    writes = await read(call, run)
    if writes is None and not await _was_merged(call, source):
        raise no_such(f"the user {source.id[:60]!r}")
    published = await publish(call, writes or [])
    return Answer(await seen(call, target, published.unfolded))


async def _was_merged(call: Call, source: Holder) -> bool:
    """Whether this request is sent again, after the source was forgotten."""
    event_id = call.command(*event_index(source, HolderForgotten("none"))).event_id
    if event_id is None:
        return False
    known = await read(call, lambda _, connection, __: event_by_id(connection, event_id))
    return known is not None


ROUTES = [
    Route("PUT", "/v1/users/{user_id}", put_entity, Scope.PUBLISH, by_client=True),
    Route("GET", "/v1/users/{user_id}", get_entity, Scope.READ, by_client=True),
    Route("DELETE", "/v1/users/{user_id}", delete_entity, Scope.ADMIN),
    Route("GET", "/v1/users", list_users, Scope.READ),
    Route("POST", "/v1/users/{user_id}/merge", merge_users, Scope.ADMIN),
    Route("PUT", "/v1/objects/{collection}/{object_id}", put_entity, Scope.PUBLISH),
    Route("GET", "/v1/objects/{collection}/{object_id}", get_entity, Scope.READ),
    Route("DELETE", "/v1/objects/{collection}/{object_id}", delete_entity, Scope.ADMIN),
    Route("GET", "/v1/objects/{collection}", list_objects, Scope.READ),
]
