"""Preference sets through the published Python package: what a team on Knock does all day."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from knockapi import AsyncKnock, Knock

from tests.integration.knock.conftest import history

EMPTY = {
    "__typename": "PreferenceSet",
    "id": "default",
    "categories": None,
    "workflows": None,
    "channel_types": None,
    "channels": None,
    "commercial_subscribed": None,
}
CHANNEL = "550e8400-e29b-41d4-a716-446655440000"
CONDITION = {"variable": "recipient.muted_dinos", "operator": "not_contains", "argument": "data.dino"}
WHOLE: dict[str, Any] = {
    "categories": {
        "collaboration": {"channel_types": {"email": False, "sms": {"conditions": [CONDITION]}}},
        "park wide": True,
    },
    "workflows": {"dinosaurs-loose": {"conditions": [CONDITION], "channels": {CHANNEL: True}}, "off": False},
    "channel_types": {"email": True, "push": False, "http": False},
    "channels": {CHANNEL: {"conditions": [CONDITION]}},
    "commercial_subscribed": False,
}

NewId = Callable[[str], str]


def test_a_user_that_nobody_heard_of_has_an_empty_set_and_not_a_404(http: httpx.Client, new_id: NewId) -> None:
    answer = http.get(f"/v1/users/{new_id('user')}/preferences/default")
    assert (answer.status_code, answer.json()) == (200, EMPTY)
    assert http.get(f"/v1/users/{new_id('user')}/preferences").json() == []
    assert answer.headers["x-request-id"]


def test_what_was_put_is_read_back_by_every_reader(knock: Knock, http: httpx.Client, new_id: NewId) -> None:
    user = new_id("user")
    put = knock.users.set_preferences(user, "default", **WHOLE)
    got = knock.users.get_preferences(user, "default")
    assert put == got
    assert http.get(f"/v1/users/{user}/preferences/default").json() == {**EMPTY, **WHOLE}
    assert [each.id for each in knock.users.list_preferences(user)] == ["default"]
    assert got.categories is not None
    knock.users.unset_preferences(user, "default")
    assert knock.users.list_preferences(user) == []
    assert http.get(f"/v1/users/{user}/preferences/default").json() == EMPTY


async def test_the_async_client_does_the_same(async_knock: AsyncKnock, new_id: NewId) -> None:
    user = new_id("user")
    put = await async_knock.users.set_preferences(user, "acme", workflows={"w": True})
    assert put.id == "acme"
    assert await async_knock.users.get_preferences(user, "acme") == put
    await async_knock.users.unset_preferences(user, "acme")
    assert (await async_knock.users.get_preferences(user, "acme")).workflows is None


@pytest.mark.parametrize("collection", ["projects", "$tenants"])
def test_objects_have_preferences_as_users_do(knock: Knock, new_id: NewId, collection: str) -> None:
    name = new_id("object")
    put = knock.objects.set_preferences(collection, name, "default", channel_types={"email": False})
    assert knock.objects.get_preferences(collection, name, "default") == put
    assert len(knock.objects.list_preferences(collection, name)) == 1
    knock.objects.unset_preferences(collection, name, "default")
    assert knock.objects.list_preferences(collection, name) == []


@pytest.mark.parametrize("user", ["a b", "a/b", "ünïcode 🦕", "100%", "$dollar", "a:b", "a+b", "..%2F"])
def test_ids_keep_every_character(knock: Knock, new_id: NewId, user: str) -> None:
    user = f"{user}-{new_id('x')}"
    knock.users.set_preferences(user, "set/with slash", workflows={"k/~1": False})
    assert [each.id for each in knock.users.list_preferences(user)] == ["set/with slash"]
    assert knock.users.get_preferences(user, "set/with slash").workflows == {"k/~1": False}


def test_put_replaces_and_merge_merges(knock: Knock, http: httpx.Client, new_id: NewId) -> None:
    user = new_id("user")
    both: Any = {"collaboration": {"channel_types": {"email": True, "in_app_feed": True}}}
    off: Any = {"collaboration": {"channel_types": {"email": False}}}
    knock.users.set_preferences(user, "default", categories=both)
    knock.users.set_preferences(user, "default", categories=off, _persistence_strategy="merge")
    merged = {"collaboration": {"channel_types": {"email": False, "in_app_feed": True}}}
    assert http.get(f"/v1/users/{user}/preferences/default").json()["categories"] == merged
    knock.users.set_preferences(user, "default", categories=off)
    assert http.get(f"/v1/users/{user}/preferences/default").json()["categories"] == off
    http.put(f"/v1/users/{user}/preferences/default", json={"__persistence_strategy__": "merge", "categories": None})
    assert http.get(f"/v1/users/{user}/preferences/default").json() == EMPTY


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"categories": None, "workflows": None, "channel_types": None, "channels": None, "commercial_subscribed": None},
        {"workflows": {"gone": None}, "categories": {}},
        {"id": "default", "__typename": "PreferenceSet"},
    ],
)
def test_a_body_that_says_nothing_is_accepted_and_clears(http: httpx.Client, new_id: NewId, body: dict[str, Any]) -> None:
    address = f"/v1/users/{new_id('user')}/preferences/default"
    assert http.put(address, json=WHOLE).json() == {**EMPTY, **WHOLE}
    assert http.put(address, json=body).json() == EMPTY


def test_what_a_get_answers_can_be_put_back_unchanged(http: httpx.Client, new_id: NewId) -> None:
    tenant, user = new_id("tenant"), new_id("user")
    node = {"collaboration": {"__strategy__": "replace", "channel_types": {"email": False}}}
    http.put(f"/ledger/v1/holders/tenant:{tenant}/preferences/default", json=_ours(node)).raise_for_status()
    http.put(f"/v1/users/{user}/preferences/{tenant}", json={**WHOLE, "workflows": {"w": {"conditions": []}}})
    seen = http.get(f"/v1/users/{user}/preferences/{tenant}").json()
    assert seen["categories"]["collaboration"] == node["collaboration"]
    assert http.put(f"/v1/users/{user}/preferences/{tenant}", json=seen).json() == seen


def _ours(categories: dict[str, Any]) -> dict[str, Any]:
    rules = {}
    for key, rule in categories.items():
        rest = {name: value for name, value in rule.items() if name != "__strategy__"}
        rules[key] = {**rest, "layering": {"self": rule["__strategy__"]}} if "__strategy__" in rule else rest
    return {"categories": rules}


def test_a_put_takes_away_nothing_that_knock_cannot_show(http: httpx.Client, new_id: NewId) -> None:
    user = new_id("user")
    ours = f"/ledger/v1/holders/user:{user}/preferences/default"
    kept = {
        "categories": {"news": {"routing": {"applies": True, "channels": ["sms"]}}},
        "schedule": {"enabled": False},
        "channel_types": {"tool": False},
    }
    http.put(ours, json={**kept, "workflows": {"w": False}}).raise_for_status()
    assert http.put(f"/v1/users/{user}/preferences/default", json={}).json() == EMPTY
    assert http.get(ours).json()["preferences"] == kept
    http.delete(f"/v1/users/{user}/preferences/default")
    assert http.get(ours).json()["preferences"] == kept


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"channel_types": {"pigeon": True}}, "/channel_types/pigeon"),
        ({"channel_types": {"email": {"conditions": []}}}, "/channel_types/email/conditions"),
        ({"categories": {"park-wide": {"sms": False}}}, "/categories/park-wide/sms"),
        ({"categories": {"c": "yes"}}, "/categories/c"),
        ({"workflows": []}, "/workflows"),
        ({"workflows": {"w": {"conditions": [{"variable": "data.x", "operator": "resembles", "argument": "y"}]}}},
         "/workflows/w/conditions/0/operator"),
        ({"commercial_subscribed": "no"}, "/commercial"),
        ({"__persistence_strategy__": "append"}, "/__persistence_strategy__"),
        ({"categories": {"c": {"__strategy__": "append"}}}, "/categories/c/__strategy__"),
        ({"worfklows": {}}, "/worfklows"),
    ],
)  # fmt: skip
def test_what_could_lose_an_opt_out_is_refused(http: httpx.Client, new_id: NewId, body: Any, field: str) -> None:
    user = new_id("user")
    answer = http.put(f"/v1/users/{user}/preferences/default", json=body)
    refused = answer.json()
    assert (answer.status_code, refused["code"], refused["status"]) == (422, "invalid_params", 422)
    assert refused["type"] == "invalid_request_error"
    assert refused["errors"][0]["field"] == field
    assert history(http, f"user:{user}") == []


def test_single_parts_touch_only_their_part(http: httpx.Client, new_id: NewId) -> None:
    address = f"/v1/users/{new_id('user')}/preferences/default"
    http.put(address, json={"workflows": {"a": False, "b": True}, "channel_types": {"email": False}})
    http.put(f"{address}/workflows/c", json={"subscribed": False})
    http.put(f"{address}/workflows/a", json={"channel_types": {"sms": False}})
    http.put(f"{address}/channel_types/push", json={"subscribed": False})
    http.put(f"{address}/categories/k%2Fk", json={"subscribed": True})
    assert http.get(address).json() == {
        **EMPTY,
        "workflows": {"b": True, "c": False, "a": {"channel_types": {"sms": False}}},
        "channel_types": {"email": False, "push": False},
        "categories": {"k/k": True},
    }
    http.put(f"{address}/channel_types", json={"sms": False})
    answer = http.put(f"{address}/workflows", json={"only": False})
    assert answer.json() == {
        **EMPTY,
        "workflows": {"only": False},
        "channel_types": {"sms": False},
        "categories": {"k/k": True},
    }
    assert http.put(f"{address}/channel_types/pigeon", json={"subscribed": False}).status_code == 422


class TestLayers:
    """What a GET merges: the environment's default, the tenant's, the recipient's."""

    @pytest.fixture
    def environment_default(self, http: httpx.Client) -> Any:
        address = "/ledger/v1/holders/environment/preferences/default"
        http.put(address, json={"channel_types": {"sms": False}, "categories": {"collaboration": True}}).raise_for_status()
        yield
        http.delete(address).raise_for_status()

    @pytest.mark.usefixtures("environment_default")
    def test_the_recipient_wins_over_the_environment(self, http: httpx.Client, new_id: NewId) -> None:
        address = f"/v1/users/{new_id('user')}/preferences/default"
        assert http.get(address).json()["channel_types"] == {"sms": False}
        answer = http.put(address, json={"channel_types": {"sms": True}}).json()
        assert answer == {**EMPTY, "channel_types": {"sms": True}, "categories": {"collaboration": True}}
        assert http.get(address).json() == answer

    @pytest.mark.usefixtures("environment_default")
    def test_a_tenant_that_speaks_silences_the_recipients_default(self, http: httpx.Client, new_id: NewId) -> None:
        user, tenant = new_id("user"), new_id("tenant")
        address = f"/v1/users/{user}/preferences"
        http.put(f"{address}/default", json={"categories": {"a": False}, "commercial_subscribed": False})
        alone = http.get(f"{address}/default", params={"tenant": tenant}).json()
        assert alone["categories"] == {"collaboration": True, "a": False}
        http.put(f"/ledger/v1/holders/tenant:{tenant}/preferences/default", json={"categories": {"b": True}})
        spoken = http.get(f"{address}/default", params={"tenant": tenant}).json()
        assert spoken["id"] == "default"
        assert spoken["categories"] == {"collaboration": True, "b": True}
        assert spoken["commercial_subscribed"] is False
        http.put(f"{address}/{tenant}", json={"categories": {"b": False}})
        assert http.get(f"{address}/{tenant}").json()["categories"] == {"collaboration": True, "b": False}
        assert http.get(f"{address}/default").json()["categories"] == {"collaboration": True, "a": False}

    def test_a_marked_node_of_the_tenant_wins_until_it_is_unmarked(self, http: httpx.Client, new_id: NewId) -> None:
        user, tenant = new_id("user"), new_id("tenant")
        node = {"collaboration": {"__strategy__": "replace", "channel_types": {"email": False}}}
        other = {"project-updates": {"channel_types": {"email": False}}}
        theirs = f"/ledger/v1/holders/tenant:{tenant}/preferences/default"
        http.put(theirs, json=_ours({**node, **other})).raise_for_status()
        address = f"/v1/users/{user}/preferences/{tenant}"
        on = {"channel_types": {"email": True}}
        http.put(address, json={"categories": {"collaboration": on, "project-updates": on}})
        assert http.get(address).json()["categories"] == {**node, "project-updates": on}
        http.patch(theirs, json={"categories": {"collaboration": {"layering": {"self": "merge"}}}}).raise_for_status()
        assert http.get(address).json()["categories"]["collaboration"]["channel_types"] == {"email": True}
