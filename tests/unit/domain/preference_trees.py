"""Random preference sets and patches as people write them, with awkward keys, and a plain model of what a patch does."""

from copy import deepcopy
from typing import Any

from hypothesis import strategies as st

from domain.channel import CHANNEL_TYPES
from domain.json_value import JsonValue
from tests.unit.domain.json_trees import KEYS, OBJECTS, VALUES, merge_patched

Tree = dict[str, Any]

CONDITIONS: st.SearchStrategy[JsonValue] = st.lists(
    st.fixed_dictionaries(
        {"variable": st.sampled_from(["data.x", "recipient.a.b"]), "operator": st.sampled_from(["equal_to", "empty"])},
        optional={"argument": VALUES},
    ),
    min_size=1,
    max_size=2,
)
LOGIC: st.SearchStrategy[JsonValue] = st.sampled_from([True, False, {"==": [{"var": "data.x"}, 1]}, {"!": [False]}])
CHOICES: st.SearchStrategy[JsonValue] = st.booleans() | CONDITIONS.map(lambda conditions: {"conditions": conditions})
SCHEDULES: st.SearchStrategy[JsonValue] = st.sampled_from(
    [
        {"enabled": False},
        {"enabled": True, "weekly": {"monday": {"enabled": True, "hours": [{"start": "9:00 AM", "end": "21:30"}]}}},
    ]
)
MEMBERS: dict[str, st.SearchStrategy[Any]] = {
    "enabled": st.booleans(),
    "condition": CONDITIONS | LOGIC | st.just([]),
    "channel_types": st.dictionaries(st.sampled_from(CHANNEL_TYPES), CHOICES, max_size=3),
    "channels": st.dictionaries(KEYS, CHOICES, max_size=2),
    "otherwise": st.booleans(),
    "locked": st.booleans(),
    "routing": st.fixed_dictionaries(
        {"applies": st.booleans(), "channels": st.lists(st.sampled_from(CHANNEL_TYPES), max_size=2)}
    ),
    "digest": st.sampled_from(["daily", ""]),
    "layering": st.dictionaries(
        st.sampled_from(["self", "channel_types", "channels"]), st.sampled_from(["merge", "replace"]), max_size=2
    ),
    "kept": OBJECTS | VALUES.filter(lambda value: value is not None),
}
RULES: st.SearchStrategy[Tree] = st.fixed_dictionaries({}, optional=MEMBERS)


def _set_of(members: dict[str, st.SearchStrategy[Any]], rules: st.SearchStrategy[Any]) -> st.SearchStrategy[Tree]:
    # Few keys, so that sets and patches meet.
    scopes = st.dictionaries(st.sampled_from(["a/b", "*", ""]), rules, max_size=3)
    return st.fixed_dictionaries({}, optional={**members, "categories": scopes, "workflows": scopes})


SET_MEMBERS = {**MEMBERS, "commercial": CHOICES, "schedule": SCHEDULES}
PREFERENCE_SETS = _set_of(SET_MEMBERS, RULES | st.booleans())
"""Whole sets, a rule's condition always spelled `condition`."""


def _or_null(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


PATCH_MEMBERS = {
    **{name: _or_null(strategy) for name, strategy in MEMBERS.items()},
    "channel_types": _or_null(st.dictionaries(st.sampled_from(CHANNEL_TYPES), _or_null(CHOICES), max_size=3)),
    "channels": _or_null(st.dictionaries(KEYS, _or_null(CHOICES), max_size=2)),
    "layering": _or_null(
        st.dictionaries(st.sampled_from(["self", "channels"]), _or_null(st.sampled_from(["merge", "replace"])), max_size=2)
    ),
}
PATCH_RULES = _or_null(st.booleans() | st.fixed_dictionaries({}, optional=PATCH_MEMBERS))
PATCHES = _set_of({**PATCH_MEMBERS, "commercial": _or_null(CHOICES), "schedule": _or_null(SCHEDULES)}, PATCH_RULES)

_WHOLE = ("enabled", "condition", "otherwise", "locked", "routing", "digest", "commercial", "schedule")
_SCOPES = ("categories", "workflows")


def canonical(tree: Tree) -> Tree:
    """A set with each bare boolean written as the rule that it is short for."""
    tree = deepcopy(tree)
    for scope in _SCOPES:
        for key, rule in tree.get(scope, {}).items():
            if isinstance(rule, bool):
                tree[scope][key] = {"enabled": rule}
    return tree


def patched_tree(before: Tree, patch: Tree) -> Tree:
    """What a merge patch makes of a canonical set: RFC 7396, but for what is replaced whole and for bare booleans."""
    after = deepcopy(before)
    for scope in _SCOPES:
        if scope in patch:
            rules = after.setdefault(scope, {})
            for key, rule in patch[scope].items():
                if rule is None:
                    rules.pop(key, None)
                elif isinstance(rule, bool):
                    stored = rules.setdefault(key, {})
                    for member in ("condition", "channel_types", "channels"):
                        stored.pop(member, None)
                    stored["enabled"] = rule
                else:
                    stored = rules.setdefault(key, {})
                    _spell_out(stored, rule)
                    _merge_members(stored, rule)
    _merge_members(after, {name: value for name, value in patch.items() if name not in _SCOPES})
    return after


def _speaks(rule: Tree) -> bool:
    choices = [*(rule.get("channel_types") or {}).values(), *(rule.get("channels") or {}).values()]
    return rule.get("condition") is not None or any(choice is not None for choice in choices)


def _spell_out(stored: Tree, rule: Tree) -> None:
    if "enabled" in rule or not _speaks(rule):
        return
    if stored.pop("enabled", None) is False and rule.get("condition") is None:
        stored["channel_types"] = dict.fromkeys(CHANNEL_TYPES, False)
        if stored.get("channels"):
            stored["channels"] = dict.fromkeys(stored["channels"], False)


def _merge_members(stored: Tree, members: Tree) -> None:
    for name, value in members.items():
        if value is None:
            stored.pop(name, None)
        elif name in _WHOLE:
            stored[name] = value
        else:
            stored[name] = (
                merge_choices(stored.get(name), value) if name != "kept" else merge_patched(stored.get(name), value)
            )


def merge_choices(target: Any, patch: Tree) -> Tree:
    """An object of things that are each replaced whole."""
    result = dict(target or {})
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = value
    return result
