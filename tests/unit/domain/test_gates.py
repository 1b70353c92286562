"""What stops a message, or lets it through, whatever the rules say: suppression, override, routing, commercial, schedule."""

from datetime import UTC, datetime
from typing import Literal

import pytest

from domain.channel import CHANNEL_TYPES
from domain.evaluation import evaluate
from domain.facts import Facts
from domain.json_value import JsonValue
from domain.policy import DECIDE, OWN_DEFAULT_IN_TENANT, Policy
from tests.unit.domain.questions import COURIER, Tree, decide, delivered, facts_of, question_of, where

COMMERCIAL: Tree = {"commercial": True}
OVERRIDE: Tree = {"override": True}


@pytest.mark.parametrize(
    ("suppression", "workflow", "expected"),
    [
        ("all", {}, "suppressed"),
        ("all", OVERRIDE, "suppressed"),
        ("all", None, "suppressed"),
        ("commercial", COMMERCIAL, "suppressed"),
        ("commercial", {**COMMERCIAL, **OVERRIDE}, "suppressed"),
        ("commercial", {}, "default_allow"),
        ("commercial", None, "default_allow"),
    ],
)
def test_a_forgotten_recipient_stays_forgotten(
    suppression: Literal["all", "commercial"], workflow: Tree | None, expected: str
) -> None:
    decision = decide(facts_of(workflow=workflow, suppression=suppression))
    assert decision.reason == expected
    assert decision.deliver is (expected == "default_allow")
    if not decision.deliver:
        assert where(decision) == "user:jhammond suppression /suppress"


@pytest.mark.parametrize(
    ("workflow", "own", "expected"),
    [
        (OVERRIDE, {"commercial": False}, "override"),
        ({**OVERRIDE, **COMMERCIAL}, {"commercial": False}, "commercial_opt_out"),
        ({**OVERRIDE, **COMMERCIAL}, {"commercial": True, "enabled": False}, "override"),
        (OVERRIDE, {"schedule": {"enabled": True, "weekly": {"monday": {"enabled": False}}}}, "override"),
    ],
)
def test_an_override_is_stopped_by_nothing_but_commercial(workflow: Tree, own: Tree, expected: str) -> None:
    assert decide(facts_of(workflow=workflow, own=own)).reason == expected


def test_an_override_does_not_look_at_the_subscription() -> None:
    facts = facts_of(workflow=OVERRIDE, subscription={"workflows": {"w": False}})
    assert decide(facts).reason == "override"


# Commercial.


@pytest.mark.parametrize("policy", [Policy(decide_by, own) for decide_by in DECIDE for own in OWN_DEFAULT_IN_TENANT])
def test_commercial_is_asked_of_the_own_default_inside_a_tenant_too(policy: Policy) -> None:
    facts = facts_of(
        policy=policy,
        workflow=COMMERCIAL,
        environment={"commercial": True},
        tenants=[("acme", {"commercial": True, "enabled": True})],
        own={"commercial": False},
    )
    decision = decide(facts)
    assert (decision.reason, where(decision)) == ("commercial_opt_out", "user:jhammond default /commercial")


def test_commercial_is_not_silenced_by_a_lock() -> None:
    facts = facts_of(workflow=COMMERCIAL, environment={"locked": True}, own={"commercial": False})
    assert decide(facts).reason == "commercial_opt_out"


def test_absent_commercial_allows() -> None:
    assert decide(facts_of(workflow=COMMERCIAL, own={"enabled": True})).deliver


@pytest.mark.parametrize(
    ("own", "context", "in_tenant", "expected"),
    [
        ({"commercial": True}, {}, {"commercial": False}, False),
        ({"commercial": False}, {}, {"commercial": True}, False),
        ({"commercial": False}, {"commercial": True}, {}, False),
        ({}, {"commercial": False}, {}, False),
        ({"commercial": True}, {}, {}, True),
    ],
)
def test_every_own_set_that_speaks_of_commercial_must_allow_it(
    own: Tree, context: Tree, in_tenant: Tree, expected: bool
) -> None:
    facts = facts_of(workflow=COMMERCIAL, tenants=[("acme", {})], own=own, context=context, in_tenant=in_tenant)
    assert decide(facts).deliver is expected


def test_of_two_own_noes_to_commercial_the_default_is_named() -> None:
    no: Tree = {"commercial": False}
    decision = decide(facts_of(workflow=COMMERCIAL, tenants=[("acme", {})], own=no, in_tenant=no))
    assert where(decision) == "user:jhammond default /commercial"


def test_where_the_recipient_says_nothing_the_nearest_default_about_commercial_counts() -> None:
    out, again_in, nothing = {"commercial": False}, {"commercial": True}, Tree()

    def allowed(environment: Tree, *tenants: Tree, own: Tree) -> bool:
        chain = [(f"t{depth}", tree) for depth, tree in enumerate(tenants)]
        return decide(facts_of(workflow=COMMERCIAL, environment={**environment}, tenants=chain, own=own)).deliver

    assert not allowed({**out}, own=nothing)
    assert allowed({**out}, own={**again_in})
    assert allowed({**out}, {**again_in}, own=nothing)
    assert not allowed({**again_in}, {**out}, nothing, own=nothing)


def test_a_commercial_choice_can_hang_on_a_condition() -> None:
    unless: JsonValue = {"conditions": [{"variable": "recipient.plan", "operator": "equal_to", "argument": "free"}]}
    facts = facts_of(workflow=COMMERCIAL, own={"commercial": unless}, recipient={"plan": "paid"})
    assert (decide(facts).deliver, decide(facts).reason) == (False, "condition_not_met")
    assert decide(facts_of(workflow=COMMERCIAL, own={"commercial": unless}, recipient={"plan": "free"})).deliver


# Schedule. The instant of the questions is a Tuesday, 14:05 UTC.

MORNINGS: Tree = {
    "enabled": True,
    "weekly": {"tuesday": {"enabled": True, "hours": [{"start": "08:00 AM", "end": "12:00 PM"}]}},
}


def test_outside_the_schedule_only_channels_that_do_not_disturb_pass() -> None:
    facts = facts_of(own={"schedule": MORNINGS})
    assert delivered(facts, *CHANNEL_TYPES) == ["in_app_feed", "http", "tool"]
    decision = decide(facts)
    assert (decision.reason, where(decision)) == ("outside_schedule", "user:jhammond default /schedule")
    assert decide(facts, "in_app_feed").deliver


def test_the_schedule_is_kept_by_the_recipients_own_clock() -> None:
    facts = facts_of(own={"schedule": MORNINGS}, recipient={"timezone": "America/New_York"})
    assert decide(facts).deliver
    (later,) = evaluate(question_of("email", at=datetime(2026, 3, 3, 18, 0, tzinfo=UTC)), facts)
    assert later.reason == "outside_schedule"


@pytest.mark.parametrize("timezone", [None, "Nowhere/Atall", 7])
def test_without_a_known_time_zone_the_schedule_is_kept_in_utc(timezone: JsonValue) -> None:
    facts = facts_of(own={"schedule": MORNINGS}, recipient={"timezone": timezone})
    assert decide(facts).reason == "outside_schedule"


def test_the_schedule_of_the_default_counts_in_a_tenant_where_no_other_rule_of_it_does() -> None:
    facts = facts_of(policy=COURIER, tenants=[("acme", {})], own={"schedule": MORNINGS, "enabled": False})
    assert decide(facts).reason == "outside_schedule"


def test_the_schedule_of_a_context_counts_beside_the_defaults() -> None:
    assert decide(facts_of(context={"schedule": MORNINGS})).reason == "outside_schedule"
    assert decide(facts_of(context={}, own={"schedule": MORNINGS})).reason == "outside_schedule"


def test_a_locked_workflow_is_not_held_back_by_the_schedule() -> None:
    locked: Tree = {"workflows": {"w": {"locked": True}}}
    assert decide(facts_of(environment=locked, own={"schedule": MORNINGS})).reason == "required"


def test_a_locked_category_is_held_back_by_the_schedule() -> None:
    facts = facts_of(environment={"categories": {"c": {"locked": True}}}, own={"schedule": MORNINGS})
    assert decide(facts, categories=("c",)).reason == "outside_schedule"


# Routing.

EMAIL_ONLY: Tree = {"applies": True, "channels": ["email"]}
NOTHING: Tree = {"applies": True, "channels": []}


def routed(routing: Tree, **rule: JsonValue) -> Tree:
    return {"categories": {"c": {"routing": routing, **rule}}}


@pytest.mark.parametrize("decide_by", DECIDE)
def test_a_routing_that_applies_must_name_the_type(decide_by: Literal["every_rule_allows", "most_specific_wins"]) -> None:
    facts = facts_of(policy=Policy(decide_by, "never"), own=routed(EMAIL_ONLY))
    assert delivered(facts, "email", "sms", categories=("c",)) == ["email"]
    decision = decide(facts, "sms", ("c",))
    assert (decision.reason, where(decision)) == ("routing_excluded", "user:jhammond default /categories/c/routing")


def test_a_stronger_routing_that_does_not_apply_ends_a_weaker_one() -> None:
    facts = facts_of(environment=routed(EMAIL_ONLY), own=routed({"applies": False, "channels": ["email"]}))
    assert delivered(facts, "email", "sms", categories=("c",)) == ["email", "sms"]


def test_a_routing_does_not_reopen_what_a_rule_turns_off() -> None:
    facts = facts_of(own=routed(EMAIL_ONLY, channel_types={"email": False}))
    assert decide(facts, "email", ("c",)).reason == "channel_type_opt_out"


def locked(own: Tree, **rule: JsonValue) -> Facts:
    return facts_of(
        workflow={"categories": ["c"], "channels": ["email", "sms"]},
        environment={"categories": {"c": {"locked": True, **rule}}},
        own=own,
    )


def test_while_locked_an_own_routing_counts() -> None:
    facts = locked(routed(EMAIL_ONLY, enabled=False))
    assert delivered(facts, "email", "sms") == ["email"]
    assert decide(facts).reason == "required"


@pytest.mark.parametrize("routing", [NOTHING, {"applies": True, "channels": ["push"]}])
def test_while_locked_an_own_routing_that_would_leave_no_channel_does_not_count(routing: Tree) -> None:
    facts = locked(routed(routing))
    assert delivered(facts, "email", "sms") == ["email", "sms"]
    assert "silenced" in [entry.verdict.value for entry in decide(facts).trace if (entry.path or "").endswith("/routing")]


def test_while_locked_it_is_the_workflows_channels_that_count_not_the_questions() -> None:
    facts = locked(routed({"applies": True, "channels": ["sms"]}))
    assert delivered(facts, "email") == []


def test_while_locked_own_routings_that_leave_no_channel_between_them_do_not_count() -> None:
    own: Tree = {
        "categories": {"c": {"routing": EMAIL_ONLY}},
        "workflows": {"w": {"routing": {"applies": True, "channels": ["sms"]}}},
    }
    assert delivered(locked(own), "email", "sms") == ["email", "sms"]


def test_while_locked_the_routing_of_who_locks_counts_even_if_it_leaves_nothing() -> None:
    assert delivered(locked({}, routing=NOTHING), "email", "sms") == []


# Digest.


@pytest.mark.parametrize(
    ("environment", "own", "expected"),
    [
        ({"categories": {"c": {"digest": "weekly"}}}, {}, "weekly"),
        ({"categories": {"c": {"digest": "weekly"}}}, {"categories": {"c": {"digest": "daily"}}}, "daily"),
        ({"workflows": {"w": {"digest": "weekly"}}}, {"categories": {"c": {"digest": "daily"}}}, "weekly"),
        ({"categories": {"c": {"digest": "weekly", "locked": True}}}, {"categories": {"c": {"digest": "daily"}}}, "weekly"),
        ({"categories": {"c": {"digest": "weekly"}, "d": {"digest": "daily"}}}, {}, "weekly"),
        ({"categories": {"c": {"digest": "weekly"}}}, {"categories": {"d": {"digest": "daily"}}}, "daily"),
        ({}, {}, None),
    ],
)
def test_the_digest_is_the_workflows_else_the_strongest_categorys(
    environment: Tree, own: Tree, expected: str | None
) -> None:
    assert decide(facts_of(environment=environment, own=own), categories=("c", "d")).digest == expected


def test_what_is_not_delivered_has_no_digest() -> None:
    assert decide(facts_of(own={"workflows": {"w": {"digest": "daily", "enabled": False}}})).digest is None
