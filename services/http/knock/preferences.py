"""The preference endpoints of users and objects, whole sets and the deprecated single parts."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from domain.event import PreferenceSetMerged
from domain.facts import Facts
from domain.holder import Holder, SetId, SetKind, parse_set_id
from domain.invalid import Invalid
from domain.json_value import JsonValue
from domain.layers import is_shell, stack, without_catalogue
from domain.resolve import resolved_view
from services.facts import Circle, facts_of, shared_facts
from services.http.knock import access
from services.http.knock.exchange import Call, Write, publish, read
from services.http.knock.routing import Answer, Route
from services.http.knock.set_request import CHANNEL_TYPES, NOTHING, part_patch, set_of, written_set
from services.http.knock.set_view import says_something, set_name, shown_set
from services.keys import Scope
from services.policy_presets import PRESETS
from services.stream_reader import StreamReader

POLICY = PRESETS["knock"]
"""Knock reads by its own rule, whatever the environment's policy."""

GROUPS = ("channel_types", "workflows", "categories")


def view_of(reader: StreamReader, holder: Holder, set_id: SetId, tenant_id: str | None = None) -> dict[str, Any]:
    """The set as Knock shows it: with the tenant's and the environment's defaults below it, and no catalogue's."""
    tenant_id = tenant_id or (set_id.id if set_id.kind is SetKind.TENANT else None)
    circle = Circle("", tenant_id=tenant_id, policy=POLICY)
    facts = facts_of(reader, shared_facts(reader, circle), circle, holder)
    if set_id.kind is SetKind.TENANT and set_id.id != tenant_id:
        facts = replace(facts, own_in_tenant=reader.set_leaves(holder, set_id))
    view = resolved_view(without_catalogue(stack(facts, str(holder))))
    leaves = _with_own_commercial(view.leaves, facts)
    return shown_set(set_name(set_id) or str(set_id), leaves)


def _with_own_commercial(leaves: dict[str, JsonValue], facts: Facts) -> dict[str, JsonValue]:
    """A commercial opt-out is said in the recipient's default and beats a tenant's or the environment's word."""
    own = facts.own_default.get("/commercial")
    if own is None or is_shell(own) or "/commercial" in facts.own_in_tenant:
        return leaves
    return {**leaves, "/commercial": own}


def stored_sets(reader: StreamReader, holder: Holder) -> list[SetId]:
    """The holder's sets that have something in them that Knock can show, `default` first."""
    items = reader.state.items(reader.secrets.stream_key(holder), "set:")
    found = []
    for item, row in items.items():
        set_id = parse_set_id(item.removeprefix("set:"))
        name = set_name(set_id)
        if name is not None and row.stored.leaves and says_something(shown_set(name, row.stored.leaves)):
            found.append(set_id)
    return sorted(found, key=lambda set_id: set_id.kind is not SetKind.DEFAULT)


async def list_sets(call: Call) -> Answer:
    """The sets that were set, each as its own address shows it: a bare array."""
    holder = call.holder

    def run(reader: StreamReader, *_: object) -> list[dict[str, Any]]:
        sets = [set_id for set_id in stored_sets(reader, holder) if access.may_read_set(call.token, set_id)]
        return [view_of(reader, holder, set_id) for set_id in sets]

    return Answer(await read(call, run))


async def get_set(call: Call) -> Answer:
    """One set; never a 404, as the page that shows it is often opened before the user was ever heard of."""
    holder, set_id = call.holder, set_of(call.parameters["id"])
    tenant_id = call.request.query_params.get("tenant") or None
    access.check_set(call.token, set_id, access.READ, tenant_id)
    return Answer(await read(call, lambda reader, *_: view_of(reader, holder, set_id, tenant_id)))


async def put_set(call: Call) -> Answer:
    """Replace the set, or merge into it where the body says so. Answers what a GET would."""
    set_id = set_of(call.parameters["id"])
    access.check_set(call.token, set_id, access.WRITE)
    body = await call.ledger.turns.one(partial(written_set, set_id, default="replace"), await call.body())
    return await _write(call, set_id, [(call.holder, body)])


async def delete_set(call: Call) -> Answer:
    """Take away what Knock can show of the set."""
    set_id = set_of(call.parameters["id"])
    await publish(call, [(call.holder, PreferenceSetMerged(set_id, NOTHING))])
    return Answer()


async def put_group(call: Call) -> Answer:
    """Replace one group of the set. Deprecated at Knock, still called by its older clients."""
    return await _put_part(call, (call.parameters["group"],), await call.body())


async def put_entry(call: Call) -> Answer:
    """Replace one entry of a group: `{"subscribed": bool}`, or the setting itself."""
    group, key = call.parameters["group"], call.parameters["key"]
    body = await call.body()
    subscribed = body.get("subscribed")
    if set(body) == {"subscribed"}:
        if not isinstance(subscribed, bool):
            raise Invalid("/subscribed", "subscribed must be true or false")
        return await _put_part(call, (group, key), subscribed)
    if group == "channel_types" and key not in CHANNEL_TYPES:
        raise Invalid("", f"{key[:60]!r} is no channel type; the channel types are {', '.join(CHANNEL_TYPES)}")
    return await _put_part(call, (group, key), body)


async def _put_part(call: Call, keys: tuple[str, ...], value: JsonValue) -> Answer:
    set_id = set_of(call.parameters["id"])
    access.check_set(call.token, set_id, access.WRITE)
    return await _write(call, set_id, [(call.holder, PreferenceSetMerged(set_id, part_patch(keys, value)))])


async def _write(call: Call, set_id: SetId, writes: Sequence[Write]) -> Answer:
    published = await publish(call, writes)
    holder = call.holder
    view = await read(call, lambda reader, *_: view_of(reader, holder, set_id), published.unfolded)
    return Answer(view, published.replay_headers(call))


def _routes_of(base: str, *, by_client: bool) -> list[Route]:
    one = f"{base}/preferences/{{id}}"
    routes = [
        Route("GET", f"{base}/preferences", list_sets, Scope.READ, by_client),
        Route("GET", one, get_set, Scope.READ, by_client),
        Route("PUT", one, put_set, Scope.PUBLISH, by_client),
        Route("DELETE", one, delete_set, Scope.PUBLISH),
    ]
    for group in GROUPS:
        # The group's name is part of the address; the handler finds it among the parameters.
        routes.append(Route("PUT", f"{one}/{{group:{group}}}", put_group, Scope.PUBLISH, by_client))
        routes.append(Route("PUT", f"{one}/{{group:{group}}}/{{key}}", put_entry, Scope.PUBLISH, by_client))
    return routes


ROUTES = [
    *_routes_of("/v1/users/{user_id}", by_client=True),
    *_routes_of("/v1/objects/{collection}/{object_id}", by_client=False),
]
