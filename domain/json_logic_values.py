"""How JSON values count as true, as numbers and as text in JSON logic: JavaScript's rules (ECMA-262, chapter 7).

Every number is a double. JSON has no "undefined": an argument that is not given counts as null. Two lists, or two
objects, are never equal, not even with the same content: JavaScript compares their identity, which JSON does not have.
Texts order and are cut by code point, not by UTF-16 unit, so that no character is ever cut in half.
"""

import math
import re
from decimal import Decimal

from domain.json_value import JsonValue

# Spelled out: what `str.strip` takes away differs from JavaScript, and from one Unicode version to the next.
_SPACE = "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
_SPACE += "\u2028\u2029\u202f\u205f\u3000\ufeff"
_DECIMAL = re.compile(r"[+-]?(?:Infinity|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)")
_PREFIXED = re.compile(r"0(?:[xX][0-9a-fA-F]+|[oO][0-7]+|[bB][01]+)")
_BASES = {"x": 16, "o": 8, "b": 2}


def truthy(value: JsonValue) -> bool:
    """The empty list counts as false and the text "0" as true: https://jsonlogic.com/truthy.html."""
    if isinstance(value, dict):
        return True
    return bool(value) and not (isinstance(value, float) and math.isnan(value))


def to_number(value: JsonValue) -> float:
    """ToNumber: null is 0, true 1, a text what it spells, a list what its text spells; otherwise not a number."""
    if value is None:
        return 0.0
    if isinstance(value, (bool, int, float)):
        return _double(value)
    text = (value if isinstance(value, str) else to_text(value)).strip(_SPACE)
    if not text:
        return 0.0
    if _PREFIXED.fullmatch(text):
        return _double(int(text[2:], _BASES[text[1].lower()]))
    return float(text) if _DECIMAL.fullmatch(text) else math.nan


def leading_number(value: JsonValue) -> float:
    """ParseFloat: the number at the beginning of the value's text, so null and true are not numbers."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _double(value)
    match = _DECIMAL.match(to_text(value).lstrip(_SPACE))
    return float(match[0]) if match else math.nan


def to_text(value: JsonValue) -> str:
    """ToString: a list is its members' texts between commas, with nothing for null."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return _number_text(_double(value))
    if isinstance(value, list):
        return ",".join(joined_text(item) for item in value)
    return value if isinstance(value, str) else "[object Object]"


def joined_text(value: JsonValue) -> str:
    """A value's text as part of a longer one, where null is nothing."""
    return "" if value is None else to_text(value)


def strictly_equal(left: JsonValue, right: JsonValue) -> bool:
    """The same type and the same value."""
    if isinstance(left, bool) or isinstance(right, bool) or left is None or right is None:
        return left is right
    if isinstance(left, (int, float)) and isinstance(right, (int, float)):
        return _double(left) == _double(right)
    return isinstance(left, str) and isinstance(right, str) and left == right


def loosely_equal(left: JsonValue, right: JsonValue) -> bool:
    """Equal after JavaScript's conversions: a boolean or a text against a number is compared as a number."""
    if left is None or right is None:
        return left is right
    if isinstance(left, (list, dict)) and isinstance(right, (list, dict)):
        return False
    left, right = _primitive(left), _primitive(right)
    if isinstance(left, str) and isinstance(right, str):
        return left == right
    return to_number(left) == to_number(right)


def is_less(left: JsonValue, right: JsonValue) -> bool:
    """Two texts order by code point, anything else as numbers; nothing is less than what is not a number."""
    left, right = _primitive(left), _primitive(right)
    if isinstance(left, str) and isinstance(right, str):
        return left < right
    return to_number(left) < to_number(right)


def is_at_most(left: JsonValue, right: JsonValue) -> bool:
    """As `is_less`, or equal in that same order."""
    left, right = _primitive(left), _primitive(right)
    if isinstance(left, str) and isinstance(right, str):
        return left <= right
    return to_number(left) <= to_number(right)


def _primitive(value: JsonValue) -> JsonValue:
    return to_text(value) if isinstance(value, (list, dict)) else value


def _double(number: int | float) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def _number_text(number: float) -> str:
    """Number::toString (ECMA-262, 6.1.6.1.20): the shortest digits that give the number back."""
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "Infinity" if number > 0 else "-Infinity"
    if number == 0:
        return "0"
    sign, digit_tuple, exponent = Decimal(repr(number)).as_tuple()
    padded = "".join(map(str, digit_tuple))
    point = len(padded) + int(exponent)
    digits = padded.rstrip("0")
    if len(digits) <= point <= 21:
        text = digits.ljust(point, "0")
    elif 0 < point <= 21:
        text = f"{digits[:point]}.{digits[point:]}"
    elif -6 < point <= 0:
        text = f"0.{'0' * -point}{digits}"
    else:
        mantissa = digits if len(digits) == 1 else f"{digits[0]}.{digits[1:]}"
        text = f"{mantissa}e{point - 1:+d}"
    return f"-{text}" if sign else text
