"""Preference sets as people write them: parsed, patched, shown, and refused."""

from typing import Any

import pytest
from hypothesis import example, given, settings

from domain.channel import CHANNEL_TYPES
from domain.document import Unset
from domain.fold import patched
from domain.holder import HolderKind
from domain.invalid import Invalid
from domain.json_value import JsonValue
from domain.preference_set import (
    LEAVES_MAX,
    check_speaker,
    parse_preference_patch,
    parse_preference_set,
    show_preference_set,
    speaks_in_structure,
)
from tests.unit.domain.json_trees import text_of
from tests.unit.domain.preference_trees import PATCHES, PREFERENCE_SETS, Tree, canonical, patched_tree

# Knock's documentation, as published.
DOCUMENTED: Tree = {
    "channel_types": {"email": True, "sms": False},
    "workflows": {"dinosaurs-loose": {"channel_types": {"email": False, "in_app_feed": True, "sms": True}}},
}
CONDITION: JsonValue = {"variable": "data.x", "operator": "equal_to", "argument": "1"}
CONDITIONAL: Tree = {"condition": [CONDITION]}


@settings(max_examples=120, deadline=None)
@given(tree=PREFERENCE_SETS)
def test_a_set_is_shown_as_it_was_written(tree: Tree) -> None:
    """But for bare booleans, which are shown as the rule that they are short for."""
    leaves = parse_preference_set(tree)
    assert text_of(show_preference_set(leaves)) == text_of(canonical(tree))
    assert parse_preference_set(show_preference_set(leaves)) == leaves, "what is read can be written back"


def test_a_common_payload_is_valid_as_it_is() -> None:
    assert parse_preference_set(DOCUMENTED) == {
        "/channel_types/email": True,
        "/channel_types/sms": False,
        "/workflows/dinosaurs-loose/channel_types/email": False,
        "/workflows/dinosaurs-loose/channel_types/in_app_feed": True,
        "/workflows/dinosaurs-loose/channel_types/sms": True,
    }
    assert show_preference_set(parse_preference_set(DOCUMENTED)) == DOCUMENTED
    assert patched({}, parse_preference_patch(DOCUMENTED)) == parse_preference_set(DOCUMENTED)


@pytest.mark.parametrize(
    ("tree", "leaves"),
    [
        ({}, {}),
        ({"workflows": {"w": True}}, {"/workflows/w/enabled": True}),
        ({"workflows": {"w": {}}}, {"/workflows/w": {}}),
        ({"workflows": {"w": None}}, {"/workflows": {}}),
        ({"workflows": {}}, {"/workflows": {}}),
        ({"workflows": None, "channel_types": None, "commercial": None, "schedule": None}, {}),
        ({"channel_types": {}}, {"/channel_types": {}}),
        ({"channel_types": {"email": None}}, {"/channel_types": {}}),
        ({"categories": {"": False}}, {"/categories//enabled": False}),
        ({"categories": {"*": {"conditions": [CONDITION]}}}, {"/categories/*/condition": [CONDITION]}),
        ({"categories": {"conditions": True, "all": {}}}, {"/categories/conditions/enabled": True, "/categories/all": {}}),
        ({"channels": {"a/b": True, "~1": False}}, {"/channels/a~1b": True, "/channels/~01": False}),
        ({"kept": None}, {}),
        ({"kept": {"x": None}}, {"/kept/x": None}),
        ({"layering": {"self": None}}, {"/layering": {}}),
        ({"commercial": {"conditions": [CONDITION]}}, {"/commercial": {"conditions": [CONDITION]}}),
        ({"routing": {"applies": True}}, {"/routing": {"applies": True, "channels": []}}),
    ],
)
def test_absent_null_false_and_empty_are_four_things(tree: Tree, leaves: Tree) -> None:
    assert parse_preference_set(tree) == leaves


REFUSED: list[tuple[JsonValue, str]] = [
    (None, ""),
    ([], ""),
    ({"workflow": {}}, "/workflow"),
    ({"a/b": 1}, "/a~1b"),
    ({"workflows": []}, "/workflows"),
    ({"workflows": {"w": 1}}, "/workflows/w"),
    ({"workflows": {"a/b": {"enable": True}}}, "/workflows/a~1b/enable"),
    ({"workflows": {"w": {"enabled": 1}}}, "/workflows/w/enabled"),
    ({"workflows": {"w\0": True}}, "/workflows/w\0"),
    ({"categories": {"c": {"channel_types": {"telex": True}}}}, "/categories/c/channel_types/telex"),
    ({"channel_types": {"email": "yes"}}, "/channel_types/email"),
    ({"channel_types": {"email": {"conditions": []}}}, "/channel_types/email/conditions"),
    ({"channel_types": {"email": {"condition": [CONDITION]}}}, "/channel_types/email/condition"),
    ({"channels": {"x" * 257: True}}, f"/channels/{'x' * 257}"),
    ({"commercial": 0}, "/commercial"),
    ({"condition": [CONDITION], "conditions": [CONDITION]}, "/conditions"),
    ({"conditions": {"variable": "x"}}, "/conditions"),
    ({"condition": 5}, "/condition"),
    ({"routing": {"applies": 1, "channels": []}}, "/routing/applies"),
    ({"routing": {"applies": True, "channels": ["email", "telex"]}}, "/routing/channels/1"),
    ({"routing": {"applies": True, "channels": "email"}}, "/routing/channels"),
    ({"layering": {"self": "overwrite"}}, "/layering/self"),
    ({"layering": {"workflows": "merge"}}, "/layering/workflows"),
    ({"digest": 5}, "/digest"),
    ({"otherwise": "true"}, "/otherwise"),
    ({"schedule": {"enabled": True, "weekly": {}}}, "/schedule/weekly"),
]


@pytest.mark.parametrize(("tree", "pointer"), REFUSED)
def test_a_refusal_points_to_what_is_wrong(tree: JsonValue, pointer: str) -> None:
    for parse in (parse_preference_set, parse_preference_patch):
        with pytest.raises(Invalid) as refused:
            parse(tree)
        assert refused.value.pointer == pointer
        assert refused.value.message


def test_a_patch_cannot_unset_what_a_set_cannot_have() -> None:
    with pytest.raises(Invalid) as refused:
        parse_preference_patch({"workflow": None})
    assert refused.value.pointer == "/workflow"


def test_a_set_and_a_patch_have_a_limit() -> None:
    """What one event and one evaluation may cost. Nulls cost as much as values."""
    many: Tree = {"workflows": {str(number): True for number in range(LEAVES_MAX)}}
    assert len(parse_preference_set(many)) == LEAVES_MAX
    assert (
        len(parse_preference_patch({"workflows": {"w": {"channels": dict.fromkeys(map(str, range(4_000)))}}}).unsets)
        == 4_000
    )
    many["workflows"]["one more"] = True
    too_many_nulls: Tree = {"channels": {str(number): None for number in range(LEAVES_MAX + 1)}}
    for tree in (many, too_many_nulls):
        with pytest.raises(Invalid, match=f"at most {LEAVES_MAX} are allowed"):
            parse_preference_patch(tree)


# What a merge does, and in which order: boolean against structure (`spell_out`), unsets, then what is written.


@settings(max_examples=200, deadline=None)
@given(before=PREFERENCE_SETS, patch=PATCHES)
@example(before={"workflows": {"w": False}}, patch={"workflows": {"w": {"channels": {"c": True}}}})
@example(
    before={"workflows": {"w": {"enabled": False, "channels": {"c": True}}}}, patch={"workflows": {"w": {"condition": True}}}
)
def test_a_patch_does_what_a_plain_model_of_it_says(before: Tree, patch: Tree) -> None:
    after = patched(parse_preference_set(before), parse_preference_patch(patch))
    assert text_of(show_preference_set(after)) == text_of(patched_tree(canonical(before), patch))


def apply(before: Tree, patch: Tree) -> Tree:
    return show_preference_set(patched(parse_preference_set(before), parse_preference_patch(patch)))


def test_a_bare_boolean_clears_what_was_said_in_detail_and_nothing_else() -> None:
    before: Tree = {
        "workflows": {"w": {"channel_types": {"email": True}, "channels": {"c": True}, "digest": "daily", "kept": 1}}
    }
    assert apply(before, {"workflows": {"w": False}}) == {
        "workflows": {"w": {"enabled": False, "digest": "daily", "kept": 1}}
    }
    spelled: Tree = {"workflows": {"w": {"enabled": False}}}
    assert apply(before, spelled)["workflows"]["w"]["channel_types"] == {"email": True}, "only a bare boolean clears"


def test_a_structure_undoes_no_opt_out_that_it_does_not_speak_of() -> None:
    after = apply({"workflows": {"w": False}}, {"workflows": {"w": {"channel_types": {"email": True}}}})
    assert after == {"workflows": {"w": {"channel_types": {**dict.fromkeys(CHANNEL_TYPES, False), "email": True}}}}


def test_a_choice_that_was_silenced_does_not_come_back_by_itself() -> None:
    """It stood beside a false, so nothing was sent: writing about another channel must not start it."""
    before: Tree = {
        "workflows": {"w": {"enabled": False, "channel_types": {"push": True}, "channels": {"mine": True, "yours": False}}}
    }
    rule = apply(before, {"workflows": {"w": {"channel_types": {"email": True}}}})["workflows"]["w"]
    assert rule == {
        "channel_types": {**dict.fromkeys(CHANNEL_TYPES, False), "email": True},
        "channels": {"mine": False, "yours": False},
    }


def test_a_structure_drops_a_stored_true_and_a_condition_drops_either() -> None:
    structure: Tree = {"workflows": {"w": {"channel_types": {"email": False}}}}
    assert apply({"workflows": {"w": True}}, structure) == structure
    conditional: Tree = {"workflows": {"w": CONDITIONAL}}
    for stored in (True, False):
        assert apply({"workflows": {"w": stored}}, conditional) == conditional


def test_a_structure_with_a_boolean_of_its_own_spells_nothing_out() -> None:
    said: Tree = {"enabled": True, "channel_types": {"email": True}}
    assert apply({"workflows": {"w": False}}, {"workflows": {"w": said}}) == {"workflows": {"w": said}}


@pytest.mark.parametrize(
    "patch", [{}, {"channel_types": {}}, {"channels": {"x": None}}, {"digest": "daily"}, {"condition": None}]
)
def test_a_structure_that_says_nothing_leaves_the_boolean_alone(patch: Tree) -> None:
    after = apply({"workflows": {"w": False}}, {"workflows": {"w": patch}})
    assert after["workflows"]["w"]["enabled"] is False


def test_only_rules_of_a_scope_are_spelled_out() -> None:
    """The top level has no bare boolean: its `enabled` is a member like any other."""
    assert parse_preference_patch({"channel_types": {"email": True}}).spell_out == ()
    assert apply({"enabled": False}, {"channel_types": {"email": True}})["enabled"] is False
    assert parse_preference_patch({"workflows": {"a/b": {"channels": {"x": True}}}}).spell_out == ("/workflows/a~1b",)


@pytest.mark.parametrize(
    ("stored", "patch", "after"),
    [
        ({}, {"workflows": {"w": None}}, {"workflows": {}}),
        ({}, {"workflows": {"w": {"enabled": None}}}, {"workflows": {"w": {}}}),
        ({"workflows": {"w": True}}, {"workflows": {"w": None}}, {"workflows": {}}),
        ({"workflows": {"w": True}}, {"workflows": None}, {}),
        ({"kept": {"a": {"b": 1}}}, {"kept": {"a": {"b": None}}}, {"kept": {"a": {}}}),
        ({"kept": 5}, {"kept": {"a": None}}, {"kept": {}}),
        ({"channel_types": {"email": True}}, {"channel_types": {"email": None}}, {"channel_types": {}}),
        ({"condition": True}, {"conditions": None}, {}),
        ({"condition": True}, {"conditions": None, "condition": [CONDITION]}, {"condition": [CONDITION]}),
    ],
)
def test_null_unsets_and_the_object_around_it_stays(stored: Tree, patch: Tree, after: Tree) -> None:
    assert apply(stored, patch) == after


def test_a_patch_names_what_it_unsets_by_keys() -> None:
    patch = parse_preference_patch({"workflows": {"*": None}, "channels": {"~": None}})
    assert set(patch.unsets) == {Unset(("workflows", "*")), Unset(("channels", "~"))}


def test_a_patch_is_the_same_in_whichever_order_its_members_stand() -> None:
    """JSON objects are unordered: a request sent again with its members in another order would else be another event."""
    w: Tree = {"condition": None, "channel_types": {"email": False, "sms": None}, "kept": {"a": None, "b": None}}
    said: Tree = {"workflows": {"w": w, "v": None, "u": {"channels": {"x": True}}}, "commercial": None, "categories": {}}
    assert parse_preference_patch(reversed_members(said)) == parse_preference_patch(said)


def reversed_members(tree: JsonValue) -> JsonValue:
    return {key: reversed_members(tree[key]) for key in reversed([*tree])} if isinstance(tree, dict) else tree


def test_an_empty_structure_says_nothing() -> None:
    assert not speaks_in_structure({"/workflows/w/channel_types": {}, "/workflows/w": {}}, "/workflows/w")
    assert not speaks_in_structure({"/workflows/wx/channels/a": True, "/workflows/w/enabled": True}, "/workflows/w")
    assert speaks_in_structure({"/workflows/w/channels/a": False}, "/workflows/w")
    assert speaks_in_structure({"/condition": True}, "")


@pytest.mark.parametrize("path", ["/locked", "/workflows/w/locked", "/categories/locked/locked"])
def test_users_and_objects_lock_nothing(path: str) -> None:
    for kind in (HolderKind.USER, HolderKind.OBJECT):
        with pytest.raises(Invalid) as refused:
            check_speaker({path: False}, kind)
        assert refused.value.pointer == path
    for kind in (HolderKind.TENANT, HolderKind.ENVIRONMENT):
        check_speaker({path: True}, kind)


@pytest.mark.parametrize(
    "path", ["/workflows/locked/enabled", "/kept/locked", "/channels/locked", "/workflows/w/channels/locked"]
)
def test_a_key_called_locked_locks_nothing(path: str) -> None:
    leaves: dict[str, Any] = {path: True}
    check_speaker(leaves, HolderKind.USER)
