"""Keys, errors, retries and browsers: what the clients rely on beside the payloads."""

from collections.abc import Callable

import httpx
import knockapi
import pytest
from knockapi import Knock

from tests.integration.knock.conftest import history
from tests.server_process import ServerProcess

NewId = Callable[[str], str]
NewKey = Callable[..., str]


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def test_a_request_without_a_valid_key_is_refused_in_knocks_shape(server: ServerProcess) -> None:
    for headers in ({}, bearer("sk_wrong"), bearer("pk_wrong_key"), {"Authorization": "Basic abc"}):
        answer = httpx.get(f"{server.url}/v1/users/u/preferences/default", headers=headers, trust_env=False)
        body = answer.json()
        assert (answer.status_code, body["code"], body["status"], body["type"]) == (
            401,
            "api_key_missing",
            401,
            "authentication_error",
        )
        assert body["message"]
        assert answer.headers["x-request-id"]


def test_the_sdk_raises_its_own_error_classes(server: ServerProcess, knock: Knock) -> None:
    with pytest.raises(knockapi.AuthenticationError):
        Knock(base_url=server.url, api_key="sk_nobody", max_retries=0).users.list_preferences("u")
    with pytest.raises(knockapi.UnprocessableEntityError):
        knock.users.set_preferences("u", "default", extra_body={"channel_types": {"pigeon": True}})


def test_keys_do_what_they_are_for(http: httpx.Client, new_key: NewKey, new_id: NewId) -> None:
    address = f"/v1/users/{new_id('user')}/preferences/default"
    reader = bearer(new_key("secret", "read"))
    assert http.get(address, headers=reader).status_code == 200
    refused = http.put(address, json={}, headers=reader)
    assert (refused.status_code, refused.json()["code"]) == (403, "authorization")


def test_a_public_key_reaches_preferences_of_users_and_nothing_else(
    http: httpx.Client, new_key: NewKey, new_id: NewId
) -> None:
    user, headers = new_id("user"), bearer(new_key("public", "read", "publish"))
    address = f"/v1/users/{user}/preferences"
    assert http.put(f"{address}/default", json={"workflows": {"w": False}}, headers=headers).status_code == 200
    assert http.put(f"{address}/default/workflows/v", json={"subscribed": False}, headers=headers).status_code == 200
    assert http.get(address, headers=headers).json()[0]["workflows"] == {"w": False, "v": False}
    assert http.delete(f"{address}/default", headers=headers).status_code == 403
    assert http.get("/v1/objects/c/o/preferences", headers=headers).status_code == 403
    assert http.get(f"/ledger/v1/holders/user:{user}", headers=headers).status_code == 401


def test_a_client_cannot_write_under_another_name(http: httpx.Client, new_key: NewKey, new_id: NewId) -> None:
    user, key = new_id("user"), new_key("public", "read", "publish")
    headers = {**bearer(key), "Prefledger-Actor": "the-boss", "Prefledger-Method": "consent form"}
    http.put(f"/v1/users/{user}/preferences/default", json={}, headers=headers)
    (entry,) = history(http, f"user:{user}")
    assert (entry["actor"], entry["method"]) == (f"key:{key.split('_')[1]}", "knock")


def test_a_write_is_one_event_with_actor_method_and_request_id(http: httpx.Client, new_id: NewId) -> None:
    user = new_id("user")
    answer = http.put(f"/v1/users/{user}/preferences/default", json={"workflows": {"w": False}})
    (entry,) = history(http, f"user:{user}")
    assert (entry["type"], entry["actor"], entry["method"]) == ("PreferenceSetMerged", "operator", "knock")
    assert entry["evidence"]["request_id"] == answer.headers["x-request-id"]
    assert entry["changes"] == [{"path": "/workflows/w/enabled", "after": False}]


def test_a_request_that_is_sent_again_makes_no_second_event(http: httpx.Client, new_id: NewId) -> None:
    user, headers = new_id("user"), {"Idempotency-Key": "stainless-python-retry-1"}
    address = f"/v1/users/{user}/preferences/default"
    first = http.put(address, json={"workflows": {"w": False}}, headers=headers)
    again = http.put(address, json={"workflows": {"w": False}}, headers=headers)
    assert first.json() == again.json()
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers["original-x-request-id"] == first.headers["x-request-id"]
    assert "idempotent-replayed" not in first.headers
    assert len(history(http, f"user:{user}")) == 1
    other = http.put(address, json={"workflows": {"w": True}}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "invalid_params")
    for _ in range(2):
        assert http.delete(address, headers=headers).status_code == 204
    assert len(history(http, f"user:{user}")) == 2


@pytest.mark.parametrize("path", ["/v1", "/v1/", "/v1/nothing", "/v1/users/u/preferences/", "/v1/users//preferences"])
def test_an_unknown_address_is_answered_as_knock_does(http: httpx.Client, path: str) -> None:
    answer = http.get(path)
    assert answer.status_code == 404
    assert answer.json()["errors"] == {"detail": "404 Not Found"}


def test_an_id_with_a_bare_slash_is_told_how_to_write_it(http: httpx.Client) -> None:
    answer = http.get("/v1/users/a/b/preferences/default")
    assert answer.status_code == 404
    assert "%2F" in answer.json()["message"]


@pytest.mark.parametrize("body", [b"{", b'{"a":1,"a":2}', b"\xff", b"[1]", b'"x"'])
def test_a_body_that_is_no_object_is_refused(http: httpx.Client, body: bytes) -> None:
    answer = http.put("/v1/users/u/preferences/default", content=body)
    assert answer.status_code in (400, 422)
    assert answer.json()["code"] == "invalid_params"


def test_a_browser_may_call_from_any_page(http: httpx.Client, server: ServerProcess) -> None:
    asked = "authorization,content-type,x-knock-user-token,x-knock-client,x-knock-branch,x-stainless-os"
    preflight = httpx.options(
        f"{server.url}/v1/users/u/preferences/default",
        headers={
            "Origin": "https://app.example",
            "Access-Control-Request-Method": "PUT",
            "Access-Control-Request-Headers": asked,
        },
        trust_env=False,
    )
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == "*"
    allowed = {name.strip() for name in preflight.headers["access-control-allow-headers"].split(",")}
    assert set(asked.split(",")) <= allowed
    assert {"GET", "PUT", "POST", "DELETE"} <= set(preflight.headers["access-control-allow-methods"].split(", "))
    answer = http.get("/v1/users/u/preferences/default", headers={"Origin": "https://app.example"})
    assert answer.headers["access-control-allow-origin"] == "*"
    refused = httpx.get(f"{server.url}/v1/users/u/preferences", trust_env=False)
    assert refused.headers["access-control-allow-origin"] == "*"


def test_our_own_errors_stay_our_own(http: httpx.Client) -> None:
    answer = http.get("/ledger/v1/nothing")
    assert answer.headers["content-type"] == "application/problem+json"
