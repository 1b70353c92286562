"""Users, objects and tenants as requests describe them: their properties, and preferences that come along.

The same forms stand in an identify call, in a row of a bulk call and among the recipients of a trigger.
"""

from collections.abc import Mapping, Sequence

from domain.event import Body, PreferenceSetMerged
from domain.holder import DEFAULT_SET, Holder, object_in, tenant, user
from domain.identifier import check_id
from domain.invalid import Invalid
from domain.json_value import JsonValue
from domain.pointer import escape
from services.commands import describe_more
from services.http.knock.set_request import NOTHING, set_of, written_set

TENANTS = "$tenants"
"""The collection in which Knock keeps tenants as objects."""

SETS_MAX = 100

_NO_PROPERTY = ("id", "collection", "preferences", "channel_data", "__typename", "updated_at", "__persistence_strategy__")
"""Channel data is for sending, and this ledger sends nothing: it is not kept."""

Write = tuple[Holder, Body]


def user_writes(user_id: str, request: Mapping[str, JsonValue], at: str = "") -> list[Write]:
    """The events of a user's description. Raises Invalid."""
    holder = user(user_id)
    return [(holder, _description(request, at)), *_inline_sets(holder, request, at)]


def object_writes(collection: str, object_id: str, request: Mapping[str, JsonValue], at: str = "") -> list[Write]:
    """The events of an object's description. Raises Invalid.

    An object in `$tenants` is a tenant: its properties are the tenant's. Its preferences are its own as a recipient.
    """
    holder = object_in(collection, object_id)
    described = tenant(object_id) if collection == TENANTS else holder
    return [(described, _description(request, at)), *_inline_sets(holder, request, at)]


def tenant_writes(tenant_id: str, request: Mapping[str, JsonValue], at: str = "") -> list[Write]:
    """The events of a tenant's description: `settings.preference_set` are its defaults for others. Raises Invalid."""
    holder = tenant(tenant_id)
    members = dict(request)
    settings = members.pop("settings", None)
    writes: list[Write] = []
    if settings is not None:
        if not isinstance(settings, dict):
            raise Invalid(f"{at}/settings", "settings must be an object")
        rest = {name: value for name, value in settings.items() if name != "preference_set"}
        if rest:
            members["settings"] = rest
        if "preference_set" in settings:
            writes.append((holder, _tenant_default(settings["preference_set"], f"{at}/settings/preference_set")))
    own = object_in(TENANTS, tenant_id)
    return [(holder, _description(members, at)), *writes, *_inline_sets(own, request, at)]


def _tenant_default(request: JsonValue, at: str) -> PreferenceSetMerged:
    if request is None:
        return PreferenceSetMerged(DEFAULT_SET, NOTHING)
    return written_set(DEFAULT_SET, request, default="merge", at=at)


def _description(request: Mapping[str, JsonValue], at: str) -> Body:
    try:
        return describe_more({name: value for name, value in request.items() if name not in _NO_PROPERTY})
    except Invalid as error:
        raise Invalid(at + error.pointer, error.message) from None


def _inline_sets(holder: Holder, request: Mapping[str, JsonValue], at: str) -> list[Write]:
    sets = request.get("preferences")
    if sets is None:
        return []
    if not isinstance(sets, dict) or len(sets) > SETS_MAX:
        raise Invalid(f"{at}/preferences", f"preferences must be an object of at most {SETS_MAX} sets by their ids")
    writes: list[Write] = []
    for name, one in sets.items():
        if one is not None:
            pointer = f"{at}/preferences/{escape(name)}"
            writes.append((holder, written_set(set_of(name), one, default="merge", at=pointer)))
    return writes


def recipient_writes(request: JsonValue, at: str) -> tuple[Holder, Sequence[Write]]:
    """A recipient or actor of a trigger: a user's id, a user or an object, described or not. Raises Invalid."""
    if isinstance(request, str):
        return user(check_id(request, at, "the user id")), []
    if not isinstance(request, dict):
        raise Invalid(at, "a recipient is a user's id, or an object with an id")
    recipient_id = check_id(request.get("id"), f"{at}/id", "the recipient's id")
    if request.get("collection") is None:
        return user(recipient_id), user_writes(recipient_id, request, at)
    collection = check_id(request["collection"], f"{at}/collection", "the collection")
    holder = object_in(collection, recipient_id)
    # With nothing but its address, an object is a reference and not a description.
    if set(request) <= {"id", "collection"}:
        return holder, []
    return holder, object_writes(collection, recipient_id, request, at)


def tenant_of(request: JsonValue, at: str) -> tuple[str, Sequence[Write]]:
    """A tenant given by id or described: its id and the events of the description. Raises Invalid."""
    if isinstance(request, str):
        return check_id(request, at, "the tenant id"), []
    if not isinstance(request, dict):
        raise Invalid(at, "a tenant is its id, or an object with an id")
    tenant_id = check_id(request.get("id"), f"{at}/id", "the tenant id")
    return tenant_id, tenant_writes(tenant_id, request, at)
