"""Catalogue entries and the policy: what is accepted, and what a refusal points to."""

from typing import Any

import pytest

from domain.catalogue import LIST_MAX, EntryKind, parse_entry, parse_policy
from domain.invalid import Invalid
from domain.json_value import JsonValue

Tree = dict[str, Any]

ACCEPTED: list[tuple[EntryKind, Tree, Tree]] = [
    (
        EntryKind.WORKFLOW,
        {
            "name": "Dinosaurs loose",
            "internal_id": "wf_1",
            "categories": ["alerts"],
            "channels": ["email", {"type": "sms", "id": "6ba7"}, {"type": "push", "id": None}],
            "tags": ["a", ""],
            "severity": "high",
            "commercial": False,
            "override": True,
            "active": True,
            "defaults": {"resource": {"channel_types": {"email": True}}, "user": False},
            "data": {"a/b": {"": None}, "list": []},
        },
        {
            "/name": "Dinosaurs loose",
            "/internal_id": "wf_1",
            "/categories": ["alerts"],
            "/channels": [{"type": "email"}, {"type": "sms", "id": "6ba7"}, {"type": "push"}],
            "/tags": ["a", ""],
            "/severity": "high",
            "/commercial": False,
            "/override": True,
            "/active": True,
            "/defaults/resource/channel_types/email": True,
            "/defaults/user/enabled": False,
            "/data/a~1b/": None,
            "/data/list": [],
        },
    ),
    (
        EntryKind.CATEGORY,
        {
            "name": "Alerts",
            "description": "d",
            "section": "s",
            "default": {"locked": True, "enabled": True},
            "allowed_preferences": ["snooze"],
            "routing_options": ["email"],
            "unsubscribe_header": True,
            "digest": {"schedules": [{"period": "daily"}]},
            "data": {},
        },
        {
            "/name": "Alerts",
            "/description": "d",
            "/section": "s",
            "/default/locked": True,
            "/default/enabled": True,
            "/allowed_preferences": ["snooze"],
            "/routing_options": ["email"],
            "/unsubscribe_header": True,
            "/digest/schedules": [{"period": "daily"}],
            "/data": {},
        },
    ),
    (EntryKind.CHANNEL, {"name": "c", "type": "email"}, {"/name": "c", "/type": "email"}),
    (
        EntryKind.SECTION,
        {"name": "s", "description": "", "has_custom_routing": True, "routing_options": ["sms", "email"]},
        {"/name": "s", "/description": "", "/has_custom_routing": True, "/routing_options": ["sms", "email"]},
    ),
]


@pytest.mark.parametrize(("kind", "tree", "leaves"), ACCEPTED)
def test_an_entry_is_kept_as_it_was_written(kind: EntryKind, tree: Tree, leaves: Tree) -> None:
    assert parse_entry(kind, "key", tree) == leaves


@pytest.mark.parametrize("kind", [EntryKind.WORKFLOW, EntryKind.CATEGORY, EntryKind.SECTION])
def test_null_is_absent(kind: EntryKind) -> None:
    assert parse_entry(kind, "key", {"name": None, "data": None}) == {}


REFUSED: list[tuple[EntryKind, JsonValue, str]] = [
    (EntryKind.WORKFLOW, [], ""),
    (EntryKind.WORKFLOW, {"nmae": "x"}, "/nmae"),
    (EntryKind.WORKFLOW, {"a/b": "x"}, "/a~1b"),
    (EntryKind.WORKFLOW, {"name": 5}, "/name"),
    (EntryKind.WORKFLOW, {"categories": "alerts"}, "/categories"),
    (EntryKind.WORKFLOW, {"categories": ["alerts", ""]}, "/categories/1"),
    (EntryKind.WORKFLOW, {"tags": ["x"] * (LIST_MAX + 1)}, "/tags"),
    (EntryKind.WORKFLOW, {"channels": ["email", "telex"]}, "/channels/1"),
    (EntryKind.WORKFLOW, {"channels": [{"id": "x"}]}, "/channels/0/type"),
    (EntryKind.WORKFLOW, {"channels": [{"type": "email", "ID": "x"}]}, "/channels/0/ID"),
    (EntryKind.WORKFLOW, {"severity": "urgent"}, "/severity"),
    (EntryKind.WORKFLOW, {"override": "yes"}, "/override"),
    (EntryKind.WORKFLOW, {"defaults": {"users": {}}}, "/defaults/users"),
    (EntryKind.WORKFLOW, {"defaults": {"user": {"channel_types": {"telex": True}}}}, "/defaults/user/channel_types/telex"),
    (EntryKind.WORKFLOW, {"data": "x"}, "/data"),
    (EntryKind.CATEGORY, {"default": 1}, "/default"),
    (EntryKind.CATEGORY, {"allowed_preferences": ["everything"]}, "/allowed_preferences/0"),
    (EntryKind.CATEGORY, {"routing_options": ["telex"]}, "/routing_options/0"),
    (EntryKind.CHANNEL, {"name": "c"}, "/type"),
    (EntryKind.CHANNEL, {"type": None}, "/type"),
    (EntryKind.SECTION, {"channels": []}, "/channels"),
]


@pytest.mark.parametrize(("kind", "tree", "pointer"), REFUSED)
def test_a_refusal_points_to_what_is_wrong(kind: EntryKind, tree: JsonValue, pointer: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse_entry(kind, "key", tree)
    assert refused.value.pointer == pointer


@pytest.mark.parametrize("key", ["", "a\0", "x" * 257])
def test_a_key_is_an_id(key: str) -> None:
    with pytest.raises(Invalid):
        parse_entry(EntryKind.WORKFLOW, key, {})


def test_a_policy_answers_both_questions() -> None:
    leaves = {"/decide": "every_rule_allows", "/own_default_in_tenant": "never", "/semantics": 1}
    tree: Tree = {"decide": "every_rule_allows", "own_default_in_tenant": "never"}
    assert parse_policy(tree) == leaves
    assert parse_policy({**tree, "semantics": 1}) == leaves


@pytest.mark.parametrize(
    ("tree", "pointer"),
    [
        ({"own_default_in_tenant": "never"}, "/decide"),
        ({"decide": "every_rule_allows"}, "/own_default_in_tenant"),
        ({"decide": "majority", "own_default_in_tenant": "never"}, "/decide"),
        ({"decide": "every_rule_allows", "own_default_in_tenant": "never", "semantics": 2}, "/semantics"),
        ({"decide": "every_rule_allows", "own_default_in_tenant": "never", "semantics": True}, "/semantics"),
        ({"decide": "every_rule_allows", "own_default_in_tenant": "never", "more": 1}, "/more"),
        ("knock", ""),
    ],
)
def test_a_policy_that_is_none_is_refused(tree: JsonValue, pointer: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse_policy(tree)
    assert refused.value.pointer == pointer
