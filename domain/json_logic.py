"""JSON logic (https://jsonlogic.com): a condition as one JSON object, `{OPERATOR: ARGUMENTS}`, nested.

The semantics are those of the JavaScript original, with the few differences that `domain.json_logic_values` names.
`log` is left out: logic here has no effects. An object with more or fewer than one member can't be stored, because the
original would take it as a plain value and silently leave out the comparison that it was meant to be.
"""

from collections.abc import Callable, Iterator
from typing import Final

from domain.effort import Effort, TooMuchWork
from domain.invalid import Invalid
from domain.json_logic_operators import VALUE_OPERATORS, LogicError
from domain.json_logic_values import truthy
from domain.json_value import JsonValue
from domain.pointer import escape

DEPTH_MAX = 32
"""Operators and plain lists inside one another. The list that holds an operator's arguments does not count."""

NODES_MAX = 1_000
"""Values, objects and lists in one logic."""

STEPS_MAX = 10_000
"""Work for one logic. A step is a node worked out, or an item or 1,000 characters that an operator reads."""

_VALUE_DEPTH_MAX = 64
_CHARACTERS_PER_STEP = 1_000
# These look at a value's outside only, so a long list costs them nothing.
_UNWEIGHED: Final = frozenset({"!", "!!", "===", "!=="})


def check_logic(value: JsonValue, pointer: str) -> JsonValue:
    """The logic exactly as sent, if it can be worked out: an object with one known operator, or true or false.

    Raises Invalid, also for more than `NODES_MAX` nodes or deeper nesting than `DEPTH_MAX`.
    """
    if isinstance(value, bool):
        return value
    if not isinstance(value, dict):
        raise Invalid(pointer, "JSON logic must be an object with one operator, or true or false")
    if any(count > NODES_MAX for count, _ in enumerate(_nodes(value), start=1)):
        raise Invalid(pointer, f"the logic has more than {NODES_MAX} nodes")
    _check(value, pointer, depth=1)
    return value


def logic_holds(logic: JsonValue, data: JsonValue, effort: Effort | None = None) -> bool:
    """Whether the logic gives exactly true for the data.

    Anything else is no: false, a value that is no boolean, logic that can't be worked out, more steps than `effort` has.
    Never raises, whatever is stored. Without `effort`, `STEPS_MAX` are there.
    """
    try:
        return _Evaluation(Effort(STEPS_MAX) if effort is None else effort).work_out(logic, data, depth=1) is True
    except (LogicError, TooMuchWork):
        return False


def _nodes(value: JsonValue) -> Iterator[JsonValue]:
    waiting = [value]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, list):
            waiting.extend(node)
        elif isinstance(node, dict):
            waiting.extend(node.values())


def _check(node: JsonValue, pointer: str, depth: int) -> None:
    if not isinstance(node, (list, dict)):
        return
    if depth > DEPTH_MAX:
        raise Invalid(pointer, f"the logic is nested deeper than {DEPTH_MAX} levels")
    if isinstance(node, list):
        for index, item in enumerate(node):
            _check(item, f"{pointer}/{index}", depth + 1)
        return
    if len(node) != 1:
        raise Invalid(pointer, f"an object in JSON logic holds exactly one operator, not {len(node)} members")
    (operator, arguments), *_ = node.items()
    below = f"{pointer}/{escape(operator)}"
    if operator not in OPERATORS:
        known = " ".join(sorted(OPERATORS))
        raise Invalid(below, f"{operator[:60]!r} is not an operator of JSON logic; the operators are {known}")
    if not isinstance(arguments, list):
        _check(arguments, below, depth + 1)
        return
    for index, argument in enumerate(arguments):
        _check(argument, f"{below}/{index}", depth + 1)


class _Evaluation:
    """One answer in the making: it counts the steps, and holds the operators that decide what is worked out at all."""

    def __init__(self, effort: Effort) -> None:
        self._spend = effort.spend

    def work_out(self, logic: JsonValue, data: JsonValue, depth: int) -> JsonValue:
        """The value of `logic` with `data` in scope. Raises LogicError, TooMuchWork."""
        self._spend(1)
        if not isinstance(logic, (list, dict)):
            return logic
        if depth > DEPTH_MAX:
            raise LogicError("nested too deep")
        if isinstance(logic, list):
            return [self.work_out(item, data, depth + 1) for item in logic]
        if len(logic) != 1:
            return logic
        (operator, given), *_ = logic.items()
        arguments: list[JsonValue] = given if isinstance(given, list) else [given]
        lazy = _LAZY_OPERATORS.get(operator)
        if lazy is not None:
            return lazy(self, arguments, data, depth + 1)
        eager = VALUE_OPERATORS.get(operator)
        if eager is None:
            raise LogicError(f"unknown operator {operator[:60]!r}")
        values = [self.work_out(argument, data, depth + 1) for argument in arguments]
        if operator not in _UNWEIGHED:
            self._weigh(values)
        return eager(values, data)

    def choose(self, arguments: list[JsonValue], data: JsonValue, depth: int) -> JsonValue:
        """`if`: pairs of a condition and its value, and at the end, perhaps, the value for when none held."""
        for index in range(0, len(arguments) - 1, 2):
            if truthy(self.work_out(arguments[index], data, depth)):
                return self.work_out(arguments[index + 1], data, depth)
        return self.work_out(arguments[-1], data, depth) if len(arguments) % 2 else None

    def conjunction(self, arguments: list[JsonValue], data: JsonValue, depth: int) -> JsonValue:
        """`and`: the first value that counts as false, or the last."""
        value: JsonValue = None
        for argument in arguments:
            value = self.work_out(argument, data, depth)
            if not truthy(value):
                break
        return value

    def disjunction(self, arguments: list[JsonValue], data: JsonValue, depth: int) -> JsonValue:
        """`or`: the first value that counts as true, or the last."""
        value: JsonValue = None
        for argument in arguments:
            value = self.work_out(argument, data, depth)
            if truthy(value):
                break
        return value

    def every(self, arguments: list[JsonValue], data: JsonValue, depth: int) -> JsonValue:
        """`all`: not of an empty list."""
        items, logic = self._items(arguments, data, depth)
        return bool(items) and all(truthy(self.work_out(logic, item, depth)) for item in items)

    def some(self, arguments: list[JsonValue], data: JsonValue, depth: int) -> JsonValue:
        items, logic = self._items(arguments, data, depth)
        return any(truthy(self.work_out(logic, item, depth)) for item in items)

    def none(self, arguments: list[JsonValue], data: JsonValue, depth: int) -> JsonValue:
        return not self.some(arguments, data, depth)

    def map(self, arguments: list[JsonValue], data: JsonValue, depth: int) -> JsonValue:
        items, logic = self._items(arguments, data, depth)
        return [self.work_out(logic, item, depth) for item in items]

    def filter(self, arguments: list[JsonValue], data: JsonValue, depth: int) -> JsonValue:
        items, logic = self._items(arguments, data, depth)
        return [item for item in items if truthy(self.work_out(logic, item, depth))]

    def reduce(self, arguments: list[JsonValue], data: JsonValue, depth: int) -> JsonValue:
        """`reduce`: the logic sees `current` and `accumulator`, nothing else."""
        items, logic = self._items(arguments, data, depth)
        value = self.work_out(arguments[2], data, depth) if len(arguments) > 2 else None
        for item in items:
            value = self.work_out(logic, {"current": item, "accumulator": value}, depth)
        return value

    def _items(self, arguments: list[JsonValue], data: JsonValue, depth: int) -> tuple[list[JsonValue], JsonValue]:
        """The list that an operator goes through, and its logic for each item. What is no list counts as empty."""
        items = self.work_out(arguments[0], data, depth) if arguments else None
        return items if isinstance(items, list) else [], arguments[1] if len(arguments) > 1 else None

    def _weigh(self, values: list[JsonValue]) -> None:
        """Pay for reading these values. Lists can share members, so the cost is paid while it is counted."""
        waiting = [(value, 1) for value in values]
        while waiting:
            value, depth = waiting.pop()
            if isinstance(value, str):
                self._spend(len(value) // _CHARACTERS_PER_STEP)
            elif isinstance(value, list):
                self._spend(len(value))
                if depth > _VALUE_DEPTH_MAX:
                    raise LogicError("a list is nested too deep")
                waiting.extend((item, depth + 1) for item in value)


_LAZY_OPERATORS: dict[str, Callable[[_Evaluation, list[JsonValue], JsonValue, int], JsonValue]] = {
    "if": _Evaluation.choose,
    "?:": _Evaluation.choose,
    "and": _Evaluation.conjunction,
    "or": _Evaluation.disjunction,
    "all": _Evaluation.every,
    "some": _Evaluation.some,
    "none": _Evaluation.none,
    "map": _Evaluation.map,
    "filter": _Evaluation.filter,
    "reduce": _Evaluation.reduce,
}

OPERATORS: frozenset[str] = frozenset(VALUE_OPERATORS) | frozenset(_LAZY_OPERATORS)
