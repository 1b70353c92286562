"""The first difference of two JSON values: there is one exactly where their canonical forms (RFC 8785) differ."""

from typing import Any

import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st

from domain.pointer import keys_of
from services.decisions.difference import ABSENT, first_difference

SAFE = 2**53 - 1
LEAVES = (
    st.none() | st.booleans() | st.integers(-2, 2) | st.integers(-SAFE, SAFE) | st.sampled_from([0.0, -0.0, 1.0, 0.5])
    | st.sampled_from(["", "a", "1", "é"])
)  # fmt: skip
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "", "a/b", "~"]), inner, max_size=3),
    max_leaves=8,
)


def at(value: Any, pointer: str) -> Any:
    """What stands at a pointer; ABSENT where nothing does."""
    for key in keys_of(pointer):
        try:
            value = value[int(key)] if isinstance(value, list) else value[key]
        except (KeyError, IndexError):
            return ABSENT
    return value


@given(one=VALUES, other=VALUES)
@example(one=1, other=True)
@example(one=0, other=False)
@example(one=1, other=1.0)
@example(one=[], other={})
@example(one={"a": None}, other={})
def test_there_is_a_difference_where_the_canonical_bytes_differ(one: Any, other: Any) -> None:
    found = first_difference(one, other)
    assert (found is None) == (rfc8785.dumps(one) == rfc8785.dumps(other))
    if found is not None:
        assert (at(one, found.pointer), at(other, found.pointer)) == (found.logged, found.present)


@given(value=VALUES)
def test_a_value_does_not_differ_from_itself(value: Any) -> None:
    assert first_difference(value, value) is None


@pytest.mark.parametrize(
    ("one", "other", "pointer"),
    [
        ({"a": [1, {"b": True}]}, {"a": [1, {"b": False}]}, "/a/1/b"),
        ({"a": 1, "b": 1}, {"b": 2, "a": 2}, "/a"),
        ({"a/b": {"~": 1}}, {"a/b": {"~": 2}}, "/a~1b/~0"),
        ([1], [1, 2], "/1"),
        ([1, 2], [1], "/1"),
        (1, "1", ""),
    ],
)
def test_it_is_named_by_its_place(one: Any, other: Any, pointer: str) -> None:
    found = first_difference(one, other)
    assert found is not None
    assert found.pointer == pointer


def test_integers_beyond_canonical_numbers_are_told_apart() -> None:
    assert first_difference([2**60], [2**60 + 1]) is not None
    assert first_difference([2**60], [2**60]) is None
