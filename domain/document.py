"""Documents as flat leaves, and the three things that happen to them: flattening, merging, comparing.

A document is kept as a mapping from JSON Pointer to leaf. A leaf is anything that is replaced whole: a scalar, a list,
or an object whose members have no life of their own. An object with no members is the leaf `{}` (a shell), so that
`{"a": {}}` and `{}` stay two different documents.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple, cast

from domain.json_value import JsonValue
from domain.pointer import Pattern, ancestors, escape, keys_of, pointer

Leaves = dict[str, JsonValue]

REMEMBERED_PATTERNS_MAX = 64
LARGE_PATCH = 16
"""Leaves from which on it pays to look once at everything that stands there, and not once for each of them."""


class Missing:
    """What stands on the one side of a change where there is nothing. Null is a value, this is not."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = Missing()


class Change(NamedTuple):
    """One leaf before and after an event. A tuple, as `Event` is."""

    path: str
    before: JsonValue | Missing
    after: JsonValue | Missing


@dataclass(frozen=True, slots=True)
class Unset:
    """Takes away what a pattern names, and the objects that this leaves empty."""

    pattern: Pattern


def in_order(unsets: Iterable[Unset]) -> tuple[Unset, ...]:
    """The same unsets in the one order that they have, however a request's members stood.

    JSON objects are unordered (RFC 8259, section 4): a request that is sent again may name them in another order, and
    must come to the same event.
    """
    return tuple(sorted(unsets, key=lambda unset: [(key is not None, key or "") for key in unset.pattern]))


def flatten(tree: Mapping[str, JsonValue], prefix: str = "") -> Leaves:
    """The leaves of a free JSON object: members of objects, lists whole, empty objects as shells."""
    leaves: Leaves = {}
    for key, value in tree.items():
        path = f"{prefix}/{escape(key)}"
        if isinstance(value, dict) and value:
            leaves.update(flatten(value, path))
        else:
            leaves[path] = value
    return leaves


def unflatten(leaves: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """The object that these leaves make up."""
    tree: dict[str, JsonValue] = {}
    for path, value in leaves.items():
        keys = keys_of(path)
        node = tree
        for key in keys[:-1]:
            node = cast(dict[str, JsonValue], node.setdefault(key, {}))
        # A shell is copied, or the next leaf under it would change the stored value.
        node[keys[-1]] = {} if value == {} and isinstance(value, dict) else value
    return tree


def merge_patch(tree: Mapping[str, JsonValue], *above: str) -> tuple[Leaves, list[Unset]]:
    """What a JSON Merge Patch (RFC 7396) of the object under the keys `above` writes, and what it unsets first.

    An object of the patch is an object afterwards, even one with nothing in it: then its shell is written.
    """
    leaves: Leaves = {}
    unsets: list[Unset] = []
    for key, value in tree.items():
        keys = (*above, key)
        if value is None:
            unsets.append(Unset(keys))
        elif isinstance(value, dict):
            leaves_below, unsets_below = merge_patch(value, *keys)
            leaves.update(leaves_below)
            unsets += unsets_below
        else:
            leaves[pointer(*keys)] = value
    if above and not leaves:
        leaves[pointer(*above)] = {}
    return leaves, unsets


def put(leaves: Leaves, path: str, value: JsonValue) -> None:
    """Set one leaf as a merge patch does: what stood above it as a leaf, or below it, gives way."""
    if not leaves or (path in leaves and value != {}):
        leaves[path] = value
        return
    for above in ancestors(path):
        leaves.pop(above, None)
    prefix = path + "/"
    below = [other for other in leaves if other.startswith(prefix)]
    if below and value == {} and isinstance(value, dict):
        return
    for other in below:
        del leaves[other]
    leaves[path] = value


def _put_many(leaves: Leaves, patch: Mapping[str, JsonValue]) -> None:
    """`put` for each leaf of a large patch: only where something may stand below one is there any looking for it."""
    inner = {above for path in leaves for above in ancestors(path)}
    for path, value in patch.items():
        if path in inner:
            put(leaves, path, value)
        else:
            for above in ancestors(path):
                leaves.pop(above, None)
            leaves[path] = value
        inner.update(ancestors(path))


_PatternTree = dict[str | None, "_PatternTree"]
"""Patterns by their segments; one that ends here has nothing below it."""


def _pattern_tree(rules: tuple[Unset, ...]) -> _PatternTree:
    """Many patterns as one."""
    root: _PatternTree = {}
    for rule in sorted(rules, key=lambda rule: len(rule.pattern)):
        node = root
        for segment in rule.pattern:
            below = node.get(segment)
            if below is not None and not below:
                break  # A shorter pattern already takes all of this away.
            node = node.setdefault(segment, {})
    return root


_remembered_tree = lru_cache(maxsize=256)(_pattern_tree)
"""A dialect that replaces what it knows of a set names some thirty patterns, each time the same."""


def _without(before: Mapping[str, JsonValue], rules: tuple[Unset, ...]) -> Leaves:
    if any(not rule.pattern for rule in rules):
        return {}
    tree = _remembered_tree(rules) if len(rules) <= REMEMBERED_PATTERNS_MAX else _pattern_tree(rules)
    return {path: value for path, value in before.items() if not _is_named(tree, keys_of(path))}


def _is_named(tree: _PatternTree, keys: Sequence[str]) -> bool:
    """Whether the place under these keys is what a pattern of the tree names, or lies below it."""
    nodes = [tree]
    for key in keys:
        nodes = [node[segment] for node in nodes for segment in (key, None) if segment in node]
        if not all(nodes):
            return True
    return False


def merged(before: Mapping[str, JsonValue], patch: Mapping[str, JsonValue], unsets: Iterable[Unset]) -> Leaves:
    """`before` after the unsets and then the patch."""
    rules = tuple(unsets)
    leaves = _without(before, rules) if before and rules else dict(before)
    if len(patch) > LARGE_PATCH:
        _put_many(leaves, patch)
    else:
        for path, value in patch.items():
            put(leaves, path, value)
    return leaves


def same(one: object, other: object) -> bool:
    """Equality as JSON has it: true is not 1."""
    if type(one) is not type(other):
        return False
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    return one == other


def changes_between(before: Mapping[str, JsonValue], after: Mapping[str, JsonValue]) -> list[Change]:
    """What differs, leaf by leaf, in the order of the paths."""
    if not before:
        return [Change(path, MISSING, after[path]) for path in sorted(after)]
    changes: list[Change] = []
    for path, value in after.items():
        old = before.get(path, MISSING)
        if old is not value and not same(old, value):
            changes.append(Change(path, old, value))
    if len(after) != len(before) + sum(change.before is MISSING for change in changes):
        changes += [Change(path, value, MISSING) for path, value in before.items() if path not in after]
    if len(changes) > 1:
        changes.sort(key=lambda change: change.path)
    return changes


def replayed(before: Mapping[str, JsonValue], changes: Sequence[Change]) -> Leaves:
    """`before` after recorded changes: how a past state is made from a snapshot and history rows."""
    leaves = dict(before)
    for change in changes:
        if isinstance(change.after, Missing):
            leaves.pop(change.path, None)
        else:
            leaves[change.path] = change.after
    return leaves
