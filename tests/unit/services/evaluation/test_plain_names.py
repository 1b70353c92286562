"""Plain names: what passes for one is a user's name in every way, so that no recipient is taken for another."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.holder import HolderKind
from domain.json_value import JsonValue
from services.evaluation.asked import parse_recipient
from services.evaluation.plain_names import plain_names

NAMES = st.sampled_from(["user:", "user:a", "user:a b", "object:c:1", "tenant:t", "User:a", ""]) | st.builds(
    "{}{}".format, st.sampled_from(["user:", "user:user:", " user:", ""]), st.text(max_size=12)
)


@given(st.lists(NAMES, min_size=1, max_size=4))
def test_plain_names_are_users_and_stand_for_themselves_in_json(recipients: list[str]) -> None:
    names = plain_names(list(recipients))
    if names is None:
        return
    assert names == recipients
    for name in names:
        holder = parse_recipient(name, "")
        assert (holder.kind, str(holder)) == (HolderKind.USER, name)
        assert json.dumps(name) == f'"{name}"'


def test_usual_names_are_plain() -> None:
    names: list[JsonValue] = [
        "user:jhammond",
        "user:a@b.example",
        "user:550e8400-e29b-41d4-a716-446655440000",
        "user:" + "x" * 256,
    ]
    assert plain_names(names) == names
    assert plain_names(names * 250) == names * 250


@pytest.mark.parametrize(
    "odd",
    ["user:a\nuser:b", "user:a\n", "\nuser:a", "user:", "user:é", 'user:"', "user:\\", "user:\x7f", "user:" + "x" * 257,
     "object:c:1", {"user": "a"}, None, 1],
)  # fmt: skip
@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_that_needs_a_closer_look_is_not_among_them(odd: JsonValue, place: int) -> None:
    recipients: list[JsonValue] = ["user:a", "user:b"]
    recipients.insert(place, odd)
    assert plain_names(recipients) is None
