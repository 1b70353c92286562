"""Shared by the tests of evaluation: facts from plain JSON, and answers as plain values."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal

from domain.catalogue import EntryKind, parse_entry
from domain.evaluation import Decision, evaluate
from domain.facts import Facts, NamedSet, workflow_facts
from domain.holder import Holder, user
from domain.json_value import JsonValue
from domain.policy import PROTECTIVE, Policy
from domain.preference_set import parse_preference_set
from domain.question import ChannelRef, Question

KNOCK = Policy("every_rule_allows", "unless_tenant_speaks")
COURIER = Policy("every_rule_allows", "never")
NOVU = Policy("most_specific_wins", "never")

AT = datetime(2026, 3, 3, 14, 5, tzinfo=UTC)
JHAMMOND = user("jhammond")

Tree = dict[str, JsonValue]


def facts_of(
    *,
    policy: Policy = PROTECTIVE,
    workflow: Tree | None = None,
    categories: Mapping[str, Tree] | None = None,
    environment: Tree | None = None,
    tenants: Sequence[tuple[str, Tree]] = (),
    own: Tree | None = None,
    context: Tree | None = None,
    in_tenant: Tree | None = None,
    subscription: Tree | None = None,
    suppression: Literal["all", "commercial"] | None = None,
    recipient: Tree | None = None,
) -> Facts:
    """Facts about the workflow `w`. Each set and catalogue entry goes through the parser, as a stored one has."""
    return Facts(
        policy=policy,
        workflow=None if workflow is None else workflow_facts("w", parse_entry(EntryKind.WORKFLOW, "w", workflow)),
        categories={key: parse_entry(EntryKind.CATEGORY, key, tree) for key, tree in (categories or {}).items()},
        environment_default=parse_preference_set(environment or {}),
        tenants=[(f"tenant:{tenant_id}", parse_preference_set(tree)) for tenant_id, tree in tenants],
        own_default=parse_preference_set(own or {}),
        own_context=None if context is None else NamedSet("context:app:x", parse_preference_set(context)),
        own_in_tenant=parse_preference_set(in_tenant or {}),
        subscription=None if subscription is None else NamedSet("subscription:t:s", parse_preference_set(subscription)),
        suppression=suppression,
        recipient=recipient or {},
    )


def question_of(
    *channels: str | ChannelRef,
    categories: tuple[str, ...] | None = None,
    recipient: Holder = JHAMMOND,
    data: Tree | None = None,
    actor: Tree | None = None,
    at: datetime = AT,
) -> Question:
    """A question about the workflow `w`, on these channels."""
    refs = tuple(ChannelRef(channel) if isinstance(channel, str) else channel for channel in channels)
    return Question(recipient, "w", refs, at, categories, data or {}, actor)


def decide(facts: Facts, channel: str | ChannelRef = "email", categories: tuple[str, ...] | None = None) -> Decision:
    """The decision for one channel."""
    (decision,) = evaluate(question_of(channel, categories=categories), facts)
    return decision


def delivered(facts: Facts, *channels: str, categories: tuple[str, ...] | None = None) -> list[str]:
    """Those of the channel types that may be sent on."""
    decisions = evaluate(question_of(*channels, categories=categories), facts)
    return [decision.channel.type for decision in decisions if decision.deliver]


def where(decision: Decision) -> str | None:
    """Where the leaf that decided stands, as one line."""
    source = decision.source
    return None if source is None else f"{source.holder} {source.set_name} {source.path}"
