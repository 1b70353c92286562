"""Users, objects and tenants as Knock's clients read them."""

import sqlite3
from typing import Any

from domain.document import unflatten
from domain.event import PROPERTIES
from domain.holder import ENVIRONMENT, Holder, HolderKind, object_in, tenant
from domain.layers import Layer, LayerKind
from domain.resolve import resolved_view
from projections.holders import Life, life_of
from projections.position import instant_text
from services.http.knock.preferences import stored_sets
from services.http.knock.recipient_request import TENANTS
from services.http.knock.set_view import says_something, set_name, shown_set
from services.ledger import now_milliseconds
from services.stream_reader import StreamReader

_USER_MEMBERS = ("avatar", "email", "name", "phone_number", "timezone")


def life(reader: StreamReader, connection: sqlite3.Connection, holder: Holder) -> Life | None:
    """Since when the ledger knows the holder. A tenant may be known as itself or as an object in `$tenants`."""
    known = life_of(connection, reader.secrets.stream_key(holder))
    if known is not None:
        return known
    if holder.kind is HolderKind.OBJECT and holder.collection == TENANTS:
        return life_of(connection, reader.secrets.stream_key(tenant(holder.id)))
    if holder.kind is HolderKind.TENANT:
        return life_of(connection, reader.secrets.stream_key(object_in(TENANTS, holder.id)))
    return None


def shown_entity(
    reader: StreamReader, connection: sqlite3.Connection, holder: Holder, *, is_stored: bool = False
) -> dict[str, Any] | None:
    """A user or an object; None where there is none. `is_stored`: there is, even if it is not folded yet."""
    known = life(reader, connection, holder)
    if known is None:
        if not is_stored:
            return None
        now = now_milliseconds()
        known = Life(now, now)
    described = tenant(holder.id) if holder.collection == TENANTS else holder
    properties = unflatten(reader.leaves(described, PROPERTIES))
    times = {
        "created_at": properties.get("created_at") or instant_text(known.began_at_milliseconds),
        "updated_at": instant_text(known.changed_at_milliseconds),
    }
    if holder.kind is HolderKind.OBJECT:
        identity = {"__typename": "Object", "id": holder.id, "collection": holder.collection}
        return {**identity, "properties": properties, **times}
    return {**dict.fromkeys(_USER_MEMBERS), **properties, "__typename": "User", "id": holder.id, **times}


def shown_tenant(reader: StreamReader, tenant_id: str, *, resolved: bool) -> dict[str, Any]:
    """A tenant with its own defaults; `resolved`: with the environment's below them."""
    holder = tenant(tenant_id)
    properties = unflatten(reader.leaves(holder, PROPERTIES))
    settings = properties.pop("settings", None)
    layers = [Layer(LayerKind.TENANT, str(holder), "default", reader.set_leaves(holder))]
    if resolved:
        layers.insert(0, Layer(LayerKind.ENVIRONMENT, "environment", "default", reader.set_leaves(ENVIRONMENT)))
    preferences = shown_set("default", resolved_view(layers).leaves)
    return {
        "name": None,
        **properties,
        "__typename": "Tenant",
        "id": tenant_id,
        "settings": {
            "branding": None,
            **(settings if isinstance(settings, dict) else {}),
            "preference_set": preferences if says_something(preferences) else None,
        },
    }


def own_sets(reader: StreamReader, holder: Holder) -> dict[str, Any]:
    """The holder's sets as it set them, by their ids: for exports, so without anybody's defaults."""
    names = {set_id: set_name(set_id) or "default" for set_id in stored_sets(reader, holder)}
    return {name: shown_set(name, reader.set_leaves(holder, set_id)) for set_id, name in names.items()}
