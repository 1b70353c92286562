"""Preference sets between leaves (the domain) and the typed Avro record (the log)."""

from collections.abc import Mapping
from typing import Any

from domain.document import Leaves, flatten, unflatten
from domain.json_value import JsonValue
from domain.pointer import escape, keys_of, pointer
from domain.preference_set import SCOPES
from schemas.free_json import from_avro, to_avro

Record = dict[str, Any]

_PLAIN = ("enabled", "otherwise", "locked", "digest")
_CHOICES = ("channel_types", "channels")


def _conditions_to_avro(conditions: list[Any]) -> Record:
    return {
        "conditions": [
            {
                "variable": condition["variable"],
                "operator": condition["operator"],
                "argument": to_avro(condition["argument"]) if "argument" in condition else None,
            }
            for condition in conditions
        ]
    }


def _conditions_from_avro(record: Record) -> list[JsonValue]:
    conditions: list[JsonValue] = []
    for stored in record["conditions"]:
        condition: dict[str, JsonValue] = {"variable": stored["variable"], "operator": stored["operator"]}
        if stored["argument"] is not None:
            condition["argument"] = from_avro(stored["argument"])
        conditions.append(condition)
    return conditions


def _choice_to_avro(choice: Any) -> Any:
    return choice if isinstance(choice, bool) else _conditions_to_avro(choice["conditions"])


def _choice_from_avro(choice: Any) -> JsonValue:
    return choice if isinstance(choice, bool) else {"conditions": _conditions_from_avro(choice)}


def _add_to_rule(rule: Record, keys: tuple[str, ...], value: Any) -> None:
    name = keys[0]
    if name in _PLAIN:
        rule[name] = value
    elif name == "condition":
        rule[name] = (
            ("prefledger.Conditions", _conditions_to_avro(value))
            if isinstance(value, list)
            else ("prefledger.Logic", {"logic": to_avro(value)})
        )
    elif name in _CHOICES:
        choices = rule.setdefault(name, {})
        if len(keys) == 2:
            choices[keys[1]] = _choice_to_avro(value)
    elif name == "routing":
        rule[name] = value
    elif name == "layering":
        layering = rule.setdefault(name, {})
        if len(keys) == 2:
            layering[keys[1]] = value.upper()
    else:
        rule.setdefault("kept", {})[keys[1:]] = value


def _finish_rule(rule: Record) -> Record:
    """Name the branch of each union: the writer would else validate every value against every branch."""
    for name in _CHOICES:
        if name in rule:
            rule[name] = ("map", rule[name])
    kept = rule.get("kept")
    if kept is not None:
        whole = kept[()] if () in kept else unflatten({pointer(*keys): value for keys, value in kept.items()})
        rule["kept"] = to_avro(whole)
    return rule


def rule_to_avro(leaves: Mapping[str, JsonValue]) -> Record:
    """The `Rule` record of one rule's leaves, paths relative to the rule."""
    rule: Record = {}
    for path, value in leaves.items():
        _add_to_rule(rule, keys_of(path), value)
    return _finish_rule(rule)


def set_to_avro(leaves: Mapping[str, JsonValue]) -> Record:
    """The `PreferenceSet` record of a set's leaves. Keys in order, so that equal sets are equal bytes."""
    record: Record = {}
    whole: Record = {}
    for path in sorted(leaves):
        value, keys = leaves[path], keys_of(path)
        if keys[0] in SCOPES:
            rules = record.setdefault(keys[0], {})
            if len(keys) > 1:
                rule = rules.setdefault(keys[1], {})
                if len(keys) > 2:
                    _add_to_rule(rule, keys[2:], value)
        elif keys[0] == "commercial":
            record["commercial"] = _choice_to_avro(value)
        elif keys[0] == "schedule":
            record["schedule"] = to_avro(value)
        else:
            _add_to_rule(whole, keys, value)
    for scope in SCOPES:
        for rule in record.get(scope, {}).values():
            _finish_rule(rule)
        if scope in record:
            record[scope] = ("map", record[scope])
    if whole:
        record["all"] = ("prefledger.Rule", _finish_rule(whole))
    return record


def _choices_from_avro(choices: Record, path: str, leaves: Leaves) -> None:
    if not choices:
        leaves[path] = {}
    for key, choice in choices.items():
        leaves[f"{path}/{escape(key)}"] = _choice_from_avro(choice)


def rule_from_avro(rule: Record, path: str, leaves: Leaves) -> None:
    """Add the leaves of a `Rule` record below `path`."""
    for name in _PLAIN:
        value = rule[name]
        if value is not None:
            leaves[f"{path}/{name}"] = value
    for name in _CHOICES:
        choices = rule[name]
        if choices is not None:
            _choices_from_avro(choices, f"{path}/{name}", leaves)
    if rule["condition"] is not None:
        condition = rule["condition"]
        leaves[f"{path}/condition"] = (
            from_avro(condition["logic"]) if "logic" in condition else _conditions_from_avro(condition)
        )
    routing = rule["routing"]
    if routing is not None:
        leaves[f"{path}/routing"] = {"applies": routing["applies"], "channels": routing["channels"]}
    if rule["layering"] is not None:
        parts = {part: strategy.lower() for part, strategy in rule["layering"].items() if strategy is not None}
        leaves.update({f"{path}/layering/{part}": parts[part] for part in parts} or {f"{path}/layering": {}})
    if rule["kept"] is not None:
        kept = from_avro(rule["kept"])
        if isinstance(kept, dict) and kept:
            leaves.update(flatten(kept, f"{path}/kept"))
        else:
            leaves[f"{path}/kept"] = kept


def set_from_avro(record: Record) -> Leaves:
    """The leaves of a `PreferenceSet` record."""
    leaves: Leaves = {}
    if record["all"] is not None:
        rule_from_avro(record["all"], "", leaves)
    for scope in SCOPES:
        rules = record[scope]
        if rules is None:
            continue
        if not rules:
            leaves[f"/{scope}"] = {}
        for key, rule in rules.items():
            path = f"/{scope}/{escape(key)}"
            before = len(leaves)
            rule_from_avro(rule, path, leaves)
            if len(leaves) == before:
                leaves[path] = {}
    if record["commercial"] is not None:
        leaves["/commercial"] = _choice_from_avro(record["commercial"])
    if record["schedule"] is not None:
        leaves["/schedule"] = from_avro(record["schedule"])
    return leaves
