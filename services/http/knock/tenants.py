"""Tenants: their properties, and the defaults that they set for the recipients inside them."""

import sqlite3
from typing import Any

from domain.event import PROPERTIES
from domain.holder import Holder, HolderKind, object_in, parse_holder, tenant
from projections.holders import page_of_kind
from services.http.knock.entities import life, shown_tenant
from services.http.knock.errors import no_such
from services.http.knock.exchange import Call, publish, read
from services.http.knock.paging import asked_page, page_of
from services.http.knock.recipient_request import TENANTS, tenant_writes
from services.http.knock.recipients import forget, needed, row_id
from services.http.knock.routing import Answer, Route
from services.keys import Scope
from services.stream_reader import StreamReader

SCANNED_MAX = 5_000
"""Tenants that a list looks at for a name before it gives up: what one request may cost."""


def _resolves(call: Call) -> bool:
    return call.request.query_params.get("resolve_full_preference_settings") == "true"


async def put_tenant(call: Call) -> Answer:
    """Describe a tenant, which makes it if need be; its `settings.preference_set` is merged unless it says replace."""
    tenant_id, resolved = call.parameters["tenant_id"], _resolves(call)
    writes = tenant_writes(tenant_id, await call.body())
    published = await publish(call, await needed(call, writes))
    shown = await read(call, lambda reader, *_: shown_tenant(reader, tenant_id, resolved=resolved), published.unfolded)
    return Answer(shown, published.replay_headers(call))


async def get_tenant(call: Call) -> Answer:
    """A tenant."""
    holder, resolved = tenant(call.parameters["tenant_id"]), _resolves(call)

    def run(reader: StreamReader, connection: sqlite3.Connection, _: object) -> dict[str, Any] | None:
        if life(reader, connection, holder) is None:
            return None
        return shown_tenant(reader, holder.id, resolved=resolved)

    shown = await read(call, run)
    if shown is None:
        raise no_such(f"the tenant {holder.id[:60]!r}")
    return Answer(shown)


async def delete_tenant(call: Call) -> Answer:
    """Forget a tenant and its defaults. What users said for it stays theirs."""
    tenant_id = call.parameters["tenant_id"]
    await forget(call, [tenant(tenant_id), object_in(TENANTS, tenant_id)])
    return Answer()


async def list_tenants(call: Call) -> Answer:
    """Tenants in the order in which the ledger heard of them; `tenant_id` and `name` filter."""
    query, asked = call.request.query_params, asked_page(call.request)
    tenant_id, name = query.get("tenant_id"), query.get("name")

    def run(reader: StreamReader, connection: sqlite3.Connection, _: object) -> dict[str, Any]:
        if tenant_id:
            found = life(reader, connection, tenant(tenant_id)) is not None and _is_called(reader, tenant(tenant_id), name)
            rows = [(0, str(tenant(tenant_id)))] if found else []
            page = page_of(asked, lambda *_: rows, lambda row: row[0])
        else:
            page = page_of(asked, lambda *where: _named(reader, connection, name, *where), lambda row: row[0])
        shown = [shown_tenant(reader, parse_holder(row[1]).id, resolved=False) for row in page.rows]
        return page.shown(shown)

    return Answer(await read(call, run))


def _named(
    reader: StreamReader, connection: sqlite3.Connection, name: str | None, beyond: str | None, limit: int, backwards: bool
) -> list[tuple[int, str]]:
    wanted = limit if not name else SCANNED_MAX
    rows = page_of_kind(connection, HolderKind.TENANT, row_id(beyond), wanted, newest_first=backwards)
    return [row for row in rows if _is_called(reader, parse_holder(row[1]), name)][:limit]


def _is_called(reader: StreamReader, holder: Holder, name: str | None) -> bool:
    """Whether the name asked for is part of the tenant's, in whichever case."""
    if not name:
        return True
    own = reader.leaves(holder, PROPERTIES).get("/name")
    return isinstance(own, str) and name.casefold() in own.casefold()


ROUTES = [
    Route("PUT", "/v1/tenants/{tenant_id}", put_tenant, Scope.PUBLISH),
    Route("GET", "/v1/tenants/{tenant_id}", get_tenant, Scope.READ),
    Route("DELETE", "/v1/tenants/{tenant_id}", delete_tenant, Scope.ADMIN),
    Route("GET", "/v1/tenants", list_tenants, Scope.READ),
]
