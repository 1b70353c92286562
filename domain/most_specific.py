"""The policy by which the most specific rule wins: two questions, and both need a yes.

Each goes from the strongest layer down, and inside a layer from the workflow over its categories to `all`. Is it on?
And what of this channel? Nothing said is yes.
"""

from collections.abc import Callable, Sequence

from domain.circumstances import Circumstances
from domain.layers import Layer
from domain.question import ChannelRef, Scope, ScopeKind
from domain.resolve import Standing
from domain.rule_answer import Asked, Rule, asked_entry, choice_members, is_on, of_channel
from domain.rules_in_play import RulesInPlay
from domain.trace import TraceEntry, Verdict, blocked

_Ask = Callable[[Rule], list[Asked]]

_ORDER = (ScopeKind.WORKFLOW, ScopeKind.CATEGORY, ScopeKind.ALL)


def most_specific_entries(rules: RulesInPlay, channel: ChannelRef, circumstances: Circumstances) -> list[TraceEntry]:
    """The trace of both questions, in the order in which rules were looked at."""
    by_layer = _by_layer(rules)
    choice = choice_members(channel)

    def on(rule: Rule) -> list[Asked]:
        return is_on(rule, circumstances)

    def of_members(*members: str) -> _Ask:
        def ask(rule: Rule) -> list[Asked]:
            asked = of_channel(rule, members, circumstances)
            return [] if asked is None else [asked]

        return ask

    entries = _is_it_on(rules, by_layer, on, of_members(*choice))
    if blocked(entries):
        return entries
    return entries + (
        _first_to_say(rules, by_layer, of_members(*choice))
        or _first_to_say(rules, by_layer, of_members("/otherwise"))
        or [TraceEntry(Verdict.SILENT, detail="no layer speaks of this channel")]
    )


_LayerRules = tuple[int, list[tuple[Scope, Rule]]]


def _by_layer(rules: RulesInPlay) -> list[_LayerRules]:
    """The rules of each layer, the strongest layer first."""
    by_layer: dict[int, list[tuple[Scope, Rule]]] = {}
    for scope in rules.scopes:
        for index, members in rules.said[scope.path]:
            rule = {member: Standing(value, index, member) for member, value in members.items()}
            by_layer.setdefault(index, []).append((scope, rule))
    return sorted(by_layer.items(), key=lambda item: item[0], reverse=True)


def _is_it_on(rules: RulesInPlay, by_layer: Sequence[_LayerRules], on: _Ask, of_this: _Ask) -> list[TraceEntry]:
    for index, layer_rules in by_layer:
        entries = _layer_says(rules, index, layer_rules, on)
        if entries:
            return entries
        yes = _specific_yes(rules.layers[index], layer_rules, of_this)
        if yes is not None:
            return [yes]
    return [TraceEntry(Verdict.SILENT, detail="no layer says on or off")]


def _specific_yes(layer: Layer, layer_rules: Sequence[tuple[Scope, Rule]], of_this: _Ask) -> TraceEntry | None:
    for kind in (ScopeKind.WORKFLOW, ScopeKind.CATEGORY):
        for scope, rule in layer_rules:
            for asked in of_this(rule) if scope.kind is kind else ():
                if asked.answer.holds:
                    return asked_entry(asked, layer, scope)._replace(detail="a yes to the channel is an on")
    return None


def _first_to_say(rules: RulesInPlay, by_layer: Sequence[_LayerRules], ask: _Ask) -> list[TraceEntry]:
    for index, layer_rules in by_layer:
        entries = _layer_says(rules, index, layer_rules, ask)
        if entries:
            return entries
    return []


def _layer_says(rules: RulesInPlay, index: int, layer_rules: Sequence[tuple[Scope, Rule]], ask: _Ask) -> list[TraceEntry]:
    """The entries of the most specific rules of a layer that say anything; among categories, a no beats a yes."""
    layer = rules.layers[index]
    for kind in _ORDER:
        entries = [
            asked_entry(asked, layer, scope) for scope, rule in layer_rules if scope.kind is kind for asked in ask(rule)
        ]
        if blocked(entries):
            return [
                entry if entry.verdict is Verdict.NO else entry._replace(verdict=Verdict.OVERRULED, reason=None, rank=0)
                for entry in entries
            ]
        if entries:
            return entries
    return []
