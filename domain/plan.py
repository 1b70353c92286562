"""The compiled plan: many recipients, one workflow, the same layers around them. The hot path of a batch.

What the shared layers say is merged once. Of a recipient's sets only the few leaves that can matter are looked up, as
bits of a pattern; what a pattern comes to is worked out once per rule, by the same functions as the evaluator's, and
remembered. Whatever a plan can't answer with certainty it leaves to `evaluate`, which it never contradicts.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

from domain.circumstances import Circumstances
from domain.evaluation import Decision, evaluate
from domain.facts import Facts, categories_in_play
from domain.holder import Holder, HolderKind
from domain.json_value import JsonValue
from domain.layers import OWN_KINDS, Layer, LayerKind, sets_that_say, speaks, stack
from domain.locks import locks_in_force
from domain.plan_rule import (
    ORIGIN_NOBODY,
    ORIGIN_SHARED,
    PATTERNS_MAX,
    PlanDecision,
    PlanFrame,
    RulePlan,
)
from domain.plan_slots import BEYOND_A_PLAN, OF_ROUTING, Slot, Slots
from domain.question import ChannelRef, Question, Scope, scopes_in_play
from domain.resolve import rules_in
from domain.routing import applies

_SOMEBODY: Final = Holder(HolderKind.USER)
_SOME_TIME: Final = datetime(1970, 1, 1, tzinfo=UTC)


class QuestionShape(NamedTuple):
    """What the questions of one plan have in common: everything but the recipient, the data and the instant."""

    workflow: str
    channels: tuple[ChannelRef, ...]
    categories: tuple[str, ...] | None = None


class Plan:
    """The answers of one shape of question, for any recipient who is not suppressed."""

    def __init__(
        self,
        base: tuple[PlanDecision, ...],
        rules: Sequence[RulePlan],
        slots: "_OwnSlots",
    ) -> None:
        self._base = base
        self._rules = rules
        self._of_default, self._of_silenced_default, self._of_tenant, self._tenant_silences_default = slots
        self._remembered: dict[int, tuple[PlanDecision, ...]] = {0: base}
        self._alike: dict[tuple[PlanDecision, ...], tuple[PlanDecision, ...]] = {base: base}

    def decide(
        self, own_default: Mapping[str, JsonValue], own_in_tenant: Mapping[str, JsonValue]
    ) -> tuple[PlanDecision, ...] | None:
        """The decisions for the leaves of a recipient's two sets; None where only `evaluate` can tell.

        With no tenant in play, `own_in_tenant` is not looked at.
        """
        of_default, pattern = self._of_default, 0
        try:
            if own_in_tenant and self._of_tenant is not None:
                pattern = self._of_tenant.pattern_of(own_in_tenant)
                if self._tenant_silences_default and speaks(own_in_tenant):
                    of_default = self._of_silenced_default
            if own_default:
                pattern |= of_default.pattern_of(own_default)
        except (LookupError, TypeError):
            return None
        decisions = self._remembered.get(pattern)
        return decisions if decisions is not None else self._work_out(pattern)

    @property
    def paths(self) -> tuple[str, ...]:
        """The leaves of an own default set that can matter while there is no own set inside a tenant.

        Choices of concrete channels that the question does not name can matter, too, and are not among these.
        """
        return tuple(sorted(self._of_default.named))

    @property
    def patterns_count(self) -> int:
        """How many patterns are remembered as a whole; `PATTERNS_MAX` at most."""
        return len(self._remembered)

    def _work_out(self, pattern: int) -> tuple[PlanDecision, ...]:
        answers = [rule.answers(pattern & rule.mask) for rule in self._rules]
        worked_out = tuple([max(ranked)[1] for ranked in zip(*answers, strict=True)])
        if len(self._remembered) >= PATTERNS_MAX:
            self._remembered, self._alike = {0: self._base}, {self._base: self._base}
        # Many patterns come to the same decisions: being one tuple, their text is made once.
        decisions = self._remembered[pattern] = self._alike.setdefault(worked_out, worked_out)
        return decisions


class _OwnSlots(NamedTuple):
    """The leaves that can matter of each of the recipient's sets."""

    default: Slots
    silenced_default: Slots
    """Of the own default when the policy leaves it out: what is asked of it even then."""

    in_tenant: Slots | None
    tenant_silences_default: bool


def compile_plan(shape: QuestionShape, facts: Facts) -> Plan | None:
    """The plan for this shape and these facts, in which the recipient's own sets and properties have no say.

    None where no plan can answer: under the other policy, for a subscription, a context or a suppressed recipient, and
    where a shared layer has a condition, a routing that applies, a digest or a schedule in play.
    """
    question = Question(_SOMEBODY, shape.workflow, shape.channels, _SOME_TIME, shape.categories)
    categories = categories_in_play(shape.categories, facts.workflow)
    scopes = scopes_in_play(shape.workflow, categories)
    layers = stack(facts, str(_SOMEBODY), categories)
    if not _plannable(facts, layers, scopes):
        return None
    base = tuple(_shared(decision) for decision in evaluate(question, facts))
    overrides = facts.workflow is not None and facts.workflow.override
    rules: list[RulePlan] = []
    if not overrides and not locks_in_force(layers, scopes).paths:
        rules = _rule_plans(PlanFrame(layers, shape.channels, len(scopes), Circumstances(question, facts)), scopes)
    slots = _own_slots(facts, layers, rules, scopes, overrides=overrides)
    return Plan(base, rules, slots)


def _plannable(facts: Facts, layers: Sequence[Layer], scopes: Sequence[Scope]) -> bool:
    somebody = str(_SOMEBODY)
    if facts.policy.decide != "every_rule_allows" or facts.subscription is not None or facts.suppression is not None:
        return False
    if facts.own_context is not None or any(sets_that_say(facts, somebody, path) for path in ("/commercial", "/schedule")):
        return False
    paths = {scope.path for scope in scopes}
    return all(
        _plain(member, value)
        for layer in layers
        for members in rules_in(layer.leaves, paths).values()
        for member, value in members.items()
    )


def _plain(member: str, value: JsonValue) -> bool:
    if member == "/routing":
        return not applies(value)
    return isinstance(value, bool) or member.startswith(("/kept", "/layering/"))


def _rule_plans(frame: PlanFrame, scopes: Sequence[Scope]) -> list[RulePlan]:
    paths = {scope.path for scope in scopes}
    by_layer = [rules_in(layer.leaves, paths) for layer in frame.layers]
    rules: list[RulePlan] = []
    for order, scope in enumerate(scopes):
        said = {index: found[scope.path] for index, found in enumerate(by_layer) if scope.path in found}
        first_bit = rules[-1].next_bit if rules else 1
        rules.append(RulePlan(frame, scope, said, order=order, first_bit=first_bit))
    return rules


def _own_slots(
    facts: Facts, layers: Sequence[Layer], rules: Sequence[RulePlan], scopes: Sequence[Scope], *, overrides: bool
) -> _OwnSlots:
    asked_always: dict[str, Slot] = {} if overrides else {"/schedule": BEYOND_A_PLAN}
    if facts.workflow is not None and facts.workflow.commercial:
        asked_always["/commercial"] = BEYOND_A_PLAN
    named = {kind: dict(asked_always) for kind in OWN_KINDS}
    unnamed: dict[LayerKind, list[tuple[str, int]]] = {kind: [] for kind in OWN_KINDS}
    for index, layer in enumerate(layers):
        if layer.kind not in OWN_KINDS or overrides:
            continue
        # While a rule is locked there are no rule plans, and an own routing still counts.
        named[layer.kind].update({f"{scope.path}/routing": OF_ROUTING for scope in scopes})
        for rule in rules:
            named[layer.kind].update(rule.slots[index])
            if index in rule.unnamed_bits:
                unnamed[layer.kind].append((f"{rule.path}/channels/", rule.unnamed_bits[index]))
    slots = {kind: Slots(named[kind], unnamed[kind]) for kind in OWN_KINDS}
    return _OwnSlots(
        default=slots[LayerKind.OWN_DEFAULT],
        silenced_default=Slots(asked_always),
        in_tenant=slots[LayerKind.OWN_IN_TENANT] if facts.tenants else None,
        tenant_silences_default=facts.policy.own_default_in_tenant == "unless_tenant_speaks",
    )


def _shared(decision: Decision) -> PlanDecision:
    origin = ORIGIN_NOBODY if decision.source is None else ORIGIN_SHARED
    return PlanDecision(decision.deliver, decision.reason, origin, None, decision.source)
