"""The rules that speak about one question: read from the layers once, and asked for each channel."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from domain.layers import Layer
from domain.question import Scope, ScopeKind
from domain.resolve import Members, MergedRule, merge_rule, rules_in


@dataclass(frozen=True, slots=True)
class RulesInPlay:
    """What each layer says in each scope in play, and what comes of it when all are merged."""

    layers: Sequence[Layer]
    scopes: Sequence[Scope]
    said: dict[str, list[tuple[int, Members]]] = field(default_factory=dict)
    """By rule path, weak to strong: the index of a layer that has the rule, and its members."""

    merged: dict[str, MergedRule] = field(default_factory=dict)


def rules_in_play(layers: Sequence[Layer], scopes: Sequence[Scope]) -> RulesInPlay:
    """Read these scopes' rules from the layers, which go from weak to strong."""
    rules = RulesInPlay(layers, scopes)
    paths = {scope.path for scope in scopes}
    by_layer = [rules_in(layer.leaves, paths) if layer.leaves else {} for layer in layers]
    for path in paths:
        said: list[tuple[int, Members]] = [(index, found[path]) for index, found in enumerate(by_layer) if path in found]
        rules.said[path] = said
        rules.merged[path] = merge_rule(said, path)
    return rules


def digest_in_force(rules: RulesInPlay) -> str | None:
    """The digest schedule of the workflow, else of a category, the one that the strongest layer names."""
    for kind in (ScopeKind.WORKFLOW, ScopeKind.CATEGORY):
        named = [
            standing
            for scope in rules.scopes
            if scope.kind is kind and (standing := rules.merged[scope.path].get("/digest")) is not None
        ]
        if named:
            value = max(named, key=lambda standing: standing.layer).value
            return value if isinstance(value, str) else None
    return None
