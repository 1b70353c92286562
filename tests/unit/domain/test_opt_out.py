"""What counts as an opt-out: what is missed here is never measured, however late a node honours it."""

import pytest

from domain.document import MISSING, Change, Missing, changes_between
from domain.event import SUPPRESSION
from domain.fold import patched
from domain.json_value import JsonValue
from domain.opt_out import is_opt_out
from domain.preference_set import parse_preference_patch, parse_preference_set

SET = "set:default"
CONDITIONAL: JsonValue = {"conditions": [{"variable": "data.a", "operator": "exists"}]}
OTHERWISE: JsonValue = {"conditions": [{"variable": "data.b", "operator": "exists"}]}
HOURS: JsonValue = {"enabled": True}


def routing(*channels: str, applies: bool = True) -> JsonValue:
    return {"applies": applies, "channels": [*channels]}


CHOICES = (
    "/enabled", "/otherwise", "/commercial", "/channel_types/email", "/channels/6ba7b810", "/workflows/w/enabled",
    "/categories/c/channel_types/sms", "/workflows/w/channels/enabled", "/workflows/a~1b/otherwise",
)  # fmt: skip


@pytest.mark.parametrize("path", CHOICES)
@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (MISSING, False, True), (True, False, True), (CONDITIONAL, False, True),
        (MISSING, CONDITIONAL, True), (True, CONDITIONAL, True), (OTHERWISE, CONDITIONAL, True),
        (True, MISSING, True), (CONDITIONAL, MISSING, True),
        (MISSING, True, False), (False, True, False), (CONDITIONAL, True, False),
        (False, CONDITIONAL, False), (False, MISSING, False),
    ],
)  # fmt: skip
def test_a_choice(path: str, before: JsonValue | Missing, after: JsonValue | Missing, expected: bool) -> None:
    assert is_opt_out(SET, Change(path, before, after)) is expected


@pytest.mark.parametrize(
    ("path", "before", "after", "expected"),
    [
        ("/condition", MISSING, [{"variable": "a", "operator": "exists"}], True),
        ("/workflows/w/condition", [1], {"==": [1, 2]}, True),
        ("/condition", [1], [], False),
        ("/condition", [1], MISSING, False),
        ("/schedule", MISSING, HOURS, True),
        ("/schedule", HOURS, {"enabled": True, "weekly": {}}, True),
        ("/schedule", HOURS, {"enabled": False}, False),
        ("/schedule", HOURS, MISSING, False),
        ("/categories/c/routing", MISSING, routing("email"), True),
        ("/routing", routing(applies=False), routing("email"), True),
        ("/routing", routing("email", "sms"), routing("sms", "push"), True),
        ("/routing", routing("email"), routing("sms", "email"), False),
        ("/routing", routing("email"), routing("email", applies=False), False),
        ("/routing", routing("email"), MISSING, False),
        ("/workflows/w/routing", MISSING, {"applies": True}, True),
    ],
)
def test_what_is_replaced_whole(path: str, before: JsonValue | Missing, after: JsonValue | Missing, expected: bool) -> None:
    assert is_opt_out(SET, Change(path, before, after)) is expected


@pytest.mark.parametrize(
    ("item", "path", "after"),
    [
        (SET, "/kept/enabled", False),
        (SET, "/workflows/w/kept/commercial", False),
        (SET, "/locked", False),
        (SET, "/workflows/w/digest", "weekly"),
        (SET, "/layering/self", "replace"),
        (SET, "/channel_types", {}),
        (SET, "/workflows/enabled", {}),
        (SET, "/channel_types/email/false", False),
        ("workflow:w", "/default/enabled", False),
        ("properties", "/enabled", False),
        ("policy", "/decide", "every_rule_allows"),
    ],
)
def test_what_looks_like_an_opt_out_and_is_none(item: str, path: str, after: JsonValue) -> None:
    assert not is_opt_out(item, Change(path, MISSING, after))


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (MISSING, "all", True), (MISSING, "commercial", True), ("commercial", "all", True),
        ("all", "commercial", False), ("all", MISSING, False), ("commercial", MISSING, False),
    ],
)  # fmt: skip
def test_suppression(before: JsonValue | Missing, after: JsonValue | Missing, expected: bool) -> None:
    assert is_opt_out(SUPPRESSION, Change("/suppress", before, after)) is expected


def opts_out(before: JsonValue, patch: JsonValue) -> bool:
    stored = parse_preference_set(before)
    changes = changes_between(stored, patched(stored, parse_preference_patch(patch)))
    return any(is_opt_out(SET, change) for change in changes)


def test_whole_writes() -> None:
    assert opts_out({}, {"workflows": {"w": False}})
    assert opts_out({"channel_types": {"email": True}}, {"channel_types": None})
    assert not opts_out({"channel_types": {"email": False}}, {"channel_types": {"email": False}}), "nothing changed"
    assert not opts_out({"workflows": {"w": False}}, {"workflows": {"w": True}})
    assert not opts_out({}, {"channel_types": {"email": True}, "kept": {"enabled": False}})
