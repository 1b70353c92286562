"""A preference set as people write it (JSON) and as it is kept (leaves): parsing, patching, showing."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from domain.document import Leaves, Unset, in_order, merge_patch, unflatten
from domain.holder import HolderKind
from domain.identifier import check_text
from domain.invalid import Invalid
from domain.json_value import JsonValue
from domain.pointer import escape, keys_of
from domain.rule import RULE_MEMBERS, STRUCTURE, check_choice, check_object, rule_leaves
from domain.schedule import check_schedule

LEAVES_MAX = 5_000
"""The most leaves one set may have: what one event and one evaluation may cost."""

SCOPES = ("categories", "workflows")


@dataclass(frozen=True, slots=True)
class Patch:
    """What one merge does, in this order: `spell_out` (rule paths), `unsets`, then `leaves`."""

    leaves: Leaves
    unsets: tuple[Unset, ...] = ()
    spell_out: tuple[str, ...] = ()


@dataclass(slots=True)
class _PatchBuilder:
    leaves: Leaves = field(default_factory=dict)
    unsets: list[Unset] = field(default_factory=list)
    spell_out: list[str] = field(default_factory=list)

    def unset(self, *keys: str) -> None:
        self.unsets.append(Unset(keys))

    def finished(self) -> Patch:
        _check_count(len(self.leaves) + len(self.unsets))
        return Patch(self.leaves, in_order(self.unsets), tuple(sorted(self.spell_out)))


def _check_count(count: int) -> None:
    if count > LEAVES_MAX:
        raise Invalid("", f"there are {count} values; at most {LEAVES_MAX} are allowed")


def parse_preference_set(tree: JsonValue) -> Leaves:
    """The leaves of a whole set. A bare boolean in a rule's place is its `enabled`; null is absent. Raises Invalid."""
    members = dict(check_object(tree, "", "a preference set"))
    leaves: Leaves = {}
    for scope in SCOPES:
        rules = members.pop(scope, None)
        if rules is None:
            continue
        leaves.update(_scope_leaves(check_object(rules, f"/{scope}", f"{scope}"), scope))
    leaves.update(_set_members(members))
    leaves.update(rule_leaves(_without_set_members(members), ""))
    _check_count(len(leaves))
    return leaves


def _scope_leaves(rules: Mapping[str, JsonValue], scope: str) -> Leaves:
    leaves: Leaves = {}
    for key, rule in rules.items():
        path = f"/{scope}/{escape(key)}"
        check_text(key, path, f"a key of {scope}")
        if rule is not None:
            leaves.update(_scoped_rule(rule, path))
    return leaves or {f"/{scope}": {}}


def _scoped_rule(rule: JsonValue, path: str) -> Leaves:
    if isinstance(rule, bool):
        return {f"{path}/enabled": rule}
    members = check_object(rule, path, "a rule")
    return rule_leaves(members, path) or {path: {}}


def _set_members(members: Mapping[str, JsonValue]) -> Leaves:
    leaves: Leaves = {}
    if members.get("commercial") is not None:
        leaves["/commercial"] = check_choice(members["commercial"], "/commercial")
    if members.get("schedule") is not None:
        leaves["/schedule"] = check_schedule(members["schedule"], "/schedule")
    return leaves


def _without_set_members(members: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    known = (*RULE_MEMBERS, "commercial", "schedule")
    for name in members:
        if name not in known:
            raise Invalid(
                f"/{escape(name)}",
                "a preference set has no such member; it may have categories, workflows, " + ", ".join(known),
            )
    return {name: value for name, value in members.items() if name not in ("commercial", "schedule")}


def parse_preference_patch(tree: JsonValue) -> Patch:
    """A JSON Merge Patch (RFC 7396) of a set as one merge: null unsets, everything else is written. Raises Invalid.

    What is replaced whole (a choice, a condition, routing, schedule) is one leaf, so writing it replaces it. A bare
    boolean in a rule's place also unsets the rule's condition, channel types and channels; a structure spells a stored
    boolean out.
    """
    members = check_object(tree, "", "a preference patch")
    patch = _PatchBuilder()
    rest: dict[str, JsonValue] = {}
    for name, value in members.items():
        if value is None:
            _check_member(name)
            patch.unset("condition" if name == "conditions" else name)
        elif name in SCOPES:
            _patch_scope(patch, name, check_object(value, f"/{name}", name))
        else:
            rest[name] = value
    patch.leaves.update(_set_members(rest))
    _patch_rule(patch, _without_set_members(rest), ())
    return patch.finished()


def _check_member(name: str) -> None:
    if name not in (*SCOPES, "commercial", "schedule", *RULE_MEMBERS):
        raise Invalid(f"/{escape(name)}", "a preference set has no such member")


def _patch_scope(patch: _PatchBuilder, scope: str, rules: Mapping[str, JsonValue]) -> None:
    if all(rule is None for rule in rules.values()):
        patch.leaves[f"/{scope}"] = {}
    for key, rule in rules.items():
        path = f"/{scope}/{escape(key)}"
        check_text(key, path, f"a key of {scope}")
        if rule is None:
            patch.unset(scope, key)
        elif isinstance(rule, bool):
            for member in STRUCTURE:
                patch.unset(scope, key, member)
            patch.leaves[f"{path}/enabled"] = rule
        else:
            _patch_rule(patch, check_object(rule, path, "a rule"), (scope, key))


def _patch_rule(patch: _PatchBuilder, members: Mapping[str, JsonValue], keys: tuple[str, ...]) -> None:
    path = "".join(f"/{escape(key)}" for key in keys)
    kept = members.get("kept")
    if isinstance(kept, dict):
        members = {name: value for name, value in members.items() if name != "kept"}
        kept_leaves, kept_unsets = merge_patch(kept, *keys, "kept")
        patch.leaves.update(kept_leaves)
        patch.unsets += kept_unsets
    leaves = rule_leaves(members, path)
    patch.leaves.update(leaves)
    for name, value in members.items():
        stored_name = "condition" if name == "conditions" else name
        if value is None:
            patch.unset(*keys, stored_name)
        elif isinstance(value, dict) and stored_name in ("channel_types", "channels", "layering"):
            for key, choice in value.items():
                if choice is None:
                    patch.unset(*keys, stored_name, key)
    if keys and not leaves and not isinstance(kept, dict):
        patch.leaves[path] = {}
    if keys and "enabled" not in members and speaks_in_structure(leaves, path):
        patch.spell_out.append(path)


def speaks_in_structure(leaves: Mapping[str, JsonValue], rule_path: str) -> bool:
    """Whether the rule says something by condition, channel type or channel. An empty structure says nothing."""
    depth = len(keys_of(rule_path))
    for path, value in leaves.items():
        if value == {} and isinstance(value, dict):
            continue
        if path.startswith(rule_path + "/") and keys_of(path)[depth] in STRUCTURE:
            return True
    return False


def check_speaker(leaves: Mapping[str, JsonValue], kind: HolderKind) -> None:
    """Raises Invalid where a holder says what only others may say: users and objects lock nothing."""
    if kind in (HolderKind.ENVIRONMENT, HolderKind.TENANT):
        return
    for path in leaves:
        keys = keys_of(path)
        if keys[-1] == "locked" and (len(keys) == 1 or (len(keys) == 3 and keys[0] in SCOPES)):
            raise Invalid(path, "only a tenant's or the environment's set can lock a rule")


def show_preference_set(leaves: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """The set as a JSON object, every path of history a pointer into it."""
    return unflatten(leaves)
