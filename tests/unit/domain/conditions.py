"""Shared by the tests of conditions: one condition about one property, asked at one instant."""

from datetime import UTC, datetime

from hypothesis import strategies as st

from domain.condition import Surroundings, conditions_hold
from domain.json_value import JsonValue

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)

SCALARS: st.SearchStrategy[JsonValue] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
    st.sampled_from(["", "5", "5.0", "true", "data.x", "2026-03-01", "2026-03-01T12:00:00Z", "1 day ago", '["a"]']),
)
JSON: st.SearchStrategy[JsonValue] = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)),
    max_leaves=8,
)


def condition(operator: str, argument: JsonValue = None, variable: str = "recipient.p") -> JsonValue:
    return {"variable": variable, "operator": operator, "argument": argument}


def holds(operator: str, properties: dict[str, JsonValue], argument: JsonValue = None, data: JsonValue = None) -> bool:
    surroundings = Surroundings({"recipient": properties, "data": data}, NOW)
    return conditions_hold([condition(operator, argument)], surroundings).holds
