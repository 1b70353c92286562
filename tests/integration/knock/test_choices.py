"""Where Knock's documentation does not say, `docs/knock.md` does; these hold us to it."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.integration.knock.test_bulk import finished
from tests.integration.knock.test_evaluation import A, decided, email

NewId = Callable[[str], str]


@pytest.mark.parametrize(
    "body",
    [
        {"__strategy__": "replace", "workflows": {"w": True}},
        {"channels": {A: {"conditions": []}}},
        {"categories": {"c": {"channels": {A: {"conditions": []}}}}},
    ],
)
def test_what_cannot_be_meant_is_refused(http: httpx.Client, new_id: NewId, body: Any) -> None:
    answer = http.put(f"/v1/users/{new_id('user')}/preferences/default", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_params")


def test_a_set_named_in_the_path_stands_over_the_defaults_of_the_tenant_asked_for(http: httpx.Client, new_id: NewId) -> None:
    user, tenant = new_id("user"), new_id("tenant")
    settings = {"preference_set": {"workflows": {"a": True, "b": True}}}
    http.put(f"/v1/tenants/{tenant}", json={"settings": settings}).raise_for_status()
    http.put(f"/v1/users/{user}/preferences/marketing", json={"workflows": {"a": False}}).raise_for_status()
    shown = http.get(f"/v1/users/{user}/preferences/marketing", params={"tenant": tenant}).json()
    assert (shown["id"], shown["workflows"]) == ("marketing", {"a": False, "b": True})


def test_a_structure_over_a_false_opens_only_what_it_names(http: httpx.Client, new_id: NewId) -> None:
    user = new_id("user")
    address = f"/v1/users/{user}/preferences/default"
    http.put(address, json={"workflows": {"w": False}}).raise_for_status()
    opened = {"workflows": {"w": {"channel_types": {"email": True}}}, "__persistence_strategy__": "merge"}
    http.put(address, json=opened).raise_for_status()
    assert decided(http, user, "w", ["email", "sms", "push"]) == [True, False, False]
    http.put(address, json={"workflows": {"w": True}, "__persistence_strategy__": "merge"}).raise_for_status()
    assert http.get(address).json()["workflows"] == {"w": True}


def test_a_channel_decides_within_its_own_scope_only(http: httpx.Client, new_id: NewId) -> None:
    user = new_id("user")
    preferences = {"channels": {A: True}, "categories": {"c": {"channel_types": {"email": False}}}}
    http.put(f"/v1/users/{user}/preferences/default", json=preferences).raise_for_status()
    assert decided(http, user, "w", [email(A)], categories=["c"]) == [False]


def test_a_commercial_opt_out_beats_the_override_of_a_commercial_workflow(http: httpx.Client, new_id: NewId) -> None:
    user, workflow = new_id("user"), new_id("forced-offer")
    http.put(f"/ledger/v1/catalogue/workflows/{workflow}", json={"override": True, "commercial": True}).raise_for_status()
    http.put(f"/v1/users/{user}/preferences/default", json={"commercial_subscribed": False}).raise_for_status()
    assert decided(http, user, workflow, ["email"]) == [False]


def test_a_mark_in_the_environments_default_acts_as_a_tenants_does(http: httpx.Client, new_id: NewId) -> None:
    user, address = new_id("user"), "/ledger/v1/holders/environment/preferences/default"
    rule = {"layering": {"self": "replace"}, "channel_types": {"email": False}}
    http.put(address, json={"workflows": {"w": rule}}).raise_for_status()
    try:
        own = {"workflows": {"w": {"channel_types": {"email": True, "sms": False}}}}
        shown = http.put(f"/v1/users/{user}/preferences/default", json=own).json()
        assert shown["workflows"] == {"w": {"__strategy__": "replace", "channel_types": {"email": False}}}
    finally:
        http.delete(address).raise_for_status()
    assert http.get(f"/v1/users/{user}/preferences/default").json()["workflows"] == own["workflows"]


def test_a_put_replaces_the_rules_condition_even_where_it_cannot_show_it(http: httpx.Client, new_id: NewId) -> None:
    user = new_id("user")
    ours = f"/ledger/v1/holders/user:{user}/preferences/default"
    http.put(ours, json={"workflows": {"w": {"condition": {"==": [1, 2]}}}}).raise_for_status()
    address = f"/v1/users/{user}/preferences/default"
    assert http.get(address).json()["workflows"] is None
    http.put(address, json={"workflows": {"w": True}}).raise_for_status()
    assert http.get(ours).json()["preferences"] == {"workflows": {"w": {"enabled": True}}}


def test_merging_users_copies_no_properties(http: httpx.Client, new_id: NewId) -> None:
    target, source = new_id("user"), new_id("user")
    http.put(f"/v1/users/{source}", json={"name": "Source"}).raise_for_status()
    http.put(f"/v1/users/{target}", json={}).raise_for_status()
    assert http.post(f"/v1/users/{target}/merge", json={"from_user_id": source}).json()["name"] is None


def test_deleting_a_user_lifts_no_suppression(http: httpx.Client, new_id: NewId) -> None:
    users = [new_id("user"), new_id("user")]
    for user in users:
        http.put(f"/v1/users/{user}", json={"name": "x"}).raise_for_status()
        http.delete(f"/ledger/v1/holders/user:{user}", params={"suppress": "all"}).raise_for_status()
        http.put(f"/v1/users/{user}", json={"name": "again"}).raise_for_status()
    http.delete(f"/v1/users/{users[0]}").raise_for_status()
    finished(http, http.post("/v1/users/bulk/delete", json={"user_ids": users[1:]}).json()["id"])
    for user in users:
        assert decided(http, user, "w", ["email"]) == [False]


def test_merging_users_takes_along_what_only_other_dialects_know(http: httpx.Client, new_id: NewId) -> None:
    target, source = new_id("user"), new_id("user")
    ours = "/ledger/v1/holders/user:{}/preferences/default"
    schedule = {"schedule": {"enabled": False}}
    http.put(ours.format(source), json=schedule).raise_for_status()
    http.put(f"/v1/users/{target}", json={}).raise_for_status()
    http.post(f"/v1/users/{target}/merge", json={"from_user_id": source}).raise_for_status()
    assert http.get(ours.format(target)).json()["preferences"] == schedule


def test_a_default_of_a_user_shows_its_own_commercial_word_inside_a_tenant(http: httpx.Client, new_id: NewId) -> None:
    user, tenant = new_id("user"), new_id("tenant")
    settings = {"preference_set": {"commercial_subscribed": True}}
    http.put(f"/v1/tenants/{tenant}", json={"settings": settings}).raise_for_status()
    address = f"/v1/users/{user}/preferences"
    assert http.get(f"{address}/{tenant}").json()["commercial_subscribed"] is True
    http.put(f"{address}/default", json={"commercial_subscribed": False}).raise_for_status()
    assert http.get(f"{address}/{tenant}").json()["commercial_subscribed"] is False


def test_bulk_operations_are_carried_out_in_the_order_asked_for(http: httpx.Client, new_id: NewId) -> None:
    users = [new_id("bulk") for _ in range(150)]
    operations = []
    for value in (True, False):
        body = {"user_ids": users, "preferences": {"workflows": {"w": value}}}
        operations.append(http.post("/v1/users/bulk/preferences", json=body).json()["id"])
    first, second = (finished(http, bulk_id) for bulk_id in operations)
    assert first["completed_at"] <= second["completed_at"]
    shown = {http.get(f"/v1/users/{user}/preferences/default").json()["workflows"]["w"] for user in users[::50]}
    assert shown == {False}
