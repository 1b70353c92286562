"""Preferences as conditions see them: a plain object, the way people write a set."""

from collections.abc import Mapping

from domain.document import unflatten
from domain.facts import Facts
from domain.json_value import JsonValue
from domain.layers import is_shell, stack, without_catalogue
from domain.preference_set import SCOPES
from domain.resolve import resolved_view

COMMERCIAL_SPELLINGS = ("commercial", "commercial_subscribed")
"""Both stand in conditions that people have written."""


def recipient_preferences(facts: Facts, recipient: str) -> dict[str, JsonValue]:
    """All that counts for a recipient, merged as the policy wants it; the catalogue's defaults are nobody's choice."""
    return seen(resolved_view(without_catalogue(stack(facts, recipient))).leaves)


def tenant_preferences(facts: Facts) -> dict[str, JsonValue]:
    """What the tenant in play says itself."""
    return seen(facts.tenants[-1][1]) if facts.tenants else {}


def seen(leaves: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """A set as an object, with a bare boolean where a rule says no more than on or off."""
    tree = unflatten({path: value for path, value in leaves.items() if not is_shell(value)})
    for scope in SCOPES:
        rules = tree.get(scope)
        if isinstance(rules, dict):
            tree[scope] = {key: _bare(rule) for key, rule in rules.items()}
    commercial = tree.pop("commercial", None)
    if commercial is not None:
        tree.update(dict.fromkeys(COMMERCIAL_SPELLINGS, commercial))
    return tree


def _bare(rule: JsonValue) -> JsonValue:
    return rule["enabled"] if isinstance(rule, dict) and rule.keys() == {"enabled"} else rule
