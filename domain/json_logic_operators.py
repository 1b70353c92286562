"""The operators of JSON logic (https://jsonlogic.com/operations.html) that work on values already worked out.

An operator gets its arguments and the data in scope. Arguments that it has no use for are ignored, as JavaScript does.
"""

import math
from collections.abc import Callable

from domain.json_logic_values import (
    is_at_most,
    is_less,
    joined_text,
    leading_number,
    loosely_equal,
    strictly_equal,
    to_number,
    to_text,
    truthy,
)
from domain.json_value import JsonValue

_INDEX_DIGITS_MAX = 9
_POSITION_MAX = 2**53


class LogicError(Exception):
    """The logic can't be worked out: an unknown operator, or arguments that make no sense."""


Arguments = list[JsonValue]
Operator = Callable[[Arguments, JsonValue], JsonValue]


def _two(arguments: Arguments) -> tuple[JsonValue, JsonValue]:
    first = arguments[0] if arguments else None
    return first, arguments[1] if len(arguments) > 1 else None


def _pair(operation: Callable[[JsonValue, JsonValue], JsonValue]) -> Operator:
    return lambda arguments, _: operation(*_two(arguments))


def _ascending(before: Callable[[JsonValue, JsonValue], bool]) -> Operator:
    """Below its neighbour; with three arguments, the second one lies between the others."""

    def operator(arguments: Arguments, _: JsonValue) -> JsonValue:
        first, second = _two(arguments)
        return before(first, second) and (len(arguments) < 3 or before(second, arguments[2]))

    return operator


def _descend(value: JsonValue, key: str) -> tuple[JsonValue, bool]:
    if isinstance(value, dict):
        return value.get(key), key in value
    if not isinstance(value, (list, str)):
        return None, False
    if key == "length":
        return len(value), True
    if key.isascii() and key.isdigit() and len(key) <= _INDEX_DIGITS_MAX:
        index = int(key)
        if str(index) == key and index < len(value):
            return value[index], True
    return None, False


def _variable(arguments: Arguments, data: JsonValue) -> JsonValue:
    path, default = _two(arguments)
    if path is None or path == "":
        return data
    value = data
    for key in to_text(path).split("."):
        value, found = _descend(value, key)
        if not found:
            return default
    return value


def _missing(arguments: Arguments, data: JsonValue) -> list[JsonValue]:
    keys = arguments[0] if arguments and isinstance(arguments[0], list) else arguments
    # A key may be a list of a path and what stands in for it.
    return [key for key in keys if _variable(key if isinstance(key, list) else [key], data) in (None, "")]


def _missing_some(arguments: Arguments, data: JsonValue) -> JsonValue:
    needed, keys = _two(arguments)
    if not isinstance(keys, list):
        raise LogicError("missing_some needs a number and a list of keys")
    missing = _missing(keys, data)
    return [] if to_number(needed) <= len(keys) - len(missing) else missing


def _in(needle: JsonValue, haystack: JsonValue) -> bool:
    if isinstance(haystack, str):
        return haystack != "" and to_text(needle) in haystack
    return isinstance(haystack, list) and any(strictly_equal(needle, item) for item in haystack)


def _cat(arguments: Arguments, _: JsonValue) -> JsonValue:
    return "".join(joined_text(argument) for argument in arguments)


def _position(number: float) -> int:
    if math.isnan(number):
        return 0
    return int(max(-_POSITION_MAX, min(_POSITION_MAX, number)))


def _substr(arguments: Arguments, _: JsonValue) -> JsonValue:
    source, start = _two(arguments)
    text = to_text(source)
    first = _position(to_number(start))
    rest = text[first:] if first >= 0 else text[max(0, len(text) + first) :]
    if len(arguments) < 3:
        return rest
    count = to_number(arguments[2])
    return rest[: max(0, _position(len(rest) + count if count < 0 else count))]


def _add(arguments: Arguments, _: JsonValue) -> JsonValue:
    total = 0.0
    for argument in arguments:
        total += leading_number(argument)
    return total


def _multiply(arguments: Arguments, _: JsonValue) -> JsonValue:
    if not arguments:
        raise LogicError("* needs an argument")
    if len(arguments) == 1:
        return arguments[0]
    product = 1.0
    for argument in arguments:
        product *= leading_number(argument)
    return product


def _subtract(arguments: Arguments, _: JsonValue) -> JsonValue:
    first, second = _two(arguments)
    return to_number(first) - to_number(second) if len(arguments) > 1 else -to_number(first)


def _divide(first: JsonValue, second: JsonValue) -> JsonValue:
    dividend, divisor = to_number(first), to_number(second)
    if divisor != 0:
        return dividend / divisor
    if dividend == 0 or math.isnan(dividend):
        return math.nan
    return math.copysign(math.inf, dividend) * math.copysign(1.0, divisor)


def _remainder(first: JsonValue, second: JsonValue) -> JsonValue:
    try:
        return math.fmod(to_number(first), to_number(second))
    except ValueError:
        return math.nan


def _extreme(choose: Callable[[list[float]], float], of_none: float) -> Operator:
    def operator(arguments: Arguments, _: JsonValue) -> JsonValue:
        numbers = [to_number(argument) for argument in arguments]
        if any(math.isnan(number) for number in numbers):
            return math.nan
        return choose(numbers) if numbers else of_none

    return operator


def _merge(arguments: Arguments, _: JsonValue) -> JsonValue:
    merged: list[JsonValue] = []
    for argument in arguments:
        if isinstance(argument, list):
            merged.extend(argument)
        else:
            merged.append(argument)
    return merged


VALUE_OPERATORS: dict[str, Operator] = {
    "var": _variable,
    "missing": _missing,
    "missing_some": _missing_some,
    "==": _pair(loosely_equal),
    "!=": _pair(lambda left, right: not loosely_equal(left, right)),
    "===": _pair(strictly_equal),
    "!==": _pair(lambda left, right: not strictly_equal(left, right)),
    "!": _pair(lambda value, _: not truthy(value)),
    "!!": _pair(lambda value, _: truthy(value)),
    "<": _ascending(is_less),
    "<=": _ascending(is_at_most),
    # Only < and <= have the form with three arguments.
    ">": _pair(lambda left, right: is_less(right, left)),
    ">=": _pair(lambda left, right: is_at_most(right, left)),
    "max": _extreme(max, -math.inf),
    "min": _extreme(min, math.inf),
    "+": _add,
    "-": _subtract,
    "*": _multiply,
    "/": _pair(_divide),
    "%": _pair(_remainder),
    "merge": _merge,
    "in": _pair(_in),
    "cat": _cat,
    "substr": _substr,
}
