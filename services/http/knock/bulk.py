"""Bulk endpoints: one request, one event with all of it, and an operation that is followed to its end."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from domain.event import Body, BulkRequested, BulkRow, HolderDescribed, PreferenceSetMerged
from domain.holder import DEFAULT_SET, ENVIRONMENT, Holder, object_in, tenant, user
from domain.identifier import check_id, event_id_text
from domain.invalid import Invalid
from domain.json_value import JsonValue
from projections.position import instant_text
from services.bulk import BulkProgress
from services.commands import draft_of
from services.errors import PositionNotReached
from services.http.knock.errors import no_such
from services.http.knock.exchange import Call, check_list, read
from services.http.knock.recipient_request import TENANTS, Write, object_writes, tenant_of, tenant_writes, user_writes
from services.http.knock.recipients import forgetting
from services.http.knock.routing import Answer, Route
from services.http.knock.set_request import set_of, written_set
from services.identifiers import new_event_id
from services.keys import Scope
from services.ledger import now_milliseconds

ROWS_MAX = 1_000


async def set_preferences(call: Call) -> Answer:
    """POST (older clients: PUT) /v1/users/bulk/preferences: the same set for many users, replaced."""
    body = await call.body()
    user_ids = check_list(body.get("user_ids"), "/user_ids", ROWS_MAX)
    holders = tuple(dict.fromkeys(user(check_id(one, f"/user_ids/{at}", "a user id")) for at, one in enumerate(user_ids)))
    request = body.get("preferences")
    name = request.get("id") if isinstance(request, dict) else None
    set_id = set_of(check_id(name, "/preferences/id", "the set's id") if name is not None else "default")
    patch = written_set(set_id, request, default="replace", at="/preferences").patch
    return await _request(
        call,
        lambda bulk_id: BulkRequested(
            bulk_id, "users.set_preferences", holders, set_id, patch.leaves, patch.unsets, patch.spell_out
        ),
    )


async def identify_users(call: Call) -> Answer:
    """POST /v1/users/bulk/identify."""
    rows = _rows(await call.body(), "users", lambda one, user_id, at: user_writes(user_id, one, at))
    return await _request_rows(call, "users.identify", rows)


async def set_objects(call: Call) -> Answer:
    """POST /v1/objects/{collection}/bulk/set."""
    collection = call.parameters["collection"]
    rows = _rows(await call.body(), "objects", lambda one, object_id, at: object_writes(collection, object_id, one, at))
    return await _request_rows(call, f"objects.{collection}.set", rows)


async def set_tenants(call: Call) -> Answer:
    """POST /v1/tenants/bulk/set: tenants by id, or described."""
    writes: list[Write] = []
    for at, one in enumerate(check_list((await call.body()).get("tenants"), "/tenants", ROWS_MAX)):
        tenant_id, own = tenant_of(one, f"/tenants/{at}")
        writes += own or tenant_writes(tenant_id, {})
    return await _request_rows(call, "tenants.set", writes)


async def delete_users(call: Call) -> Answer:
    """POST /v1/users/bulk/delete."""
    ids = _ids((await call.body()).get("user_ids"), "/user_ids")
    return await _request_deletion(call, "users.delete", [user(one) for one in ids])


async def delete_objects(call: Call) -> Answer:
    """POST /v1/objects/{collection}/bulk/delete."""
    collection = call.parameters["collection"]
    ids = _ids((await call.body()).get("object_ids"), "/object_ids")
    holders = [object_in(collection, one) for one in ids]
    if collection == TENANTS:
        holders += [tenant(one) for one in ids]
    return await _request_deletion(call, f"objects.{collection}.delete", holders)


async def delete_tenants(call: Call) -> Answer:
    """POST /v1/tenants/bulk/delete: the ids are in the address, `tenant_ids[]=a&tenant_ids[]=b`."""
    query = call.request.query_params
    ids = _ids([*query.getlist("tenant_ids[]"), *query.getlist("tenant_ids")], "/tenant_ids")
    return await _request_deletion(call, "tenants.delete", [tenant(one) for one in ids])


async def get_operation(call: Call) -> Answer:
    """GET /v1/bulk_operations/{id}: how far it is, counted in the views of one position."""
    return await _shown(call, call.parameters["id"])


def _ids(value: JsonValue | list[str], at: str) -> list[str]:
    return list(
        dict.fromkeys(check_id(one, f"{at}/{number}", "an id") for number, one in enumerate(check_list(value, at, ROWS_MAX)))
    )


def _rows(
    body: Mapping[str, JsonValue], name: str, writes_of: Callable[[dict[str, JsonValue], str, str], Sequence[Write]]
) -> list[Write]:
    writes: list[Write] = []
    for number, one in enumerate(check_list(body.get(name), f"/{name}", ROWS_MAX)):
        at = f"/{name}/{number}"
        if not isinstance(one, dict):
            raise Invalid(at, "this must be an object with an id")
        writes += writes_of(one, check_id(one.get("id"), f"{at}/id", "the id"), at)
    return writes


async def _request_rows(call: Call, operation: str, writes: Sequence[Write]) -> Answer:
    """Each holder's writes in a row become one row of the operation."""
    holders: list[Holder] = []
    bodies: list[list[Body]] = []
    for holder, body in writes:
        # A description begins another row, be it of the same holder: each is carried out in its turn.
        if not holders or holders[-1] != holder or isinstance(body, HolderDescribed):
            holders.append(holder)
            bodies.append([])
        bodies[-1].append(body)
    rows = tuple(map(_row, bodies))
    return await _request(
        call, lambda bulk_id: BulkRequested(bulk_id, operation, tuple(holders), DEFAULT_SET, {}, rows=rows)
    )


def _row(bodies: Sequence[Body]) -> BulkRow:
    described = next((body.patch.leaves for body in bodies if isinstance(body, HolderDescribed)), None)
    return BulkRow(described, tuple((body.set_id, body.patch) for body in bodies if isinstance(body, PreferenceSetMerged)))


async def _request_deletion(call: Call, operation: str, holders: Sequence[Holder]) -> Answer:
    rows = await read(
        call, lambda reader, *_: tuple(BulkRow(forgotten=forgetting(reader, holder).suppress) for holder in holders)
    )
    return await _request(
        call, lambda bulk_id: BulkRequested(bulk_id, operation, tuple(holders), DEFAULT_SET, {}, rows=rows)
    )


async def _request(call: Call, body_of: Callable[[str], BulkRequested]) -> Answer:
    """Append the request, which names everything; then let it be carried out. Its id is the event's."""
    command = call.command("bulk")
    may_repeat = command.event_id is not None
    event_id = command.event_id or new_event_id()
    bulk_id = event_id_text(event_id)
    request = body_of(bulk_id)
    draft = draft_of(call.ledger, ENVIRONMENT, request, replace(command, event_id=event_id))
    try:
        await call.ledger.publisher.publish_one(draft, may_repeat=may_repeat)
    except PositionNotReached:
        return Answer(_shown_operation(call, _queued(request)))
    finally:
        # Whatever became of the answer: if the request was stored, this node carries it out.
        call.ledger.bulk.take_on(bulk_id)
    return await _shown(call, bulk_id)


def _queued(request: BulkRequested) -> BulkProgress:
    """A request that is stored, and that this node has not folded yet."""
    now = now_milliseconds()
    return BulkProgress(request.bulk_id, request.operation, len(request.holders), 0, (), 0, now, now, None, "")


async def _shown(call: Call, bulk_id: str) -> Answer:
    call.ledger.readiness.check_answer()
    progress = await call.ledger.bulk.progress(bulk_id)
    if progress is None:
        raise no_such(f"the bulk operation {bulk_id[:60]!r}")
    return Answer(_shown_operation(call, progress), {"prefledger-position": progress.position})


def _shown_operation(call: Call, progress: BulkProgress) -> dict[str, Any]:
    finished = progress.finished_at_milliseconds
    status = "completed" if finished is not None else "processing" if progress.processed else "queued"
    began = instant_text(progress.requested_at_milliseconds)
    base = str(call.request.base_url).rstrip("/")
    return {
        "__typename": "BulkOperation",
        "id": progress.bulk_id,
        "name": progress.operation,
        "status": status,
        "estimated_total_rows": progress.requested,
        "processed_rows": progress.processed,
        "success_count": progress.succeeded,
        "error_count": progress.failed_count,
        "error_items": [_error_item(holder) for holder in progress.failed],
        "progress_path": f"{base}/v1/bulk_operations/{progress.bulk_id}",
        "started_at": began,
        "completed_at": None if finished is None else instant_text(finished),
        "failed_at": None,
        "inserted_at": began,
        "updated_at": instant_text(progress.changed_at_milliseconds),
    }


def _error_item(holder: Holder) -> dict[str, str]:
    return {"id": holder.id, "collection": holder.collection} if holder.collection else {"id": holder.id}


_PREFERENCES = "/v1/users/bulk/preferences"

ROUTES = [
    Route("POST", _PREFERENCES, set_preferences, Scope.PUBLISH),
    Route("PUT", _PREFERENCES, set_preferences, Scope.PUBLISH),
    Route("POST", "/v1/users/bulk/identify", identify_users, Scope.PUBLISH),
    Route("POST", "/v1/users/bulk/delete", delete_users, Scope.ADMIN),
    Route("POST", "/v1/objects/{collection}/bulk/set", set_objects, Scope.PUBLISH),
    Route("POST", "/v1/objects/{collection}/bulk/delete", delete_objects, Scope.ADMIN),
    Route("POST", "/v1/tenants/bulk/set", set_tenants, Scope.PUBLISH),
    Route("POST", "/v1/tenants/bulk/delete", delete_tenants, Scope.ADMIN),
    Route("GET", "/v1/bulk_operations/{id}", get_operation, Scope.READ),
]
