"""Users, objects and tenants with the preferences that come along."""

from collections.abc import Callable
from typing import Any

import httpx
import knockapi
import pytest
from knockapi import Knock

from tests.integration.knock.conftest import history

NewId = Callable[[str], str]


def test_identifying_a_user_keeps_properties_and_deep_merges_preferences(
    knock: Knock, http: httpx.Client, new_id: NewId
) -> None:
    user = new_id("user")
    both: Any = {"collaboration": {"channel_types": {"email": True, "in_app_feed": True}}}
    off: Any = {"collaboration": {"channel_types": {"email": False}}}
    made = knock.users.update(user, email="jh@ingen.example", name="John", preferences={"default": {"categories": both}})
    assert (made.id, made.email, made.api_typename) == (user, "jh@ingen.example", "User")
    knock.users.update(
        user, name=None, preferences={"default": {"categories": off}}, extra_body={"park": {"gate": 1, "open": None}}
    )
    stored = knock.users.get_preferences(user, "default").to_dict()
    assert stored["categories"] == {"collaboration": {"channel_types": {"email": False, "in_app_feed": True}}}
    seen = http.get(f"/v1/users/{user}").json()
    assert (seen["email"], seen["name"], seen["park"]) == ("jh@ingen.example", None, {"gate": 1, "open": None})
    assert seen["updated_at"] >= seen["created_at"]
    assert knock.users.get(user).id == user


def test_a_description_that_says_nothing_new_is_no_event(http: httpx.Client, new_id: NewId) -> None:
    user = new_id("user")
    for _ in range(3):
        assert http.put(f"/v1/users/{user}", json={"name": "John"}).status_code == 200
        assert http.put(f"/v1/users/{user}", json={}).json()["name"] == "John"
    assert [entry["type"] for entry in history(http, f"user:{user}")] == ["HolderDescribed"]


@pytest.mark.parametrize("value", [7, None, True, "acme", {"id": "x"}, [], "null"])
def test_a_property_called_parent_is_a_property_like_any_other(http: httpx.Client, new_id: NewId, value: Any) -> None:
    user = new_id("user")
    http.put(f"/v1/users/{user}", json={"parent": value}).raise_for_status()
    assert http.get(f"/v1/users/{user}").json()["parent"] == value


def test_a_user_is_there_from_its_first_preference_and_gone_when_deleted(
    knock: Knock, http: httpx.Client, new_id: NewId
) -> None:
    user = new_id("user")
    with pytest.raises(knockapi.NotFoundError):
        knock.users.get(user)
    knock.users.set_preferences(user, "default", workflows={"w": False})
    assert knock.users.get(user).id == user
    knock.users.delete(user)
    with pytest.raises(knockapi.NotFoundError):
        knock.users.get(user)
    assert http.get(f"/v1/users/{user}/preferences").json() == []
    knock.users.delete(user)
    assert knock.users.update(user, name="again").name == "again"
    assert http.get(f"/v1/users/{user}/preferences/default").json()["workflows"] is None


def test_an_inline_set_replaces_only_where_it_says_so(http: httpx.Client, new_id: NewId) -> None:
    user = new_id("user")
    sets: Any = {"default": {"workflows": {"a": True}}, "acme": {"workflows": {"a": False}}, "none": None}
    http.put(f"/v1/users/{user}", json={"preferences": sets}).raise_for_status()
    sets = {"default": {"workflows": {"b": True}, "__persistence_strategy__": "replace"}}
    http.put(f"/v1/users/{user}", json={"preferences": sets}).raise_for_status()
    assert http.get(f"/v1/users/{user}/preferences/default").json()["workflows"] == {"b": True}
    assert http.get(f"/v1/users/{user}/preferences/acme").json()["workflows"] == {"a": False}
    answer = http.put(f"/v1/users/{user}", json={"preferences": {"acme": {"channel_types": {"pigeon": True}}}})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "/preferences/acme/channel_types/pigeon")


def test_lists_page_through_everybody_with_their_preferences(knock: Knock, http: httpx.Client, new_id: NewId) -> None:
    users = [new_id("listed") for _ in range(7)]
    for user in users:
        knock.users.update(user, preferences={"default": {"workflows": {"w": False}}})
    knock.users.delete(users[3])
    found = {user.id: user for user in knock.users.list(page_size=3, include=["preferences"])}
    assert [user for user in users if user in found] == [user for user in users if user != users[3]]
    shown: Any = found[users[0]].to_dict()
    assert shown["preferences"]["default"]["workflows"] == {"w": False}
    ascending = [user.id for user in knock.users.list(page_size=50)]
    assert [user.id for user in knock.users.list(page_size=4, order="desc")] == ascending[::-1]
    first = http.get("/v1/users", params={"page_size": 2}).json()
    second = http.get("/v1/users", params={"page_size": 2, "after": first["page_info"]["after"]}).json()
    back = http.get("/v1/users", params={"page_size": 2, "before": second["page_info"]["before"]}).json()
    assert [entry["id"] for entry in back["entries"]] == [entry["id"] for entry in first["entries"]]
    assert first["page_info"]["before"] is None
    assert "preferences" not in first["entries"][0]


def test_objects_are_kept_listed_and_deleted(knock: Knock, http: httpx.Client, new_id: NewId) -> None:
    collection = new_id("collection:x")
    for name in ("a", "b/c", "d e"):
        made = knock.objects.set(
            collection, name, name="thing", preferences={"default": {"channel_types": {"email": False}}}
        )
        assert (made.id, made.collection, made.properties) == (name, collection, {"name": "thing"})
    http.put(f"/v1/objects/{collection}z/other", json={}).raise_for_status()
    assert [one.id for one in knock.objects.list(collection, page_size=2)] == ["a", "b/c", "d e"]
    knock.objects.delete(collection, "a")
    with pytest.raises(knockapi.NotFoundError):
        knock.objects.get(collection, "a")
    entries = http.get(f"/v1/objects/{collection}", params={"include[]": "preferences"}).json()["entries"]
    assert [entry["preferences"]["default"]["channel_types"] for entry in entries] == [{"email": False}] * 2


def test_merging_users_copies_the_sets_that_are_missing(knock: Knock, http: httpx.Client, new_id: NewId) -> None:
    target, source = new_id("user"), new_id("user")
    http.put(f"/v1/users/{target}", json={"preferences": {"default": {"workflows": {"a": True}}}})
    both = {"default": {"workflows": {"b": False}}, "acme": {"workflows": {"c": False}}}
    http.put(f"/v1/users/{source}", json={"preferences": both})
    headers = {"Idempotency-Key": f"merge-{target}"}
    for _ in range(2):
        answer = http.post(f"/v1/users/{target}/merge", json={"from_user_id": source}, headers=headers)
        assert (answer.status_code, answer.json()["id"]) == (200, target)
    assert http.get(f"/v1/users/{target}/preferences/default").json()["workflows"] == {"a": True}
    assert http.get(f"/v1/users/{target}/preferences/acme").json()["workflows"] == {"c": False}
    with pytest.raises(knockapi.NotFoundError):
        knock.users.get(source)
    with pytest.raises(knockapi.NotFoundError):
        knock.users.merge(target, from_user_id=source)
    with pytest.raises(knockapi.UnprocessableEntityError):
        knock.users.merge(target, from_user_id=target)


class TestTenants:
    def test_defaults_are_merged_replaced_and_cleared(self, knock: Knock, http: httpx.Client, new_id: NewId) -> None:
        tenant = new_id("tenant")

        def put(preference_set: Any) -> Any:
            answer = http.put(f"/v1/tenants/{tenant}", json={"settings": {"preference_set": preference_set}})
            answer.raise_for_status()
            return answer.json()["settings"]["preference_set"]

        assert put({"workflows": {"a": True}})["workflows"] == {"a": True}
        merged = put({"workflows": {"b": {"__strategy__": "replace", "channel_types": {"email": False}}}})
        assert merged["id"] == "default"
        assert merged["workflows"]["b"] == {"__strategy__": "replace", "channel_types": {"email": False}}
        assert put({"__persistence_strategy__": "replace", "workflows": {"c": False}})["workflows"] == {"c": False}
        assert put(None) is None
        assert knock.tenants.get(tenant).settings is not None

    def test_properties_branding_and_the_environments_default(self, knock: Knock, http: httpx.Client, new_id: NewId) -> None:
        tenant, address = new_id("tenant"), "/ledger/v1/holders/environment/preferences/default"
        made = knock.tenants.set(
            tenant, name="Jurassic Park", settings={"branding": {"primary_color": "#fff"}}, extra_body={"island": 2}
        )
        assert made.settings is not None
        assert made.settings.branding is not None
        assert (made.name, made.settings.branding.primary_color, made.settings.preference_set) == (
            "Jurassic Park",
            "#fff",
            None,
        )
        http.put(address, json={"channel_types": {"sms": False}}).raise_for_status()
        try:
            resolved = knock.tenants.get(tenant, resolve_full_preference_settings=True)
            assert resolved.settings is not None
            assert resolved.settings.preference_set is not None
            assert resolved.settings.preference_set.to_dict()["channel_types"] == {"sms": False}
            assert knock.tenants.get(tenant).settings == made.settings
        finally:
            http.delete(address).raise_for_status()
        assert http.get(f"/v1/tenants/{tenant}").json()["island"] == 2

    def test_lists_filter_and_forget(self, knock: Knock, new_id: NewId) -> None:
        tenant, name = new_id("tenant"), new_id("The Name")
        knock.tenants.set(tenant, name=name)
        assert [one.id for one in knock.tenants.list(name=name.upper())] == [tenant]
        assert [one.id for one in knock.tenants.list(tenant_id=tenant)] == [tenant]
        assert tenant in [one.id for one in knock.tenants.list(page_size=1)]
        assert knock.objects.get("$tenants", tenant).properties == {"name": name}
        knock.tenants.delete(tenant)
        assert list(knock.tenants.list(tenant_id=tenant)) == []
        with pytest.raises(knockapi.NotFoundError):
            knock.tenants.get(tenant)


class TestTrigger:
    def test_preferences_that_come_along_are_stored_before_anything_is_decided(
        self, knock: Knock, http: httpx.Client, new_id: NewId
    ) -> None:
        known, inline, tenant = new_id("user"), new_id("user"), new_id("tenant")
        off: Any = {"default": {"channel_types": {"email": False}}}
        answer = knock.workflows.trigger(
            "dinosaurs-loose",
            recipients=[known, {"id": inline, "preferences": off}, {"id": "p1", "collection": "projects"}],
            actor={"id": known, "name": "Ellie"},
            tenant={"id": tenant, "settings": {"preference_set": {"channel_types": {"sms": False}}}},
            data={"dino": "rex"},
        )
        run = http.get(f"/ledger/v1/workflow-runs/{answer.workflow_run_id}").json()
        assert run["sent"] is False
        decided = {
            result["recipient"]: {each["channel_type"]: each["deliver"] for each in result["decisions"]}
            for result in run["evaluation"]["results"]
        }
        assert decided[f"user:{inline}"]["sms"] is False
        assert decided[f"user:{inline}"]["email"] is True  # The tenant speaks, so the own default is silent.
        assert set(decided) == {f"user:{known}", f"user:{inline}", "object:projects:p1"}
        assert run["evaluation"]["results"][0]["decisions"][0]["trace"]
        assert http.get(f"/v1/users/{inline}/preferences/default").json()["channel_types"] == {"email": False}
        alone = knock.workflows.trigger("dinosaurs-loose", recipients=[inline])
        run = http.get(f"/ledger/v1/workflow-runs/{alone.workflow_run_id}").json()
        email = next(each for each in run["evaluation"]["results"][0]["decisions"] if each["channel_type"] == "email")
        assert (email["deliver"], email["reason"]) == (False, "channel_type_opt_out")

    def test_a_trigger_sent_again_is_the_same_run(self, http: httpx.Client, new_id: NewId) -> None:
        user, headers = new_id("user"), {"Idempotency-Key": new_id("trigger")}
        body = {"recipients": [{"id": user, "preferences": {"default": {"workflows": {"w": False}}}}]}
        first, again = (http.post("/v1/workflows/w/trigger", json=body, headers=headers) for _ in range(2))
        assert first.json() == again.json()
        assert again.headers["idempotent-replayed"] == "true"
        assert again.headers["original-x-request-id"] == first.headers["x-request-id"]
        assert len(history(http, f"user:{user}")) == 2
        other = http.post("/v1/workflows/w/trigger", json={**body, "data": {"x": 1}}, headers=headers)
        assert other.status_code == 422

    def test_the_older_form_names_the_workflow_in_its_body(self, http: httpx.Client, new_id: NewId) -> None:
        answer = http.post("/v1/notify", json={"name": "w", "recipients": [new_id("user")], "actor": "someone"})
        run = http.get(answer.json()["evaluation_path"]).json()
        assert (run["question"]["workflow"], run["question"]["actor"]["id"]) == ("w", "someone")

    @pytest.mark.parametrize("recipients", [None, [], "one", [{"name": "no id"}], [7], ["u"] * 1001])
    def test_recipients_that_cannot_be_meant_are_refused(self, http: httpx.Client, recipients: Any) -> None:
        answer = http.post("/v1/workflows/w/trigger", json={"recipients": recipients})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_params")
