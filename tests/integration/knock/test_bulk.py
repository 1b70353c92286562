"""Bulk operations, followed to their end, and across a node that dies in the middle."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from knockapi import Knock

from tests.integration.knock.conftest import history
from tests.server_process import ServerProcess

NewId = Callable[[str], str]
SECONDS_MAX = 60


def finished(http: httpx.Client, bulk_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + SECONDS_MAX
    shown: dict[str, Any] = {}
    while time.monotonic() < deadline:
        shown = http.get(f"/v1/bulk_operations/{bulk_id}").json()
        if shown["status"] in ("completed", "failed"):
            return shown
        time.sleep(0.05)
    raise AssertionError(f"the operation did not end within {SECONDS_MAX} s: {shown}")


def test_a_set_for_many_users_is_one_event_for_each(knock: Knock, http: httpx.Client, new_id: NewId) -> None:
    users = [new_id("bulk") for _ in range(120)]
    http.put(f"/v1/users/{users[0]}/preferences/default", json={"categories": {"gone": False}}).raise_for_status()
    started = knock.users.bulk.set_preferences(preferences={"workflows": {"w": False}}, user_ids=[*users, users[0]])
    assert (started.api_typename, started.name) == ("BulkOperation", "users.set_preferences")
    shown = finished(http, started.id)
    assert (shown["status"], shown["estimated_total_rows"]) == ("completed", 120)
    assert (shown["processed_rows"], shown["success_count"], shown["error_count"]) == (120, 120, 0)
    assert shown["completed_at"] >= shown["started_at"]
    assert knock.bulk_operations.get(started.id).status == "completed"
    assert http.get(f"/v1/users/{users[0]}/preferences/default").json()["categories"] is None
    for user in (users[0], users[-1]):
        newest = history(http, f"user:{user}")[0]
        assert (newest["type"], newest["causation_id"], newest["actor"]) == ("PreferenceSetMerged", started.id, "operator")
        assert newest["evidence"]["request_id"]
    assert len(history(http, f"user:{users[-1]}")) == 1


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_older_clients_put(http: httpx.Client, new_id: NewId, method: str) -> None:
    body: Any = {"user_ids": [new_id("bulk")], "preferences": {"id": "acme", "channel_types": {"email": False}}}
    started = http.request(method, "/v1/users/bulk/preferences", json=body).json()
    finished(http, started["id"])
    shown = http.get(f"/v1/users/{body['user_ids'][0]}/preferences/acme").json()
    assert shown["channel_types"] == {"email": False}


def test_progress_counts_what_was_applied_at_the_answers_position(http: httpx.Client, new_id: NewId) -> None:
    users = [new_id("bulk") for _ in range(600)]
    body = {"user_ids": users, "preferences": {"workflows": {"w": False}}}
    bulk_id = http.post("/v1/users/bulk/preferences", json=body).json()["id"]
    seen: set[int] = set()
    while True:
        answer = http.get(f"/v1/bulk_operations/{bulk_id}")
        shown, position = answer.json(), answer.headers["prefledger-position"]
        if shown["status"] == "completed":
            break
        if shown["processed_rows"] not in seen and len(seen) < 3:
            applied = [event for event in events(http, position) if event.get("causation_id") == bulk_id]
            assert len(applied) == shown["processed_rows"]
            assert shown["status"] == ("processing" if applied else "queued")
        seen.add(shown["processed_rows"])
    assert len(seen) > 1, "the progress was never seen moving"


def events(http: httpx.Client, until: str) -> list[dict[str, Any]]:
    found = []
    with http.stream("GET", "/ledger/v1/events") as answer:
        for line in answer.iter_lines():
            event: dict[str, Any] = httpx.Response(200, text=line).json()
            found.append(event)
            if event["position"] == until:
                break
    return found


def test_a_bulk_request_sent_again_is_the_same_operation(http: httpx.Client, new_id: NewId) -> None:
    user, headers = new_id("bulk"), {"Idempotency-Key": new_id("key")}
    body = {"user_ids": [user], "preferences": {"workflows": {"w": False}}}
    first, again = (http.post("/v1/users/bulk/preferences", json=body, headers=headers).json() for _ in range(2))
    assert first["id"] == again["id"]
    finished(http, first["id"])
    assert len(history(http, f"user:{user}")) == 1


def test_users_are_identified_and_deleted_in_bulk(knock: Knock, http: httpx.Client, new_id: NewId) -> None:
    users = [new_id("bulk") for _ in range(3)]
    off = {"default": {"workflows": {"w": False}}}
    described: Any = [{"id": user, "name": user.upper(), "preferences": off} for user in users]
    started = knock.users.bulk.identify(users=described)
    assert finished(http, started.id)["processed_rows"] == 3
    assert http.get(f"/v1/users/{users[1]}").json()["name"] == users[1].upper()
    assert http.get(f"/v1/users/{users[2]}/preferences/default").json()["workflows"] == {"w": False}
    assert finished(http, knock.users.bulk.delete(user_ids=users[:2]).id)["name"] == "users.delete"
    assert [http.get(f"/v1/users/{user}").status_code for user in users] == [404, 404, 200]


def test_objects_and_tenants_are_set_and_deleted_in_bulk(knock: Knock, http: httpx.Client, new_id: NewId) -> None:
    collection, tenant, other = new_id("projects"), new_id("tenant"), new_id("tenant")
    objects: Any = [{"id": "a", "name": "A", "preferences": {"default": {"workflows": {"w": False}}}}, {"id": "b"}]
    started = knock.objects.bulk.set(collection, objects=objects)
    assert started.name == f"objects.{collection}.set"
    assert finished(http, started.id)["success_count"] == 2
    assert http.get(f"/v1/objects/{collection}/a").json()["properties"] == {"name": "A"}
    finished(http, knock.objects.bulk.delete(collection, object_ids=["a"]).id)
    assert [http.get(f"/v1/objects/{collection}/{name}").status_code for name in "ab"] == [404, 200]
    settings: Any = {"id": tenant, "settings": {"preference_set": {"channel_types": {"sms": False}}}}
    assert finished(http, knock.tenants.bulk.set(tenants=[settings, other]).id)["success_count"] == 2
    shown = http.get(f"/v1/tenants/{tenant}").json()["settings"]["preference_set"]
    assert shown["channel_types"] == {"sms": False}
    finished(http, knock.tenants.bulk.delete(tenant_ids=[tenant, other]).id)
    assert [http.get(f"/v1/tenants/{name}").status_code for name in (tenant, other)] == [404, 404]


def test_a_bad_row_refuses_the_whole_request_before_anything_is_stored(http: httpx.Client, new_id: NewId) -> None:
    good = {"id": new_id("bulk"), "name": "x"}
    bad = {"id": "y", "preferences": {"default": {"channel_types": {"pigeon": True}}}}
    answer = http.post("/v1/users/bulk/identify", json={"users": [good, bad]})
    assert answer.json()["errors"][0]["field"] == "/users/1/preferences/default/channel_types/pigeon"
    assert http.get(f"/v1/users/{good['id']}").status_code == 404
    too_many = {"user_ids": [str(number) for number in range(1_001)], "preferences": {}}
    assert http.post("/v1/users/bulk/preferences", json=too_many).json()["code"] == "invalid_params"
    assert http.get("/v1/bulk_operations/nothing").status_code == 404


def test_an_operation_goes_on_after_the_node_was_killed(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path / "data").start()
    users = [f"user-{number}" for number in range(1_000)]
    with httpx.Client(base_url=server.url, headers=server.headers, timeout=30, trust_env=False) as http:
        body = {"user_ids": users, "preferences": {"workflows": {"w": False}}}
        bulk_id = http.post("/v1/users/bulk/preferences", json=body).json()["id"]
        while http.get(f"/v1/bulk_operations/{bulk_id}").json()["processed_rows"] == 0:
            time.sleep(0.005)
    server.kill()
    with server.start(), httpx.Client(base_url=server.url, headers=server.headers, timeout=30, trust_env=False) as http:
        shown = finished(http, bulk_id)
        assert (shown["processed_rows"], shown["success_count"]) == (1_000, 1_000)
        caused = [event for event in events(http, "") if event.get("causation_id") == bulk_id]
        rows = [event for event in caused if event["type"] == "PreferenceSetMerged"]
        assert sorted(event["holder"] for event in rows) == sorted(f"user:{user}" for user in users)
        assert {event["outcome"] for event in rows} == {"applied"}
