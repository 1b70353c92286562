"""Every operator of a condition both ways: its table, coercion, missing values, and its negation."""

from datetime import datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.condition import ARGUMENTLESS, OPERATORS, Surroundings, conditions_hold
from domain.json_value import JsonValue
from tests.unit.domain.conditions import JSON, NOW, condition, holds

Row = tuple[str, JsonValue, JsonValue, bool]

# The variable's value, the argument as stored, whether the condition holds.
ROWS: list[Row] = [
    ("equal_to", "pro", "pro", True),
    ("equal_to", "pro", "Pro", False),
    ("equal_to", ["a", 1], '["a", 1]', True),
    ("equal_to", ["a", 1], '["a", "1"]', False),
    ("equal_to", {"a": 1, "b": [True]}, '{"b": [true], "a": 1.0}', True),
    ("equal_to", {"a": 1}, '{"a": true}', False),
    ("not_equal_to", "pro", "free", True),
    ("not_equal_to", "pro", "pro", False),
    ("greater_than", 6, "5", True),
    ("greater_than", 5, "5", False),
    ("greater_than_or_equal_to", 5, "5.0", True),
    ("greater_than_or_equal_to", 4.99, "5", False),
    ("less_than", 4, "5", True),
    ("less_than", 5, "5", False),
    ("less_than_or_equal_to", 5, "5", True),
    ("less_than_or_equal_to", 6, "5", False),
    ("is_between", 5, "[5, 9]", True),
    ("is_between", 9, "[5, 9]", True),
    ("is_between", 10, "[5, 9]", False),
    ("is_between", 4, "[5, 9]", False),
    ("is_between", 5, "[5]", False),
    ("is_between", 5, "5", False),
    ("contains", ["stegosaurus", "triceratops"], "stegosaurus", True),
    ("contains", ["stegosaurus"], "rex", False),
    ("contains", ["stegosaurus"], "stego", False),
    ("contains", "stegosaurus", "saurus", True),
    ("contains", "stegosaurus", "rex", False),
    ("contains", "pro", '["pro", "team"]', True),
    ("contains", "free", '["pro", "team"]', False),
    ("contains", ["a", "b"], '["b", "c"]', True),
    ("contains", ["a", "b"], '["c", "d"]', False),
    ("not_contains", ["rex"], "stego", True),
    ("not_contains", ["rex"], "rex", False),
    ("not_contains", "stegosaurus", "rex", True),
    ("not_contains", "stegosaurus", "saurus", False),
    ("not_contains", ["a", "b"], '["c"]', True),
    ("not_contains", ["a", "b"], '["b", "c"]', False),
    ("contains_all", ["a", "b", "c"], '["c", "a"]', True),
    ("contains_all", ["a", "b"], '["a", "c"]', False),
    ("contains_all", ["a", "b"], "a", True),
    ("contains_all", ["a"], "[]", True),
    ("contains_all", "pro", '["pro"]', True),
    ("not_contains_all", ["a", "b"], '["a", "c"]', True),
    ("not_contains_all", ["a", "b"], '["a", "b"]', False),
    ("empty", "", None, True),
    ("empty", None, None, True),
    ("empty", [], None, True),
    ("empty", " ", None, False),
    ("empty", 0, None, False),
    ("empty", False, None, False),
    ("empty", {}, None, False),
    ("not_empty", "a", None, True),
    ("not_empty", [], None, False),
    ("exists", "", None, True),
    ("exists", [], None, True),
    ("exists", False, None, True),
    ("exists", None, None, False),
    ("not_exists", None, None, True),
    ("not_exists", "", None, False),
    ("is_timestamp", "2026-03-01T12:00:00Z", None, True),
    ("is_timestamp", "2026-03-01", None, True),
    ("is_timestamp", "tomorrow", None, False),
    ("is_timestamp", "1 day ago", None, False),
    ("is_timestamp", 1772366400, None, False),
    ("is_not_timestamp", "tomorrow", None, True),
    ("is_not_timestamp", "2026-03-01", None, False),
    ("is_timestamp_before", "2026-03-01T11:59:59Z", "2026-03-01T13:00:00+01:00", True),
    ("is_timestamp_before", "2026-03-01T12:00:00Z", "2026-03-01T13:00:00+01:00", False),
    ("is_timestamp_before", "2026-03-01T11:49:00Z", "10 minutes ago", True),
    ("is_timestamp_before", "2026-03-01T11:50:00Z", "10 minutes ago", False),
    ("is_timestamp_before", "soon", "2026-03-01", False),
    ("is_timestamp_on_or_after", "2026-03-01T12:00:00Z", "2026-03-01T13:00:00+01:00", True),
    ("is_timestamp_on_or_after", "2026-03-01T11:59:59Z", "2026-03-01T13:00:00+01:00", False),
    ("is_timestamp_on_or_after", "2026-03-03T12:00:00Z", "2 days from now", True),
    ("is_timestamp_on_or_after", "2026-03-03T11:59:59Z", "2 days from now", False),
    ("is_timestamp_on_or_after", "2026-03-03", "next week", False),
    ("is_timestamp_before_date", "2026-02-28T23:59:59Z", "2026-03-01T09:00:00Z", True),
    ("is_timestamp_before_date", "2026-03-01T00:00:00Z", "2026-03-01T09:00:00Z", False),
    ("is_timestamp_on_or_after_date", "2026-03-01T00:00:00Z", "2026-03-01T09:00:00Z", True),
    ("is_timestamp_on_or_after_date", "2026-03-01T00:30:00+01:00", "2026-03-01", False),
    ("is_timestamp_between", "2026-03-01", '["2026-03-01", "2026-03-02"]', True),
    ("is_timestamp_between", "2026-03-02T00:00:00Z", '["2026-03-01", "2026-03-02"]', True),
    ("is_timestamp_between", "2026-03-02T00:00:01Z", '["2026-03-01", "2026-03-02"]', False),
    ("is_timestamp_between", "2026-03-01", '["2026-03-02", "2026-03-01"]', False),
    ("is_timestamp_between", "2026-03-01", '["2 days ago", "2 days from now"]', False),
    ("is_timestamp_between", "2026-03-01", '["2026-03-01"]', False),
    ("is_timestamp_between", "2026-03-01", "2026-03-01", False),
    ("is_timestamp_before_now", "2026-03-01T11:59:59Z", None, True),
    ("is_timestamp_before_now", "2026-03-01T12:00:00Z", None, False),
    ("is_timestamp_on_or_after_now", "2026-03-01T12:00:00Z", None, True),
    ("is_timestamp_on_or_after_now", "2026-03-01T11:59:59Z", None, False),
]


@pytest.mark.parametrize(("operator", "value", "argument", "expected"), ROWS)
def test_operator(operator: str, value: JsonValue, argument: JsonValue, expected: bool) -> None:
    assert holds(operator, {"p": value}, argument) is expected


# What `recipient.audiences` is, the argument, membership. The variable is `recipient`.
AUDIENCES: list[tuple[JsonValue, JsonValue, bool]] = [
    (["vip", "beta"], "vip", True),
    (["vip", "beta"], "staff", False),
    (["vip"], '["staff", "vip"]', True),
    (["123"], "123", True),
    ([], "vip", False),
    (None, "vip", False),
]


@pytest.mark.parametrize(("audiences", "argument", "member"), AUDIENCES)
@pytest.mark.parametrize("variable", ["recipient", "recipient.id"])
def test_audience_operators(audiences: JsonValue, argument: JsonValue, member: bool, variable: str) -> None:
    surroundings = Surroundings({"recipient": {"id": "u", "audiences": audiences}}, NOW)

    is_member = conditions_hold([condition("is_audience_member", argument, variable)], surroundings)
    is_not = conditions_hold([condition("is_not_audience_member", argument, variable)], surroundings)

    assert (is_member.holds, is_not.holds) == (member, not member)


@pytest.mark.parametrize(
    ("variable", "argument"), [("actor", "vip"), ("audience.vip", None), ("recipient", None), ("recipient", "[]")]
)
def test_an_audience_question_that_makes_no_sense_holds_neither_way(variable: str, argument: JsonValue) -> None:
    surroundings = Surroundings({"recipient": {"audiences": ["vip"]}, "actor": {"audiences": ["vip"]}}, NOW)

    for operator in ("is_audience_member", "is_not_audience_member"):
        assert not conditions_hold([condition(operator, argument, variable)], surroundings).holds


def test_the_tables_ask_every_operator_both_ways() -> None:
    asked = {(operator, expected) for operator, _, _, expected in ROWS}
    audience = {"is_audience_member", "is_not_audience_member"}

    assert asked == {(operator, expected) for operator in OPERATORS - audience for expected in (True, False)}
    assert len(OPERATORS) == 26
    assert ARGUMENTLESS < OPERATORS


@pytest.mark.parametrize(
    ("value", "argument", "equal"),
    [
        (5, "5", True),
        ("5", "5", True),
        ("5", 5, True),
        (5.0, 5, True),
        ("5.0", "5", True),
        ("5.0", '"5"', False),
        ("00501", "00501", True),
        (501, "00501", False),
        (True, "true", True),
        ("true", "true", True),
        (True, "1", False),
        (1, "true", False),
        (False, "0", False),
        (0, "", False),
        (None, "null", True),
        ("", "null", False),
        (None, "", False),
        ("US", "US", True),
        ("NaN", "NaN", True),
        (0.1, "0.1", True),
        (9007199254740993, "9007199254740992", False),
        (9007199254740993, "9007199254740993", True),
        ("1e400", "1e400", True),
        (["5"], "[5]", False),
        ([True], "[1]", False),
        ([[1]], "[[1.0]]", True),
    ],
)
def test_values_of_different_types_compare_as_the_person_who_wrote_them_meant(
    value: JsonValue, argument: JsonValue, equal: bool
) -> None:
    assert holds("equal_to", {"p": value}, argument) is equal
    assert holds("not_equal_to", {"p": value}, argument) is not equal


@pytest.mark.parametrize(
    ("value", "argument", "greater", "less"),
    [
        ("10", "9", True, False),
        ("b", "a", True, False),
        ("Z", "a", False, True),
        ("z", "ä", False, True),
        ("a", "5", False, False),
        (True, "0", False, False),
        (None, "0", False, False),
        ([2], "1", False, False),
        (10**400, "1e300", True, False),
    ],
)
def test_ordering_across_types(value: JsonValue, argument: JsonValue, greater: bool, less: bool) -> None:
    assert holds("greater_than", {"p": value}, argument) is greater
    assert holds("less_than", {"p": value}, argument) is less


@pytest.mark.parametrize(("value", "other"), [(5, "5"), ("5", 5), (True, "true"), ("true", True)])
def test_a_text_from_the_data_equals_the_number_or_boolean_it_spells(value: JsonValue, other: JsonValue) -> None:
    assert holds("equal_to", {"p": value}, "data.x", {"x": other})
    assert holds("contains", {"p": [value]}, "data.x", {"x": [other]})


def test_two_texts_that_spell_numbers_order_as_numbers() -> None:
    assert holds("greater_than", {"p": "10"}, "data.x", {"x": "9"})


@pytest.mark.parametrize(
    ("operator", "argument", "expected"),
    [
        ("equal_to", "", True),
        ("equal_to", "x", False),
        ("not_equal_to", "x", True),
        ("contains", "x", False),
        ("not_contains", "x", True),
        ("contains", "data.gone", False),
        ("not_contains", "data.gone", True),
        ("contains_all", '["x"]', False),
        ("not_contains_all", '["x"]', True),
        ("greater_than", "0", False),
        ("less_than_or_equal_to", "0", False),
        ("empty", None, True),
        ("not_empty", None, False),
        ("exists", None, False),
        ("not_exists", None, True),
        ("is_timestamp", None, False),
        ("is_not_timestamp", None, True),
        ("is_timestamp_before", "2026-03-01", False),
        ("is_timestamp_before_now", None, False),
    ],
)
def test_a_missing_variable_is_the_empty_text_except_where_existence_is_asked(
    operator: str, argument: JsonValue, expected: bool
) -> None:
    assert holds(operator, {}, argument, {}) is expected


EXACT_OPPOSITES = [
    ("equal_to", "not_equal_to"),
    ("contains", "not_contains"),
    ("contains_all", "not_contains_all"),
    ("empty", "not_empty"),
    ("exists", "not_exists"),
    ("is_timestamp", "is_not_timestamp"),
]
OPPOSITES_WHERE_COMPARABLE = [
    ("greater_than", "less_than_or_equal_to"),
    ("less_than", "greater_than_or_equal_to"),
    ("is_timestamp_before", "is_timestamp_on_or_after"),
    ("is_timestamp_before_date", "is_timestamp_on_or_after_date"),
    ("is_timestamp_before_now", "is_timestamp_on_or_after_now"),
    ("is_audience_member", "is_not_audience_member"),
]


@given(st.dictionaries(st.sampled_from(["p", "audiences"]), JSON), JSON, JSON)
def test_an_operator_and_its_negation_never_both_hold(
    properties: dict[str, JsonValue], argument: JsonValue, data: JsonValue
) -> None:
    def both(pair: tuple[str, str]) -> list[bool]:
        return [holds(operator, properties, argument, {"x": data}) for operator in pair]

    for pair in EXACT_OPPOSITES:
        assert sum(both(pair)) == 1, f"{pair} of {properties} and {argument!r}"
    for pair in OPPOSITES_WHERE_COMPARABLE:
        assert sum(both(pair)) <= 1, f"{pair} of {properties} and {argument!r}"


@given(st.integers() | st.floats(allow_nan=False, allow_infinity=False), st.integers())
@example(2**53 + 1, 2**53)
def test_numbers_always_have_an_order(left: int | float, right: int) -> None:
    asked = {name: holds(name, {"p": left}, right) for name in ("greater_than", "equal_to", "less_than")}

    assert asked == {"greater_than": left > right, "equal_to": left == right, "less_than": left < right}


@given(st.datetimes(), st.datetimes())
def test_timestamps_always_have_an_order(left: datetime, right: datetime) -> None:
    properties: dict[str, JsonValue] = {"p": left.isoformat() + "Z"}
    bound = right.isoformat() + "Z"

    assert holds("is_timestamp_before", properties, bound) is (left < right)
    assert holds("is_timestamp_on_or_after", properties, bound) is (left >= right)
    assert holds("is_timestamp_before_date", properties, bound) is (left.date() < right.date())
    assert holds("is_timestamp_on_or_after_date", properties, bound) is (left.date() >= right.date())
