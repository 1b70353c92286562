"""Positions and instants as text."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.invalid import Invalid
from projections.position import (
    Position,
    encode_position,
    instant_text,
    parse_instant,
    parse_position,
    record_hash,
)

POSITIONS = st.builds(
    Position,
    st.binary(min_size=8, max_size=8),
    st.integers(1, 65_535),
    st.integers(0, 2**64 - 1),
    st.binary(min_size=4, max_size=4),
)


@given(position=POSITIONS)
def test_a_position_comes_back_as_it_was(position: Position) -> None:
    text = str(position)
    assert parse_position(text) == position
    assert len(text) == 31
    assert text.isascii()
    assert set("/+=?&#% ").isdisjoint(text), "it stands in URLs as it is"


def test_positions_keep_their_form() -> None:
    """Clients keep them for years: an audit's `as_of` has to work in every later release."""
    text = encode_position(bytes.fromhex("0000000000004000"), 1, 2, b"\x01\x02\x03\x04")
    assert text == "AQAAAAAAAEAAAAEAAAAAAAAAAgECAwQ"
    assert parse_position(text) == Position(bytes.fromhex("0000000000004000"), 1, 2, b"\x01\x02\x03\x04")


@pytest.mark.parametrize(
    "text",
    ["", "AQ", "A" * 31, "AQAAAAAAAEAAAAEAAAAAAAAAAgECAw", "AQAAAAAAAEAAAAEAAAAAAAAAAgECAwQQ", "!" * 31, "é" * 31, 5, None],
)
def test_what_is_no_position_is_refused_with_the_place_where_it_stood(text: object) -> None:
    with pytest.raises(Invalid, match="send one back exactly as an answer of this ledger gave it") as refused:
        parse_position(text, "/as_of")
    assert refused.value.pointer == "/as_of"


@given(one=st.tuples(st.binary(max_size=20), st.binary()), other=st.tuples(st.binary(max_size=20), st.binary()))
def test_two_records_share_a_hash_only_when_they_are_the_same(one: tuple[bytes, bytes], other: tuple[bytes, bytes]) -> None:
    assert (record_hash(*one) == record_hash(*other)) == (one == other)


def test_a_byte_that_moves_from_the_key_into_the_value_is_another_record() -> None:
    assert record_hash(b"ab", b"c") != record_hash(b"a", b"bc")
    assert record_hash(b"ab", b"c") == hashlib.sha256(b"\0\0\0\2abc").digest(), "other implementations have to agree"


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_772_000_003_007, "2026-02-25T06:13:23.007Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (-62_135_596_800_000, "0001-01-01T00:00:00.000Z"),
        (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
    ],
)
def test_instants_are_written_and_read_back(milliseconds: int, text: str) -> None:
    assert instant_text(milliseconds) == text
    assert parse_instant(text) == milliseconds


@given(milliseconds=st.integers(-62_135_596_800_000, 253_402_300_799_999))
def test_every_instant_that_an_event_may_claim_can_be_shown(milliseconds: int) -> None:
    assert parse_instant(instant_text(milliseconds)) == milliseconds


def test_an_instant_between_two_milliseconds_is_the_one_before() -> None:
    """`as_of` such an instant must not show what was recorded after it."""
    assert parse_instant("1970-01-01T00:00:00.0019Z") == 1
    assert parse_instant("1969-12-31T23:59:59.9999Z") == -1
    assert parse_instant("1970-01-01T01:00:00.5+01:00") == 500


@pytest.mark.parametrize(
    "text", ["", "now", "2026-03-03", "2026-03-03T14:02:00", "20260303T140200Z", "9999-12-31T24:00:00Z", 5]
)
def test_what_is_no_instant_is_refused(text: object) -> None:
    with pytest.raises(Invalid, match="write it like 2026-03-03T14:02:00Z"):
        parse_instant(text)
