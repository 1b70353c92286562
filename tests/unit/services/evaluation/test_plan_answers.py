"""Answers from stored sets: the short way, over the leaves that matter, says what the plan says of the whole set."""

import gc
import json
from collections.abc import Mapping
from itertools import product
from typing import Any
from weakref import ref

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.facts import Facts, WorkflowFacts
from domain.json_value import JsonValue
from domain.plan import Plan, QuestionShape, compile_plan
from domain.plan_rule import ORIGIN_OWN_DEFAULT
from domain.preference_set import parse_preference_set
from domain.question import ChannelRef
from projections.stored_item import EMPTY, EventReference, StoredItem, encode_item
from services.evaluation.plan_answers import ANSWERS_BEFORE_DECODER, DECODED_PATHS_MAX, PlanAnswers
from services.evaluation.templates import ENTRY_BYTES, Memory, PlanRenderer, Templates

FIRST: EventReference = ("01890a5d-ac96-774b-bcce-b302099a8057", "A" * 31, "2026-03-03T14:02:00.000Z")
SECOND: EventReference = ("01890a5d-ac96-774b-bcce-b302099a8058", "B" * 31, "2026-03-03T14:03:00.000Z")
CHANNELS = (ChannelRef("email"), ChannelRef("sms"))
NAMES = ("email", "sms", "push")


def plan_of(workflow: str = "w") -> Plan:
    plan = compile_plan(QuestionShape(workflow, CHANNELS), Facts(workflow=WorkflowFacts(workflow, categories=("c",))))
    assert plan is not None
    return plan


def fresh_answers_of(plan: Plan, memory: Memory | None = None) -> tuple[PlanAnswers, Templates]:
    templates = (memory or Memory()).templates()
    return PlanAnswers(plan, PlanRenderer(CHANNELS, lambda _: None, None, templates), templates), templates


def warm(answers: PlanAnswers, plan: Plan) -> None:
    """Until it has a decoder of its own."""
    for _ in range(ANSWERS_BEFORE_DECODER):
        assert told(answers.of_usual_set(b'"user:a"', None)) == expected(plan, EMPTY)


def answers_of(plan: Plan, memory: Memory | None = None) -> PlanAnswers:
    """With a decoder of their own already."""
    answers, _ = fresh_answers_of(plan, memory)
    warm(answers, plan)
    return answers


def told(answer: bytes | None) -> list[dict[str, Any]] | None:
    if answer is None:
        return None
    shown = json.loads(answer + b"}")
    assert shown["recipient"] == "user:a"
    decisions: list[dict[str, Any]] = shown["decisions"]
    return decisions


def expected(plan: Plan, item: StoredItem) -> list[dict[str, Any]] | None:
    """By the plan and the whole set."""
    decisions = plan.decide(item.leaves, {})
    if decisions is None:
        return None
    events = dict(zip(item.leaves, [item.events[at] for at in item.sources] or item.events * len(item.leaves), strict=True))
    shown: list[dict[str, Any]] = []
    for channel, decision in zip(CHANNELS, decisions, strict=True):
        decided = None
        if decision.origin == ORIGIN_OWN_DEFAULT and decision.path is not None:
            event_id, position, recorded_at = events[decision.path]
            decided = {"holder": "user:a", "set": "default", "path": decision.path, "event_id": event_id,
                       "position": position, "recorded_at": recorded_at}  # fmt: skip
        shown.append(
            {
                "channel_type": channel.type,
                "deliver": decision.deliver,
                "reason": decision.reason.value,
                "decided_by": decided,
            }
        )
    return shown


CHOICES = st.dictionaries(st.sampled_from(NAMES), st.booleans())
RULES = st.fixed_dictionaries({}, optional={"channel_types": CHOICES, "enabled": st.booleans()})
ROUTING: JsonValue = {"strategy": "all", "channels": ["email"]}
TREES = st.fixed_dictionaries(
    {},
    optional={
        "channel_types": CHOICES,
        "workflows": st.dictionaries(st.sampled_from(["w", "other", "ö"]), RULES),
        "categories": st.dictionaries(st.sampled_from(["c", "d"]), RULES),
    },
)
PLAN = plan_of()
ANSWERS = answers_of(PLAN)


@given(tree=TREES, turned=st.booleans(), two_events=st.booleans())
def test_the_short_way_says_what_the_whole_set_says(tree: dict[str, Any], turned: bool, two_events: bool) -> None:
    leaves = dict(parse_preference_set(tree))
    if turned:
        leaves = dict(reversed(leaves.items()))
    two_events = two_events and len(leaves) > 1
    sources = [at % 2 for at in range(len(leaves))] if two_events else []
    item = StoredItem(leaves, sources, [FIRST, SECOND] if two_events else [FIRST]) if leaves else EMPTY
    for _ in range(2):  # The second time it is remembered.
        assert told(ANSWERS.of_usual_set(b'"user:a"', encode_item(item))) == expected(PLAN, item)
        assert told(ANSWERS.of_sets(b'"user:a"', encode_item(item), None)) == expected(PLAN, item)


def stored(leaves: Mapping[str, JsonValue]) -> bytes:
    return encode_item(StoredItem(dict(leaves), [], [FIRST]))


def test_who_has_no_set_at_all_is_answered() -> None:
    assert told(ANSWERS.of_usual_set(b'"user:a"', None)) == expected(PLAN, EMPTY)


@pytest.mark.parametrize(
    "leaves",
    [
        {"/schedule": {"timezone": "UTC"}},
        {"/condition": [{"variable": "data.x", "operator": "empty"}]},
        {"/workflows/w/condition": {"and": []}, "/channel_types/email": False},
    ],
)
def test_what_only_the_full_evaluator_can_tell_is_left_to_it(leaves: Mapping[str, JsonValue]) -> None:
    item = StoredItem(dict(leaves), [], [FIRST])
    for _ in range(2):
        assert told(ANSWERS.of_usual_set(b'"user:a"', stored(leaves))) == expected(PLAN, item) is None


@pytest.mark.parametrize("workflow", ["w", "a b", "é", '"', "\\", "a~1b", "%s", "{}"])
def test_a_workflow_may_have_any_name(workflow: str) -> None:
    plan = plan_of(workflow)
    leaves = parse_preference_set({"workflows": {workflow: {"channel_types": {"sms": False}}}})
    answers = answers_of(plan)
    for _ in range(2):
        found = told(answers.of_usual_set(b'"user:a"', stored(leaves)))
        assert found == expected(plan, StoredItem(leaves, [], [FIRST]))
        assert found is not None
        assert [decision["deliver"] for decision in found] == [True, False]


def test_people_who_differ_in_nothing_that_matters_share_what_is_remembered() -> None:
    plan = plan_of()
    answers, templates = fresh_answers_of(plan)
    warm(answers, plan)
    for number in range(100):
        leaves = parse_preference_set({"channel_types": {"email": False}, "workflows": {f"w{number}": False}})
        assert answers.of_usual_set(b'"user:a"', stored(leaves)) is not None
    assert len(templates) == 3, "one for the leaves that matter, and one for each of two tuples of decisions"


def test_the_first_answers_of_a_plan_are_the_same_as_the_later_ones() -> None:
    plan = plan_of()
    answers, templates = fresh_answers_of(plan)
    item = StoredItem(parse_preference_set({"channel_types": {"email": False}}), [], [FIRST])
    for _ in range(2 * ANSWERS_BEFORE_DECODER):
        assert told(answers.of_usual_set(b'"user:a"', encode_item(item))) == expected(plan, item)
    assert any(isinstance(key, msgspec.Struct) for key in templates), "in the end they are remembered by their leaves"


def test_a_plan_of_many_paths_decodes_whole_sets() -> None:
    """There a decoder of its own would be the slower way, and take long to make."""
    categories = tuple(f"c{number}" for number in range(20))
    plan = compile_plan(QuestionShape("w", CHANNELS), Facts(workflow=WorkflowFacts("w", categories=categories)))
    assert plan is not None
    assert len(plan.paths) > DECODED_PATHS_MAX >= len(PLAN.paths)
    answers, templates = fresh_answers_of(plan)
    warm(answers, plan)
    item = StoredItem(parse_preference_set({"categories": {"c7": False}}), [], [FIRST])
    assert told(answers.of_usual_set(b'"user:a"', encode_item(item))) == expected(plan, item)
    assert not any(isinstance(key, msgspec.Struct) for key in templates)


SIX_PATHS = [
    f"{scope}/channel_types/{channel.type}" for scope in ("", "/workflows/w", "/categories/c") for channel in CHANNELS
]


def answer_all_patterns(plan: Plan, answers: PlanAnswers) -> None:
    for choices in product((True, False), repeat=len(SIX_PATHS)):
        item = StoredItem(dict(zip(SIX_PATHS, choices, strict=True)), [], [FIRST])
        assert told(answers.of_usual_set(b'"user:a"', encode_item(item))) == expected(plan, item)


def test_no_more_is_remembered_than_fits_and_answers_stay_right() -> None:
    memory = Memory(bytes_max=50 * ENTRY_BYTES)
    one, other = plan_of(), plan_of()
    (of_one, remembered), (of_other, also_remembered) = fresh_answers_of(one, memory), fresh_answers_of(other, memory)
    for plan, answers in ((one, of_one), (other, of_other)):
        warm(answers, plan)
        answer_all_patterns(plan, answers)
        assert len(remembered) + len(also_remembered) <= 50, "the bound is for all plans together"
        answer_all_patterns(plan, answers)
    assert also_remembered, "what is used comes back"
    assert not remembered, "what is no longer used goes"


def test_what_a_plan_remembers_goes_with_it() -> None:
    """A catalogue that changes often would otherwise fill the memory with what nobody asks any more."""
    memory = Memory()
    answers, templates = fresh_answers_of(plan_of(), memory)
    warm(answers, plan_of())
    kept = ref(templates)
    del answers, templates
    gc.collect()
    assert kept() is None
