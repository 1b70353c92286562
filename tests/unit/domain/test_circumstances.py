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
