"""The compiled plan never contradicts the evaluator, and answers wherever sets are plain."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.evaluation import Decision, evaluate
from domain.facts import Facts
from domain.json_value import JsonValue
from domain.layers import LayerKind
from domain.plan import Plan, QuestionShape, compile_plan
from domain.plan_rule import ORIGIN_OWN_DEFAULT, ORIGIN_OWN_IN_TENANT, ORIGIN_SHARED, PATTERNS_MAX, PlanDecision
from domain.policy import OWN_DEFAULT_IN_TENANT, OwnDefaultInTenant, Policy
from domain.preference_set import parse_preference_set
from domain.question import ChannelRef, Question
from domain.reason import Reason
from domain.trace import Source
from tests.unit.domain.questions import AT, JHAMMOND, KNOCK, NOVU, Tree, facts_of
from tests.unit.domain.random_sets import (
    CATEGORIES,
    CHANNELS,
    PLAIN_SETS,
    PLAIN_SHARED_FACTS,
    SETS,
    SHARED_FACTS,
)

EMAIL = (ChannelRef("email"),)
FOUR = tuple(ChannelRef(channel_type) for channel_type in ("email", "sms", "push", "in_app_feed"))
SHAPES = st.builds(
    QuestionShape,
    st.sampled_from(["w", "w", "other"]),
    CHANNELS,
    st.none() | st.lists(st.sampled_from(CATEGORIES), max_size=2).map(tuple),
)
PARSED = SETS.map(parse_preference_set)
PLAIN = PLAIN_SETS.map(parse_preference_set)
Leaves = Mapping[str, JsonValue]


def as_planned(decision: Decision) -> PlanDecision:
    """What the evaluator decided, in the plan's terms."""
    source = decision.source
    if source is None:
        return PlanDecision(decision.deliver, decision.reason, -1)
    if source.layer == LayerKind.OWN_DEFAULT:
        return PlanDecision(decision.deliver, decision.reason, ORIGIN_OWN_DEFAULT, source.path)
    if source.layer == LayerKind.OWN_IN_TENANT:
        return PlanDecision(decision.deliver, decision.reason, ORIGIN_OWN_IN_TENANT, source.path)
    return PlanDecision(decision.deliver, decision.reason, ORIGIN_SHARED, None, source)


def evaluated(shape: QuestionShape, facts: Facts, own_default: Leaves, own_in_tenant: Leaves) -> list[Decision]:
    question = Question(JHAMMOND, shape.workflow, shape.channels, AT, shape.categories, {"yes": True})
    return evaluate(question, replace(facts, own_default=own_default, own_in_tenant=own_in_tenant))


def of_this_workflow(shape: QuestionShape, facts: Facts) -> Facts:
    return facts if shape.workflow == "w" else replace(facts, workflow=None)


def check(plan: Plan, shape: QuestionShape, facts: Facts, own_default: Leaves, own_in_tenant: Leaves) -> None:
    planned = plan.decide(own_default, own_in_tenant)
    if planned is not None:
        decisions = evaluated(shape, facts, own_default, own_in_tenant)
        assert list(planned) == [as_planned(decision) for decision in decisions]
        assert all(decision.digest is None for decision in decisions)


@settings(max_examples=200)
@given(SHAPES, SHARED_FACTS, st.lists(st.tuples(PARSED, PARSED), min_size=1, max_size=4))
def test_a_plan_that_answers_says_what_the_evaluator_says(
    shape: QuestionShape, shared: Facts, recipients: list[tuple[Leaves, Leaves]]
) -> None:
    facts = of_this_workflow(shape, shared)
    plan = compile_plan(shape, facts)
    for own_default, own_in_tenant in recipients if plan is not None else []:
        assert plan is not None
        check(plan, shape, facts, own_default, own_in_tenant)


@settings(max_examples=200)
@given(SHAPES, PLAIN_SHARED_FACTS, st.lists(st.tuples(PLAIN, PLAIN), min_size=1, max_size=4))
def test_a_plan_answers_for_sets_of_plain_booleans_and_says_the_same(
    shape: QuestionShape, shared: Facts, recipients: list[tuple[Leaves, Leaves]]
) -> None:
    facts = of_this_workflow(shape, shared)
    plan = compile_plan(shape, facts)
    assert plan is not None
    for own_default, own_in_tenant in recipients:
        assert plan.decide(own_default, own_in_tenant) is not None
        check(plan, shape, facts, own_default, own_in_tenant)


@given(SHAPES, PLAIN_SHARED_FACTS, st.lists(st.tuples(PARSED, PARSED), min_size=1, max_size=4))
def test_a_plain_plan_meets_sets_of_all_kinds(
    shape: QuestionShape, shared: Facts, recipients: list[tuple[Leaves, Leaves]]
) -> None:
    facts = of_this_workflow(shape, shared)
    plan = compile_plan(shape, facts)
    assert plan is not None
    for own_default, own_in_tenant in recipients:
        check(plan, shape, facts, own_default, own_in_tenant)


def planned(facts: Facts, own: Tree, in_tenant: Tree | None = None) -> tuple[PlanDecision, ...] | None:
    plan = compile_plan(QuestionShape("w", EMAIL, ("c",)), facts)
    assert plan is not None, "these layers are plain"
    return plan.decide(parse_preference_set(own), parse_preference_set(in_tenant or {}))


def test_the_origin_tells_which_set_decided() -> None:
    facts = facts_of(environment={"categories": {"c": False}}, tenants=[("acme", {})])
    assert planned(facts, {}) == (
        PlanDecision(
            False,
            Reason.CATEGORY_OPT_OUT,
            ORIGIN_SHARED,
            None,
            Source("environment_default", "environment", "default", "/categories/c/enabled"),
        ),
    )
    assert planned(facts, {"categories": {"c": True}}) == (
        PlanDecision(True, Reason.PREFERENCE_ALLOW, ORIGIN_OWN_DEFAULT, "/categories/c/enabled"),
    )
    assert planned(facts, {"categories": {"c": True}}, {"channel_types": {"email": False}}) == (
        PlanDecision(False, Reason.CHANNEL_TYPE_OPT_OUT, ORIGIN_OWN_IN_TENANT, "/channel_types/email"),
    )
    assert planned(facts_of(), {}) == (PlanDecision(True, Reason.DEFAULT_ALLOW, -1),)


CONDITIONAL: JsonValue = {"conditions": [{"variable": "data.x", "operator": "exists", "argument": None}]}


@pytest.mark.parametrize(
    "own",
    [
        {"channel_types": {"email": CONDITIONAL}},
        {"categories": {"c": CONDITIONAL}},
        {"workflows": {"w": {"condition": {"==": [1, 1]}}}},
        {"categories": {"c": {"routing": {"applies": True, "channels": ["email"]}}}},
        {"categories": {"c": {"digest": "daily"}}},
        {"layering": {"channel_types": "replace"}},
        {"schedule": {"enabled": True}},
        {"commercial": False},
    ],
)
def test_what_a_plan_can_not_answer_it_leaves_to_the_evaluator(own: Tree) -> None:
    commercial = facts_of(workflow={"commercial": True}, tenants=[("acme", {})])
    assert planned(commercial, own) is None
    assert planned(commercial, {}, own) is None


@pytest.mark.parametrize(
    "own",
    [
        {"channel_types": {"chat": CONDITIONAL}},
        {"categories": {"another": CONDITIONAL}},
        {"categories": {"c": {"routing": {"applies": False, "channels": ["sms"]}}}},
        {"workflows": {"another": {"condition": {"==": [1, 1]}}}},
        {"commercial": False},
        {"kept": {"colour": "blue"}},
        {"workflows": {"w": {"channel_types": {}}}},
    ],
)
def test_what_does_not_matter_to_the_question_costs_nothing(own: Tree) -> None:
    assert planned(facts_of(tenants=[("acme", {})]), own, own) is not None


@pytest.mark.parametrize(
    "facts",
    [
        facts_of(policy=NOVU),
        facts_of(subscription={}),
        facts_of(context={}),
        facts_of(suppression="all"),
        facts_of(environment={"channel_types": {"email": CONDITIONAL}}),
        facts_of(tenants=[("acme", {"categories": {"c": CONDITIONAL}})]),
        facts_of(tenants=[("acme", {"categories": {"c": {"routing": {"applies": True, "channels": []}}}})]),
        facts_of(environment={"workflows": {"w": {"digest": "daily"}}}),
        facts_of(environment={"schedule": {"enabled": True}}),
    ],
)
def test_there_is_no_plan_where_shared_layers_ask_for_more(facts: Facts) -> None:
    assert compile_plan(QuestionShape("w", EMAIL, ("c",)), facts) is None


@pytest.mark.parametrize("own_default", OWN_DEFAULT_IN_TENANT)
def test_every_place_of_the_own_default_is_planned(own_default: OwnDefaultInTenant) -> None:
    policy = Policy("every_rule_allows", own_default)
    answer = planned(facts_of(policy=policy, tenants=[("acme", {"categories": {"c": True}})]), {"categories": {"c": False}})
    assert answer is not None
    assert answer[0].deliver is (own_default != "above_tenant_defaults")


def test_a_locked_rule_and_an_override_are_planned_too() -> None:
    locked = facts_of(environment={"categories": {"c": {"locked": True}}})
    answer = planned(locked, {"categories": {"c": False}})
    assert answer is not None
    assert (answer[0].deliver, answer[0].reason) == (True, "required")
    assert planned(locked, {"categories": {"c": {"routing": {"applies": True, "channels": []}}}}) is None
    answer = planned(facts_of(workflow={"override": True}), {"enabled": False, "schedule": {"enabled": True}})
    assert answer is not None
    assert (answer[0].deliver, answer[0].reason) == (True, "override")


OTHER_CHANNEL: Tree = {"channels": {"another": True}}


@pytest.mark.parametrize(
    ("environment", "own", "in_tenant", "expected"),
    [
        pytest.param(
            {"channel_types": {"email": False}}, True, None, (True, "preference_allow"), id="a boolean that stands alone"
        ),
        pytest.param(
            {"channel_types": {"email": False}},
            {"enabled": True, **OTHER_CHANNEL},
            None,
            (False, "channel_type_opt_out"),
            id="a boolean that does not",
        ),
        pytest.param(True, OTHER_CHANNEL, None, (True, "default_allow"), id="a weaker boolean is dropped"),
        pytest.param(True, OTHER_CHANNEL, {"otherwise": True}, (True, "preference_allow"), id="but not by a set left out"),
    ],
)
def test_choices_of_channels_that_the_question_does_not_name_count_beside_a_boolean(
    environment: JsonValue, own: JsonValue, in_tenant: JsonValue, expected: tuple[bool, str]
) -> None:
    facts = facts_of(policy=KNOCK, environment={"workflows": {"w": environment}}, tenants=[("acme", {})])
    shape = QuestionShape("w", EMAIL)
    plan = compile_plan(shape, facts)
    assert plan is not None
    own_default = parse_preference_set({"workflows": {"w": own}})
    own_in_tenant = parse_preference_set({"workflows": {"other": in_tenant}} if in_tenant is not None else {})
    answer = plan.decide(own_default, own_in_tenant)
    assert answer is not None
    assert (answer[0].deliver, answer[0].reason) == expected
    check(plan, shape, facts, own_default, own_in_tenant)


def test_a_set_of_thousands_of_leaves_is_answered_like_a_small_one() -> None:
    many: Tree = {"workflows": {f"w{number}": False for number in range(3_000)}, "categories": {"c": False}}
    answer = planned(facts_of(), many)
    assert answer == (PlanDecision(False, Reason.CATEGORY_OPT_OUT, ORIGIN_OWN_DEFAULT, "/categories/c/enabled"),)


def test_answers_stay_right_when_there_are_more_patterns_than_are_remembered() -> None:
    facts = facts_of(workflow={"categories": ["c"]}, tenants=[("acme", {})])
    shape = QuestionShape("w", FOUR)
    plan = compile_plan(shape, facts)
    assert plan is not None
    paths = [f"{rule}/channel_types/{channel.type}" for rule in ("", "/workflows/w", "/categories/c") for channel in FOUR]
    in_tenants: list[dict[str, JsonValue]] = [{}, {"/enabled": True}, {"/enabled": False}]
    counts: list[int] = []
    for number in range(PATTERNS_MAX + 200):
        own: dict[str, JsonValue] = {path: bool(number >> bit & 1) for bit, path in enumerate(paths)}
        in_tenant = in_tenants[number >> len(paths)]
        assert plan.decide(own, in_tenant) is not None
        counts.append(plan.patterns_count)
        if number % 97 == 0 or number > PATTERNS_MAX + 190:
            check(plan, shape, facts, own, in_tenant)
    assert max(counts) == PATTERNS_MAX > counts[-1], "all is forgotten at the limit, and learnt anew"


def test_every_way_of_choosing_four_channels_in_two_scopes_is_remembered_and_told_in_the_same_words() -> None:
    """Or a batch of people who are all different would be worked out, and written, anew for each of them."""
    plan = compile_plan(QuestionShape("w", FOUR), facts_of(workflow={"categories": ["c"]}))
    assert plan is not None
    paths = [f"{rule}/channel_types/{channel.type}" for rule in ("", "/workflows/w") for channel in FOUR]
    answers = []
    for choices in product((None, True, False), repeat=len(paths)):
        own: dict[str, JsonValue] = {path: choice for path, choice in zip(paths, choices, strict=True) if choice is not None}
        answers.append(plan.decide(own, {}))
    assert plan.patterns_count == len(answers) == 3 ** len(paths)
    assert len({id(answer) for answer in answers}) == len(set(answers)) < 1_500
