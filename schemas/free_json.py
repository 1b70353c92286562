"""Free JSON in Avro: one recursive record, so that a document in the log is never a string inside a string."""

from typing import Any

from domain.invalid import Invalid
from domain.json_value import JsonValue

LONG_MIN, LONG_MAX = -(2**63), 2**63 - 1


def to_avro(value: JsonValue) -> dict[str, Any]:
    """The `Json` record of a value. Raises Invalid for an integer that an Avro long can't hold."""
    if isinstance(value, dict):
        return {"value": {key: to_avro(member) for key, member in value.items()}}
    if isinstance(value, list):
        return {"value": [to_avro(item) for item in value]}
    if isinstance(value, int) and not isinstance(value, bool) and not LONG_MIN <= value <= LONG_MAX:
        raise Invalid("", "an integer must fit into 64 bits")
    return {"value": value}


def from_avro(record: dict[str, Any]) -> JsonValue:
    """The value that a `Json` record stands for."""
    value = record["value"]
    if isinstance(value, dict):
        return {key: from_avro(member) for key, member in value.items()}
    if isinstance(value, list):
        return [from_avro(item) for item in value]
    return value  # type: ignore[no-any-return]
