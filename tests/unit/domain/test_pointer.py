"""Pointers and patterns as text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.invalid import Invalid
from domain.pointer import (
    Pattern,
    ancestors,
    check_pointer,
    escape,
    format_pattern,
    keys_of,
    parse_pattern,
    pointer,
    unescape,
)

KEYS = st.text(st.sampled_from("ab/~012*é"), max_size=5)


@given(keys=st.lists(KEYS, max_size=4))
def test_keys_come_back_from_their_pointer(keys: list[str]) -> None:
    text = pointer(*keys)
    assert keys_of(text) == tuple(keys)
    assert check_pointer(text, "") == text
    assert [unescape(escape(key)) for key in keys] == keys


# RFC 6901, section 5.
@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("", ()),
        ("/foo", ("foo",)),
        ("/", ("",)),
        ("/a~1b", ("a/b",)),
        ("/m~0n", ("m~n",)),
        ("/~01", ("~1",)),
        ("//", ("", "")),
    ],
)
def test_pointers_mean_what_the_rfc_says(text: str, keys: tuple[str, ...]) -> None:
    assert keys_of(text) == keys
    assert pointer(*keys) == text


@pytest.mark.parametrize("text", ["a", "a/b", "/~", "/~2", "/a~", "~1"])
def test_what_is_no_pointer_is_refused_with_the_place_where_it_stood(text: str) -> None:
    with pytest.raises(Invalid, match="is not a JSON Pointer") as refused:
        check_pointer(text, "/path")
    assert refused.value.pointer == "/path"


@given(keys=st.lists(KEYS, max_size=4))
def test_what_is_above_is_each_shorter_path_but_the_root(keys: list[str]) -> None:
    assert [*ancestors(pointer(*keys))] == [pointer(*keys[:length]) for length in range(len(keys) - 1, 0, -1)]


@given(pattern=st.lists(KEYS | st.none(), max_size=4).map(tuple))
def test_a_pattern_comes_back_from_its_text(pattern: Pattern) -> None:
    assert parse_pattern(format_pattern(pattern)) == pattern


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("", ()),
        ("/workflows/*/channel_types", ("workflows", None, "channel_types")),
        ("/workflows/~2", ("workflows", "*")),
        ("/workflows/a~2b", ("workflows", "a*b")),
        ("/workflows/a*b", ("workflows", "a*b")),
        ("/~02", ("~2",)),
        ("/~0~2", ("~*",)),
        ("/**", ("**",)),
    ],
)
def test_an_asterisk_alone_is_any_key_and_else_a_character(text: str, pattern: Pattern) -> None:
    assert parse_pattern(text) == pattern
    assert parse_pattern(format_pattern(pattern)) == pattern
