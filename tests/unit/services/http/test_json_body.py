"""The strict JSON reader: what it takes is what was written, what is ambiguous it refuses."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.invalid import Invalid
from services.http.json_body import DEPTH_MAX, MalformedJson, parse_json, parse_object

texts = st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0"), max_size=10)
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False), texts
)
values = st.recursive(
    scalars, lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)), max_leaves=20
)


def depth_of(value: Any) -> int:
    """How deep a decoded document nests."""
    if isinstance(value, dict):
        return 1 + max(map(depth_of, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth_of, value), default=0)
    return 0


@given(value=values, ascii_only=st.booleans(), indent=st.sampled_from([None, 1]))
def test_what_was_written_is_read(value: Any, ascii_only: bool, indent: int | None) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    assert parse_json(text.encode()) == value
    assert json.dumps(parse_json(text.encode())) == json.dumps(value), "true was taken for 1, or 1.0 for 1"


@given(
    levels=st.integers(1, 60),
    keys=st.lists(st.sampled_from(["{", "[[[[", '"', "\\", '\\"', "]", '"]', "a"]), min_size=60, max_size=60)
    | st.lists(st.sampled_from(["{", "[[[[", "]", "}{", "a", "", " "]), min_size=60, max_size=60),
    innermost=st.sampled_from(["[{" * 50, "x", 1, []]),
    as_list=st.lists(st.booleans(), min_size=60, max_size=60),
)
def test_depth_is_what_nests_and_not_what_texts_hold(
    levels: int, keys: list[str], innermost: Any, as_list: list[bool]
) -> None:
    value = innermost
    levels -= depth_of(value)
    for key, listed in zip(keys[:levels], as_list[:levels], strict=True):
        value = [key, value] if listed else {key: value, f"{key}x": key}
    levels += depth_of(innermost)
    assert depth_of(value) == levels
    body = json.dumps(value).encode()
    if levels <= DEPTH_MAX:
        assert parse_json(body) == value
    else:
        with pytest.raises(MalformedJson, match=f"deeper than {DEPTH_MAX}"):
            parse_json(body)


@given(body=st.binary(max_size=60))
def test_any_bytes_are_taken_or_refused(body: bytes) -> None:
    try:
        value = parse_json(body)
    except MalformedJson:
        return
    assert json.loads(body) == value


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b'{"a": 1, "b": 2, "a": 3}', "the key 'a' stands twice"),
        (b'{"a": NaN}', "NaN is not a JSON number"),
        (b'{"a": -Infinity}', "-Infinity is not a JSON number"),
        (b'{"a": 1e400}', "1e400 is too large"),
        (b'{"a": 9223372036854775808}', "must fit into 64 bits"),
        (b'{"a": -9223372036854775809}', "must fit into 64 bits"),
        (b'{"a": 123456789012345678901234567890}', "must fit into 64 bits"),
        (b'{"a": {"b": ["\\ud800"]}}', "the text at /a/b/0 has"),
        (b'{"a": "\\u0000"}', "the text at /a has"),
        (b'{"\\udfff": 1}', "the text at the root has"),
        (b"\xff", "not UTF-8 (byte 0)"),
        (b"", "not JSON"),
        (b'{"a": 1}\n{"b": 2}', "line 2, column 1"),
    ],
)
def test_a_refusal_says_what_is_wrong(body: bytes, told: str) -> None:
    with pytest.raises(MalformedJson) as refusal:
        parse_json(body)
    assert told in str(refusal.value)


@pytest.mark.parametrize("number", [2**63 - 1, -(2**63), 0, -0.0, 5e-324, 1.7976931348623157e308, 1e22])
def test_the_largest_and_the_smallest_numbers(number: float) -> None:
    read = parse_json(json.dumps(number).encode())
    assert (read, type(read)) == (number, type(number))


def test_a_whole_surrogate_pair_is_one_character() -> None:
    assert parse_json(b'"\\ud83e\\udd96"') == "\U0001f996"


@pytest.mark.parametrize("body", [b"[]", b"1", b'"a"', b"null", b"true"])
def test_an_object_is_wanted(body: bytes) -> None:
    with pytest.raises(Invalid, match="must be a JSON object"):
        parse_object(body)


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_as_many_levels_as_allowed_and_one_more(opening: bytes, closing: bytes) -> None:
    parse_json(opening * DEPTH_MAX + b"1" + closing * DEPTH_MAX)
    with pytest.raises(MalformedJson, match="deeper"):
        parse_json(opening * (DEPTH_MAX + 1) + b"1" + closing * (DEPTH_MAX + 1))
