"""Merging layers: leaf by leaf, the stronger wins, and what a boolean and a structure do to each other.

The same merge answers "what are this recipient's preferences?" (`resolved_view`) and decides under the policy by which
every rule must allow (`merge_rule`).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from domain.channel import CHANNEL_TYPES
from domain.json_value import JsonValue
from domain.layers import Layer, is_shell
from domain.pointer import ancestors
from domain.rule import LAYERING_PARTS

Members = Mapping[str, JsonValue]
"""What one layer says in one rule: leaves by their pointer below the rule (`/enabled`, `/channel_types/email`)."""

_CHOICES = ("/channel_types/", "/channels/")
_SET_MEMBERS = ("/commercial", "/schedule")


class Standing(NamedTuple):
    """A leaf that stands in a merged rule: whose layer said it, and in which member.

    The member differs from the leaf's own place where a boolean was spelled out as the choices that it stood for.
    """

    value: JsonValue
    layer: int
    member: str


MergedRule = dict[str, Standing]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a leaf of the resolved view was said: the layer, and the pointer inside its set."""

    layer: Layer
    path: str


@dataclass(frozen=True, slots=True)
class ResolvedSet:
    """Several layers as one preference set, each leaf with its origin."""

    leaves: dict[str, JsonValue]
    origins: dict[str, Origin]


def rules_in(leaves: Members, wanted: Collection[str] | None = None) -> dict[str, dict[str, JsonValue]]:
    """A set's rules by their path, those wanted or all; shells are left out, but for what is only kept."""
    rules: dict[str, dict[str, JsonValue]] = {}
    for path, value in leaves.items():
        rule_path, member = _divided(path)
        if not member or (wanted is not None and rule_path not in wanted):
            continue
        if is_shell(value) and not _is_kept(member):
            continue
        rules.setdefault(rule_path, {})[member] = value
    return rules


def merge_rule(said: Iterable[tuple[int, Members]], rule_path: str) -> MergedRule:
    """One rule from what several layers say in it. `said` goes from weak to strong, each with its layer's index."""
    merged: MergedRule = {}
    replaced: set[str] = set()
    for layer, members in said:
        if "self" in replaced:
            break
        counting = _outside(replaced, members) if replaced else members
        if merged:
            # No bare boolean can be written in place of the `all` rule: there, `enabled` is a member like any other.
            if rule_path:
                _settle_boolean(merged, members, counting, replaced)
            _clear_kept(merged, counting)
        for member, value in counting.items():
            merged[member] = Standing(value, layer, member)
        replaced.update(part for part in LAYERING_PARTS if members.get(f"/layering/{part}") == "replace")
    return merged


def resolved_view(layers: Sequence[Layer]) -> ResolvedSet:
    """All that these layers, weak to strong, say together. Shells say nothing and are not shown."""
    rules = [rules_in(layer.leaves) for layer in layers]
    resolved = ResolvedSet({}, {})
    for rule_path in dict.fromkeys(path for by_path in rules for path in by_path):
        said = [(index, by_path[rule_path]) for index, by_path in enumerate(rules) if rule_path in by_path]
        for member, standing in merge_rule(said, rule_path).items():
            layer = layers[standing.layer]
            resolved.leaves[rule_path + member] = standing.value
            resolved.origins[rule_path + member] = Origin(layer, layer.path_of(rule_path, standing.member))
    for layer in layers:
        for path in _SET_MEMBERS:
            if path in layer.leaves and not is_shell(layer.leaves[path]):
                resolved.leaves[path] = layer.leaves[path]
                resolved.origins[path] = Origin(layer, path)
    return resolved


def _divided(path: str) -> tuple[str, str]:
    """A set's leaf as the path of its rule and the member below it; the member is empty where no rule says it."""
    if path.startswith(("/categories", "/workflows")):
        key_end = path.find("/", path.find("/", 1) + 1) if path.startswith(("/categories/", "/workflows/")) else -1
        return (path[:key_end], path[key_end:]) if key_end > 0 else (path, "")
    return ("", "") if path in _SET_MEMBERS else ("", path)


def _is_structure(member: str) -> bool:
    return member == "/condition" or member.startswith(_CHOICES)


def _part(member: str) -> str:
    """The part of a rule that layering can speak of: `channel_types` for `/channel_types/email` and for its own mark."""
    first, _, rest = member[1:].partition("/")
    return rest if first == "layering" else first


def _outside(replaced: Collection[str], members: Members) -> Members:
    return {member: value for member, value in members.items() if _part(member) not in replaced}


def _settle_boolean(merged: MergedRule, members: Members, counting: Members, replaced: Collection[str]) -> None:
    """Let a bare boolean clear the weaker structure, and a structure take a weaker boolean's place.

    A weaker false becomes false for every channel type that the structure does not name, whatever stood beside it:
    the structure undoes no opt-out that it does not speak of. A condition takes the boolean's whole place.
    """
    if "/enabled" in members:
        if not any(map(_is_structure, members)):
            for member in [*merged]:
                if _is_structure(member) and _part(member) not in replaced:
                    del merged[member]
        return
    if not any(map(_is_structure, counting)):
        return
    weaker = merged.pop("/enabled", None)
    if weaker is None or weaker.value is not False or "/condition" in counting:
        return
    for member in [*merged]:
        if member.startswith(_CHOICES):
            del merged[member]
    for channel_type in CHANNEL_TYPES:
        merged[f"/channel_types/{channel_type}"] = Standing(False, weaker.layer, "/enabled")


def _is_kept(member: str) -> bool:
    return member == "/kept" or member.startswith("/kept/")


def _clear_kept(merged: MergedRule, members: Members) -> None:
    """Free JSON can be a leaf in one layer and an object in another: the stronger shape stays."""
    kept = {member for member in members if _is_kept(member)}
    if not kept:
        return
    above = {ancestor for member in kept for ancestor in ancestors(member)}
    for member in [*merged]:
        if member in above or not kept.isdisjoint(ancestors(member)):
            del merged[member]
