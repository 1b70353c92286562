"""Documents as leaves: the laws of flattening, merging and comparing."""

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.document import (
    LARGE_PATCH,
    MISSING,
    REMEMBERED_PATTERNS_MAX,
    Change,
    Leaves,
    Unset,
    changes_between,
    flatten,
    merge_patch,
    merged,
    put,
    replayed,
    same,
    unflatten,
)
from domain.json_value import JsonValue
from domain.pointer import ancestors, keys_of, pointer
from tests.unit.domain.json_trees import KEYS, OBJECTS, VALUES, merge_patched, text_of

LEAVES = OBJECTS.map(flatten)
PATTERNS = st.lists(KEYS | st.none(), max_size=3).map(tuple)


def is_well_formed(leaves: Leaves) -> bool:
    """No leaf stands inside another."""
    return all(above not in leaves for path in leaves for above in ancestors(path))


@given(tree=OBJECTS)
def test_an_object_comes_back_from_its_leaves_as_it_was(tree: dict[str, JsonValue]) -> None:
    leaves = flatten(tree)
    assert is_well_formed(leaves)
    assert text_of(unflatten(leaves)) == text_of(tree)
    assert flatten(unflatten(leaves)) == leaves


def test_leaves_are_scalars_lists_and_empty_objects() -> None:
    tree: dict[str, JsonValue] = {"a": {"b/c": {"": None}}, "list": [{"x": 1}], "shell": {}, "~": {"*": False}}
    assert flatten(tree) == {"/a/b~1c/": None, "/list": [{"x": 1}], "/shell": {}, "/~0/*": False}
    assert flatten({"a": 1}, "/data") == {"/data/a": 1}


# RFC 7396, appendix A: those of its cases in which a document is an object.
APPENDIX_A: list[tuple[dict[str, JsonValue], dict[str, JsonValue], dict[str, JsonValue]]] = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]


@pytest.mark.parametrize(("target", "patch", "result"), APPENDIX_A)
def test_a_merge_patch_does_what_the_rfcs_examples_say(
    target: dict[str, JsonValue], patch: dict[str, JsonValue], result: dict[str, JsonValue]
) -> None:
    assert text_of(unflatten(merged(flatten(target), *merge_patch(patch)))) == text_of(result)
    assert text_of(merge_patched(target, patch)) == text_of(result), "the reference that other tests compare with is wrong"


@settings(max_examples=150)
@given(target=OBJECTS, patch=OBJECTS)
def test_a_merge_patch_does_what_the_rfc_says(target: dict[str, JsonValue], patch: dict[str, JsonValue]) -> None:
    after = merged(flatten(target), *merge_patch(patch))
    assert is_well_formed(after)
    assert text_of(unflatten(after)) == text_of(merge_patched(target, patch))


def test_a_merge_patch_of_a_part_stays_in_its_part() -> None:
    leaves, unsets = merge_patch({"x": {"y": None}, "z": 1}, "kept", "a/b")
    assert leaves == {"/kept/a~1b/x": {}, "/kept/a~1b/z": 1}
    assert unsets == [Unset(("kept", "a/b", "x", "y"))]
    assert merge_patch({}, "kept") == ({"/kept": {}}, [])
    assert merge_patch({}) == ({}, [])


@given(leaves=LEAVES, path=st.lists(KEYS, min_size=1, max_size=3).map(lambda keys: pointer(*keys)), value=VALUES)
def test_what_is_put_stands_and_the_rest_gives_way_no_further_than_it_must(
    leaves: Leaves, path: str, value: JsonValue
) -> None:
    after = dict(leaves)
    put(after, path, {} if isinstance(value, dict) else value)
    assert is_well_formed(after)
    stood_below = any(other.startswith(path + "/") for other in leaves)
    if isinstance(value, dict):
        assert any(other == path or other.startswith(path + "/") for other in after), "the object is there, empty or not"
        assert (after.get(path) == {}) != stood_below
    else:
        assert same(after[path], value)
    kept = {other: old for other, old in leaves.items() if not f"{path}/".startswith(f"{other}/")}
    kept = {other: old for other, old in kept.items() if isinstance(value, dict) or not other.startswith(path + "/")}
    assert {other: old for other, old in after.items() if other != path} == {
        other: old for other, old in kept.items() if other != path
    }
    again = dict(after)
    put(again, path, {} if isinstance(value, dict) else value)
    assert again == after


@given(before=LEAVES, patch=st.lists(st.tuples(st.lists(KEYS, min_size=1, max_size=3), VALUES), max_size=2 * LARGE_PATCH))
def test_a_large_patch_writes_what_its_leaves_one_by_one_would(
    before: Leaves, patch: list[tuple[list[str], JsonValue]]
) -> None:
    written: Leaves = {pointer(*keys): {} if isinstance(value, dict) else value for keys, value in patch}
    filler = {f"/filler/{number}": number for number in range(LARGE_PATCH + 1)}
    one_by_one = dict(before)
    for path, value in {**written, **filler}.items():
        put(one_by_one, path, value)
    assert merged(before, {**written, **filler}, ()) == one_by_one


def without(leaves: Leaves, pattern: tuple[str | None, ...]) -> Leaves:
    """One pattern taken away in the plainest way."""
    return {
        path: value
        for path, value in leaves.items()
        if not (
            len(keys_of(path)) >= len(pattern)
            and all(wanted in (None, key) for wanted, key in zip(pattern, keys_of(path), strict=False))
        )
    }


@settings(max_examples=150)
@given(leaves=LEAVES, patterns=st.lists(PATTERNS, max_size=6), seed=st.randoms(use_true_random=False))
def test_patterns_take_away_what_they_name_in_any_order_and_nothing_else(leaves: Leaves, patterns: Any, seed: Any) -> None:
    expected = leaves
    for pattern in patterns:
        expected = without(expected, pattern)
    assert merged(leaves, {}, [Unset(pattern) for pattern in patterns]) == expected
    seed.shuffle(patterns)
    assert merged(leaves, {}, [Unset(pattern) for pattern in patterns]) == expected


def test_many_patterns_are_no_different_from_few() -> None:
    leaves = flatten({"w": {str(number): {"x": 1, "y": 2} for number in range(200)}})
    rules = [Unset(("w", str(number), "x")) for number in range(0, 200, 2)]
    assert len(rules) > REMEMBERED_PATTERNS_MAX
    after = merged(leaves, {}, rules)
    assert after == {
        path: value for path, value in leaves.items() if not (path.endswith("/x") and int(keys_of(path)[1]) % 2 == 0)
    }


def test_any_key_is_one_key_and_no_more() -> None:
    leaves = flatten({"w": {"a": {"t": 1}, "b": {"t": 2, "u": 3}, "*": {"t": 4}}, "t": 5})
    assert merged(leaves, {}, [Unset(("w", None, "t"))]) == {"/w/b/u": 3, "/t": 5}
    assert merged(leaves, {}, [Unset(("w", "*", "t"))]) == {"/w/a/t": 1, "/w/b/t": 2, "/w/b/u": 3, "/t": 5}
    assert merged(leaves, {}, [Unset((None, None, "t"))]) == {"/w/b/u": 3, "/t": 5}


def test_an_unset_removes_the_objects_that_it_leaves_empty() -> None:
    assert merged(flatten({"a": {"b": {"c": 1}}}), {}, [Unset(("a", "b", "c"))]) == {}


def test_unsets_come_before_what_is_written() -> None:
    leaves = flatten({"a": {"old": 1}})
    assert merged(leaves, {"/a/new": 2}, [Unset(("a",))]) == {"/a/new": 2}
    assert merged({}, {"/a/new": 2}, [Unset(("a",))]) == {"/a/new": 2}


@given(before=LEAVES, after=LEAVES)
def test_recorded_changes_lead_from_before_to_after_and_back(before: Leaves, after: Leaves) -> None:
    changes = changes_between(before, after)
    assert text_of(replayed(before, changes)) == text_of(after)
    back = [Change(change.path, change.after, change.before) for change in changes]
    assert text_of(replayed(after, back)) == text_of(before)
    assert [change.path for change in changes] == sorted({change.path for change in changes})
    assert bool(changes) == (text_of(before) != text_of(after)), "a change that is none, or one that goes unseen"


@given(leaves=LEAVES, patch=OBJECTS)
def test_nothing_that_is_stored_is_changed_in_place(leaves: Leaves, patch: dict[str, JsonValue]) -> None:
    """Views keep leaves from one event to the next: one written into would change the past."""
    copied = copy.deepcopy(leaves)
    after = merged(leaves, *merge_patch(patch))
    tree = unflatten(after)
    for value in tree.values():
        if isinstance(value, dict):
            value["written into"] = True
    assert leaves == copied
    assert "written into" not in text_of({path: value for path, value in after.items() if value != {}})


DIFFERENT: list[tuple[JsonValue, JsonValue]] = [
    (True, 1),
    (False, 0),
    (1, 1.0),
    (None, False),
    ("", None),
    ("1", 1),
    ([], {}),
    ([True], [1]),
    ({"a": [1.0]}, {"a": [1]}),
    ({"a": 1}, {"a": 1, "b": None}),
    ([1, 2], [2, 1]),
    ([1], [1, 1]),
]


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_what_is_different_in_json_is_a_change(one: JsonValue, other: JsonValue) -> None:
    assert not same(one, other)
    assert changes_between({"/a": one}, {"/a": other}) == [Change("/a", one, other)]


@given(value=VALUES)
def test_what_is_the_same_in_json_is_none(value: JsonValue) -> None:
    assert same(value, copy.deepcopy(value))
    assert changes_between({"/a": value}, {"/a": copy.deepcopy(value)}) == []


def test_the_order_of_members_is_no_difference() -> None:
    assert same({"a": 1, "b": [{"c": 1, "d": 2}]}, {"b": [{"d": 2, "c": 1}], "a": 1})


def test_nothing_is_not_null() -> None:
    assert changes_between({}, {"/a": None}) == [Change("/a", MISSING, None)]
    assert changes_between({"/a": None}, {}) == [Change("/a", None, MISSING)]
    assert repr(MISSING) == "MISSING"
