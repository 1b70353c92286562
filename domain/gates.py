"""The gates around a policy: what can stop a message, or let it through, whatever the rules say."""

from typing import Final

from domain.circumstances import NO, YES, Answer, Circumstances
from domain.facts import Facts
from domain.json_value import JsonValue
from domain.layers import CATALOGUE_SET, Layer, LayerKind, is_shell, sets_that_say
from domain.pointer import pointer
from domain.question import Question
from domain.reason import Reason
from domain.schedule import inside_schedule
from domain.trace import RANK_OVERRIDE, TraceEntry, Verdict, entry_of

SCHEDULED_TYPES: Final = frozenset({"email", "sms", "push", "chat"})
"""The channel types that reach people wherever they are. The others wait until they are looked at."""

SUPPRESSION_SET: Final = "suppression"
"""What stands for a set's name where a holder's suppression speaks."""


def suppression_entries(question: Question, facts: Facts) -> list[TraceEntry]:
    """What is known of a forgotten recipient."""
    if facts.suppression is None:
        return []
    commercial = facts.workflow is not None and facts.workflow.commercial
    stops = facts.suppression == "all" or commercial
    return [
        TraceEntry(
            Verdict.NO if stops else Verdict.PASSES,
            "suppression",
            str(question.recipient),
            SUPPRESSION_SET,
            "/suppress",
            facts.suppression,
            Reason.SUPPRESSED if stops else None,
        )
    ]


def override_entries(facts: Facts) -> list[TraceEntry]:
    """The workflow's own word that no preference is looked at."""
    if facts.workflow is None or not facts.workflow.override:
        return []
    path = pointer("workflows", facts.workflow.key, "override")
    kind = LayerKind.CATALOGUE
    return [TraceEntry(Verdict.YES, kind, "environment", CATALOGUE_SET, path, True, Reason.OVERRIDE, rank=RANK_OVERRIDE)]


def subscription_entries(question: Question, facts: Facts, circumstances: Circumstances) -> list[TraceEntry]:
    """What the subscription that the question names says of the workflow: its condition, else whether it is on."""
    if facts.subscription is None:
        return []
    rule_path = pointer("workflows", question.workflow)
    for member in ("/condition", "/enabled"):
        value = facts.subscription.leaves.get(rule_path + member)
        if value is None or is_shell(value):
            continue
        answer = circumstances.condition(value) if member == "/condition" else NO if value is False else YES
        return [
            _gate(
                answer,
                Reason.SUBSCRIPTION_OPT_OUT,
                ("subscription", str(question.recipient), facts.subscription.name, rule_path + member),
                value,
            )
        ]
    silent = "the subscription says nothing about the workflow"
    return [TraceEntry(Verdict.SILENT, "subscription", str(question.recipient), facts.subscription.name, detail=silent)]


def commercial_entries(facts: Facts, recipient: str, circumstances: Circumstances) -> list[TraceEntry]:
    """Of a commercial workflow: the choices about commercial messages. Absent ones allow."""
    if facts.workflow is None or not facts.workflow.commercial:
        return []
    return [
        _gate(circumstances.choice(value), Reason.COMMERCIAL_OPT_OUT, _place(layer, "/commercial"), value)
        for layer, value in sets_that_say(facts, recipient, "/commercial")
    ]


def schedule_entries(question: Question, facts: Facts, *, locked: bool) -> list[TraceEntry]:
    """The hours in which the recipient lets messages in, for channels of `SCHEDULED_TYPES`.

    `locked` tells that the workflow's own rule is locked: then no schedule holds it back.
    """
    zone = facts.recipient.get("timezone")
    time_zone = zone if isinstance(zone, str) else None
    entries = []
    for layer, value in sets_that_say(facts, str(question.recipient), "/schedule"):
        if locked:
            entries.append(entry_of(layer, Verdict.SILENCED, "", "/schedule", value))
            continue
        inside = inside_schedule(value, question.at, time_zone)
        answer = Answer(inside, detail=None if inside else f"outside, by the clock of {time_zone or 'UTC'}")
        entries.append(_gate(answer, Reason.OUTSIDE_SCHEDULE, _place(layer, "/schedule"), value))
    return entries


_Place = tuple[str, str, str, str]


def _place(layer: Layer, path: str) -> _Place:
    return layer.kind, layer.holder, layer.set_name, path


def _gate(answer: Answer, reason: Reason, place: _Place, value: JsonValue) -> TraceEntry:
    if answer.holds:
        return TraceEntry(Verdict.PASSES, *place, value)
    return TraceEntry(Verdict.NO, *place, value, Reason.CONDITION_NOT_MET if answer.conditional else reason, answer.detail)
