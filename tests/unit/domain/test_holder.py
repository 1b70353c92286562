"""Names of holders and of their sets: each stands for one thing, whatever its ids look like."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.holder import (
    CONTEXT_KEYS_MAX,
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

IDS = st.text(st.sampled_from("ab:%,/~*3AEé"), min_size=1, max_size=6)
HOLDERS = st.one_of(st.just(ENVIRONMENT), st.builds(user, IDS), st.builds(tenant, IDS), st.builds(object_in, IDS, IDS))
CONTEXT_KEYS = st.from_regex(r"[a-zA-Z0-9_-]{1,6}:[a-zA-Z0-9_-]{1,6}", fullmatch=True)
SET_IDS = st.one_of(
    st.just(DEFAULT_SET),
    st.builds(tenant_set, IDS),
    st.builds(subscription_set, IDS, IDS),
    st.lists(CONTEXT_KEYS, max_size=CONTEXT_KEYS_MAX).map(context_set),
)


@given(holder=HOLDERS)
def test_a_holder_comes_back_from_its_name(holder: Holder) -> None:
    """So no two have one name: else one would read, and overwrite, the preferences of the other."""
    assert parse_holder(str(holder)) == holder


@given(set_id=SET_IDS)
def test_a_set_comes_back_from_its_name(set_id: SetId) -> None:
    """So no two have one name."""
    assert parse_set_id(str(set_id)) == set_id


# Names are in the log and in people's audits: they mean the same in every later release.
NAMES = [
    (ENVIRONMENT, "environment"),
    (user("jhammond"), "user:jhammond"),
    (user("environment"), "user:environment"),
    (user("a:b%3A"), "user:a:b%3A"),
    (tenant("acme"), "tenant:acme"),
    (object_in("projects", "p1"), "object:projects:p1"),
    (object_in("a:b", "c:d"), "object:a%3Ab:c:d"),
    (object_in("a", "b:c"), "object:a:b:c"),
    (object_in("50%", "x"), "object:50%25:x"),
    (object_in("%3A", "x"), "object:%253A:x"),
]


@pytest.mark.parametrize(("holder", "name"), NAMES)
def test_names_of_holders_keep_their_form(holder: Holder, name: str) -> None:
    assert str(holder) == name
    assert parse_holder(name) == holder


def test_an_escaped_colon_may_be_written_small() -> None:
    assert parse_holder("object:a%3ab:c") == object_in("a:b", "c")


SET_NAMES = [
    (DEFAULT_SET, "default"),
    (tenant_set("default"), "tenant:default"),
    (tenant_set("a:b"), "tenant:a:b"),
    (subscription_set("a:b", "c:d"), "subscription:a%3Ab:c:d"),
    (context_set(["b:2", "a:1", "b:2"]), "context:a:1,b:2"),
    (context_set(["tenant:x", "a:1"]), "context:a:1,tenant:x"),
]


@pytest.mark.parametrize(("set_id", "name"), SET_NAMES)
def test_names_of_sets_keep_their_form(set_id: SetId, name: str) -> None:
    assert str(set_id) == name
    assert parse_set_id(name) == set_id


@given(keys=st.lists(CONTEXT_KEYS, min_size=1, max_size=CONTEXT_KEYS_MAX), chance=st.randoms(use_true_random=False))
def test_a_context_is_the_same_in_any_order(keys: list[str], chance: Random) -> None:
    shuffled = [*keys, keys[0]]
    chance.shuffle(shuffled)
    assert context_set(keys) == context_set(shuffled)


def test_the_context_of_one_tenant_is_that_tenant_and_no_context_is_the_default() -> None:
    assert context_set(["tenant:acme"]) == tenant_set("acme")
    assert parse_set_id("context:tenant:acme") == tenant_set("acme")
    assert context_set([]) == DEFAULT_SET


@pytest.mark.parametrize(
    "text",
    [
        "",
        "user",
        "user:",
        "users:a",
        "tenant:",
        "object:a",
        "object::b",
        "object:a:",
        "environment:x",
        "user:a\0",
        "x" * 300,
        "user:" + "x" * 257,
    ],
)
def test_what_names_no_holder_is_refused_with_the_place_where_it_stood(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse_holder(text, "/holder")
    assert refused.value.pointer == "/holder"
    assert len(refused.value.message) < 250, "a refusal does not repeat all of what it refuses"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Default",
        "default:x",
        "tenant",
        "tenant:",
        "subscription:a",
        "subscription::b",
        "subscription:a:",
        "context:",
        "context:a",
        "context:a:b:c",
        "context:a:b,",
        "context:a:é",
        "context:" + ",".join(f"a:{n}" for n in range(6)),
        "context:a:" + "x" * 256,
    ],
)
def test_what_names_no_set_is_refused_with_the_place_where_it_stood(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse_set_id(text, "/set")
    assert refused.value.pointer == "/set"
    assert len(refused.value.message) < 250
