"""What an environment has to notify about: workflows, categories, sections, channels and the policy.

Each entry is one document in the environment's stream. A key is an identity: removed and defined again, an entry finds
the holders' choices about it as they were.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum

from domain.channel import check_channel_type
from domain.document import Leaves, flatten
from domain.identifier import check_id, check_text
from domain.invalid import Invalid
from domain.json_value import JsonValue
from domain.pointer import escape
from domain.policy import DECIDE, OWN_DEFAULT_IN_TENANT, SEMANTICS
from domain.rule import check_boolean, check_members, check_object, rule_leaves

SEVERITIES = ("high", "medium", "low", "none")
ALLOWED_PREFERENCES = ("snooze", "channel_preferences")
LIST_MAX = 200


class EntryKind(StrEnum):
    """The kinds of catalogue entry, as they are named in an item."""

    WORKFLOW = "workflow"
    CATEGORY = "category"
    CHANNEL = "channel"
    SECTION = "section"


def _text(value: JsonValue, pointer: str) -> JsonValue:
    return check_text(value, pointer, "this text", length_max=2_000)


def _id(value: JsonValue, pointer: str) -> JsonValue:
    return check_id(value, pointer, "this id")


def _list(check: Callable[[JsonValue, str], JsonValue]) -> Callable[[JsonValue, str], JsonValue]:
    def checked(value: JsonValue, pointer: str) -> JsonValue:
        if not isinstance(value, list) or len(value) > LIST_MAX:
            raise Invalid(pointer, f"this must be a list of at most {LIST_MAX}")
        return [check(item, f"{pointer}/{at}") for at, item in enumerate(value)]

    return checked


def _one_of(allowed: tuple[str, ...]) -> Callable[[JsonValue, str], JsonValue]:
    def checked(value: JsonValue, pointer: str) -> JsonValue:
        if not isinstance(value, str) or value not in allowed:
            raise Invalid(pointer, f"this must be one of {', '.join(allowed)}")
        return value

    return checked


def _step(value: JsonValue, pointer: str) -> JsonValue:
    """One channel that a workflow sends on: a type, or a type with the id of a concrete channel."""
    if isinstance(value, str):
        return {"type": check_channel_type(value, pointer)}
    step = check_object(value, pointer, "a channel")
    check_members(step, ("type", "id"), pointer, "a channel")
    checked: dict[str, JsonValue] = {"type": check_channel_type(step.get("type"), f"{pointer}/type")}
    if step.get("id") is not None:
        checked["id"] = check_id(step["id"], f"{pointer}/id", "the channel id")
    return checked


def _rule(value: JsonValue, pointer: str) -> Leaves:
    if isinstance(value, bool):
        return {f"{pointer}/enabled": value}
    return rule_leaves(check_object(value, pointer, "a default rule"), pointer)


def _defaults(value: JsonValue, pointer: str) -> Leaves:
    defaults = check_object(value, pointer, "the defaults")
    check_members(defaults, ("resource", "user"), pointer, "the defaults")
    leaves: Leaves = {}
    for name, rule in defaults.items():
        if rule is not None:
            leaves.update(_rule(rule, f"{pointer}/{name}"))
    return leaves


def _data(value: JsonValue, pointer: str) -> Leaves:
    data = check_object(value, pointer, "free data")
    return flatten(data, pointer) or {pointer: {}}


def _leaf(check: Callable[[JsonValue, str], JsonValue]) -> Callable[[JsonValue, str], Leaves]:
    return lambda value, pointer: {pointer: check(value, pointer)}


_Members = Mapping[str, Callable[[JsonValue, str], Leaves]]

_MEMBERS: dict[EntryKind, _Members] = {
    EntryKind.WORKFLOW: {
        "name": _leaf(_text),
        "internal_id": _leaf(_id),
        "categories": _leaf(_list(_id)),
        "channels": _leaf(_list(_step)),
        "tags": _leaf(_list(_text)),
        "severity": _leaf(_one_of(SEVERITIES)),
        "commercial": _leaf(check_boolean),
        "override": _leaf(check_boolean),
        "active": _leaf(check_boolean),
        "defaults": _defaults,
        "data": _data,
    },
    EntryKind.CATEGORY: {
        "name": _leaf(_text),
        "description": _leaf(_text),
        "section": _leaf(_id),
        "default": _rule,
        "allowed_preferences": _leaf(_list(_one_of(ALLOWED_PREFERENCES))),
        "routing_options": _leaf(_list(check_channel_type)),
        "unsubscribe_header": _leaf(check_boolean),
        "digest": _data,
        "data": _data,
    },
    EntryKind.CHANNEL: {"name": _leaf(_text), "type": _leaf(check_channel_type), "data": _data},
    EntryKind.SECTION: {
        "name": _leaf(_text),
        "description": _leaf(_text),
        "has_custom_routing": _leaf(check_boolean),
        "routing_options": _leaf(_list(check_channel_type)),
        "data": _data,
    },
}


def parse_entry(kind: EntryKind, key: str, tree: JsonValue) -> Leaves:
    """The leaves of one catalogue entry. Null stands for absent. Raises Invalid."""
    check_id(key, "", f"the {kind.value}'s key")
    members = check_object(tree, "", f"a {kind.value}")
    allowed = _MEMBERS[kind]
    check_members(members, tuple(allowed), "", f"a {kind.value}")
    leaves: Leaves = {}
    for name, value in members.items():
        if value is not None:
            leaves.update(allowed[name](value, f"/{escape(name)}"))
    if kind is EntryKind.CHANNEL and "/type" not in leaves:
        raise Invalid("/type", "a channel needs a type")
    return leaves


def parse_policy(tree: JsonValue) -> Leaves:
    """The leaves of a policy document. Raises Invalid."""
    members = check_object(tree, "", "a policy")
    check_members(members, ("decide", "own_default_in_tenant", "semantics"), "", "a policy")
    semantics = members.get("semantics", SEMANTICS)
    if isinstance(semantics, bool) or semantics != SEMANTICS:
        raise Invalid("/semantics", f"the semantics that this release knows is {SEMANTICS}")
    return {
        "/decide": _one_of(DECIDE)(members.get("decide"), "/decide"),
        "/own_default_in_tenant": _one_of(OWN_DEFAULT_IN_TENANT)(
            members.get("own_default_in_tenant"), "/own_default_in_tenant"
        ),
        "/semantics": SEMANTICS,
    }
