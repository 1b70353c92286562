"""What the conditions of a question see, and that the question fixes the instant."""

from datetime import datetime

import pytest

from domain.evaluation import evaluate
from domain.holder import object_in
from domain.json_value import JsonValue
from tests.unit.domain.questions import facts_of, question_of


@pytest.mark.parametrize(
    ("variable", "expected"),
    [
        ("recipient.id", "jhammond"),
        ("recipient.plan", "free"),
        ("data.dino", "rex"),
        ("actor.id", "nedry"),
        ("tenant.id", "acme"),
        ("workflow.key", "w"),
        ("workflow.name", "New comment"),
    ],
)
def test_a_condition_sees(variable: str, expected: str) -> None:
    def deliver(argument: str) -> bool:
        condition: JsonValue = {"variable": variable, "operator": "equal_to", "argument": argument}
        facts = facts_of(
            workflow={"name": "New comment"},
            tenants=[("acme", {})],
            in_tenant={"workflows": {"w": {"conditions": [condition]}}},
            recipient={"plan": "free", "id": "a property that is called id"},
        )
        (decision,) = evaluate(question_of("email", data={"dino": "rex"}, actor={"id": "nedry"}), facts)
        return decision.deliver

    assert deliver(expected)
    assert not deliver("something else")


def test_json_logic_sees_the_payload_and_the_recipient() -> None:
    logic: JsonValue = {"and": [{"==": [{"var": "payload.size"}, 3]}, {"==": [{"var": "recipient.plan"}, "free"]}]}
    facts = facts_of(own={"workflows": {"w": {"condition": logic}}}, recipient={"plan": "free"})
    assert [evaluate(question_of("email", data={"size": size}), facts)[0].deliver for size in (3, 4)] == [True, False]


def test_a_condition_sees_the_collection_of_an_object() -> None:
    condition: JsonValue = {"variable": "recipient.collection", "operator": "equal_to", "argument": "projects"}
    facts = facts_of(own={"workflows": {"w": {"conditions": [condition]}}})
    questions = [question_of("email", recipient=object_in(collection, "p1")) for collection in ("projects", "teams")]
    assert [evaluate(question, facts)[0].deliver for question in questions] == [True, False]


def test_without_a_tenant_in_play_a_condition_sees_none() -> None:
    condition: JsonValue = {"variable": "tenant.id", "operator": "exists", "argument": None}
    own: dict[str, JsonValue] = {"workflows": {"w": {"conditions": [condition]}}}
    assert not evaluate(question_of("email"), facts_of(own=own))[0].deliver
    assert evaluate(question_of("email"), facts_of(own=own, tenants=[("acme", {})]))[0].deliver


def test_a_question_needs_an_instant_that_does_not_depend_on_the_machine() -> None:
    with pytest.raises(ValueError, match="no UTC offset"):
        question_of("email", at=datetime(2026, 3, 3))


def lists_of(count: int) -> dict[str, JsonValue]:
    return {"a": list(range(count)), "b": list(range(count))}


def all_of_b(places: int) -> list[JsonValue]:
    condition: JsonValue = {"variable": "data.a", "operator": "contains_all", "argument": "data.b"}
    return [condition] * places


def test_two_lists_of_ten_thousand_are_compared() -> None:
    facts = facts_of(own={"workflows": {"w": {"conditions": all_of_b(2)}}})
    (decision,) = evaluate(question_of("email", data=lists_of(10_000)), facts)
    assert decision.deliver


@pytest.mark.parametrize("operator", ["contains_all", "not_contains_all", "equal_to", "not_equal_to"])
def test_conditions_that_take_too_much_do_not_hold_and_the_trace_says_so(operator: str) -> None:
    conditions: list[JsonValue] = [{"variable": "data.a", "operator": operator, "argument": "data.b"}]
    facts = facts_of(own={"workflows": {"w": {"conditions": conditions}}})
    (decision,) = evaluate(question_of("email", data=lists_of(30_000)), facts)
    assert (decision.deliver, decision.reason.value) == (False, "condition_not_met")
    assert any("take more than 50000 steps" in (entry.detail or "") for entry in decision.trace)


def test_one_leaf_is_worked_out_once_for_all_channels() -> None:
    # Once takes a good part of all steps: once a channel would take more than there are.
    logic: JsonValue = {"all": [{"var": "data.a"}, {">=": [{"var": ""}, 0]}]}
    own: dict[str, JsonValue] = {"workflows": {"w": {"conditions": all_of_b(2)}}, "categories": {"c": {"condition": logic}}}
    question = question_of(*["email"] * 100, categories=("c",), data=lists_of(1_500))
    assert all(decision.deliver for decision in evaluate(question, facts_of(own=own)))


def test_the_steps_are_shared_by_different_leaves_in_the_order_of_the_channels() -> None:
    choice: JsonValue = {"conditions": all_of_b(2)}
    types = ["email", "sms", "push"]
    facts = facts_of(own={"channel_types": {name: {"conditions": all_of_b(2)} for name in types}})
    assert choice == facts.own_default["/channel_types/email"]
    for order in (types, types[::-1]):
        decisions = evaluate(question_of(*order, data=lists_of(6_000)), facts)
        assert [decision.deliver for decision in decisions] == [True, True, False]


def test_logic_that_takes_too_much_says_so_and_leaves_steps_for_others() -> None:
    logic: JsonValue = {"all": [{"var": "data.a"}, {">=": [{"var": ""}, 0]}]}
    own: dict[str, JsonValue] = {
        "categories": {"c": {"condition": logic}},
        "workflows": {"w": {"conditions": all_of_b(1)}},
    }
    question = question_of("email", categories=("c",), data=lists_of(6_000))
    (decision,) = evaluate(question, facts_of(own=own))
    assert not decision.deliver
    assert any("the logic takes more than 10000 steps" in (entry.detail or "") for entry in decision.trace)
    assert evaluate(question, facts_of(own={"workflows": own["workflows"]}))[0].deliver
