"""`/holders/{holder}/preferences`: preference sets, stored and resolved."""

import sqlite3
from functools import partial
from hashlib import sha256
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request, Response

from domain.event import Body, set_item
from domain.holder import Holder, SetId, SetKind
from domain.identifier import check_id
from domain.invalid import Invalid
from domain.layers import stack, without_catalogue
from domain.preference_set import show_preference_set
from domain.resolve import resolved_view
from projections.batch_state import ItemRow
from services import commands
from services.facts import Circle, facts_of, shared_facts
from services.http.auth import Caller
from services.http.body_models import Preferences
from services.http.exchange import AskedWhen, MayPublish, MayRead, answer, etag, is_unchanged, queries_of, read_json
from services.http.models import PreferenceSetAnswer, SetsAnswer, WriteAnswer
from services.http.openapi import CONDITIONAL, DOCUMENTED_EXAMPLE, GUARDED, UNCHANGED, answers, takes
from services.http.paths import holder_of, set_of
from services.http.writes import write_item
from services.queries import Moment
from services.stream_reader import StreamReader

router = APIRouter(prefix="/holders/{holder}/preferences", tags=["preferences"])


_WRITTEN = answers(WriteAnswer)
_TAKES = takes(Preferences, DOCUMENTED_EXAMPLE) | GUARDED


@router.get("/{set_name}", responses=answers(PreferenceSetAnswer) | UNCHANGED, openapi_extra=CONDITIONAL)
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
    if is_unchanged(request, headers["etag"]):
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
    if tenant_id is not None:
        check_id(tenant_id, "/tenant", "the tenant id")
    return Circle("", tenant_id=tenant_id, context=set_id if set_id.kind is SetKind.CONTEXT else None)


@router.put("/{set_name}", responses=_WRITTEN, openapi_extra=_TAKES)
async def put_preference_set(request: Request, holder: str, set_name: str, caller: MayPublish) -> Response:
    """Replace the whole set. `If-Match` with the ETag of a read makes sure that nobody wrote in between."""
    who, which = holder_of(holder), set_of(set_name)
    body = await caller.ledger.turns.one(partial(commands.replace_set, who, which), await read_json(request))
    return await _write(request, caller, who, which, body)


@router.patch("/{set_name}", responses=_WRITTEN, openapi_extra=_TAKES)
async def patch_preference_set(request: Request, holder: str, set_name: str, caller: MayPublish) -> Response:
    """Merge into the set (JSON Merge Patch, RFC 7396): null takes a value away."""
    who, which = holder_of(holder), set_of(set_name)
    body = await caller.ledger.turns.one(partial(commands.merge_set, who, which), await read_json(request))
    return await _write(request, caller, who, which, body)


@router.delete("/{set_name}", responses=_WRITTEN, openapi_extra=GUARDED)
async def delete_preference_set(request: Request, holder: str, set_name: str, caller: MayPublish) -> Response:
    """The set says nothing any more. Its history stays."""
    who, which = holder_of(holder), set_of(set_name)
    return await _write(request, caller, who, which, commands.delete_set(who, which))


async def _write(request: Request, caller: Caller, holder: Holder, set_id: SetId, body: Body) -> Response:
    content, version = await write_item(request, caller, holder, set_item(set_id), body)
    content["set"] = str(set_id)
    content["preferences"] = show_preference_set(content.pop("leaves"))
    return answer(content, headers=etag(version))


@router.get("", responses=answers(SetsAnswer))
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
