"""What each operator of a condition means, on values alone.

How values of different types compare, where the field has no agreed answer:

- A boolean is not a number. 1 and 1.0 are the same number.
- A text that spells a JSON number or boolean equals that number or boolean: a property stored as "5" and the argument
  5 mean the same to the person who wrote them. Two texts are equal only when they are the same text.
- Numbers order numerically, and so do texts that spell numbers. Any other two texts order by code point, never by
  locale. Nothing else has an order, and then no ordering operator holds.
"""

import math
import re
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass

from domain.json_value import JsonValue
from domain.timestamp import MICROSECONDS_PER_DAY, parse_relative, parse_timestamp

DIGITS_MAX = 300
"""A longer number stays text. Python's own limit can be changed from outside the process, so it must never be met."""

DEPTH_MAX = 64
"""Nesting of lists and objects; a value deeper than this equals nothing."""

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Question:
    """One condition with its paths looked up. `now` is an instant (see `domain.timestamp`)."""

    value: JsonValue
    """What the variable leads to; "" where it leads nowhere."""

    is_set: bool
    """Whether the variable leads anywhere."""

    argument: JsonValue
    argument_text: str
    """The argument as text, for search inside a text: `5` was decoded to a number, but may be meant as a digit."""

    now: int


Operator = Callable[[Question], bool]


def number_spelled(text: str) -> int | float | None:
    """The number that a text spells in JSON's grammar; None if it spells none, or one beyond a float's range."""
    match = _NUMBER.fullmatch(text) if len(text) <= DIGITS_MAX else None
    if match is None:
        return None
    if match[1] is None and match[2] is None:
        return int(text)
    number = float(text)
    return number if math.isfinite(number) else None


def _spelled(text: str) -> Hashable:
    if text in ("true", "false"):
        return ("boolean", text == "true")
    return number_spelled(text)


def _comparable(value: JsonValue) -> Hashable:
    """A stand-in that hashes; two of them are equal exactly when the values are the same JSON."""
    if isinstance(value, bool):
        return ("boolean", value)
    if isinstance(value, (list, dict)):
        parts: list[str] = []
        return ("structure", "".join(parts)) if _spell_out(value, parts, 0) else object()
    return value


def _spell_out(value: JsonValue, parts: list[str], depth: int) -> bool:
    """Add a text that only equal values have; False where the nesting is too deep to tell.

    A text, because a tuple's hash can be foreseen: lists made to share one would make every comparison slow.
    """
    if isinstance(value, str):
        parts.append(f"{len(value)}:{value}")
    elif value is None or isinstance(value, bool):
        parts.append(f"{value};")
    elif isinstance(value, (int, float)):
        whole = isinstance(value, int) or value.is_integer()
        # Base 16: Python refuses to write long numbers in base 10.
        parts.append(f"#{int(value):x};" if whole else f"{float(value).hex()};")
    elif depth >= DEPTH_MAX:
        return False
    elif isinstance(value, list):
        parts.append(f"[{len(value)};")
        return all(_spell_out(item, parts, depth + 1) for item in value)
    else:
        parts.append(f"{{{len(value)};")
        return all(_spell_out(key, parts, depth + 1) and _spell_out(value[key], parts, depth + 1) for key in sorted(value))
    return True


def _members(wanted: Iterable[JsonValue], items: Iterable[JsonValue]) -> list[bool]:
    """For each wanted value, whether one of the items equals it. Linear in both."""
    exact: set[Hashable] = set()
    spelled: set[Hashable] = set()
    for item in items:
        exact.add(_comparable(item))
        if isinstance(item, str):
            spelled.add(_spelled(item))
    spelled.discard(None)
    found = []
    for value in wanted:
        stand_in = _comparable(value)
        if isinstance(value, str):
            meaning = _spelled(value)
            found.append(stand_in in exact or (meaning is not None and meaning in exact))
        else:
            found.append(stand_in in exact or stand_in in spelled)
    return found


def _equal(question: Question) -> bool:
    return _members([question.value], [question.argument])[0]


def _contains(question: Question) -> bool:
    value, argument = question.value, question.argument
    if isinstance(value, list):
        return any(_members(argument if isinstance(argument, list) else [argument], value))
    if isinstance(argument, list):
        return _members([value], argument)[0]
    # Nothing is contained in nothing: with both sides missing, "does not contain" is what people expect to hold.
    return isinstance(value, str) and question.argument_text != "" and question.argument_text in value


def _as_list(value: JsonValue) -> list[JsonValue]:
    if isinstance(value, list):
        return value
    return [] if value is None or value == "" else [value]


def _contains_all(question: Question) -> bool:
    return all(_members(_as_list(question.argument), _as_list(question.value)))


def _empty(question: Question) -> bool:
    value = question.value
    return value is None or value == "" or (isinstance(value, list) and not value)


def _exists(question: Question) -> bool:
    return question.is_set and question.value is not None


def _number(value: JsonValue) -> int | float | None:
    if isinstance(value, str):
        return number_spelled(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _compare(left: JsonValue, right: JsonValue) -> int | None:
    """Below, at or above 0 as `left` is below, at or above `right`; None where the two have no order."""
    left_number, right_number = _number(left), _number(right)
    if left_number is not None and right_number is not None:
        return (left_number > right_number) - (left_number < right_number)
    if isinstance(left, str) and isinstance(right, str):
        return (left > right) - (left < right)
    return None


def _ordered(holds: Callable[[int], bool]) -> Operator:
    def operator(question: Question) -> bool:
        order = _compare(question.value, question.argument)
        return order is not None and holds(order)

    return operator


def _between(question: Question) -> bool:
    # Not established in the field: both ends belong to the range, as for timestamps.
    if not isinstance(question.argument, list) or len(question.argument) != 2:
        return False
    above = _compare(question.value, question.argument[0])
    below = _compare(question.value, question.argument[1])
    return above is not None and below is not None and above >= 0 >= below


def _instant(value: JsonValue) -> int | None:
    return parse_timestamp(value) if isinstance(value, str) else None


def _is_timestamp(question: Question) -> bool:
    return _instant(question.value) is not None


def _timestamps(holds: Callable[[int, int], bool]) -> Operator:
    """Compares two instants; only the argument may be relative. Does not hold where one is not a timestamp."""

    def operator(question: Question) -> bool:
        instant, bound = _instant(question.value), _instant(question.argument)
        if bound is None and isinstance(question.argument, str):
            bound = parse_relative(question.argument, question.now)
        return instant is not None and bound is not None and holds(instant, bound)

    return operator


def _day(instant: int) -> int:
    # Not established in the field: a day is a day of UTC, because a condition has no time zone.
    return instant // MICROSECONDS_PER_DAY


def _timestamp_between(question: Question) -> bool:
    # Not established in the field: both ends are inside, as a person who writes two dates means them.
    if not isinstance(question.argument, list) or len(question.argument) != 2:
        return False
    instant = _instant(question.value)
    start, end = (_instant(bound) for bound in question.argument)
    return instant is not None and start is not None and end is not None and start <= instant <= end


def _now(holds: Callable[[int, int], bool]) -> Operator:
    def operator(question: Question) -> bool:
        instant = _instant(question.value)
        return instant is not None and holds(instant, question.now)

    return operator


def _audience_keys(question: Question) -> list[JsonValue]:
    if isinstance(question.argument, list):
        return question.argument
    return [question.argument_text] if question.argument_text else []


def _audience_member(question: Question) -> bool:
    return any(_members(_audience_keys(question), _as_list(question.value)))


def _not_audience_member(question: Question) -> bool:
    # Without an audience to ask about, neither operator holds.
    keys = _audience_keys(question)
    return bool(keys) and not any(_members(keys, _as_list(question.value)))


def _not(operator: Operator) -> Operator:
    return lambda question: not operator(question)


AUDIENCE_OPERATORS: dict[str, Operator] = {
    "is_audience_member": _audience_member,
    "is_not_audience_member": _not_audience_member,
}
"""Their `value` is the list of the recipient's audiences; several audiences in the argument mean any of them."""

ARGUMENTLESS_OPERATORS: dict[str, Operator] = {
    "empty": _empty,
    "not_empty": _not(_empty),
    "exists": _exists,
    "not_exists": _not(_exists),
    "is_timestamp": _is_timestamp,
    "is_not_timestamp": _not(_is_timestamp),
    "is_timestamp_before_now": _now(lambda instant, now: instant < now),
    "is_timestamp_on_or_after_now": _now(lambda instant, now: instant >= now),
}

OUTSIDE_OPERATORS: frozenset[str] = frozenset({"empty", "not_empty", "exists", "not_exists"})
"""They look at a value's outside only, so a long one costs nothing."""

ALL_OPERATORS: dict[str, Operator] = {
    "equal_to": _equal,
    "not_equal_to": _not(_equal),
    "greater_than": _ordered(lambda order: order > 0),
    "greater_than_or_equal_to": _ordered(lambda order: order >= 0),
    "less_than": _ordered(lambda order: order < 0),
    "less_than_or_equal_to": _ordered(lambda order: order <= 0),
    "is_between": _between,
    "contains": _contains,
    "not_contains": _not(_contains),
    "contains_all": _contains_all,
    "not_contains_all": _not(_contains_all),
    "is_timestamp_before": _timestamps(lambda instant, bound: instant < bound),
    "is_timestamp_on_or_after": _timestamps(lambda instant, bound: instant >= bound),
    "is_timestamp_before_date": _timestamps(lambda instant, bound: _day(instant) < _day(bound)),
    "is_timestamp_on_or_after_date": _timestamps(lambda instant, bound: _day(instant) >= _day(bound)),
    "is_timestamp_between": _timestamp_between,
    **ARGUMENTLESS_OPERATORS,
    **AUDIENCE_OPERATORS,
}
