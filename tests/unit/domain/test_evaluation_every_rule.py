"""The policy by which every rule must allow: the rows of both fact sheets that describe such a system."""

import pytest

from domain.evaluation import evaluate
from domain.facts import Facts
from domain.json_value import JsonValue
from domain.policy import Policy
from domain.question import ChannelRef
from tests.unit.domain.questions import COURIER, KNOCK, Tree, decide, delivered, facts_of, question_of, where

ONE = "550e8400-e29b-41d4-a716-446655440000"
TWO = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
THREE = "f47ac10b-58cc-4372-a567-0e02b2c3d479"


def own(tree: Tree) -> Facts:
    return facts_of(policy=KNOCK, own=tree)


# The rows of facts/knock.md 3.3, by their number there.


def test_01_a_category_turned_off_stops_every_workflow_in_it() -> None:
    facts = own({"categories": {"admin": False}})
    assert delivered(facts, "email", "sms", categories=("admin",)) == []
    assert delivered(facts, "email", "sms", categories=("other",)) == ["email", "sms"]


def test_02_and_10_a_channel_type_turned_off_is_off_everywhere() -> None:
    facts = own({"channel_types": {"email": False, "in_app_feed": True, "sms": True}})
    assert delivered(facts, "email", "in_app_feed", "sms", categories=("a",)) == ["in_app_feed", "sms"]


def test_03_one_channel_turned_off_leaves_the_others_of_its_type() -> None:
    facts = own({"channels": {ONE: False}})
    assert not decide(facts, ChannelRef("email", ONE)).deliver
    assert decide(facts, ChannelRef("email", TWO)).deliver


def test_04_and_11_a_workflow_turned_off_is_off_and_another_is_not() -> None:
    assert delivered(own({"workflows": {"w": False, "new-comment": True}}), "email", "sms") == []
    assert delivered(own({"workflows": {"w": True, "new-reply": False}}), "email", "sms") == ["email", "sms"]


def test_05_a_channel_beats_its_type_inside_the_same_rule() -> None:
    facts = own({"channel_types": {"email": False}, "channels": {ONE: True}})
    assert decide(facts, ChannelRef("email", ONE)).deliver
    assert not decide(facts, ChannelRef("email", TWO)).deliver


def test_05_a_channel_of_one_rule_does_not_reach_into_another() -> None:
    facts = own({"channels": {ONE: True}, "categories": {"c": {"channel_types": {"email": False}}}})
    assert not decide(facts, ChannelRef("email", ONE), ("c",)).deliver


def test_06_one_category_turned_off_is_enough() -> None:
    assert delivered(own({"categories": {"a": True, "b": False}}), "email", categories=("a", "b")) == []


def test_07_a_workflow_does_not_reopen_its_category() -> None:
    facts = own({"categories": {"c": False}, "workflows": {"w": {"channel_types": {"email": True}}}})
    assert delivered(facts, "email", categories=("c",)) == []


def test_08_category_and_workflow_must_both_allow_a_channel() -> None:
    facts = own(
        {
            "workflows": {"w": {"channel_types": {"email": True, "in_app_feed": True, "push": True}}},
            "categories": {"c": {"channel_types": {"email": False, "in_app_feed": True, "push": False}}},
        }
    )
    assert delivered(facts, "email", "in_app_feed", "push", categories=("c",)) == ["in_app_feed"]


def test_09_nothing_set_is_yes() -> None:
    decision = decide(own({}))
    assert decision.deliver
    assert (decision.reason, decision.source) == ("default_allow", None)


def test_12_a_workflow_does_not_reopen_what_is_off_at_the_top() -> None:
    tree: Tree = {
        "channel_types": {"email": True, "sms": False},
        "workflows": {"w": {"channel_types": {"email": False, "in_app_feed": True, "sms": True}}},
    }
    decisions = evaluate(question_of("email", "in_app_feed", "sms"), own(tree))
    assert [(one.deliver, one.reason, where(one)) for one in decisions] == [
        (False, "channel_type_opt_out", "user:jhammond default /workflows/w/channel_types/email"),
        (True, "preference_allow", "user:jhammond default /workflows/w/channel_types/in_app_feed"),
        (False, "channel_type_opt_out", "user:jhammond default /channel_types/sms"),
    ]
    other: Tree = {"channel_types": {"email": True, "sms": False}}
    assert delivered(own(other), "email", "sms") == ["email"]


def test_13_channels_and_types_in_one_grid() -> None:
    facts = own(
        {
            "categories": {
                "collaboration": {
                    "channel_types": {"email": True, "in_app_feed": True},
                    "channels": {ONE: False, TWO: True},
                },
                "project-updates": {"channel_types": {"email": False, "in_app_feed": True}},
            },
            "workflows": {"w": {"channel_types": {"email": True}, "channels": {TWO: True, THREE: False}}},
        }
    )
    assert not decide(facts, ChannelRef("email", ONE), ("collaboration",)).deliver
    assert decide(facts, ChannelRef("email", TWO), ("collaboration",)).deliver
    assert delivered(facts, "email", "in_app_feed", categories=("project-updates",)) == ["in_app_feed"]
    assert not decide(facts, ChannelRef("email", THREE)).deliver
    assert decide(facts, ChannelRef("email", TWO)).deliver


MUTED: JsonValue = {"variable": "recipient.muted_dinos", "operator": "not_contains", "argument": "data.dino"}
NEVER: JsonValue = {"variable": "data.dino", "operator": "equal_to", "argument": "nobody"}


@pytest.mark.parametrize(
    ("muted", "conditions", "expected"),
    [
        (["rex"], [MUTED], (False, "condition_not_met")),
        (["blue"], [MUTED], (True, "preference_allow")),
        (["blue"], [MUTED, NEVER], (False, "condition_not_met")),
    ],
    ids=["14-muted", "14-not-muted", "15-one-of-two"],
)
def test_14_and_15_conditions_must_all_hold(
    muted: list[JsonValue], conditions: list[JsonValue], expected: tuple[bool, str]
) -> None:
    facts = facts_of(policy=KNOCK, own={"workflows": {"w": {"conditions": conditions}}}, recipient={"muted_dinos": muted})
    (decision,) = evaluate(question_of("email", data={"dino": "rex"}), facts)
    assert (decision.deliver, decision.reason) == expected
    assert where(decision) == "user:jhammond default /workflows/w/condition"


@pytest.mark.parametrize(("commercial", "expected"), [(True, []), (False, ["email"])])
def test_16_commercial_false_stops_commercial_workflows_only(commercial: bool, expected: list[str]) -> None:
    facts = facts_of(policy=KNOCK, workflow={"commercial": commercial}, own={"commercial": False})
    assert delivered(facts, "email") == expected


def test_17_an_overriding_workflow_is_sent_whatever_is_set() -> None:
    facts = facts_of(policy=KNOCK, workflow={"override": True}, own={"workflows": {"w": False}, "enabled": False})
    decision = decide(facts)
    assert (decision.deliver, decision.reason) == (True, "override")
    assert where(decision) == "environment catalogue /workflows/w/override"


def test_m5_with_a_silent_tenant_the_own_default_counts() -> None:
    facts = facts_of(policy=KNOCK, tenants=[("acme", {})], own={"channel_types": {"email": False}})
    assert delivered(facts, "email", "sms") == ["sms"]


def test_m6_where_the_tenant_speaks_the_own_default_does_not_count() -> None:
    facts = facts_of(policy=KNOCK, tenants=[("acme", {"categories": {"a": True}})], own={"categories": {"a": False}})
    assert delivered(facts, "email", categories=("a",)) == ["email"]


def test_m6_a_set_for_the_tenant_silences_the_own_default_too() -> None:
    facts = facts_of(
        policy=KNOCK, tenants=[("acme", {})], own={"categories": {"a": False}}, in_tenant={"workflows": {"w": True}}
    )
    assert delivered(facts, "email", categories=("a",)) == ["email"]


def test_otherwise_is_heeded_for_a_channel_that_its_merged_rule_does_not_name() -> None:
    """Or a set that says "no to all the rest" would be sent to, under the policy of every new environment."""
    facts = facts_of(
        environment={"workflows": {"w": {"channel_types": {"push": True}}}},
        own={"workflows": {"w": {"otherwise": False, "channel_types": {"sms": True}}}},
    )
    assert delivered(facts, "email", "sms", "push") == ["sms", "push"]
    assert (decide(facts).reason, where(decide(facts))) == (
        "otherwise_opt_out",
        "user:jhammond default /workflows/w/otherwise",
    )


# The rows of facts/courier.md 3.4, by their number there. A topic is a category; the template routes to three channels.

IN: Tree = {"default": {"enabled": True}}
OUT: Tree = {"default": {"enabled": False}}
REQUIRED: Tree = {"default": {"enabled": True, "locked": True}}
ALL = ["email", "push", "sms"]


def status(enabled: bool, *routing: str, applies: bool = False, locked: bool | None = None) -> Tree:
    topic: Tree = {"enabled": enabled, "routing": {"applies": applies, "channels": [*routing]}}
    if locked is not None:
        topic["locked"] = locked
    return {"categories": {"topic": topic}}


def sent(
    default: Tree,
    own: Tree | None = None,
    *,
    tenants: list[tuple[str, Tree]] | None = None,
    in_tenant: Tree | None = None,
    policy: Policy = COURIER,
) -> list[str]:
    facts = facts_of(
        policy=policy,
        workflow={"categories": ["topic"], "channels": [*ALL]},
        categories={"topic": default},
        own=own,
        tenants=tenants or [],
        in_tenant=in_tenant,
    )
    return delivered(facts, *ALL)


@pytest.mark.parametrize(
    ("default", "own", "expected"),
    [
        pytest.param(IN, None, ALL, id="1-in-by-default"),
        pytest.param(IN, status(False), [], id="2-opted-out"),
        pytest.param(OUT, None, [], id="3-out-by-default"),
        pytest.param(OUT, status(True), ALL, id="4-opted-in"),
        pytest.param(REQUIRED, status(False), ALL, id="5-required"),
        pytest.param(IN, status(True, "push", applies=True), ["push"], id="6-routing-applies"),
        pytest.param(IN, status(True, "sms", "push", applies=True), ["push", "sms"], id="7-routing-of-two"),
        pytest.param(IN, status(True, applies=True), [], id="8-routing-to-nothing"),
        pytest.param(IN, status(True, "push"), ALL, id="9-routing-remembered-only"),
        pytest.param(IN, status(True, "http", applies=True), [], id="16-routing-to-another-channel"),
    ],
)
def test_topic_default_and_own_choice(default: Tree, own: Tree | None, expected: list[str]) -> None:
    assert sent(default, own) == expected


def test_03_out_by_default_names_the_default() -> None:
    facts = facts_of(policy=COURIER, workflow={"categories": ["topic"]}, categories={"topic": OUT})
    decision = decide(facts)
    assert (decision.reason, where(decision)) == (
        "category_default_opt_out",
        "environment catalogue /categories/topic/default/enabled",
    )


def test_05_required_names_the_lock() -> None:
    facts = facts_of(policy=COURIER, workflow={"categories": ["topic"]}, categories={"topic": REQUIRED}, own=status(False))
    decision = decide(facts)
    assert (decision.reason, where(decision)) == (
        "required",
        "environment catalogue /categories/topic/default/locked",
    )


@pytest.mark.parametrize(
    ("tenants", "in_tenant", "expected"),
    [
        pytest.param([("acme", status(False))], None, [], id="10-tenant-out"),
        pytest.param([("acme", status(False))], status(True), ALL, id="11-own-choice-in-the-tenant"),
        pytest.param([("parent", status(False)), ("acme", status(True))], None, ALL, id="12-child-replaces-parent"),
        pytest.param([("acme", status(True, "email", applies=True))], None, ["email"], id="13-tenant-routing"),
        pytest.param(
            [("acme", status(True, "email", applies=True))],
            status(True, "sms", applies=True),
            ["sms"],
            id="14-own-routing-over-the-tenants",
        ),
        pytest.param([("acme", status(True, locked=True))], status(False), ALL, id="15-tenant-requires"),
    ],
)
def test_topic_in_a_tenant(tenants: list[tuple[str, Tree]], in_tenant: Tree | None, expected: list[str]) -> None:
    assert sent(IN, tenants=tenants, in_tenant=in_tenant) == expected


def test_10_the_tenants_default_says_nothing_outside_of_it() -> None:
    assert sent(IN) == ALL


def test_15_an_opt_out_by_the_tenant_lifts_required() -> None:
    tenants = [("acme", status(False, locked=False))]
    assert sent(REQUIRED, tenants=tenants) == []
    assert sent(REQUIRED, tenants=tenants, in_tenant=status(True)) == ALL


def test_21_whether_an_opt_out_without_tenant_counts_inside_one_is_the_policys_to_say() -> None:
    assert sent(IN, status(False), tenants=[("acme", {})]) == ALL
    assert sent(IN, status(False), tenants=[("acme", {})], policy=KNOCK) == []
    for own_default in ("above_tenant_defaults", "below_tenant_defaults"):
        assert sent(IN, status(False), tenants=[("acme", {})], policy=Policy("every_rule_allows", own_default)) == []


def test_22_the_choice_for_the_tenant_beats_the_one_without() -> None:
    for own_default in ("above_tenant_defaults", "below_tenant_defaults", "unless_tenant_speaks", "never"):
        policy = Policy("every_rule_allows", own_default)
        assert sent(IN, status(False), tenants=[("acme", {})], in_tenant=status(True), policy=policy) == ALL
