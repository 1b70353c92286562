"""The first place where two JSON values differ."""

from dataclasses import dataclass
from typing import Any, Final

from domain.pointer import pointer

ABSENT: Final = object()
"""Stands for a value on the side that has none."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What both sides have at one JSON Pointer (RFC 6901)."""

    pointer: str
    logged: Any
    present: Any


def first_difference(logged: Any, present: Any, *keys: str) -> Difference | None:
    """The first difference below `keys`, in the order of the first value.

    None exactly where the canonical forms (RFC 8785) are the same bytes; integers that no double can hold, for which
    there is no canonical form, are compared all the same.
    """
    if isinstance(logged, dict) and isinstance(present, dict):
        pairs = [(key, logged.get(key, ABSENT), present.get(key, ABSENT)) for key in {**logged, **present}]
    elif isinstance(logged, list) and isinstance(present, list):
        length = max(len(logged), len(present))
        pairs = [(str(at), _item(logged, at), _item(present, at)) for at in range(length)]
    elif _is_same(logged, present):
        return None
    else:
        return Difference(pointer(*keys), logged, present)
    found = (first_difference(one, other, *keys, key) for key, one, other in pairs)
    return next((difference for difference in found if difference is not None), None)


def _item(values: list[Any], at: int) -> Any:
    return values[at] if at < len(values) else ABSENT


def _is_same(one: Any, other: Any) -> bool:
    # To Python, true is 1.
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)
