"""Event ids: fresh ones in the order of time, derived ones the same for ever."""

import time
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.invalid import Invalid
from services.identifiers import derived_event_id, new_decision_id, new_event_id, parse_event_id


def test_a_fresh_id_is_a_uuid_of_version_7_of_this_moment() -> None:
    before = time.time_ns() // 1_000_000
    ids = [UUID(bytes=new_event_id()) for _ in range(1_000)] + [
        UUID(new_decision_id(time.time_ns() // 1_000_000)) for _ in range(1_000)
    ]
    after = time.time_ns() // 1_000_000
    assert len(set(ids)) == len(ids)
    for id_ in ids:
        assert (id_.version, id_.variant) == (7, "specified in RFC 4122")
        assert before <= id_.int >> 80 <= after


def test_a_derived_id_never_changes() -> None:
    """Ids of requests that were sent long ago follow from this: another value would let them count twice."""
    parts = ("development", "operator", "PUT", "/ledger/v1/holders/user:a/preferences/default", "key", "user:a", "0")
    assert str(UUID(bytes=derived_event_id(*parts))) == "976816ae-fb2d-56c5-9555-cce7422b34dd"
    assert UUID(bytes=derived_event_id("a")).version == 5


@given(one=st.lists(st.text(max_size=4), max_size=4), other=st.lists(st.text(max_size=4), max_size=4))
def test_no_two_lists_of_parts_run_together(one: list[str], other: list[str]) -> None:
    assert (derived_event_id(*one) == derived_event_id(*other)) == (one == other)


def test_an_id_is_read_in_any_case() -> None:
    text = "01890a5d-ac96-774b-bcce-b302099a8057"
    assert parse_event_id(text.upper()) == UUID(text).bytes


@pytest.mark.parametrize(
    "text",
    [
        "", "x", 1, None, "01890a5dac96774bbcceb302099a8057", "{01890a5d-ac96-774b-bcce-b302099a8057}",
        "urn:uuid:01890a5d-ac96-774b-bcce-b302099a8057", "01890a5d-ac96-774b-bcce-b302099a805\u0667",
        "00000000-0000-0000-0000-000000000000", "01890a5d-ac96-774b-bcce-b302099a8057 ",
        "01890a5d-ac96-774b-bcce-b302099a805g",
    ],
)  # fmt: skip
def test_what_is_no_id_is_refused(text: object) -> None:
    with pytest.raises(Invalid, match="is a UUID"):
        parse_event_id(text)
