"""One item as a view keeps it: bytes and back, and where each leaf came from."""

from hypothesis import given
from hypothesis import strategies as st

from domain.document import changes_between
from domain.preference_set import parse_preference_set
from projections.stored_item import (
    EMPTY,
    StoredItem,
    after_event,
    decode_item,
    encode_item,
    event_reference,
    logical_value,
    references,
    source_of,
)
from tests.unit.domain.random_sets import SETS

LEAVES = SETS.map(parse_preference_set)


def test_an_event_is_named_as_answers_show_it() -> None:
    reference = event_reference(bytes(range(16)), "position", 1_772_000_000_001)
    assert reference == ("00010203-0405-0607-0809-0a0b0c0d0e0f", "position", "2026-02-25T06:13:20.001Z")


@given(states=st.lists(LEAVES, min_size=1, max_size=6))
def test_each_leaf_points_to_the_event_that_last_changed_it(states: list[dict[str, object]]) -> None:
    item, said = EMPTY, dict[str, str]()
    for number, leaves in enumerate(states):
        changes = changes_between(item.leaves, leaves)  # type: ignore[arg-type]
        reference = event_reference(number.to_bytes(16), f"p{number}", 0)
        item = after_event(item, leaves, changes, reference) if changes else item  # type: ignore[arg-type]
        said = {path: said[path] for path in said if path in leaves}
        said.update({change.path: f"p{number}" for change in changes if change.path in leaves})
        assert {path: source_of(item, path)[1] for path in item.leaves} == said
        assert dict(references(item)) == {path: source_of(item, path) for path in item.leaves}
        assert len(item.events) == len(set(said.values())), "an event that no leaf comes from is kept"
        assert (item.sources == []) == (len(item.events) < 2), "where one event gave all, that need not be said of each"
        assert decode_item(encode_item(item)) == item


def test_the_same_item_in_another_order_is_the_same() -> None:
    one = StoredItem({"/a": 1, "/b": 2}, [0, 1], [("e0", "p0", "t0"), ("e1", "p1", "t1")])
    other = StoredItem({"/b": 2, "/a": 1}, [0, 1], [("e1", "p1", "t1"), ("e0", "p0", "t0")])
    assert logical_value(one) == logical_value(other)
    third = StoredItem({"/b": 2, "/a": 1}, [1, 0], [("e1", "p1", "t1"), ("e0", "p0", "t0")])
    assert logical_value(one) != logical_value(third)
