"""One rule of a preference set: what it may say, and how what it says is laid out as leaves.

A rule's members, below the rule's own path: `/enabled`, `/condition`, `/channel_types/TYPE`, `/channels/ID`,
`/otherwise`, `/locked`, `/routing`, `/digest`, `/layering/PART`, `/kept`. A choice (the value of one channel or
channel type) and a condition are leaves: they are replaced whole.
"""

from collections.abc import Callable, Container, Iterable, Mapping

from domain.channel import CHANNEL_TYPES, check_channel_type
from domain.condition import check_conditions
from domain.document import Leaves, flatten
from domain.identifier import check_text
from domain.invalid import Invalid
from domain.json_logic import check_logic
from domain.json_value import JsonValue
from domain.pointer import ancestors, escape

STRUCTURE = ("condition", "channel_types", "channels")
"""The members that a bare boolean speaks against."""

LAYERING_PARTS = ("self", "channel_types", "channels")
_STRATEGIES = ("merge", "replace")


def check_object(value: JsonValue, pointer: str, what: str) -> dict[str, JsonValue]:
    """`value` if it is an object. Raises Invalid."""
    if not isinstance(value, dict):
        raise Invalid(pointer, f"{what} must be an object")
    return value


def check_boolean(value: JsonValue, pointer: str) -> bool:
    """`value` if it is true or false. Raises Invalid."""
    if not isinstance(value, bool):
        raise Invalid(pointer, "this must be true or false")
    return value


def check_members(value: Mapping[str, JsonValue], allowed: tuple[str, ...], pointer: str, what: str) -> None:
    """Raises Invalid for the first member that is not among the allowed ones."""
    for name in value:
        if name not in allowed:
            raise Invalid(f"{pointer}/{escape(name)}", f"{what} has no such member; it may have {', '.join(allowed)}")


def check_choice(value: JsonValue, pointer: str) -> JsonValue:
    """A choice: true, false, or `{"conditions": [...]}` with at least one condition. Raises Invalid."""
    if isinstance(value, bool):
        return value
    if not isinstance(value, dict):
        raise Invalid(pointer, 'a choice is true, false or {"conditions": [...]}')
    check_members(value, ("conditions",), pointer, "a choice")
    conditions = check_conditions(value.get("conditions"), f"{pointer}/conditions")
    if not conditions:
        raise Invalid(f"{pointer}/conditions", "a choice needs at least one condition; write true or false instead")
    return {"conditions": conditions}


def _condition(value: JsonValue, pointer: str) -> JsonValue:
    if isinstance(value, list):
        return list(check_conditions(value, pointer))
    return check_logic(value, pointer)


def _routing(value: JsonValue, pointer: str) -> JsonValue:
    routing = check_object(value, pointer, "routing")
    check_members(routing, ("applies", "channels"), pointer, "routing")
    channels = routing.get("channels", [])
    if not isinstance(channels, list):
        raise Invalid(f"{pointer}/channels", "the routing's channels must be a list of channel types")
    return {
        "applies": check_boolean(routing.get("applies"), f"{pointer}/applies"),
        "channels": [check_channel_type(name, f"{pointer}/channels/{at}") for at, name in enumerate(channels)],
    }


def _choices(value: JsonValue, pointer: str, check_key: Callable[[str, str], object]) -> Leaves:
    choices = check_object(value, pointer, "this")
    leaves: Leaves = {}
    for key, choice in choices.items():
        path = f"{pointer}/{escape(key)}"
        check_key(key, path)
        if choice is not None:
            leaves[path] = check_choice(choice, path)
    return leaves or {pointer: {}}


def _layering(value: JsonValue, pointer: str) -> Leaves:
    layering = check_object(value, pointer, "layering")
    check_members(layering, LAYERING_PARTS, pointer, "layering")
    leaves: Leaves = {}
    for part, strategy in layering.items():
        if strategy is not None:
            if strategy not in _STRATEGIES:
                raise Invalid(f"{pointer}/{part}", "a layering strategy is merge or replace")
            leaves[f"{pointer}/{part}"] = strategy
    return leaves or {pointer: {}}


def _kept(value: JsonValue, pointer: str) -> Leaves:
    if isinstance(value, dict) and value:
        return flatten(value, pointer)
    return {pointer: value}


def _check_channel_id(key: str, pointer: str) -> object:
    return check_text(key, pointer, "the channel id")


# One entry a member: its value and its pointer in, its leaves out.
_MEMBERS: dict[str, Callable[[JsonValue, str], Leaves]] = {
    "enabled": lambda value, at: {at: check_boolean(value, at)},
    "condition": lambda value, at: {at: _condition(value, at)},
    "channel_types": lambda value, at: _choices(value, at, check_channel_type),
    "channels": lambda value, at: _choices(value, at, _check_channel_id),
    "otherwise": lambda value, at: {at: check_boolean(value, at)},
    "locked": lambda value, at: {at: check_boolean(value, at)},
    "routing": lambda value, at: {at: _routing(value, at)},
    "digest": lambda value, at: {at: check_text(value, at, "the digest schedule's id")},
    "layering": _layering,
    "kept": _kept,
}

RULE_MEMBERS: tuple[str, ...] = (*_MEMBERS, "conditions")


def rule_leaves(members: Mapping[str, JsonValue], pointer: str) -> Leaves:
    """The leaves of one rule's members. Null stands for absent. Raises Invalid.

    `conditions` is accepted for `condition`: a rule of the common form `{"conditions": [...]}` is valid as it is.
    """
    if members.get("conditions") is not None and members.get("condition") is not None:
        raise Invalid(f"{pointer}/conditions", "give either condition or conditions, not both")
    leaves: Leaves = {}
    for name, value in members.items():
        if value is None:
            continue
        if name == "conditions":
            leaves[f"{pointer}/condition"] = list(check_conditions(value, f"{pointer}/conditions"))
            continue
        parse = _MEMBERS.get(name)
        if parse is None:
            raise Invalid(f"{pointer}/{escape(name)}", f"a rule has no such member; it may have {', '.join(RULE_MEMBERS)}")
        leaves.update(parse(value, f"{pointer}/{name}"))
    return leaves


def spell_out(leaves: Leaves, rule_paths: Iterable[str], written: Container[str]) -> None:
    """Turn stored booleans into the choices they stood for, before a structure is written beside them.

    A stored true goes: absent says the same. A stored false becomes false for every channel type, and for every channel
    that the rule names, whatever stood there: the new structure can't undo an opt-out that it does not speak of. A
    condition among the paths `written` takes the boolean's whole place.
    """
    off = [
        path for path in rule_paths if leaves.pop(f"{path}/enabled", None) is False and f"{path}/condition" not in written
    ]
    if not off:
        return
    types, channels = {f"{path}/channel_types" for path in off}, {f"{path}/channels" for path in off}
    for leaf in [*leaves]:
        if leaf in types or not types.isdisjoint(ancestors(leaf)):
            del leaves[leaf]
        elif not channels.isdisjoint(ancestors(leaf)):
            leaves[leaf] = False
    for rule_path in off:
        for channel_type in CHANNEL_TYPES:
            leaves[f"{rule_path}/channel_types/{channel_type}"] = False
