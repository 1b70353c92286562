"""A preference set as Knock's clients read it."""

from collections.abc import Mapping
from typing import Any

from domain.holder import SetId, SetKind
from domain.json_value import JsonValue
from domain.pointer import keys_of
from domain.preference_set import SCOPES
from services.http.knock.set_request import CHANNEL_TYPES, STRATEGY

Rule = dict[str, Any]


def set_name(set_id: SetId) -> str | None:
    """What Knock calls the set; None for a kind of set that Knock does not know."""
    if set_id.kind is SetKind.DEFAULT:
        return "default"
    return set_id.id if set_id.kind is SetKind.TENANT else None


def shown_set(name: str, leaves: Mapping[str, JsonValue]) -> dict[str, Any]:
    """The set with every group, null where it is empty: clients read a missing group as an error."""
    whole: Rule = {}
    rules: dict[str, dict[str, Rule]] = {scope: {} for scope in SCOPES}
    commercial: Any = None
    for path, value in leaves.items():
        keys = keys_of(path)
        if keys[0] in SCOPES:
            if len(keys) > 2:
                _add(rules[keys[0]].setdefault(keys[1], {}), keys[2:], value)
        elif keys[0] == "commercial":
            commercial = _choice(value)
        elif keys[0] != "schedule":
            _add(whole, keys, value)
    return {
        "__typename": "PreferenceSet",
        "id": name,
        **{scope: _shown_rules(by_key) for scope, by_key in rules.items()},
        "channel_types": whole.get("channel_types"),
        "channels": whole.get("channels"),
        "commercial_subscribed": commercial,
    }


def says_something(shown: Mapping[str, Any]) -> bool:
    """Whether a shown set has anything in it that Knock knows."""
    return any(value is not None for name, value in shown.items() if name not in ("__typename", "id"))


def _add(rule: Rule, keys: tuple[str, ...], value: JsonValue) -> None:
    name = keys[0]
    if name == "enabled":
        rule["enabled"] = value
    elif name == "condition" and isinstance(value, list):
        rule["conditions"] = [_condition(condition) for condition in value]
    elif name == "channels" and len(keys) == 2:
        rule.setdefault("channels", {})[keys[1]] = _choice(value)
    elif name == "channel_types" and len(keys) == 2 and keys[1] in CHANNEL_TYPES:
        rule.setdefault("channel_types", {})[keys[1]] = _choice(value)
    elif name == "layering" and len(keys) == 2:
        if keys[1] == "self":
            rule[STRATEGY] = value
        else:
            rule.setdefault(keys[1], {})[STRATEGY] = value


def _shown_rules(rules: Mapping[str, Rule]) -> dict[str, Any] | None:
    shown = {key: _shown_rule(rule) for key, rule in rules.items() if rule}
    return shown or None


def _shown_rule(rule: Rule) -> Any:
    """A boolean, or a structure. Knock has no word for a structure that is switched off: it is off."""
    enabled = rule.pop("enabled", None)
    if enabled is False or not rule:
        return enabled
    return rule


def _choice(value: JsonValue) -> Any:
    if isinstance(value, dict) and isinstance(value.get("conditions"), list):
        return {"conditions": [_condition(condition) for condition in value["conditions"]]}  # type: ignore[union-attr]
    return value


def _condition(condition: JsonValue) -> JsonValue:
    """Knock's clients want an argument, be it null, in each condition; other writers may have left it out."""
    return {**condition, "argument": condition.get("argument")} if isinstance(condition, dict) else condition
