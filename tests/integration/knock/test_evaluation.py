"""Knock's documented cases: what was put through its own endpoints decides as its documentation says."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

NewId = Callable[[str], str]

A, B, F = (
    "550e8400-e29b-41d4-a716-446655440000",
    "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
    "f47ac10b-58cc-4372-a567-0e02b2c3d479",
)
MUTED = {"variable": "recipient.muted_dinos", "operator": "not_contains", "argument": "data.dino"}
YES = {"variable": "data.dino", "operator": "exists", "argument": None}
NO = {**YES, "operator": "not_exists"}
GRID = {
    "categories": {
        "collaboration": {"channel_types": {"email": True, "in_app_feed": True}, "channels": {A: False, B: True}},
        "project-updates": {"channel_types": {"email": False, "in_app_feed": True}},
    },
    "workflows": {"invoice-issued": {"channel_types": {"email": True}, "channels": {B: True, F: False}}},
}
MENTION = {
    "workflows": {"new-mention": {"channel_types": {"email": True, "in_app_feed": True, "push": True}}},
    "categories": {"collaboration": {"channel_types": {"email": False, "in_app_feed": True, "push": False}}},
}
EARLY = {
    "channel_types": {"email": True, "sms": False},
    "workflows": {"dinosaurs-loose": {"channel_types": {"email": False, "in_app_feed": True, "sms": True}}},
}


def email(channel_id: str) -> dict[str, str]:
    return {"type": "email", "id": channel_id}


CASES: list[tuple[str, dict[str, Any], str, list[str], list[tuple[Any, bool]]]] = [
    ("1 category off", {"categories": {"admin": False}}, "w", ["admin"], [("email", False), ("push", False)]),
    ("2 type off", {"channel_types": {"email": False}}, "w", [], [("email", False), ("sms", True)]),
    ("3 channel off", {"channels": {A: False}}, "w", [], [(email(A), False), (email(B), True), ("email", True)]),
    ("4 workflow off", {"workflows": {"mention": False}}, "mention", [], [("email", False), ("sms", False)]),
    ("5 channel beats type", {"channel_types": {"email": False}, "channels": {A: True}}, "w", [],
     [(email(A), True), (email(B), False)]),
    ("6 one category off of two", {"categories": {"a": True, "b": False}}, "w", ["a", "b"], [("email", False)]),
    ("7 category off, workflow on", {"categories": {"c": False}, "workflows": {"w": {"channel_types": {"email": True}}}},
     "w", ["c"], [("email", False)]),
    ("8 all scopes must allow", MENTION, "new-mention", ["collaboration"],
     [("email", False), ("in_app_feed", True), ("push", False)]),
    ("9 nothing set", {}, "w", ["c"], [(kind, True) for kind in ("email", "in_app_feed", "sms", "push", "chat", "http")]),
    ("10 type off anywhere", {"channel_types": {"email": False, "in_app_feed": True, "sms": True}}, "any", [],
     [("email", False), ("sms", True)]),
    ("11 on", {"workflows": {"new-comment": True, "new-reply": False}}, "new-comment", [], [("email", True)]),
    ("11 off", {"workflows": {"new-comment": True, "new-reply": False}}, "new-reply", [], [("email", False)]),
    ("12 top level first", EARLY, "dinosaurs-loose", [], [("email", False), ("in_app_feed", True), ("sms", False)]),
    ("12 other workflow", EARLY, "other", [], [("email", True), ("sms", False)]),
    ("13", GRID, "w", ["collaboration"], [(email(A), False), (email(B), True)]),
    ("13b", GRID, "w", ["project-updates"], [("email", False), ("in_app_feed", True)]),
    ("13c", GRID, "invoice-issued", [], [(email(F), False), (email(B), True)]),
    ("15 one condition of two fails", {"workflows": {"w": {"conditions": [YES, NO]}}}, "w", [], [("email", False)]),
    ("empty conditions hold", {"workflows": {"w": {"conditions": [], "channel_types": {"sms": False}}}}, "w", [],
     [("email", True), ("sms", False)]),
]  # fmt: skip


def decided(http: httpx.Client, user: str, workflow: str, channels: list[Any], **more: Any) -> list[bool]:
    question = {"recipient": f"user:{user}", "workflow": workflow, "channels": channels, "policy": "knock", **more}
    answer = http.post("/ledger/v1/evaluate", json=question)
    assert answer.status_code == 200, answer.text
    return [decision["deliver"] for decision in answer.json()["decisions"]]


@pytest.mark.parametrize(("preferences", "workflow", "categories", "expected"), [case[1:] for case in CASES],
                         ids=[case[0] for case in CASES])  # fmt: skip
def test_a_documented_case(
    http: httpx.Client,
    new_id: NewId,
    preferences: dict[str, Any],
    workflow: str,
    categories: list[str],
    expected: list[tuple[Any, bool]],
) -> None:
    user = new_id("user")
    http.put(f"/v1/users/{user}/preferences/default", json=preferences).raise_for_status()
    channels = [channel for channel, _ in expected]
    verdicts = decided(http, user, workflow, channels, categories=categories, data={"dino": "rex"})
    assert verdicts == [deliver for _, deliver in expected]


def test_conditions_see_recipient_and_data(http: httpx.Client, new_id: NewId) -> None:
    user = new_id("user")
    sets = {"default": {"workflows": {"dinosaurs-loose": {"conditions": [MUTED]}}}}
    http.put(f"/v1/users/{user}", json={"muted_dinos": ["rex"], "preferences": sets}).raise_for_status()
    assert decided(http, user, "dinosaurs-loose", ["email"], data={"dino": "rex"}) == [False]
    assert decided(http, user, "dinosaurs-loose", ["email"], data={"dino": "raptor"}) == [True]


def test_a_tenants_defaults_can_stand_in_a_condition(http: httpx.Client, new_id: NewId) -> None:
    user, tenant = new_id("user"), new_id("tenant")
    condition = {
        "variable": "tenant.settings.preferences.commercial_subscribed",
        "operator": "not_equal_to",
        "argument": "false",
    }
    http.put(f"/v1/users/{user}/preferences/default", json={"commercial_subscribed": {"conditions": [condition]}})
    workflow = new_id("offers")
    http.put(f"/ledger/v1/catalogue/workflows/{workflow}", json={"commercial": True}).raise_for_status()
    assert decided(http, user, workflow, ["email"], tenant=tenant) == [True]
    settings = {"preference_set": {"commercial_subscribed": False}}
    http.put(f"/v1/tenants/{tenant}", json={"settings": settings}).raise_for_status()
    assert decided(http, user, workflow, ["email"], tenant=tenant) == [False]


def test_the_resolved_preferences_can_stand_in_a_condition(http: httpx.Client, new_id: NewId) -> None:
    user = new_id("user")
    condition = {"variable": "recipient.preferences.categories.news", "operator": "equal_to", "argument": "true"}
    preferences = {"categories": {"news": True}, "workflows": {"w": {"conditions": [condition]}}}
    http.put(f"/v1/users/{user}/preferences/default", json=preferences)
    assert decided(http, user, "w", ["email"]) == [True]
    http.put(f"/v1/users/{user}/preferences/default/categories/news", json={"subscribed": False})
    assert decided(http, user, "w", ["email"]) == [False]


def test_a_commercial_opt_out_stops_commercial_workflows_only(http: httpx.Client, new_id: NewId) -> None:
    user, commercial, forced = new_id("user"), new_id("offers"), new_id("forced")
    http.put(f"/ledger/v1/catalogue/workflows/{commercial}", json={"commercial": True}).raise_for_status()
    http.put(f"/ledger/v1/catalogue/workflows/{forced}", json={"override": True}).raise_for_status()
    preferences = {"commercial_subscribed": False, "workflows": {forced: False}}
    http.put(f"/v1/users/{user}/preferences/default", json=preferences).raise_for_status()
    assert decided(http, user, commercial, ["email"]) == [False]
    assert decided(http, user, "transactional", ["email"]) == [True]
    assert decided(http, user, forced, ["email"]) == [True]


def test_a_tenant_that_speaks_silences_the_default_and_a_merge_keeps_the_rest(http: httpx.Client, new_id: NewId) -> None:
    user, tenant = new_id("user"), new_id("tenant")
    http.put(f"/v1/users/{user}/preferences/default", json={"categories": {"a": False}}).raise_for_status()
    assert decided(http, user, "w", ["email"], categories=["a"], tenant=tenant) == [False]
    http.put(f"/v1/tenants/{tenant}", json={"settings": {"preference_set": {"categories": {"a": True}}}})
    assert decided(http, user, "w", ["email"], categories=["a"], tenant=tenant) == [True]
    assert decided(http, user, "w", ["email"], categories=["a"]) == [False]
    locked = {"channel_types": {"__strategy__": "replace", "email": False, "sms": True}}
    http.put(f"/v1/tenants/{tenant}", json={"settings": {"preference_set": locked}}).raise_for_status()
    http.put(f"/v1/users/{user}/preferences/{tenant}", json={"channel_types": {"email": True, "sms": False}})
    assert decided(http, user, "w", ["email", "sms"], tenant=tenant) == [False, True]
