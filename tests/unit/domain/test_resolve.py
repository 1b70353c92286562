"""Merging layers: the rows M1 to M4 of facts/knock.md 3.3, booleans against structures, and where each leaf came from."""

from collections.abc import Mapping

import pytest
from hypothesis import given

from domain.channel import CHANNEL_TYPES
from domain.json_value import JsonValue
from domain.layers import Layer, LayerKind, stack, without_catalogue
from domain.preference_set import parse_preference_set, show_preference_set
from domain.resolve import ResolvedSet, resolved_view
from tests.unit.domain.questions import KNOCK, Tree, facts_of
from tests.unit.domain.random_sets import SETS


def resolved(*trees: Tree) -> ResolvedSet:
    """The view of environment, tenant and recipient sets, weak to strong."""
    kinds = (LayerKind.ENVIRONMENT, LayerKind.TENANT, LayerKind.OWN_IN_TENANT)
    return resolved_view(
        [Layer(kind, kind.value, "default", parse_preference_set(tree)) for kind, tree in zip(kinds, trees, strict=False)]
    )


def shown(*trees: Tree) -> Mapping[str, JsonValue]:
    return show_preference_set(resolved(*trees).leaves)


def test_m1_the_recipient_wins_and_the_environment_fills_the_gaps() -> None:
    environment: Tree = {"channel_types": {"sms": False}, "categories": {"collaboration": True}}
    assert shown(environment, {"channel_types": {"sms": True}}) == {
        "channel_types": {"sms": True},
        "categories": {"collaboration": {"enabled": True}},
    }


def test_m2_three_layers() -> None:
    environment: Tree = {"channel_types": {"sms": False}, "categories": {"collaboration": True}}
    tenant: Tree = {"categories": {"reminders": True}}
    assert shown(environment, tenant, {"categories": {"reminders": False}}) == {
        "channel_types": {"sms": False},
        "categories": {"reminders": {"enabled": False}, "collaboration": {"enabled": True}},
    }


def test_m3_a_category_marked_replace_takes_the_place_of_the_recipients() -> None:
    tenant: Tree = {
        "categories": {
            "collaboration": {"layering": {"self": "replace"}, "channel_types": {"email": False}},
            "project-updates": {"channel_types": {"email": False}},
        }
    }
    recipient: Tree = {
        "categories": {
            "collaboration": {"channel_types": {"email": True}},
            "project-updates": {"channel_types": {"email": True}},
        }
    }
    assert shown({}, tenant, recipient) == {
        "categories": {
            "collaboration": {"layering": {"self": "replace"}, "channel_types": {"email": False}},
            "project-updates": {"channel_types": {"email": True}},
        }
    }


def test_m4_channel_types_marked_replace_come_from_the_tenant() -> None:
    mark: Tree = {"channel_types": "replace"}
    tenant: Tree = {"layering": mark, "channel_types": {"email": False, "sms": True}}
    recipient: Tree = {"channel_types": {"email": True, "sms": False, "push": False}, "channels": {"c1": False}}
    assert shown({}, tenant, recipient) == {
        "layering": mark,
        "channel_types": {"email": False, "sms": True},
        "channels": {"c1": False},
    }


def test_a_replaced_node_still_inherits_from_weaker_layers() -> None:
    tenant: Tree = {"layering": {"channel_types": "replace"}, "channel_types": {"email": True}}
    assert shown({"channel_types": {"sms": False}}, tenant, {"channel_types": {"sms": True}})["channel_types"] == {
        "email": True,
        "sms": False,
    }


def test_the_weakest_mark_wins_and_no_stronger_one_takes_it_back() -> None:
    environment: Tree = {"categories": {"c": {"layering": {"self": "replace"}, "enabled": False}}}
    tenant: Tree = {"categories": {"c": {"layering": {"self": "merge"}, "enabled": True}}}
    assert shown(environment, tenant) == environment


def test_a_bare_boolean_clears_the_weaker_structure() -> None:
    weaker: Tree = {"categories": {"c": {"channel_types": {"email": False}, "channels": {"x": False}}}}
    assert shown(weaker, {"categories": {"c": True}}) == {"categories": {"c": {"enabled": True}}}


def test_a_boolean_beside_a_structure_clears_nothing() -> None:
    weaker: Tree = {"categories": {"c": {"channel_types": {"email": False}}}}
    stronger: Tree = {"categories": {"c": {"enabled": True, "channels": {"x": True}}}}
    assert shown(weaker, stronger) == {
        "categories": {"c": {"enabled": True, "channel_types": {"email": False}, "channels": {"x": True}}}
    }


def test_a_boolean_does_not_clear_a_node_marked_replace() -> None:
    rule: Tree = {"layering": {"channel_types": "replace"}, "channel_types": {"email": False}, "channels": {"x": False}}
    assert shown({"categories": {"c": rule}}, {"categories": {"c": True}}) == {
        "categories": {"c": {"layering": {"channel_types": "replace"}, "channel_types": {"email": False}, "enabled": True}}
    }


def test_a_structure_drops_a_weaker_true() -> None:
    stronger: Tree = {"workflows": {"w": {"channel_types": {"email": False}}}}
    assert shown({"workflows": {"w": True}}, stronger) == stronger


def test_a_structure_turns_a_weaker_false_into_false_for_what_it_does_not_name() -> None:
    view = resolved({"workflows": {"w": False}}, {"workflows": {"w": {"channel_types": {"email": True}}}})
    expected = {channel_type: channel_type == "email" for channel_type in CHANNEL_TYPES}
    assert show_preference_set(view.leaves) == {"workflows": {"w": {"channel_types": expected}}}
    origin = view.origins["/workflows/w/channel_types/sms"]
    assert (origin.layer.kind, origin.path) == (LayerKind.ENVIRONMENT, "/workflows/w/enabled")


def test_what_stood_beside_a_weaker_false_does_not_come_back_on() -> None:
    weaker: Tree = {"workflows": {"w": {"enabled": False, "channel_types": {"sms": True}, "channels": {"x": True}}}}
    view = shown(weaker, {"workflows": {"w": {"channel_types": {"email": True}}}})
    expected = {channel_type: channel_type == "email" for channel_type in CHANNEL_TYPES}
    assert view == {"workflows": {"w": {"channel_types": expected}}}


@pytest.mark.parametrize("weaker", [True, False])
def test_a_structure_with_a_condition_takes_the_whole_place_of_a_boolean(weaker: bool) -> None:
    condition: Tree = {"variable": "data.x", "operator": "exists", "argument": None}
    stronger: Tree = {"workflows": {"w": {"condition": [condition], "channel_types": {"email": True}}}}
    assert shown({"workflows": {"w": weaker}}, stronger) == stronger


@pytest.mark.parametrize("empty", [{}, {"channel_types": {}}, {"channels": {}, "layering": {}}])
def test_an_empty_structure_says_nothing(empty: Tree) -> None:
    assert shown({"workflows": {"w": False}}, {"workflows": {"w": empty}}) == {"workflows": {"w": {"enabled": False}}}


def test_at_the_top_of_a_set_a_boolean_is_a_member_like_any_other() -> None:
    stronger: Tree = {"channel_types": {"email": True}}
    assert shown({"enabled": False}, stronger) == {"enabled": False, "channel_types": {"email": True}}
    assert shown(stronger, {"enabled": True}) == {"enabled": True, "channel_types": {"email": True}}


def test_kept_json_keeps_the_stronger_shape() -> None:
    weak: Tree = {"kept": {"a": 1, "b": {"c": 2}, "d": 3}}
    assert shown(weak, {"kept": {"a": {"x": 1}, "b": 5}}) == {"kept": {"a": {"x": 1}, "b": 5, "d": 3}}
    assert shown(weak, {"kept": 7}) == {"kept": 7}


def test_commercial_and_schedule_are_shown_from_the_strongest_set_that_says_them() -> None:
    schedule: Tree = {"enabled": False}
    assert shown({"commercial": True, "schedule": schedule}, {"commercial": False}) == {
        "commercial": False,
        "schedule": schedule,
    }


@pytest.mark.parametrize("key", ["categories", "all", "conditions", "enabled", "*", "a/b", "~1", "", "channel_types"])
def test_no_key_is_taken_for_a_member(key: str) -> None:
    tree: Tree = {"categories": {key: {"channel_types": {"email": False}}}, "workflows": {key: {"channels": {key: True}}}}
    assert shown(tree, {"categories": {key: {"channel_types": {"sms": True}}}}) == {
        "categories": {key: {"channel_types": {"email": False, "sms": True}}},
        "workflows": {key: {"channels": {key: True}}},
    }


def test_the_catalogues_defaults_are_not_part_of_what_a_reader_is_shown() -> None:
    """Or reading and writing back would turn defaults into choices."""
    facts = facts_of(policy=KNOCK, workflow={"defaults": {"resource": {"enabled": False}}}, own={"enabled": True})
    layers = without_catalogue(stack(facts, "user:jhammond"))
    assert show_preference_set(resolved_view(layers).leaves) == {"enabled": True}


@given(SETS)
def test_one_layer_alone_is_shown_as_it_is(tree: Tree) -> None:
    leaves = parse_preference_set(tree)
    assert resolved(tree).leaves == {path: value for path, value in leaves.items() if value != {}}


@given(SETS, SETS)
def test_every_leaf_shown_was_said_where_its_origin_points(weaker: Tree, stronger: Tree) -> None:
    view = resolved(weaker, stronger)
    assert view.leaves.keys() == view.origins.keys()
    for path, value in view.leaves.items():
        origin = view.origins[path]
        assert origin.layer.leaves[origin.path] == value
