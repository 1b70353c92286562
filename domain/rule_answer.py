"""What one rule answers: is it on, and what does it say of a channel. Both policies ask the same way."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from domain.circumstances import NO, YES, Answer, Circumstances
from domain.layers import Layer
from domain.pointer import escape
from domain.question import ChannelRef, Scope, ScopeKind
from domain.reason import Reason, allow_reason, opt_out_reason
from domain.resolve import Standing
from domain.trace import TraceEntry, Verdict, entry_of

Rule = Mapping[str, Standing]
"""A rule's leaves by their pointer below the rule, each with the layer and the member in which it was said."""


class Asked(NamedTuple):
    """A leaf that was asked, and its answer."""

    standing: Standing
    answer: Answer


_SCOPE_RANK = {ScopeKind.ALL: 0, ScopeKind.CATEGORY: 1, ScopeKind.WORKFLOW: 2}
_MEMBER_RANK = {"enabled": 0, "condition": 1, "otherwise": 2, "channel_types": 3, "channels": 4}


def rank_of(layer: int, scope: ScopeKind, member: str) -> int:
    """The order of yeses: the strongest layer, in it the most specific scope, in that the most specific member."""
    specificity = _SCOPE_RANK[scope] * len(_MEMBER_RANK) + _MEMBER_RANK[member.split("/", 2)[1]]
    return (layer + 1) * len(_SCOPE_RANK) * len(_MEMBER_RANK) + specificity


def choice_members(channel: ChannelRef) -> tuple[str, ...]:
    """Where a rule speaks of this channel, the concrete channel before its type."""
    by_type = f"/channel_types/{channel.type}"
    return (by_type,) if channel.id is None else (f"/channels/{escape(channel.id)}", by_type)


def is_on(rule: Rule, circumstances: Circumstances) -> list[Asked]:
    """What the rule says about being on: nothing, or `enabled` and then, unless that is false, the condition."""
    asked = []
    enabled = rule.get("/enabled")
    if enabled is not None:
        asked.append(Asked(enabled, NO if enabled.value is False else YES))
        if enabled.value is False:
            return asked
    condition = rule.get("/condition")
    if condition is not None:
        asked.append(Asked(condition, circumstances.condition(condition.value)))
    return asked


def of_channel(rule: Rule, members: Sequence[str], circumstances: Circumstances) -> Asked | None:
    """What the first of these members that the rule has says; None if it has none of them."""
    for member in members:
        standing = rule.get(member)
        if standing is not None:
            return Asked(standing, circumstances.choice(standing.value))
    return None


def reason_of(asked: Asked, layer: Layer, scope: ScopeKind) -> Reason:
    """The reason that this answer gives, if it comes to decide."""
    if asked.answer.holds:
        return allow_reason(layer.kind)
    return Reason.CONDITION_NOT_MET if asked.answer.conditional else opt_out_reason(layer.kind, scope, asked.standing.member)


def asked_entry(asked: Asked, layer: Layer, scope: Scope) -> TraceEntry:
    """The trace of an answer."""
    standing, answer = asked
    return entry_of(
        layer,
        Verdict.YES if answer.holds else Verdict.NO,
        scope.path,
        standing.member,
        standing.value,
        reason_of(asked, layer, scope.kind),
        answer.detail,
        rank_of(standing.layer, scope.kind, standing.member) if answer.holds else 0,
    )
