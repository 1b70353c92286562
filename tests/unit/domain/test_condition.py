"""Conditions: paths and arguments, what may be stored, and that nothing stored can stop an evaluation."""

import copy
from collections.abc import Sequence
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.condition import (
    CONDITIONS_MAX,
    OPERATORS,
    ConditionOutcome,
    Surroundings,
    check_conditions,
    conditions_hold,
)
from domain.invalid import Invalid
from domain.json_value import JsonValue
from tests.unit.domain.conditions import JSON, NOW, condition, holds


@pytest.mark.parametrize(
    ("variable", "argument", "expected"),
    [
        ("recipient.team.name", "data.team", True),
        ("data.team", "recipient.team.name", True),
        ("tenant.settings.preferences.commercial_subscribed", "false", True),
        ("vars.region", "eu", True),
        ("var.region", "eu", True),
        ("vars.region", "var.region", True),
        ("recipient.gone.name", "data.gone", True),
        ("recipient.team.name.more", "", True),
        ("specimen.dna_sequence", "", True),
        ("workflow.key", "data.key", False),
        ("workflow.key", "specimen.key", False),
        ("data.site", "example.com", True),
        ("data.word", "data", True),
        ("data.dot", "data.", True),
        ("data.quoted", '"data.team"', True),
    ],
)
def test_paths_lead_into_what_surrounds_the_evaluation(variable: str, argument: JsonValue, expected: bool) -> None:
    data: JsonValue = {"team": "dig", "site": "example.com", "word": "data", "dot": "data.", "quoted": "data.team"}
    variables: dict[str, JsonValue] = {
        "recipient": {"team": {"name": "dig"}},
        "data": data,
        "tenant": {"settings": {"preferences": {"commercial_subscribed": False}}},
        "vars": {"region": "eu"},
        "workflow": {"key": "w"},
    }

    outcome = conditions_hold([condition("equal_to", argument, variable)], Surroundings(variables, NOW))

    assert outcome.holds is expected


@pytest.mark.parametrize(("muted", "holds_"), [(["rex"], False), (["stego"], True), (None, True)])
def test_a_muted_thing_is_not_sent_and_everything_else_is(muted: JsonValue, holds_: bool) -> None:
    properties: dict[str, JsonValue] = {} if muted is None else {"p": muted}

    assert holds("not_contains", properties, "data.dino", {"dino": "rex"}) is holds_


def test_a_digit_is_found_inside_a_text_although_it_decodes_to_a_number() -> None:
    assert holds("contains", {"p": "order 5 of 9"}, "5")
    assert holds("contains", {"p": "order 5 of 9"}, "data.n", {"n": 5})
    assert not holds("contains", {"p": "order 5 of 9"}, "7")


def test_a_quoted_argument_is_searched_for_without_its_quotes() -> None:
    assert holds("contains", {"p": "order 5 of 9"}, '"5"')


@pytest.mark.parametrize(
    ("text", "decoded"),
    [
        ("[" * 32 + "]" * 32, True),
        ("[" * 33 + "]" * 33, False),
        ("[" * 5000 + "]" * 5000, False),
        ('["]", ' * 3000 + "1" + "]" * 3000, False),
        ("[" + '"[",' * 100 + "1]", True),
        ('"' + '\\"[' * 100 + '"', True),
        ("[NaN]", False),
        ("[1e400]", False),
    ],
)
def test_an_argument_is_decoded_alike_on_every_python(text: str, decoded: bool) -> None:
    # A text that stays undecoded equals the property with that text.
    assert holds("equal_to", {"p": text}, text) is not decoded


def test_a_number_too_long_for_some_pythons_stays_text_on_all() -> None:
    assert holds("equal_to", {"p": int("1" * 300)}, "1" * 300)
    assert not holds("equal_to", {"p": int("1" * 301)}, "1" * 301)


def test_all_conditions_must_hold_and_the_first_that_fails_is_named() -> None:
    surroundings = Surroundings({"recipient": {"p": 5}}, NOW)
    yes, no = condition("equal_to", "5"), condition("equal_to", "6")

    assert conditions_hold([], surroundings) == ConditionOutcome(holds=True, failed=None)
    assert conditions_hold([yes, yes], surroundings) == ConditionOutcome(holds=True, failed=None)
    assert conditions_hold([yes, no, no], surroundings) == ConditionOutcome(holds=False, failed=1)


@pytest.mark.parametrize(
    "junk",
    [
        None,
        [],
        "true",
        {},
        {"variable": "recipient.p"},
        {"operator": "not_exists"},
        {"variable": "", "operator": "not_exists"},
        {"variable": 5, "operator": "not_exists"},
        {"variable": "recipient.p", "operator": ["empty"]},
        {"variable": "recipient.p", "operator": "is_timestamp_after", "argument": "2026-03-01"},
    ],
)
def test_a_stored_condition_that_makes_no_sense_does_not_hold(junk: JsonValue) -> None:
    assert conditions_hold([junk], Surroundings({"recipient": {}}, NOW)) == ConditionOutcome(holds=False, failed=0)


def test_now_is_never_taken_from_a_naive_datetime() -> None:
    with pytest.raises(ValueError, match="no UTC offset"):
        Surroundings({}, datetime(2026, 3, 1))


STORED = st.fixed_dictionaries(
    {},
    optional={
        "variable": st.sampled_from(["recipient.p", "recipient", "data.x", "a..b"]) | JSON,
        "operator": st.sampled_from(sorted(OPERATORS)) | JSON,
        "argument": JSON,
    },
)


@given(st.lists(STORED | JSON, max_size=4), st.dictionaries(st.sampled_from(["recipient", "data", "a"]), JSON))
def test_no_stored_condition_can_stop_an_evaluation(
    conditions: Sequence[JsonValue], variables: dict[str, JsonValue]
) -> None:
    outcome = conditions_hold(conditions, Surroundings(variables, NOW))

    assert outcome.holds is (outcome.failed is None)


def test_values_nested_beyond_every_limit_are_answered_and_equal_nothing() -> None:
    deep: JsonValue = []
    for _ in range(5000):
        deep = [deep]

    assert not holds("equal_to", {"p": deep}, deep)
    assert not holds("contains", {"p": [deep]}, [deep])
    assert holds("not_empty", {"p": deep})


def test_well_formed_conditions_are_kept_exactly_as_sent() -> None:
    sent: list[JsonValue] = [
        {"variable": "specimen.dna_sequence", "operator": "contains", "argument": "GATTACA"},
        {"operator": "not_empty", "variable": "recipient.p"},
        {"variable": "data.n", "operator": "equal_to", "argument": [1, {"a": None}]},
        {"variable": "data.t", "operator": "is_timestamp_before_now", "argument": None},
    ]
    before = copy.deepcopy(sent)

    assert check_conditions(sent, "/conditions") == before
    assert check_conditions([], "/conditions") == []


GOOD: JsonValue = {"variable": "data.x", "operator": "exists"}


@pytest.mark.parametrize(
    ("value", "pointer", "message"),
    [
        (None, "/c", "must be a list"),
        ({"all": []}, "/c", "must be a list"),
        ([GOOD, "x"], "/c/1", "must be an object"),
        ([{"variable": "data.x", "operator": "exists", "a/b": 1}], "/c/0/a~1b", "no such member"),
        ([{"operator": "exists"}], "/c/0/variable", "at least one character"),
        ([{"variable": "", "operator": "exists"}], "/c/0/variable", "at least one character"),
        ([{"variable": 5, "operator": "exists"}], "/c/0/variable", "at least one character"),
        ([{"variable": "data.x"}], "/c/0/operator", "not an operator"),
        ([{"variable": "data.x", "operator": "equals"}], "/c/0/operator", "'equals' is not an operator"),
        ([{"variable": "data.x", "operator": ["exists"]}], "/c/0/operator", "not an operator"),
        ([GOOD] * (CONDITIONS_MAX + 1), "/c", "51 conditions; at most 50"),
    ],
)
def test_what_can_not_be_a_condition_is_refused_by_place(value: JsonValue, pointer: str, message: str) -> None:
    with pytest.raises(Invalid) as caught:
        check_conditions(value, "/c")

    assert caught.value.pointer == pointer
    assert message in caught.value.message


def test_fifty_conditions_are_allowed() -> None:
    assert len(check_conditions([GOOD] * CONDITIONS_MAX, "")) == CONDITIONS_MAX
