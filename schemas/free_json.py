"""Free JSON in Avro: one recursive record, so that a document in the log is never a string inside a string."""

from math import isfinite
from typing import Any

from domain.invalid import Invalid
from domain.json_value import JsonValue

LONG_MIN, LONG_MAX = -(2**63), 2**63 - 1
LEVELS_MAX = 100
"""Objects and lists inside each other. A limit of our own: that of a programming language's stack differs by machine."""


def to_avro(value: JsonValue, levels: int = LEVELS_MAX) -> dict[str, Any]:
    """The `Json` record of a value. Raises Invalid for a number or a nesting that the log does not take."""
    if isinstance(value, dict | list):
        if not levels:
            raise Invalid("", f"objects and lists may nest {LEVELS_MAX} deep")
        if isinstance(value, list):
            return {"value": [to_avro(item, levels - 1) for item in value]}
        return {"value": {key: to_avro(member, levels - 1) for key, member in value.items()}}
    if isinstance(value, float):
        if not isfinite(value):
            raise Invalid("", "a number must be finite")
    elif isinstance(value, int) and not LONG_MIN <= value <= LONG_MAX:
        raise Invalid("", "an integer must fit into 64 bits")
    return {"value": value}


def from_avro(record: dict[str, Any], levels: int = LEVELS_MAX) -> JsonValue:
    """The value that a `Json` record stands for. Raises ValueError for one that `to_avro` would not have written."""
    value = record["value"]
    if isinstance(value, dict | list):
        if not levels:
            raise ValueError(f"objects and lists nest deeper than {LEVELS_MAX}")
        if isinstance(value, list):
            return [from_avro(item, levels - 1) for item in value]
        return {key: from_avro(member, levels - 1) for key, member in value.items()}
    if isinstance(value, float) and not isfinite(value):
        raise ValueError("a number is not finite")
    return value  # type: ignore[no-any-return]
