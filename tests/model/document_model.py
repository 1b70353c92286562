"""What documents come to: leaves, what differs between two, and what a write makes of a preference set.

The half of the specification that is about documents; `ledger_model.py` is the other. It imports nothing of ours, and is
written from docs/preferences.md. A document is JSON as the API shows it.
"""

import json
from collections.abc import Iterator
from typing import Any

Json = Any
Keys = tuple[str, ...]

CHANNEL_TYPES = ("email", "sms", "push", "chat", "in_app_feed", "http", "tool")


def changes_between(before: dict[str, Json], after: dict[str, Json]) -> Iterator[Json]:
    """The leaves that differ, by path. True is not 1, and a side on which there was nothing is absent."""
    for path in sorted(before.keys() | after.keys()):
        sides = {"before": before, "after": after}
        shown = {side: leaves_[path] for side, leaves_ in sides.items() if path in leaves_}
        if len({json.dumps(value, sort_keys=True) for value in shown.values()}) > 1 or len(shown) == 1:
            yield {"path": path, **shown}


def leaves(item: str, document: Json, above: Keys = ()) -> dict[str, Json]:
    """JSON Pointer (RFC 6901) to value. A leaf is what is replaced as a whole; an object with nothing in it is one too."""
    found: dict[str, Json] = {}
    for key, value in document.items():
        keys = (*above, key)
        if isinstance(value, dict) and value and not is_whole(item, keys):
            found.update(leaves(item, value, keys))
        else:
            found["".join("/" + name.replace("~", "~0").replace("/", "~1") for name in keys)] = value
    return found


def is_whole(item: str, keys: Keys) -> bool:
    """Whether what stands under these keys is one value: a condition, a choice, a routing, a schedule."""
    match item.partition(":")[0], keys:
        case "set", ("commercial" | "schedule",):
            return True
        case ("set", ("categories" | "workflows", _, *rule)) | ("workflow", ("defaults", _, *rule)):
            pass
        case ("set", tuple(rule)) | ("category", ("default", *rule)):
            pass
        case _:
            return False
    match [*rule]:
        case ["condition" | "routing"] | ["channel_types" | "channels", _]:
            return True
    return False


def merged(item: str, before: Json, patch: Json, above: Keys = ()) -> Json:
    """A JSON Merge Patch (RFC 7396), in which what is one value is replaced as one."""
    after = dict(before) if isinstance(before, dict) else {}
    for key, value in patch.items():
        keys = (*above, key)
        if value is None:
            after.pop(key, None)
        elif isinstance(value, dict) and not is_whole(item, keys):
            after[key] = merged(item, after.get(key), value, keys)
        else:
            after[key] = value
    return after


def without_booleans(document: Json, patch: Json) -> Json:
    """A set before a patch that says something in structure where the set has a bare boolean.

    A true says no more than its absence. A false becomes a false for every channel type, and for every channel that the
    rule names, unless a condition takes its place.
    """
    after = dict(document)
    for scope in ("categories", "workflows"):
        for key, new in (patch.get(scope) or {}).items():
            rule = document.get(scope, {}).get(key)
            if rule is None or new is None or "enabled" in new or not speaks_in_structure(new):
                continue
            rest = {name: value for name, value in rule.items() if name != "enabled"}
            if rule.get("enabled") is False and new.get("condition") is None:
                rest["channel_types"] = dict.fromkeys(CHANNEL_TYPES, False)
                if "channels" in rule:
                    rest["channels"] = dict.fromkeys(rule["channels"], False)
            after[scope] = {**after[scope], key: rest}
    return after


def speaks_in_structure(rule: Json) -> bool:
    """Whether a rule says something by condition, channel type or channel. An empty structure says nothing."""
    choices = [*(rule.get("channel_types") or {}).values(), *(rule.get("channels") or {}).values()]
    return rule.get("condition") is not None or any(choice is not None for choice in choices)


def spelled_out_set(preferences: Json, *, is_patch: bool = False) -> Json:
    """A set without its shorthands. In a patch null takes away; else it is as good as absent."""
    tree = spelled_out_rule(preferences, is_patch)
    for scope in ("categories", "workflows"):
        if tree.get(scope) is not None:
            rules = {key: spelled_out_rule(rule, is_patch) for key, rule in tree[scope].items()}
            tree[scope] = {key: rule for key, rule in rules.items() if is_patch or rule is not None}
    return tree


def spelled_out_rule(rule: Json, is_patch: bool = False) -> Json:
    """One rule without its shorthands. A bare boolean speaks about all of it, so it clears what is said in structure."""
    if rule is None:
        return None
    if isinstance(rule, bool):
        clears: Json = dict.fromkeys(("condition", "channel_types", "channels")) if is_patch else {}
        return {"enabled": rule, **clears}
    # Of the two names of a condition, the one that says something counts.
    said = sorted(rule.items(), key=lambda member: member[1] is not None)
    tree = {"condition" if name == "conditions" else name: value for name, value in said}
    if not is_patch:
        tree = {name: value for name, value in tree.items() if value is not None}
        for name in {"channel_types", "channels", "layering"} & tree.keys():
            tree[name] = {key: choice for key, choice in tree[name].items() if choice is not None}
    if tree.get("routing") is not None:
        tree["routing"] = {"channels": [], **tree["routing"]}
    return tree


def spelled_out_entry(document: Json) -> Json:
    """A catalogue entry without its shorthands. A default rule in which nothing is said is none."""
    tree = {name: value for name, value in document.items() if value is not None}
    if "default" in tree:
        tree |= said_rules({"default": tree.pop("default")})
    if "defaults" in tree:
        tree["defaults"] = said_rules(tree["defaults"])
    if "channels" in tree:
        tree["channels"] = [{"type": step} if isinstance(step, str) else step for step in tree["channels"]]
    return {name: value for name, value in tree.items() if name != "defaults" or value}


def said_rules(rules: Json) -> Json:
    """Default rules without their shorthands, but for those that say nothing."""
    spelled_out = {name: spelled_out_rule(rule) for name, rule in rules.items()}
    return {name: rule for name, rule in spelled_out.items() if rule}
