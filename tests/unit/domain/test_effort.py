"""The work of conditions has an end, the same one on every machine."""

import pytest

from domain.condition import Surroundings, conditions_hold
from domain.effort import CHARACTERS_PER_STEP, EFFORT_MAX, Effort, TooMuchWork
from domain.json_value import JsonValue
from tests.unit.domain.conditions import NOW, condition, holds


def spent_on(value: JsonValue) -> int:
    """The fewest steps that are enough to read the value."""
    for steps in range(1_000):
        try:
            Effort(steps).spend_on_value(value)
        except TooMuchWork:
            continue
        return steps
    raise AssertionError("more than a thousand steps")


@pytest.mark.parametrize(
    ("value", "steps"),
    [
        (5, 0),
        ("a" * (CHARACTERS_PER_STEP - 1), 0),
        ("a" * (3 * CHARACTERS_PER_STEP), 3),
        ([1, 2, 3], 3),
        ([[1, 2], ["a" * CHARACTERS_PER_STEP]], 6),
        ({"a": 1, "b" * CHARACTERS_PER_STEP: [1]}, 4),
    ],
)
def test_reading_a_value_takes_a_step_for_each_item_and_hundred_characters(value: JsonValue, steps: int) -> None:
    assert spent_on(value) == steps


def test_a_part_lasts_no_longer_than_the_whole() -> None:
    whole = Effort(5)
    Effort(3, whole).spend(3)
    part = Effort(3, whole)
    with pytest.raises(TooMuchWork):
        part.spend(3)
    assert part.exceeded
    assert whole.exceeded


def test_a_part_that_is_used_up_leaves_the_rest_of_the_whole() -> None:
    whole = Effort(5)
    with pytest.raises(TooMuchWork):
        Effort(3, whole).spend(4)
    assert not whole.exceeded
    whole.spend(5)


@pytest.mark.parametrize("argument", ["[" + "1," * EFFORT_MAX + "1]", "x" * (EFFORT_MAX + 1) * CHARACTERS_PER_STEP])
def test_a_long_argument_is_too_much(argument: str) -> None:
    assert not holds("not_equal_to", {"p": 1}, argument)


def test_whether_a_list_is_there_can_be_asked_however_long_it_is() -> None:
    many: JsonValue = list(range(EFFORT_MAX + 1))
    assert holds("exists", {"p": many}, many)
    assert holds("not_empty", {"p": many})


def test_a_condition_after_one_that_took_too_much_does_not_hold_either() -> None:
    effort = Effort(10)
    surroundings = Surroundings({"recipient": {"p": list(range(11))}}, NOW)
    cheap = condition("exists")
    assert conditions_hold([cheap], surroundings, effort).holds
    assert not conditions_hold([condition("not_contains", 99)], surroundings, effort).holds
    assert not conditions_hold([cheap], surroundings, effort).holds


@pytest.mark.parametrize(
    ("left", "right", "equal"),
    [
        ([1, {"a": [2.0]}], [1.0, {"a": [2]}], True),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        ([-0.0], [0], True),
        ([2**53 + 1], [float(2**53)], False),
        ([0.5], ["0.5"], False),
        ([True], [1], False),
        ([True], ["True"], False),
        ([None], ["None"], False),
        (["a", "b"], ["a1:b"], False),
        (["ab"], ["a", "b"], False),
        ([[1], 2], [[1, 2]], False),
        ([{}], [[]], False),
        ([-1], [-2], False),
        ([10**5000], [10**5000], True),
    ],
)
def test_structures_are_equal_only_as_json(left: JsonValue, right: JsonValue, equal: bool) -> None:
    assert (
        conditions_hold(
            [condition("equal_to", "data.right")], Surroundings({"recipient": {"p": left}, "data": {"right": right}}, NOW)
        ).holds
        is equal
    )
