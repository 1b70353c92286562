"""The policy by which the most specific rule wins: the rows of facts/novu.md 3.2, and the sentences of 3.1 and 3.7."""

import pytest

from domain.catalogue import EntryKind, parse_entry
from domain.channel import CHANNEL_TYPES
from domain.evaluation import evaluate
from domain.facts import Facts
from domain.json_value import JsonValue
from tests.unit.domain.questions import NOVU, Tree, decide, delivered, facts_of, question_of, where


def complete(on: bool, **members: JsonValue) -> Tree:
    """A workflow's default rule: it always names every channel."""
    return {"otherwise": True, "channel_types": dict.fromkeys(CHANNEL_TYPES, on), **members}


def layered(
    resource: Tree, user: Tree | None = None, all_workflows: Tree | None = None, this_workflow: Tree | None = None
) -> Facts:
    own: Tree = {**(all_workflows or {})}
    if this_workflow is not None:
        own["workflows"] = {"w": this_workflow}
    return facts_of(policy=NOVU, workflow={"defaults": {"resource": resource, "user": user}}, own=own)


ON: Tree = {"channel_types": {"email": True}}
OFF: Tree = {"channel_types": {"email": False}}
OTHER: Tree = {"channel_types": {"sms": False}}


@pytest.mark.parametrize(
    ("resource", "user", "all_workflows", "this_workflow", "expected"),
    [
        pytest.param(complete(True), None, None, None, True, id="1"),
        pytest.param(complete(True), complete(False), None, None, False, id="2"),
        pytest.param(complete(False), complete(True), None, None, True, id="3"),
        pytest.param(complete(True), None, OFF, None, False, id="4"),
        pytest.param(complete(False), None, ON, None, True, id="5-own-choice-turns-on"),
        pytest.param(complete(True), None, OFF, ON, True, id="6"),
        pytest.param(complete(True), complete(False), OFF, ON, True, id="7"),
        pytest.param(complete(True), None, ON, OFF, False, id="8"),
        pytest.param(complete(True), None, OTHER, None, True, id="9"),
        pytest.param(complete(True), complete(True, locked=True), OFF, OFF, True, id="10-locked-on"),
        pytest.param(complete(True), complete(False, locked=True), ON, ON, False, id="11-locked-is-not-forced-on"),
        pytest.param(complete(True, locked=True), complete(True, locked=False), OFF, None, True, id="12-either-locks"),
        pytest.param(complete(False, otherwise=False), None, None, ON, True, id="13"),
        pytest.param(complete(True), None, None, {"otherwise": False}, True, id="14-otherwise-for-the-unnamed-only"),
    ],
)
def test_worked_examples(
    resource: Tree, user: Tree | None, all_workflows: Tree | None, this_workflow: Tree | None, expected: bool
) -> None:
    assert decide(layered(resource, user, all_workflows, this_workflow)).deliver is expected


def test_otherwise_decides_for_a_type_that_no_layer_names() -> None:
    facts = facts_of(policy=NOVU, own={"workflows": {"w": {"otherwise": False, "channel_types": {"sms": True}}}})
    decision = decide(facts)
    assert (decision.deliver, decision.reason) == (False, "otherwise_opt_out")
    assert delivered(facts, "email", "sms") == ["sms"]


def test_the_strongest_otherwise_decides() -> None:
    facts = facts_of(policy=NOVU, environment={"otherwise": False}, own={"workflows": {"w": {"otherwise": True}}})
    assert decide(facts).deliver


def test_a_workflow_reopens_what_its_category_turns_off() -> None:
    facts = facts_of(policy=NOVU, own={"categories": {"c": False}, "workflows": {"w": True}})
    decision = decide(facts, categories=("c",))
    assert (decision.deliver, where(decision)) == (True, "user:jhammond default /workflows/w/enabled")


def test_among_categories_a_no_beats_a_yes() -> None:
    facts = facts_of(policy=NOVU, own={"categories": {"a": True, "b": False}})
    assert where(decide(facts, categories=("a", "b"))) == "user:jhammond default /categories/b/enabled"
    facts = facts_of(
        policy=NOVU,
        own={"categories": {"a": {"channel_types": {"email": True}}, "b": {"channel_types": {"email": False}}}},
    )
    assert where(decide(facts, categories=("a", "b"))) == "user:jhammond default /categories/b/channel_types/email"


def test_a_stronger_layers_general_rule_beats_a_weaker_layers_specific_one() -> None:
    facts = facts_of(policy=NOVU, environment={"workflows": {"w": False}}, own={"enabled": True})
    assert decide(facts).deliver
    facts = facts_of(policy=NOVU, environment={"workflows": {"w": True}}, own={"enabled": False})
    assert decide(facts).reason == "all_opt_out"


def test_a_yes_to_the_channel_turns_on_what_a_weaker_layer_turns_off() -> None:
    facts = facts_of(policy=NOVU, environment={"enabled": False}, own={"workflows": {"w": ON}})
    assert delivered(facts, "email", "sms") == ["email"]


def test_a_general_yes_to_the_channel_turns_nothing_on() -> None:
    facts = facts_of(policy=NOVU, environment={"workflows": {"w": False}}, own=ON)
    assert decide(facts).reason == "workflow_opt_out"


def test_a_rule_that_is_on_but_whose_condition_fails_is_off() -> None:
    condition: JsonValue = {"==": [{"var": "payload.size"}, "large"]}
    facts = facts_of(policy=NOVU, own={"workflows": {"w": {"enabled": True, "condition": condition}}})
    (large,) = evaluate(question_of("email", data={"size": "large"}), facts)
    (small,) = evaluate(question_of("email", data={"size": "small"}), facts)
    assert (large.deliver, small.deliver, small.reason) == (True, False, "condition_not_met")


def test_the_two_policies_differ_where_a_workflow_reopens_a_type() -> None:
    """Under the other policy a type turned off at the top stays off: the two can't stand in for each other."""
    tree: Tree = {"channel_types": {"email": False}, "workflows": {"w": ON}}
    assert decide(facts_of(policy=NOVU, own=tree)).deliver
    assert not decide(facts_of(own=tree)).deliver


@pytest.mark.parametrize(
    ("rule", "size", "expected"),
    [
        (None, "large", (True, "default_allow")),
        ({"enabled": True}, "large", (True, "default_allow")),
        ({"enabled": False}, "large", (False, "subscription_opt_out")),
        ({"enabled": False, "condition": {"==": [{"var": "payload.size"}, "large"]}}, "large", (True, "default_allow")),
        (
            {"enabled": True, "condition": {"==": [{"var": "payload.size"}, "large"]}},
            "small",
            (False, "condition_not_met"),
        ),
        ({"condition": True}, "small", (True, "default_allow")),
        ({"condition": False}, "small", (False, "condition_not_met")),
        ({"channel_types": {"email": False}}, "small", (True, "default_allow")),
    ],
)
def test_a_subscription_is_a_gate(rule: JsonValue, size: str, expected: tuple[bool, str]) -> None:
    facts = facts_of(policy=NOVU, subscription={"workflows": {"w": rule}} if rule is not None else {})
    (decision,) = evaluate(question_of("email", data={"size": size}), facts)
    assert (decision.deliver, decision.reason) == expected
    if not decision.deliver:
        assert decision.source is not None
        assert decision.source.set_name == "subscription:t:s"


def test_a_subscription_does_not_reopen_what_preferences_turn_off() -> None:
    facts = facts_of(policy=NOVU, subscription={"workflows": {"w": True}}, own={"workflows": {"w": OFF}})
    assert decide(facts).reason == "channel_type_opt_out"


def test_a_context_has_its_own_choices_and_inherits_none_of_the_default() -> None:
    facts = facts_of(policy=NOVU, own={"channel_types": {"email": False}}, context={"channel_types": {"sms": False}})
    assert delivered(facts, "email", "sms") == ["email"]
    assert where(decide(facts, "sms")) == "user:jhammond context:app:x /channel_types/sms"


def test_the_defaults_of_the_workflow_are_traced_to_their_entry() -> None:
    resource, user = complete(True), complete(False)
    decision = decide(layered(resource, user))
    assert where(decision) == "environment catalogue /workflows/w/defaults/user/channel_types/email"
    entry = parse_entry(EntryKind.WORKFLOW, "w", {"defaults": {"resource": resource, "user": user}})
    assert entry["/defaults/user/channel_types/email"] is False
