"""Evaluation: what is decided for each channel of a question, and the trace of how.

Pure: the same question and the same facts give the same decisions and the same trace, wherever and whenever.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from domain.circumstances import Circumstances
from domain.every_rule import every_rule_entries
from domain.facts import Facts, categories_in_play
from domain.gates import (
    SCHEDULED_TYPES,
    commercial_entries,
    override_entries,
    schedule_entries,
    subscription_entries,
    suppression_entries,
)
from domain.layers import OWN_KINDS, Layer, own_layer, speaks, stack
from domain.locks import Locks, locks_in_force, unlocked_layers
from domain.most_specific import most_specific_entries
from domain.question import ChannelRef, Question, Scope, ScopeKind, scopes_in_play
from domain.reason import Reason
from domain.routing import Routing, routing_entries, routing_in_force
from domain.rules_in_play import RulesInPlay, digest_in_force, rules_in_play
from domain.trace import Source, TraceEntry, Verdict, blocked, conclusion, source_of


@dataclass(frozen=True, slots=True)
class Decision:
    """One channel's answer. `source` is where the leaf that decided stands; None where nobody said anything."""

    channel: ChannelRef
    deliver: bool
    reason: Reason
    source: Source | None
    digest: str | None
    """The id of the schedule on which to gather messages, of a channel that is delivered to."""

    trace: tuple[TraceEntry, ...]


def evaluate(question: Question, facts: Facts) -> list[Decision]:
    """Decide every channel of the question, in its order.

    First what looks at no rule: suppression, the workflow's override, the subscription. Then the policy over the
    layers. Then routing, `commercial` and the schedule.
    """
    circumstances = Circumstances(question, facts)
    opening = _opening(question, facts, circumstances)
    if opening.settled:
        return [_read_off(channel, opening.entries, None) for channel in question.channels]
    case = _Case(question, facts, circumstances)
    return [
        _read_off(channel, [*opening.entries, *case.entries, *case.of_channel(channel)], case.digest)
        for channel in question.channels
    ]


@dataclass(frozen=True, slots=True)
class _Opening:
    """What is the same for all channels; `settled` tells that no rule is looked at."""

    entries: list[TraceEntry]
    settled: bool


def _opening(question: Question, facts: Facts, circumstances: Circumstances) -> _Opening:
    entries = suppression_entries(question, facts)
    if blocked(entries):
        return _Opening(entries, settled=True)
    override = override_entries(facts)
    if override:
        commercial = commercial_entries(facts, str(question.recipient), circumstances)
        return _Opening(entries + override + commercial, settled=True)
    entries += subscription_entries(question, facts, circumstances)
    return _Opening(entries, settled=blocked(entries))


class _Case:
    """A question whose rules have to be looked at: what of that is the same for all channels, and each channel's own."""

    def __init__(self, question: Question, facts: Facts, circumstances: Circumstances) -> None:
        categories = categories_in_play(question.categories, facts.workflow)
        scopes = scopes_in_play(question.workflow, categories)
        layers = stack(facts, str(question.recipient), categories)
        locks = locks_in_force(layers, scopes)
        self._circumstances = circumstances
        self._rules = rules_in_play(unlocked_layers(layers) if locks.paths else layers, scopes)
        self._policy = _POLICIES[facts.policy.decide]
        self._routing = _routing(question, facts, self._rules, layers, locks)
        self._commercial = commercial_entries(facts, str(question.recipient), circumstances)
        self._schedule = schedule_entries(question, facts, locked=_workflow_locked(locks, scopes))
        self.entries = [*locks.entries, *_layer_entries(question, facts, layers, locks)]
        self.digest = digest_in_force(self._rules)

    def of_channel(self, channel: ChannelRef) -> list[TraceEntry]:
        """The trace of one channel: the policy's part, and unless that says no, the gates after it."""
        entries = self._policy(self._rules, channel, self._circumstances)
        if blocked(entries):
            return entries
        entries += routing_entries(self._routing, channel)
        entries += self._commercial
        if channel.type in SCHEDULED_TYPES:
            entries += self._schedule
        return entries


_POLICIES: dict[str, Callable[[RulesInPlay, ChannelRef, Circumstances], list[TraceEntry]]] = {
    "every_rule_allows": every_rule_entries,
    "most_specific_wins": most_specific_entries,
}


def _workflow_locked(locks: Locks, scopes: Sequence[Scope]) -> bool:
    return any(scope.kind is ScopeKind.WORKFLOW and scope.path in locks.paths for scope in scopes)


def _routing(question: Question, facts: Facts, rules: RulesInPlay, layers: Sequence[Layer], locks: Locks) -> Routing:
    channels = facts.workflow.channels if facts.workflow is not None else ()
    everything = rules_in_play(layers, rules.scopes) if locks.paths else None
    return routing_in_force(rules, everything, channels or question.channels)


def _layer_entries(question: Question, facts: Facts, layers: Sequence[Layer], locks: Locks) -> list[TraceEntry]:
    """The list of layers, weak to strong, and which of them are looked at."""
    entries = []
    own = own_layer(facts, str(question.recipient))
    if all(layer.kind is not own.kind for layer in layers) and speaks(own.leaves):
        policy = f"own_default_in_tenant is {facts.policy.own_default_in_tenant}"
        entries.append(_layer_entry(own, Verdict.LEFT_OUT)._replace(detail=policy))
    for layer in layers:
        if locks.paths and layer.kind in OWN_KINDS:
            entries.append(_layer_entry(layer, Verdict.SILENCED))
        else:
            entries.append(_layer_entry(layer, Verdict.SPEAKS if speaks(layer.leaves) else Verdict.SILENT))
    return entries


def _layer_entry(layer: Layer, verdict: Verdict) -> TraceEntry:
    return TraceEntry(verdict, layer.kind, layer.holder, layer.set_name)


def _read_off(channel: ChannelRef, entries: Sequence[TraceEntry], digest: str | None) -> Decision:
    last = conclusion(entries)
    deliver = last.verdict is Verdict.DELIVERS
    return Decision(
        channel=channel,
        deliver=deliver,
        reason=last.reason if last.reason is not None else Reason.DEFAULT_ALLOW,
        source=source_of(last),
        digest=digest if deliver else None,
        trace=(*entries, last),
    )
