"""The trace: complete, the same every time, and the only place where a decision and its reason come from."""

import json
from collections.abc import Mapping
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.evaluation import Decision, evaluate
from domain.facts import Facts
from domain.json_value import JsonValue
from domain.layers import stack
from domain.policy import OWN_DEFAULT_IN_TENANT, OwnDefaultInTenant, Policy
from domain.question import ChannelRef, Question
from domain.reason import REASONS, Reason
from domain.trace import Verdict, conclusion, source_of
from tests.unit.domain.questions import AT, JHAMMOND, NOVU, Tree, decide, facts_of
from tests.unit.domain.random_sets import CATEGORIES, CHANNELS, FACTS

QUESTIONS = st.builds(
    lambda channels, categories, yes: Question(JHAMMOND, "w", channels, AT, categories, {"yes": yes}),
    CHANNELS,
    st.none() | st.lists(st.sampled_from(CATEGORIES), max_size=2).map(tuple),
    st.booleans(),
)


def as_text(decisions: list[Decision]) -> str:
    return json.dumps([[entry.as_json() for entry in decision.trace] for decision in decisions])


def turned(leaves: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    return dict(reversed([*leaves.items()]))


def rebuilt(facts: Facts) -> Facts:
    """The same facts as other objects, their leaves in another order."""
    return replace(
        facts,
        environment_default=turned(facts.environment_default),
        tenants=[(holder, turned(leaves)) for holder, leaves in facts.tenants],
        own_default=turned(facts.own_default),
        own_in_tenant=turned(facts.own_in_tenant),
    )


@given(QUESTIONS, FACTS)
def test_the_trace_depends_on_what_is_said_and_not_on_the_order_in_which_it_is_stored(
    question: Question, facts: Facts
) -> None:
    assert as_text(evaluate(question, facts)) == as_text(evaluate(question, rebuilt(facts)))


@given(QUESTIONS, FACTS)
def test_the_decision_is_what_the_trace_ends_with(question: Question, facts: Facts) -> None:
    for decision in evaluate(question, facts):
        *entries, last = decision.trace
        assert last == conclusion(entries)
        assert last.verdict is (Verdict.DELIVERS if decision.deliver else Verdict.BLOCKS)
        assert (last.reason, source_of(last)) == (decision.reason, decision.source)
        assert decision.deliver is not any(entry.verdict is Verdict.NO for entry in entries)


@given(QUESTIONS, FACTS)
def test_what_decided_stands_in_the_layer_that_is_named(question: Question, facts: Facts) -> None:
    """Or the answer to "which event decided?" would lead nowhere."""
    layers = {
        (layer.kind.value, layer.holder, layer.set_name): layer
        for layer in stack(facts, str(JHAMMOND), question.categories or CATEGORIES)
    }
    for decision in evaluate(question, facts):
        for entry in decision.trace:
            layer = layers.get((entry.layer or "", entry.holder or "", entry.set_name or ""))
            if layer is not None and layer.set_name != "catalogue" and entry.path is not None:
                assert layer.leaves[entry.path] == entry.value


@settings(max_examples=200)
@given(
    FACTS,
    st.sampled_from(["", "/workflows/w", "/categories/c1"]),
    st.sampled_from(["email", "sms"]),
    st.sampled_from(OWN_DEFAULT_IN_TENANT),
)
def test_the_strongest_own_no_to_a_channel_is_never_delivered(
    facts: Facts, rule: str, channel_type: str, own_default: OwnDefaultInTenant
) -> None:
    """Unless a rule is locked, the workflow overrides, or a weaker layer is marked to replace the recipient's."""
    facts = replace(facts, policy=Policy("every_rule_allows", own_default))
    no = {f"{rule}/channel_types/{channel_type}": False}
    facts = replace(facts, own_in_tenant={**facts.own_in_tenant, **no})
    if not facts.tenants:
        facts = replace(facts, own_default={**facts.own_default, **no})
    question = Question(JHAMMOND, "w", (ChannelRef(channel_type),), AT, ("c1",))
    (decision,) = evaluate(question, facts)
    replaced = any(
        path.startswith((f"{rule}/layering/self", f"{rule}/layering/channel_types")) and value == "replace"
        for layer in stack(facts, str(JHAMMOND), ("c1",))
        for path, value in layer.leaves.items()
    )
    assert not decision.deliver or replaced or decision.reason in (Reason.REQUIRED, Reason.OVERRIDE)


@given(QUESTIONS, FACTS)
def test_while_a_rule_is_locked_no_own_rule_changes_an_answer(question: Question, facts: Facts) -> None:
    """Routing, commercial and schedule are no rules in this sense: they count, and are left out here."""
    rules_only = replace(
        facts, own_default=without_gates(facts.own_default), own_in_tenant=without_gates(facts.own_in_tenant)
    )
    locked = replace(rules_only, environment_default={**facts.environment_default, "/workflows/w/locked": True}, tenants=())
    silent = replace(locked, own_default={}, own_in_tenant={})
    answers = [[one.deliver, one.reason, one.source, one.digest] for one in evaluate(question, locked)]
    assert answers == [[one.deliver, one.reason, one.source, one.digest] for one in evaluate(question, silent)]


def without_gates(leaves: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    gates = ("/routing", "/schedule", "/commercial")
    return {path: value for path, value in leaves.items() if not path.endswith(gates)}


def test_every_reason_is_explained() -> None:
    assert set(REASONS) == set(Reason)
    assert all(sentence.endswith(".") and sentence.count(".") == 1 for sentence in REASONS.values())


def test_a_trace_tells_the_whole_story() -> None:
    facts = facts_of(
        workflow={"defaults": {"resource": {"channel_types": {"email": False}}}},
        environment={"workflows": {"w": {"channel_types": {"email": True}}}},
        own={"workflows": {"w": False}},
    )
    assert [entry.as_json() for entry in decide(facts).trace] == [
        {"layer": "catalogue", "holder": "environment", "set": "catalogue", "verdict": "speaks"},
        {"layer": "environment_default", "holder": "environment", "set": "default", "verdict": "speaks"},
        {"layer": "own_default", "holder": "user:jhammond", "set": "default", "verdict": "speaks"},
        {"path": "", "verdict": "silent", "detail": "no layer speaks of this channel here"},
        {
            "layer": "catalogue",
            "holder": "environment",
            "set": "catalogue",
            "path": "/workflows/w/defaults/resource/channel_types/email",
            "value": False,
            "verdict": "overruled",
        },
        {
            "layer": "environment_default",
            "holder": "environment",
            "set": "default",
            "path": "/workflows/w/channel_types/email",
            "value": True,
            "verdict": "overruled",
        },
        {
            "layer": "own_default",
            "holder": "user:jhammond",
            "set": "default",
            "path": "/workflows/w/enabled",
            "value": False,
            "verdict": "no",
            "reason": "workflow_opt_out",
        },
        {
            "layer": "own_default",
            "holder": "user:jhammond",
            "set": "default",
            "path": "/workflows/w/enabled",
            "value": False,
            "verdict": "blocks",
            "reason": "workflow_opt_out",
        },
    ]


def test_the_reason_of_a_yes_is_the_most_specific_one_of_the_strongest_layer_that_decided() -> None:
    tree: Tree = {
        "enabled": True,
        "categories": {"c": {"channel_types": {"email": True}}},
        "workflows": {"w": {"enabled": True}},
    }

    def path(environment: Tree, own: Tree) -> str | None:
        source = decide(facts_of(environment=environment, own=own), categories=("c",)).source
        return None if source is None else f"{source.layer} {source.path}"

    assert path(tree, {}) == "environment_default /workflows/w/enabled"
    assert path(tree, {"enabled": True}) == "own_default /enabled"
    both: Tree = {"enabled": True, "channel_types": {"email": True}}
    assert path({}, {"workflows": {"w": both}}) == "own_default /workflows/w/channel_types/email"
    facts = facts_of(own={"channels": {"one": True}, "channel_types": {"email": True}})
    decision = decide(facts, ChannelRef("email", "one"))
    assert decision.source is not None
    assert decision.source.path == "/channels/one"


def test_a_false_said_by_a_boolean_names_the_boolean_although_a_structure_spelled_it_out() -> None:
    facts = facts_of(environment={"workflows": {"w": False}}, own={"workflows": {"w": {"channel_types": {"sms": True}}}})
    decision = decide(facts)
    assert (decision.reason, decision.source and decision.source.path) == ("workflow_opt_out", "/workflows/w/enabled")
    assert decision.source is not None
    assert decision.source.layer == "environment_default"


def test_under_the_other_policy_the_trace_goes_from_the_strongest_layer_down_and_stops() -> None:
    facts = facts_of(policy=NOVU, environment={"enabled": False}, own={"workflows": {"w": True}})
    paths = [entry.path for entry in decide(facts).trace if entry.path is not None]
    assert paths == ["/workflows/w/enabled", "/workflows/w/enabled"]


def test_a_stored_set_of_any_shape_is_evaluated() -> None:
    """What an earlier release let in must not stop a notification pipeline."""
    leaves: dict[str, JsonValue] = {
        "/enabled": True,
        "/channel_types/email": "odd",
        "/channel_types/sms": {},
        "/routing": "odd",
        "/workflows/w/condition": {"no such": []},
        "/workflows/w/enabled": None,
        "/digest": 7,
        "/unknown": 1,
        "/workflows": {},
    }
    facts = replace(facts_of(tenants=[("acme", {})]), own_default=leaves, own_in_tenant=leaves)
    for policy in (facts.policy, NOVU):
        assert not decide(replace(facts, policy=policy)).deliver
