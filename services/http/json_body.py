"""Reading JSON as strictly as a ledger has to: what is ambiguous to one reader of the log must not get into it."""

import json
import math
import re
from typing import Any, NoReturn

from domain.invalid import Invalid
from domain.json_value import JsonValue
from schemas.free_json import LONG_MAX, LONG_MIN

DEPTH_MAX = 32
_INTEGER_LENGTH_MAX = len(str(LONG_MIN))
_SUSPECT = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
_UNFIT = re.compile("[\0\ud800-\udfff]")
# Possessive, and the closing quote may be missing: from every quote on it matches at once, so the time is linear.
_MARK = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[{}\[\]]', re.DOTALL)
_NO_MARKS = bytes(set(range(256)) - set(b'{}[]"'))
_AS_BRACES = bytes.maketrans(b"[]", b"{}")


class MalformedJson(ValueError):
    """The bytes are not one JSON document (RFC 8259), or one that readers may understand differently."""


def parse_json(body: bytes) -> JsonValue:
    """The one JSON document in these bytes.

    Refused beyond RFC 8259's grammar: duplicate keys, NaN and infinities, numbers that no double can hold, integers
    beyond 64 bits, lone surrogates, NUL characters, more than `DEPTH_MAX` levels. Raises MalformedJson.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedJson(f"the body is not UTF-8 (byte {error.start})") from None
    if _too_deep(body):
        raise MalformedJson(f"the body nests deeper than {DEPTH_MAX} levels")
    try:
        value: JsonValue = _decode(text)
    except json.JSONDecodeError as error:
        raise MalformedJson(f"the body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise MalformedJson(f"the body nests deeper than {DEPTH_MAX} levels") from None
    if b"\\u" in body and _SUSPECT.search(body):
        _check_characters(value, "")
    return value


def parse_object(body: bytes) -> dict[str, JsonValue]:
    """The same for a body that must be an object. Raises MalformedJson, Invalid."""
    value = parse_json(body)
    if not isinstance(value, dict):
        raise Invalid("", "the body must be a JSON object")
    return value


def _too_deep(body: bytes) -> bool:
    """Brackets opened at the same time, strings left out. Cheap for usual bodies: few brackets, or no backslash."""
    if body.count(b"{") + body.count(b"[") <= DEPTH_MAX:
        return False
    if b"\\" not in body:
        # A bracket inside a string has an odd number of quotes before it, so one of them is left over.
        marks = body.translate(_AS_BRACES, _NO_MARKS).replace(b'""', b"")
        if b'"' not in marks and _closes_within(marks, DEPTH_MAX):
            return False
    depth = 0
    for match in _MARK.finditer(body):
        mark = match.group()
        if mark in b"{[":
            depth += 1
            if depth > DEPTH_MAX:
                return True
        elif mark in b"}]":
            depth -= 1
    return False


def _closes_within(braces: bytes, levels: int) -> bool:
    """Whether so many levels are enough for all of them. What does not match up is for the parser to refuse."""
    for _ in range(levels):
        if not braces:
            return True
        # The innermost level goes, in one pass of C and not a step of Python for each brace.
        braces = braces.replace(b"{}", b"")
    return not braces


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise MalformedJson(f"the key {key[:60]!r} stands twice in one object")
            seen.add(key)
    return value


def _constant(name: str) -> NoReturn:
    raise MalformedJson(f"{name} is not a JSON number")


def _integer(text: str) -> int:
    if len(text) <= _INTEGER_LENGTH_MAX:
        value = int(text)
        if LONG_MIN <= value <= LONG_MAX:
            return value
    raise MalformedJson(f"the integer {text[:40]} is too large: integers must fit into 64 bits")


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise MalformedJson(f"the number {text[:40]} is too large")
    return value


def _check_characters(value: JsonValue, pointer: str) -> None:
    if isinstance(value, str):
        if _UNFIT.search(value):
            raise MalformedJson(f"the text at {pointer or 'the root'} has a NUL character or half a surrogate pair")
    elif isinstance(value, list):
        for at, item in enumerate(value):
            _check_characters(item, f"{pointer}/{at}")
    elif isinstance(value, dict):
        for key, member in value.items():
            _check_characters(key, pointer)
            _check_characters(member, f"{pointer}/{key}")


# Made once: the standard library makes a new one for each text that it loads with hooks.
_decode = json.JSONDecoder(
    object_pairs_hook=_object, parse_constant=_constant, parse_float=_float, parse_int=_integer
).decode
