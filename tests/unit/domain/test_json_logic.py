"""JSON logic as a condition: what passes, what blocks, what may be stored, and that the work has an end."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.invalid import Invalid
from domain.json_logic import DEPTH_MAX, NODES_MAX, OPERATORS, STEPS_MAX, check_logic, logic_holds
from domain.json_value import JsonValue
from domain.pointer import keys_of
from tests.unit.domain.conditions import JSON, SCALARS

ACCUMULATOR: JsonValue = {"var": "accumulator"}


def nested(levels: int, core: JsonValue = True) -> JsonValue:
    for _ in range(levels):
        core = {"!!": [core]}
    return core


@pytest.mark.parametrize(
    ("logic", "passes"),
    [
        (True, True),
        (False, False),
        ({"==": [{"var": "payload.amount"}, 110]}, True),
        ({"==": [{"var": "payload.amount"}, 111]}, False),
        ({"and": [{">": [{"var": "payload.amount"}, 100]}, {"in": ["red", {"var": "payload.tags"}]}]}, True),
        ({"var": "payload.flag"}, True),
        ({"var": "payload.amount"}, False),
        ({"var": "payload.word"}, False),
        ({"var": "payload.gone"}, False),
        ({"and": [1, 1]}, False),
        ({"if": [True, "true"]}, False),
        ({"*": []}, False),
        ({"missing_some": [1, "a"]}, False),
        ({"nope": [True]}, False),
        ({"or": [{"nope": []}, True]}, False),
        ({"!!": True, "or": [True]}, False),
        ({}, False),
        ([True], False),
        (None, False),
        ("true", False),
        (1, False),
    ],
)
def test_only_exactly_true_passes(logic: JsonValue, passes: bool) -> None:
    data: JsonValue = {"payload": {"amount": 110, "tags": ["red"], "flag": True, "word": "true"}}

    assert logic_holds(logic, data) is passes


@pytest.mark.parametrize("logic", [True, False, {"==": [1, {"var": ["a", {"cat": ["b"]}]}]}, {"and": [[True, [{"!": 1}]]]}])
def test_logic_is_kept_exactly_as_sent(logic: JsonValue) -> None:
    before = copy.deepcopy(logic)

    assert check_logic(logic, "/condition") == before


@pytest.mark.parametrize(
    ("value", "pointer", "message"),
    [
        (None, "/c", "an object with one operator"),
        ("true", "/c", "an object with one operator"),
        ([], "/c", "an object with one operator"),
        ({}, "/c", "not 0 members"),
        ({"==": [1, 1], "!=": [1, 2]}, "/c", "not 2 members"),
        ({"and": [True, {"==": [1], "!": 2}]}, "/c/and/1", "not 2 members"),
        ({"and": [[{}]]}, "/c/and/0/0", "not 0 members"),
        ({"startsWith": ["a", "b"]}, "/c/startsWith", "'startsWith' is not an operator"),
        ({"!": {"a/b": 1}}, "/c/!/a~1b", "'a/b' is not an operator"),
        ({"log": "x"}, "/c/log", "'log' is not an operator"),
        (nested(DEPTH_MAX + 1), "/c" + "/!!/0" * DEPTH_MAX, "deeper than 32"),
        (nested(5000), "/c", "more than 1000 nodes"),
        ({"and": [True] * (NODES_MAX - 1)}, "/c", "more than 1000 nodes"),
    ],
)
def test_what_can_not_be_worked_out_is_refused_by_place(value: JsonValue, pointer: str, message: str) -> None:
    with pytest.raises(Invalid) as caught:
        check_logic(value, "/c")

    assert caught.value.pointer == pointer
    assert message in caught.value.message


def test_what_is_stored_at_the_limits_is_worked_out() -> None:
    deepest = nested(DEPTH_MAX)
    widest: JsonValue = {"and": [True] * (NODES_MAX - 2)}

    assert logic_holds(check_logic(deepest, ""), None)
    assert logic_holds(check_logic(widest, ""), None)


@pytest.mark.parametrize(
    "logic",
    [
        pytest.param(nested(DEPTH_MAX + 1), id="deep"),
        pytest.param(nested(5000), id="very deep"),
        pytest.param(
            {"all": [{"var": "many"}, {"<=": [{"var": ""}, STEPS_MAX]}]}, id="several steps for each of many items"
        ),
        pytest.param({"!": {"in": [-1, {"var": "too_many"}]}}, id="a long list"),
        pytest.param({"!": {"in": ["x", {"var": "long"}]}}, id="a long text"),
        pytest.param({"!": {"==": [{"var": "deep"}, 1]}}, id="a deep list"),
        pytest.param(
            {"!!": {"reduce": [{"var": "many"}, {"cat": [ACCUMULATOR, ACCUMULATOR]}, "ab"]}}, id="a text that doubles"
        ),
        pytest.param(
            {"!!": {"reduce": [{"var": "many"}, {"merge": [ACCUMULATOR, ACCUMULATOR]}, [1]]}}, id="a list that doubles"
        ),
        pytest.param(
            {"!!": {"cat": {"reduce": [{"var": "few"}, [ACCUMULATOR, ACCUMULATOR], [1]]}}},
            id="a list that holds itself twice",
        ),
    ],
)
def test_logic_that_takes_too_much_work_blocks(logic: JsonValue) -> None:
    deep: JsonValue = []
    for _ in range(5000):
        deep = [deep]
    data: JsonValue = {
        "few": list(range(40)),
        "many": list(range(STEPS_MAX // 2)),
        "too_many": list(range(STEPS_MAX + 1)),
        "deep": deep,
        "long": "a" * (STEPS_MAX * 1_000 + 1_000),
    }

    assert logic_holds(logic, data) is False


def test_ordinary_lists_are_well_within_the_limits() -> None:
    data: JsonValue = {"items": list(range(1_000)), "text": "a" * 100_000}

    assert logic_holds({"all": [{"var": "items"}, {">=": [{"var": ""}, 0]}]}, data)
    assert logic_holds({"in": [999, {"var": "items"}]}, data)
    assert logic_holds({"in": ["aaa", {"var": "text"}]}, data)


def test_whether_a_list_is_there_can_be_asked_however_long_it_is() -> None:
    data: JsonValue = {"items": list(range(STEPS_MAX * 2))}

    assert logic_holds({"!!": {"var": "items"}}, data)
    assert logic_holds({"===": [{"var": "items.length"}, STEPS_MAX * 2]}, data)


LOGIC: st.SearchStrategy[JsonValue] = st.recursive(
    SCALARS | st.sampled_from(["a", "a.b", "current", "accumulator", "0"]),
    lambda inner: st.one_of(
        st.dictionaries(st.sampled_from(sorted(OPERATORS)), st.lists(inner, max_size=4) | inner, min_size=1, max_size=1),
        st.lists(inner, max_size=3),
        st.dictionaries(st.text(max_size=3), inner, max_size=2),
    ),
    max_leaves=15,
)
DATA = JSON | st.fixed_dictionaries({"a": JSON | st.fixed_dictionaries({"b": JSON})})


@given(LOGIC, DATA)
def test_no_stored_logic_can_stop_an_evaluation(logic: JsonValue, data: JsonValue) -> None:
    before = copy.deepcopy((logic, data))

    answer = logic_holds({"!!": [logic]}, data)
    opposite = logic_holds({"!": [logic]}, data)

    assert not (answer and opposite), "a logic and its negation both pass"
    assert logic_holds(logic, data) in (True, False)
    assert (logic, data) == before, "the evaluation changed what is stored"


def refusal(logic: JsonValue) -> str | None:
    try:
        check_logic(logic, "")
    except Invalid as error:
        return error.pointer
    return None


@given(LOGIC)
def test_a_refusal_points_at_something_that_was_sent(logic: JsonValue) -> None:
    place = refusal(logic)

    for key in keys_of(place or ""):
        assert isinstance(logic, (dict, list))
        logic = logic[key] if isinstance(logic, dict) else logic[int(key)]
