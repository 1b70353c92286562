"""The policy by which every rule must allow: layers are merged, and each scope in play has to say yes.

Asked of the merged rule of each scope: is it on; then the concrete channel, else its type, else `otherwise`. Nothing
said is yes.
"""

from collections.abc import Sequence

from domain.circumstances import Circumstances
from domain.question import ChannelRef, Scope
from domain.resolve import MergedRule, Standing
from domain.rule import LAYERING_PARTS
from domain.rule_answer import Asked, asked_entry, choice_members, is_on, of_channel
from domain.rules_in_play import RulesInPlay
from domain.trace import TraceEntry, Verdict, entry_of

_MARKS = tuple(f"/layering/{part}" for part in LAYERING_PARTS)


def ask_merged(rule: MergedRule, choices: Sequence[str], circumstances: Circumstances) -> list[Asked]:
    """The leaves of one merged rule that decide about a channel. At most the last of them says no.

    `choices` is where the rule may speak of the channel (`choice_members`). After them `otherwise` is heeded here as
    under the other policy: not to heed it would lose an opt-out that a set states.
    """
    asked = is_on(rule, circumstances)
    if asked and not asked[-1].answer.holds:
        return asked
    choice = of_channel(rule, choices, circumstances) or of_channel(rule, ("/otherwise",), circumstances)
    if choice is not None:
        asked.append(choice)
    return asked


def every_rule_entries(rules: RulesInPlay, channel: ChannelRef, circumstances: Circumstances) -> list[TraceEntry]:
    """The trace of all scopes, from the general to the specific, in each the layers from weak to strong."""
    choices = choice_members(channel)
    entries: list[TraceEntry] = []
    for scope in rules.scopes:
        found = _scope_entries(rules, scope, choices, circumstances) if rules.said[scope.path] else []
        entries += found or [TraceEntry(Verdict.SILENT, path=scope.path, detail="no layer speaks of this channel here")]
    return entries


def _scope_entries(
    rules: RulesInPlay, scope: Scope, choices: tuple[str, ...], circumstances: Circumstances
) -> list[TraceEntry]:
    merged = rules.merged[scope.path]
    asked = {(one.standing.layer, one.standing.member): one for one in ask_merged(merged, choices, circumstances)}
    marks = [mark for mark in _MARKS if mark in merged and merged[mark].value == "replace"]
    entries: list[TraceEntry] = []
    for index, said in rules.said[scope.path]:
        layer = rules.layers[index]
        for member in (*marks, "/enabled", "/condition", *choices, "/otherwise"):
            if member not in said:
                continue
            answered = asked.get((index, member))
            if answered is not None:
                entries.append(asked_entry(answered, layer, scope))
            else:
                verdict = _unasked(merged.get(member), index, member)
                entries.append(entry_of(layer, verdict, scope.path, member, said[member]))
    return entries


def _unasked(standing: Standing | None, layer: int, member: str) -> Verdict:
    """What came of a leaf that was not asked: whether it stands in the merged rule, and as what."""
    if standing is None or standing.layer != layer or standing.member != member:
        return Verdict.OVERRULED
    return Verdict.REPLACES if member in _MARKS else Verdict.NOT_ASKED
