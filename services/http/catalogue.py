"""`/catalogue`: what an environment has to notify about, and its policy."""

import sqlite3
from typing import Any

from fastapi import APIRouter, Request, Response

from domain.catalogue import EntryKind
from domain.document import unflatten
from domain.event import POLICY, Body
from domain.holder import ENVIRONMENT
from domain.policy import PROTECTIVE
from projections.batch_state import ItemRow
from services import commands
from services.errors import NotFound
from services.http.auth import Caller
from services.http.body_models import Policy
from services.http.exchange import AskedWhen, MayAdminister, MayRead, answer, etag, queries_of, read_json
from services.http.models import CatalogueAnswer, EntryAnswer, PolicyAnswer, WriteAnswer
from services.http.openapi import GUARDED, answers, takes
from services.http.paths import decode_segment
from services.http.writes import write_item
from services.queries import Moment

router = APIRouter(prefix="/catalogue", tags=["catalogue"])

COLLECTIONS = {
    "workflows": EntryKind.WORKFLOW,
    "categories": EntryKind.CATEGORY,
    "channels": EntryKind.CHANNEL,
    "sections": EntryKind.SECTION,
}

_DEFAULT_POLICY = {
    "decide": PROTECTIVE.decide,
    "own_default_in_tenant": PROTECTIVE.own_default_in_tenant,
}


@router.get("", responses=answers(CatalogueAnswer))
async def get_catalogue(request: Request, when: AskedWhen, caller: MayRead) -> Response:
    """The whole catalogue, now or as it was."""

    def read(_: sqlite3.Connection, moment: Moment) -> dict[str, Any]:
        shown: dict[str, Any] = {}
        for name, kind in COLLECTIONS.items():
            rows = moment.state.items(caller.ledger.environment_stream, f"{kind.value}:")
            shown[name] = {
                item.removeprefix(f"{kind.value}:"): unflatten(row.stored.leaves)
                for item, row in rows.items()
                if row.stored.leaves
            }
        policy = moment.state.item(caller.ledger.environment_stream, POLICY)
        shown["policy"] = unflatten(policy.stored.leaves) if policy is not None else _DEFAULT_POLICY
        return {**shown, **moment.told()}

    return answer(await queries_of(request, caller).ask(when, read))


@router.get("/policy", responses=answers(PolicyAnswer))
async def get_policy(request: Request, when: AskedWhen, caller: MayRead) -> Response:
    """How rules decide together, and what a recipient's own default counts for inside a tenant."""
    row, told = await _read(request, caller, when, POLICY)
    policy = unflatten(row.stored.leaves) if row is not None else _DEFAULT_POLICY
    return answer({"policy": policy, "version": row.version if row else 0, **told})


@router.put("/policy", responses=answers(WriteAnswer), openapi_extra=takes(Policy, _DEFAULT_POLICY) | GUARDED)
async def put_policy(request: Request, caller: MayAdminister) -> Response:
    """Set the environment's policy."""
    return await _write(request, caller, POLICY, commands.set_policy(await read_json(request)), "policy")


@router.get("/{collection}/{key}", responses=answers(EntryAnswer))
async def get_entry(request: Request, collection: str, key: str, when: AskedWhen, caller: MayRead) -> Response:
    """One workflow, category, channel or section."""
    kind, name = _kind_of(collection), decode_segment(key)
    row, told = await _read(request, caller, when, f"{kind.value}:{name}")
    if row is None or not row.stored.leaves:
        raise NotFound(f"there is no {kind.value} {name[:60]!r}")
    return answer(
        {"kind": kind.value, "key": name, kind.value: unflatten(row.stored.leaves), "version": row.version, **told},
        headers=etag(row.version),
    )


@router.put("/{collection}/{key}", responses=answers(WriteAnswer), openapi_extra=takes() | GUARDED)
async def put_entry(request: Request, collection: str, key: str, caller: MayAdminister) -> Response:
    """Define a workflow, category, channel or section."""
    kind, name = _kind_of(collection), decode_segment(key)
    body = commands.define_entry(kind, name, await read_json(request))
    return await _write(request, caller, f"{kind.value}:{name}", body, kind.value)


@router.delete("/{collection}/{key}", responses=answers(WriteAnswer), openapi_extra=GUARDED)
async def delete_entry(request: Request, collection: str, key: str, caller: MayAdminister) -> Response:
    """Remove an entry. Holders' choices about it stay, for the day it comes back."""
    kind, name = _kind_of(collection), decode_segment(key)
    return await _write(request, caller, f"{kind.value}:{name}", commands.remove_entry(kind, name), kind.value)


def _kind_of(collection: str) -> EntryKind:
    kind = COLLECTIONS.get(collection)
    if kind is None:
        raise NotFound(f"the catalogue has no {collection[:60]!r}; it has {', '.join(COLLECTIONS)} and policy")
    return kind


async def _read(request: Request, caller: Caller, when: AskedWhen, item: str) -> tuple[ItemRow | None, dict[str, Any]]:
    def read(_: sqlite3.Connection, moment: Moment) -> tuple[ItemRow | None, dict[str, Any]]:
        return moment.state.item(caller.ledger.environment_stream, item), moment.told()

    return await queries_of(request, caller).ask(when, read)


async def _write(request: Request, caller: Caller, item: str, body: Body, name: str) -> Response:
    content, version = await write_item(request, caller, ENVIRONMENT, item, body)
    content[name] = unflatten(content.pop("leaves"))
    return answer(content, headers=etag(version))
