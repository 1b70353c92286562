"""Slots of a plan: large sets and odd paths come to the same pattern, and fill no memory."""

from hypothesis import given
from hypothesis import strategies as st

from domain.json_value import JsonValue
from domain.plan_slots import LARGE_SET, PATHS_MAX, Slots

NAMED = {"/channel_types/email": (1, 2), "/workflows/w/enabled": (4, 8)}
UNNAMED = [("/workflows/w/channels/", 16), ("/categories/c/channels/", 32)]
PATHS = st.sampled_from(
    [*NAMED, "/workflows/w/channels/a", "/categories/c/channels/b", "/workflows/v/channels/a", "/channels/a", "/kept/x"]
)
FILLING = {f"/workflows/w{number}/channels/x": True for number in range(LARGE_SET)}


@given(st.dictionaries(PATHS, st.booleans()))
def test_a_large_set_comes_to_what_a_small_one_with_the_same_leaves_comes_to(own: dict[str, JsonValue]) -> None:
    assert Slots(NAMED, UNNAMED).pattern_of({**FILLING, **own}) == Slots(NAMED, UNNAMED).pattern_of(own)


def test_each_leaf_that_matters_adds_its_bit() -> None:
    slots = Slots(NAMED, UNNAMED)
    assert slots.pattern_of({"/channel_types/email": False, "/workflows/w/enabled": True, "/kept/x": "y"}) == 1 | 8
    assert slots.pattern_of({"/workflows/w/channels/a": True, "/workflows/w/channels/b": False}) == 16
    assert slots.pattern_of({"/categories/c/channels/a": {}}) == 0, "a shell says nothing"


def test_no_more_paths_are_remembered_than_fit() -> None:
    slots = Slots(NAMED, UNNAMED)
    for number in range(PATHS_MAX + 10):
        assert slots.pattern_of({f"/kept/{number}": True, "/channel_types/email": True}) == 2
    assert len(slots) == PATHS_MAX
    assert slots.pattern_of({f"/workflows/w/channels/{PATHS_MAX}": True}) == 16, "not remembered, and still known"


def test_the_paths_of_a_large_set_are_not_remembered() -> None:
    slots = Slots(NAMED, UNNAMED)
    slots.pattern_of({f"/kept/{number}": True for number in range(LARGE_SET)})
    assert len(slots) == len(NAMED)
