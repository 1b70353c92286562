"""Holders and sets in addresses: every name there can be is spelled, and read, in exactly one way."""

from contextlib import suppress
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.holder import (
    DEFAULT_SET,
    ENVIRONMENT,
    Holder,
    SetId,
    context_set,
    object_in,
    parse_holder,
    parse_set_id,
    subscription_set,
    tenant,
    tenant_set,
    user,
)
from domain.invalid import Invalid
from services.http.paths import decode_segment, holder_of, set_of

ids = st.text(
    alphabet=st.one_of(st.characters(exclude_categories=("Cc", "Cs")), st.sampled_from("%:/~*$ ")), min_size=1, max_size=12
)
words = st.text(alphabet="abcXYZ019_-", min_size=1, max_size=5)
holders = st.one_of(
    st.just(ENVIRONMENT), ids.map(user), ids.map(tenant), st.tuples(ids, ids).map(lambda both: object_in(*both))
)
set_ids = st.one_of(
    st.just(DEFAULT_SET),
    ids.map(tenant_set),
    st.tuples(ids, ids).map(lambda both: subscription_set(*both)),
    st.lists(st.tuples(words, words).map(":".join), min_size=1, max_size=5).map(context_set),
)


def spelled(*parts: str) -> str:
    """Parts between separating colons."""
    return ":".join(quote(part, safe="") for part in parts if part)


@given(holder=holders)
def test_a_holder_is_read_as_it_is_spelled(holder: Holder) -> None:
    assert holder_of(spelled(holder.kind.value, holder.collection, holder.id)) == holder


@given(set_id=set_ids)
def test_a_set_is_read_as_it_is_spelled(set_id: SetId) -> None:
    assert set_of(spelled(set_id.kind.value, set_id.topic, set_id.id)) == set_id


@given(one=holders, other=holders)
def test_two_holders_have_two_names(one: Holder, other: Holder) -> None:
    assert (str(one) == str(other)) == (one == other)
    assert parse_holder(str(one)) == one


@given(one=set_ids, other=set_ids)
def test_two_sets_have_two_names(one: SetId, other: SetId) -> None:
    assert (str(one) == str(other)) == (one == other)
    assert parse_set_id(str(one)) == one


@given(segment=st.text(alphabet=st.characters(codec="ascii", exclude_characters="/?#"), max_size=20))
def test_any_segment_is_read_or_refused(segment: str) -> None:
    for read in (holder_of, set_of):
        with suppress(Invalid):
            read(segment)


@pytest.mark.parametrize("segment", ["%FF", "a%C3", "%ED%A0%80", "%C0%AF"])
def test_what_is_not_utf8_is_refused(segment: str) -> None:
    with pytest.raises(Invalid, match="UTF-8"):
        decode_segment(segment)


def test_a_segment_is_decoded_once() -> None:
    assert decode_segment("a%2520b") == "a%20b"
    assert decode_segment("a+b") == "a+b"
    assert decode_segment("100%") == "100%"
