"""JSON logic's operators: the public semantics (https://jsonlogic.com), one row at a time."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.json_logic import OPERATORS, check_logic, logic_holds
from domain.json_value import JsonValue

DATA: JsonValue = {
    "payload": {
        "amount": 110,
        "status": "shipped",
        "zero": 0,
        "none": None,
        "blank": "",
        "a.b": "dotted",
        "tags": ["red", "blue"],
        "words": [["deep", "er"], "flat"],
        "items": [{"qty": 1, "name": "pen"}, {"qty": 5, "name": "cup"}],
        "no_items": [],
        "1": "one",
    }
}


def gives(logic: JsonValue, expected: JsonValue) -> bool:
    """Whether the logic's value is `expected`; a list is compared by its text, as JSON logic has no other way."""
    if isinstance(expected, list):
        as_text = ",".join("" if item is None else str(item) for item in expected)
        return logic_holds({"===": [{"cat": [logic]}, as_text]}, DATA) and logic_holds(
            {"!!": [{"merge": [logic]}]}, DATA
        ) is bool(expected)
    return logic_holds({"===": [logic, expected]}, DATA)


ROWS: list[tuple[JsonValue, JsonValue]] = [
    # var
    ({"var": "payload.status"}, "shipped"),
    ({"var": ["payload.status"]}, "shipped"),
    ({"var": "payload.tags.1"}, "blue"),
    ({"var": "payload.tags.01"}, None),
    ({"var": "payload.tags.2"}, None),
    ({"var": "payload.tags.-1"}, None),
    ({"var": "payload.tags.length"}, 2),
    ({"var": "payload.status.length"}, 7),
    ({"var": "payload.items.1.name"}, "cup"),
    ({"var": "payload.gone"}, None),
    ({"var": ["payload.gone", "else"]}, "else"),
    ({"var": ["payload.gone.deeper", "else"]}, "else"),
    ({"var": ["payload.none", "else"]}, None),
    ({"var": ["payload.none.deeper", "else"]}, "else"),
    ({"var": ["payload.zero", 7]}, 0),
    ({"var": "payload.a.b"}, None),
    ({"var": {"cat": ["payload.", "status"]}}, "shipped"),
    ({"map": [["x"], {"var": ""}]}, ["x"]),
    ({"map": [["x"], {"var": []}]}, ["x"]),
    ({"filter": [{"var": "payload.tags"}, {"===": [{"var": ""}, "red"]}]}, ["red"]),
    # missing, missing_some
    (
        {"missing": ["payload.status", "payload.gone", "payload.none", "payload.blank", "payload.zero"]},
        ["payload.gone", "payload.none", "payload.blank"],
    ),
    ({"missing": [["payload.status", "gone"]]}, ["gone"]),
    ({"missing": "gone"}, ["gone"]),
    ({"missing": {"merge": ["payload.status", ["gone"]]}}, ["gone"]),
    ({"missing": []}, []),
    ({"missing_some": [1, ["payload.status", "gone"]]}, []),
    ({"missing_some": [2, ["payload.status", "gone"]]}, ["gone"]),
    ({"missing_some": [1, ["gone", "away"]]}, ["gone", "away"]),
    # if
    ({"if": [True, "yes", "no"]}, "yes"),
    ({"if": [False, "yes", "no"]}, "no"),
    ({"if": [False, "yes"]}, None),
    ({"if": [False, 1, False, 2, 3]}, 3),
    ({"if": [False, 1, True, 2, 3]}, 2),
    ({"if": ["only"]}, "only"),
    ({"if": []}, None),
    ({"?:": [True, "yes", "no"]}, "yes"),
    # equality
    ({"==": [1, 1]}, True),
    ({"==": [1, "1"]}, True),
    ({"==": ["1", "1.0"]}, False),
    ({"==": [0, False]}, True),
    ({"==": ["", 0]}, True),
    ({"==": [" 1 ", 1]}, True),
    ({"==": ["0x1f", 31]}, True),
    ({"==": ["1e2", 100]}, True),
    ({"==": ["1_0", 10]}, False),
    ({"==": ["nan", 0]}, False),
    ({"==": [None, None]}, True),
    ({"==": [None, False]}, False),
    ({"==": [None, 0]}, False),
    ({"==": [["a"], "a"]}, True),
    ({"==": [[1, 2], "1,2"]}, True),
    ({"==": [[], 0]}, True),
    ({"==": [["a"], ["a"]]}, False),
    ({"!=": [1, 2]}, True),
    ({"!=": [1, "1"]}, False),
    ({"===": [1, 1.0]}, True),
    ({"===": [1, "1"]}, False),
    ({"===": [True, 1]}, False),
    ({"===": [None, None]}, True),
    ({"===": [["a"], ["a"]]}, False),
    ({"!==": [1, "1"]}, True),
    ({"!==": [1, 1]}, False),
    # truthiness
    ({"!!": [[]]}, False),
    ({"!!": [[0]]}, True),
    ({"!!": ["0"]}, True),
    ({"!!": [""]}, False),
    ({"!!": 0}, False),
    ({"!!": None}, False),
    ({"!!": {"var": "payload"}}, True),
    ({"!!": {"/": [0, 0]}}, False),
    ({"!": [True]}, False),
    ({"!": True}, False),
    ({"!": [[]]}, True),
    ({"!": "0"}, False),
    # and, or
    ({"and": [True, "a", 3]}, 3),
    ({"and": [True, "", 3]}, ""),
    ({"and": []}, None),
    ({"or": [False, 0, "a"]}, "a"),
    ({"or": [False, 0]}, 0),
    ({"or": [True, {"*": []}]}, True),
    ({"and": [False, {"*": []}]}, False),
    # ordering
    ({">": [2, 1]}, True),
    ({">": [1, 1]}, False),
    ({">=": [1, 1]}, True),
    ({"<": [1, 2]}, True),
    ({"<": [2, 2]}, False),
    ({"<=": [2, 2]}, True),
    ({"<": [1, 2, 3]}, True),
    ({"<": [1, 1, 3]}, False),
    ({"<": [1, 4, 3]}, False),
    ({"<=": [1, 1, 3]}, True),
    ({"<=": [1, 4, 3]}, False),
    ({"<": ["10", 9]}, False),
    ({"<": ["10", "9"]}, True),
    ({"<": ["a", 1]}, False),
    ({">=": ["a", 1]}, False),
    ({"<": [None, 1]}, True),
    # numbers
    ({"max": [1, "3", 2]}, 3),
    ({"min": [1, "3", 2]}, 1),
    ({"max": [1, None]}, 1),
    ({"+": [1, 2, "3.5 apples"]}, 6.5),
    ({"+": "7"}, 7),
    ({"+": []}, 0),
    ({"-": [5, "2"]}, 3),
    ({"-": 2}, -2),
    ({"-": [2, None]}, 2),
    ({"*": [2, 3, 4]}, 24),
    ({"*": ["2"]}, "2"),
    ({"/": [7, 2]}, 3.5),
    ({"%": [7, 3]}, 1),
    ({"%": [-7, 3]}, -1),
    # lists
    ({"map": [{"var": "payload.items"}, {"*": [{"var": "qty"}, 2]}]}, [2, 10]),
    ({"map": [{"var": "payload.gone"}, {"var": ""}]}, []),
    ({"filter": [[1, 2, 3], {">": [{"var": ""}, 1]}]}, [2, 3]),
    ({"reduce": [[1, 2, 3], {"+": [{"var": "current"}, {"var": "accumulator"}]}, 10]}, 16),
    ({"reduce": [{"var": "payload.gone"}, {"var": "current"}, 10]}, 10),
    ({"reduce": [[1], {"var": "payload.amount"}, 10]}, None),
    ({"all": [[1, 2], {">": [{"var": ""}, 0]}]}, True),
    ({"all": [[1, 0], {">": [{"var": ""}, 0]}]}, False),
    ({"all": [[], True]}, False),
    ({"none": [[1, 2], {">": [{"var": ""}, 2]}]}, True),
    ({"none": [[1, 3], {">": [{"var": ""}, 2]}]}, False),
    ({"none": [[], True]}, True),
    ({"some": [[1, 3], {">": [{"var": ""}, 2]}]}, True),
    ({"some": [[1, 2], {">": [{"var": ""}, 2]}]}, False),
    ({"some": [[], True]}, False),
    ({"merge": [[1, 2], 3, [[4]]]}, [1, 2, 3, 4]),
    ({"merge": []}, []),
    ({"in": ["red", {"var": "payload.tags"}]}, True),
    ({"in": ["re", {"var": "payload.tags"}]}, False),
    ({"in": ["1", [1]]}, False),
    ({"in": ["hip", {"var": "payload.status"}]}, True),
    ({"in": [1, "a1b"]}, True),
    ({"in": ["", ""]}, False),
    ({"in": ["a", None]}, False),
    # text
    ({"cat": ["a", 1, None, True, 1.5]}, "a1true1.5"),
    ({"cat": {"var": "payload.words"}}, "deep,er,flat"),
    ({"cat": {"var": "payload"}}, "[object Object]"),
    ({"cat": [3.0, -0.0, 1e21, 1e-7, 123.456]}, "301e+211e-7123.456"),
    ({"cat": [1e20, 0.000001, 1.5e-10, 2.5e25]}, "1000000000000000000000.0000011.5e-102.5e+25"),
    ({"cat": [{"/": [1, 0]}, {"/": [-1, 0]}, {"/": [0, 0]}, {"%": [1, 0]}]}, "Infinity-InfinityNaNNaN"),
    ({"cat": [{"max": []}, {"min": []}, {"max": ["x", 1]}]}, "-InfinityInfinityNaN"),
    ({"substr": ["jsonlogic", 4]}, "logic"),
    ({"substr": ["jsonlogic", -5]}, "logic"),
    ({"substr": ["jsonlogic", -99]}, "jsonlogic"),
    ({"substr": ["jsonlogic", 1, 3]}, "son"),
    ({"substr": ["jsonlogic", 4, -2]}, "log"),
    ({"substr": ["jsonlogic", 4, -9]}, ""),
    ({"substr": ["jsonlogic", "x", 1]}, "j"),
    ({"substr": [12345, 1, 2]}, "23"),
]


@pytest.mark.parametrize(("logic", "value"), ROWS, ids=[json.dumps(logic) for logic, _ in ROWS])
def test_the_logic_gives_this_value(logic: JsonValue, value: JsonValue) -> None:
    assert check_logic(logic, "") == logic
    assert gives(logic, value), f"{json.dumps(logic)} does not give {value!r}"


def test_the_table_asks_every_operator() -> None:
    asked = {operator for logic, _ in ROWS if isinstance(logic, dict) for operator in logic}

    assert asked == OPERATORS


PLAIN: st.SearchStrategy[JsonValue] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.sampled_from(["", "0", "1", " 1", "true", "a", "1,2"]),
    st.lists(st.integers(0, 2), max_size=2).map(lambda items: list[JsonValue](items)),
)


@given(PLAIN, PLAIN)
def test_equality_is_symmetric_and_its_negation_is_the_opposite(left: JsonValue, right: JsonValue) -> None:
    for equal, not_equal in (("==", "!="), ("===", "!==")):
        answer = logic_holds({equal: [left, right]}, None)

        assert logic_holds({equal: [right, left]}, None) is answer
        assert logic_holds({not_equal: [left, right]}, None) is not answer


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_the_text_of_a_number_gives_the_number_back(number: float) -> None:
    assert logic_holds({"===": [{"*": [{"cat": [number]}, 1]}, number]}, None)
