"""Conditions: a flat list of `{variable, operator, argument}`, all of which must hold.

A variable is a path, `NAMESPACE.KEY.KEY`, into what surrounds the evaluation. An argument that is a text is one of:

- dynamic: a path whose namespace is one of `NAMESPACES` (`data.dino`);
- static: decoded as JSON where it is JSON (`5`, `true`, `["a", "b"]`, `"5"` in quotes), else the text itself (`US`).

An argument that is no text is static as it stands. A path that leads nowhere is the empty text; only the operators
that ask for it (`empty`, `exists` and their negations) see the difference.

Timestamps are ISO 8601 (see `domain.timestamp`). A relative one is a text too: `10 minutes ago`, `2 days from now`.
`is_timestamp_between` takes `["START", "END"]`, both ends inside, neither of them relative.

The audience operators ask about the recipient: `variable` is `recipient` or a path below it, `argument` the audience's
key, a path to it, or a list of keys (any of them). The memberships are the list `recipient.audiences`; whoever builds
the surroundings puts those there that count for the tenant in play.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn

from domain.condition_operators import (
    ALL_OPERATORS,
    ARGUMENTLESS_OPERATORS,
    AUDIENCE_OPERATORS,
    OUTSIDE_OPERATORS,
    Question,
    number_spelled,
)
from domain.effort import Effort, TooMuchWork
from domain.invalid import Invalid
from domain.json_value import JsonValue
from domain.pointer import escape
from domain.timestamp import instant_of

OPERATORS: frozenset[str] = frozenset(ALL_OPERATORS)
ARGUMENTLESS: frozenset[str] = frozenset(ARGUMENTLESS_OPERATORS)
"""The operators that look at the variable only. An argument beside them is kept and not read."""

NAMESPACES: frozenset[str] = frozenset({"actor", "data", "recipient", "run", "tenant", "vars", "workflow"})
"""What makes a text argument a path. A variable may name any namespace; one that is not there leads nowhere."""

CONDITIONS_MAX = 50
ARGUMENT_DEPTH_MAX = 32
"""Brackets open at once; a deeper text is not decoded. How deep Python's own decoder can go differs by version."""

# Possessive, and the closing quote may be missing: from every quote on it matches at once, so the time is linear.
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
_MEMBERS = ("variable", "operator", "argument")
# Environment variables had this spelling once, and stored conditions keep theirs.
_SPELLINGS = {"var": "vars"}


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What conditions can see. Raises ValueError if `at` is naive."""

    variables: Mapping[str, JsonValue]
    """By namespace. A namespace that is absent (no actor, no tenant in play) leads nowhere."""

    at: datetime
    """The evaluated instant, aware: the only "now" there is."""

    def __post_init__(self) -> None:
        instant_of(self.at)


@dataclass(frozen=True, slots=True)
class ConditionOutcome:
    """Whether all conditions hold; if not, the index of the first that does not."""

    holds: bool
    failed: int | None = None


def check_conditions(value: JsonValue, pointer: str) -> list[JsonValue]:
    """The conditions exactly as sent, if they are well formed. The list may be empty. Raises Invalid.

    Any variable with at least one character is allowed: a path may name a namespace that only some evaluations have.
    """
    if not isinstance(value, list):
        raise Invalid(pointer, "conditions must be a list of {variable, operator, argument}")
    if len(value) > CONDITIONS_MAX:
        raise Invalid(pointer, f"there are {len(value)} conditions; at most {CONDITIONS_MAX} are allowed")
    for index, condition in enumerate(value):
        _check_condition(condition, f"{pointer}/{index}")
    return value


def conditions_hold(
    conditions: Sequence[JsonValue], surroundings: Surroundings, effort: Effort | None = None
) -> ConditionOutcome:
    """Whether every condition holds; an empty list does.

    Never raises, whatever is stored: a condition that makes no sense (an unknown operator, no variable) does not hold,
    nor does one that takes more than is left of `effort`, which then says so. Without `effort`, all of it is there.
    """
    now = instant_of(surroundings.at)
    effort = Effort() if effort is None else effort
    for index, condition in enumerate(conditions):
        try:
            holds = _holds(condition, surroundings.variables, now, effort)
        except TooMuchWork:
            holds = False
        if not holds:
            return ConditionOutcome(holds=False, failed=index)
    return ConditionOutcome(holds=True)


def _check_condition(condition: JsonValue, pointer: str) -> None:
    if not isinstance(condition, dict):
        raise Invalid(pointer, "a condition must be an object with variable, operator and argument")
    for name in condition:
        if name not in _MEMBERS:
            raise Invalid(f"{pointer}/{escape(name)}", f"a condition has no such member; it may have {', '.join(_MEMBERS)}")
    variable = condition.get("variable")
    if not isinstance(variable, str) or not variable:
        raise Invalid(f"{pointer}/variable", "the variable must be a text with at least one character")
    operator = condition.get("operator")
    if not isinstance(operator, str) or operator not in OPERATORS:
        shown = repr(operator[:60]) if isinstance(operator, str) else "this value"
        raise Invalid(f"{pointer}/operator", f"{shown} is not an operator; the operators are {', '.join(sorted(OPERATORS))}")


def _holds(condition: JsonValue, variables: Mapping[str, JsonValue], now: int, effort: Effort) -> bool:
    effort.spend(1)
    if not isinstance(condition, dict):
        return False
    path, name = condition.get("variable"), condition.get("operator")
    if not isinstance(path, str) or not path or not isinstance(name, str):
        return False
    operator = ALL_OPERATORS.get(name)
    if operator is None:
        return False
    if name in AUDIENCE_OPERATORS:
        if path.partition(".")[0] != "recipient":
            return False
        path = "recipient.audiences"
    effort.spend_on_text(path)
    value, is_set = _look_up(path, variables)
    if name not in OUTSIDE_OPERATORS:
        effort.spend_on_value(value)
    argument: JsonValue = None
    text = ""
    if name not in ARGUMENTLESS_OPERATORS:
        argument, text = _argument(condition.get("argument"), variables, effort)
    return operator(Question(value, is_set, argument, text, now))


def _look_up(path: str, variables: Mapping[str, JsonValue]) -> tuple[JsonValue, bool]:
    namespace, *keys = path.split(".")
    namespace = _SPELLINGS.get(namespace, namespace)
    if namespace not in variables:
        return "", False
    value = variables[namespace]
    for key in keys:
        if not isinstance(value, dict) or key not in value:
            return "", False
        value = value[key]
    return value, True


def _argument(argument: JsonValue, variables: Mapping[str, JsonValue], effort: Effort) -> tuple[JsonValue, str]:
    """The argument's value, paid for, and what it is as text. Raises TooMuchWork."""
    effort.spend_on_value(argument)
    if not isinstance(argument, str):
        return argument, _as_text(argument)
    namespace, _, rest = argument.partition(".")
    if rest and _SPELLINGS.get(namespace, namespace) in NAMESPACES:
        value, _ = _look_up(argument, variables)
        effort.spend_on_value(value)
        return value, _as_text(value)
    # Paid before it is decoded, which takes the time: between any two items there is a comma.
    effort.spend(argument.count(","))
    value = _decoded(argument)
    return value, value if isinstance(value, str) else argument


def _as_text(value: JsonValue) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) or (isinstance(value, int) and abs(value) < 10**300):
        return repr(value)
    return ""


def _decoded(text: str) -> JsonValue:
    """The JSON value that a text spells, or the text itself."""
    if _too_deep(text):
        return text
    try:
        decoded: JsonValue = json.loads(text, parse_int=_number, parse_float=_number, parse_constant=_refuse)
    except ValueError:
        return text
    return decoded


def _too_deep(text: str) -> bool:
    if text.count("[") + text.count("{") <= ARGUMENT_DEPTH_MAX:
        return False
    depth = deepest = 0
    for character in _QUOTED.sub("", text):
        if character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}":
            depth -= 1
    return deepest > ARGUMENT_DEPTH_MAX


def _number(text: str) -> int | float:
    number = number_spelled(text)
    if number is None:
        raise ValueError("this number is too long or too large")
    return number


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
