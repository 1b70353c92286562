"""Who may do what: the scope of every route, keys that come and go, and the wall between environments."""

import base64
import hashlib
from collections.abc import Iterator
from typing import Any, Final

import pytest
from fastapi.routing import APIRoute

from services.http.app import ROUTERS
from services.keys import Scope
from tests.integration.http.api import Api, Json, fresh, refused, set_path
from tests.server_process import ServerProcess

PRODUCTION, STAGING = "production", "staging"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    data = tmp_path_factory.mktemp("node") / "data"
    with ServerProcess(data, environment={"PREFLEDGER_ENVIRONMENTS": f"{PRODUCTION},{STAGING}"}) as process:
        yield process


@pytest.fixture(scope="module")
def environment() -> str | None:
    """None is named: an issued key opens its own, the operator's the first."""
    return None


@pytest.fixture(scope="module")
def staging(server: ServerProcess) -> Iterator[Api]:
    client = Api(server, environment=STAGING)
    yield client
    client.close()


# Every route with the scope that it asks for, and a request that gets past the door. None: no key is needed.
# fmt: off
ROUTES: Final[dict[tuple[str, str], tuple[str | None, str, Json]]] = {
    ("GET", "/holders"): ("read", "/holders", None),
    ("GET", "/holders/{holder}"): ("read", "/holders/user:a", None),
    ("PUT", "/holders/{holder}"): ("publish", "/holders/user:a", {"a": 1}),
    ("PATCH", "/holders/{holder}"): ("publish", "/holders/user:a", {"a": 2}),
    ("DELETE", "/holders/{holder}"): ("admin", "/holders/user:gone", None),
    ("GET", "/holders/{holder}/history"): ("read", "/holders/user:a/history", None),
    ("GET", "/history"): ("audit", "/history?limit=1", None),
    ("GET", "/opt-out-clock"): ("audit", "/opt-out-clock", None),
    ("GET", "/holders/{holder}/report"): ("audit", "/holders/user:a/report", None),
    ("GET", "/holders/{holder}/preferences"): ("read", "/holders/user:a/preferences", None),
    ("GET", "/holders/{holder}/preferences/{set_name}"): ("read", "/holders/user:a/preferences/default", None),
    ("PUT", "/holders/{holder}/preferences/{set_name}"): ("publish", "/holders/user:a/preferences/default", {}),
    ("PATCH", "/holders/{holder}/preferences/{set_name}"): ("publish", "/holders/user:a/preferences/default", {}),
    ("DELETE", "/holders/{holder}/preferences/{set_name}"): ("publish", "/holders/user:a/preferences/default", None),
    ("GET", "/holders/{holder}/preferences/{set_name}/provenance"): (
        "audit", "/holders/user:a/preferences/default/provenance", None),
    ("GET", "/catalogue"): ("read", "/catalogue", None),
    ("GET", "/catalogue/policy"): ("read", "/catalogue/policy", None),
    ("PUT", "/catalogue/policy"): ("admin", "/catalogue/policy",
                                   {"decide": "every_rule_allows", "own_default_in_tenant": "above_tenant_defaults"}),
    ("GET", "/catalogue/{collection}/{key}"): ("read", "/catalogue/workflows/never-defined", None),
    ("PUT", "/catalogue/{collection}/{key}"): ("admin", "/catalogue/workflows/w", {"name": "W"}),
    ("DELETE", "/catalogue/{collection}/{key}"): ("admin", "/catalogue/workflows/w", None),
    ("POST", "/events"): ("publish", "/events", {"events": [{"type": "PreferenceSetDeleted", "holder": "user:a"}]}),
    ("GET", "/events"): ("audit", "/events?limit=1", None),
    ("GET", "/events/{event_id}"): ("read", "/events/00000000-0000-7000-8000-000000000000", None),
    ("POST", "/keys"): ("admin", "/keys", {"name": "k", "scopes": ["read"]}),
    ("GET", "/keys"): ("admin", "/keys", None),
    ("DELETE", "/keys/{key_id}"): ("admin", "/keys/never-issued", None),
    ("POST", "/signing-keys"): ("admin", "/signing-keys", {"name": "k", "public_key_pem": "no key"}),
    ("GET", "/signing-keys"): ("admin", "/signing-keys", None),
    ("DELETE", "/signing-keys/{key_id}"): ("admin", "/signing-keys/never-added", None),
    ("GET", "/decisions/{decision_id}"): ("audit", "/decisions/01890a5d-ac96-774b-bcce-b302099a8057", None),
    ("GET", "/workflow-runs/{run_id}"): ("evaluate", "/workflow-runs/never-run", None),
    ("GET", "/problems"): (None, "/problems", None),
    ("POST", "/rebuild"): ("admin", "/rebuild", None),
    ("GET", "/rebuild"): ("admin", "/rebuild", None),
    ("DELETE", "/rebuild"): ("admin", "/rebuild", None),
    ("GET", "/parked"): ("audit", "/parked", None),
    ("GET", "/parked/{offset}"): ("audit", "/parked/1", None),
    ("POST", "/parked/{offset}/discard"): ("admin", "/parked/1/discard", {"reason": "r"}),
    ("POST", "/parked/{offset}/replay"): ("admin", "/parked/1/replay", {}),
    ("POST", "/verify"): ("audit", "/verify", None),
    ("GET", "/verify"): ("audit", "/verify", None),
    ("DELETE", "/verify"): ("audit", "/verify", None),
    ("POST", "/replay"): ("audit", "/replay?until=2999-01-01T00:00:00Z", None),
    ("GET", "/replay"): ("audit", "/replay", None),
    ("GET", "/replay/holders"): ("audit", "/replay/holders?position=none", None),
    ("GET", "/replay/environment"): ("audit", "/replay/environment?position=none", None),
    ("DELETE", "/replay"): ("audit", "/replay", None),
    ("POST", "/evaluate"): ("evaluate", "/evaluate", {"recipient": "user:a", "workflow": "w"}),
    ("POST", "/evaluate/batch"): ("evaluate", "/evaluate/batch", {"recipients": ["user:a"], "workflow": "w"}),
}
# fmt: on
NOT_ROUTED = {("POST", "/evaluate"), ("POST", "/evaluate/batch")}
"""Served in front of the framework."""

IDS = [" ".join(route) for route in ROUTES]


def test_every_route_is_in_the_table() -> None:
    routes = {
        (method, route.path)
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }
    assert routes | NOT_ROUTED == set(ROUTES), "a route without a word about who may use it"


@pytest.fixture(scope="module")
def keys(api: Api) -> dict[str, Api]:
    """A client for each scope."""
    return {scope.value: api.with_key(api.issue_key(scope.value)["key"]) for scope in Scope}


@pytest.mark.parametrize("route", ROUTES, ids=IDS)
def test_a_key_does_what_its_scope_says_and_nothing_else(api: Api, keys: dict[str, Api], route: tuple[str, str]) -> None:
    needed, path, body = ROUTES[route]
    for scope, client in keys.items():
        before = api.records()
        response = client.request(route[0], path, json=body)
        if needed in (None, scope) or scope == "admin":
            assert response.status_code in (200, 201, 202, 404, 409, 422), (
                f"{scope}: {response.status_code} {response.text[:500]}"
            )
        else:
            problem = refused(response, "forbidden")
            assert repr(needed) in problem["detail"]
            assert api.records() == before


@pytest.fixture(scope="module")
def keyless(api: Api) -> Api:
    client = api.with_key("none")
    del client.client.headers["Authorization"]
    return client


@pytest.mark.parametrize("route", ROUTES, ids=IDS)
def test_without_a_key_there_is_nothing(api: Api, keyless: Api, route: tuple[str, str]) -> None:
    needed, path, body = ROUTES[route]
    if needed is None:
        return
    before = api.records()
    response = keyless.request(route[0], path, json=body)
    refused(response, "unauthorized")
    assert response.headers["www-authenticate"] == "Bearer"
    assert api.records() == before


def test_the_catalogue_is_not_written_with_a_key_that_publishes(api: Api, keys: dict[str, Api]) -> None:
    workflow = {"type": "WorkflowDefined", "key": "smuggled", "document": {"name": "W"}}
    good = {"type": "PreferenceSetDeleted", "holder": "user:a"}
    before = api.records()
    refused(keys["publish"].request("POST", "/events", json={"events": [good, workflow]}), "forbidden")
    policy = {"type": "PolicySet", "policy": {"decide": "every_rule_allows", "own_default_in_tenant": "never"}}
    refused(keys["publish"].request("POST", "/events", json={"events": [policy]}), "forbidden")
    assert api.records() == before


def test_a_key_that_publishes_can_not_decide_for_everybody(api: Api, keys: dict[str, Api]) -> None:
    before = api.records()
    lock = {"workflows": {"w": {"locked": True}}}
    for holder, body in (("environment", {"channel_types": {"email": True}}), ("environment", lock), ("tenant:acme", lock)):
        for method in ("PUT", "PATCH"):
            path = f"/holders/{holder}/preferences/default"
            refused(keys["publish"].request(method, path, json=body), "forbidden")
        event = {"type": "PreferenceSetMerged", "holder": holder, "preferences": body}
        refused(keys["publish"].request("POST", "/events", json={"events": [event]}), "forbidden")
    refused(keys["publish"].request("PATCH", "/holders/environment", json={"a": 1}), "forbidden")
    assert api.records() == before
    assert (
        keys["publish"].request("PUT", "/holders/tenant:acme/preferences/default", json={"enabled": True}).status_code == 200
    )


# fmt: off
MALFORMED = [
    "", "Bearer", "bearer", "Basic {key}", "{key}", "Bearer{key}", "Token {key}", "ApiKey {key}",
    "Bearer {key}x", "Bearer x{key}", "Bearer {key} {key}", "Bearer \"{key}\"", "Bearer {key},", "Bearer " + "x" * 10_000,
    "Bearer sk_", "Bearer sk__", "Bearer pk_0_0", "Bearer sk_000000000000_x", "Bearer null", "Bearer é", "Bearer \u00b2",
    "Digest username=\"a\"", "Bearer Bearer {key}",
]
# fmt: on


@pytest.mark.parametrize("value", MALFORMED, ids=lambda value: value[:30])
def test_an_authorization_that_is_not_a_key_is_refused(api: Api, value: str) -> None:
    for key in (api.server.admin_key, api.issue_key("read", "evaluate")["key"]):
        headers = {"Authorization": value.replace("{key}", key)}
        for method, path in (("GET", "/catalogue"), ("POST", "/evaluate")):
            response = api.request(method, path, headers=headers)
            refused(response, "unauthorized")
            assert key not in response.text


def test_the_scheme_may_be_written_in_any_case(api: Api) -> None:
    response = api.request("GET", "/catalogue", headers={"Authorization": f"bEARER {api.server.admin_key}"})
    assert response.status_code == 200


def test_a_revoked_key_is_invalid_at_once_and_for_ever(api: Api) -> None:
    issued = api.issue_key("read", "evaluate", "publish")
    client = api.with_key(issued["key"])
    client.evaluate("user:a")
    client.get("/catalogue")
    revoked = api.ok("DELETE", f"/keys/{issued['id']}")
    assert revoked["revoked"] is True
    refused(client.request("GET", "/catalogue"), "unauthorized")
    refused(client.request("POST", "/evaluate", json={"recipient": "user:a", "workflow": "w"}), "unauthorized")
    refused(client.request("PUT", set_path("user:a"), json={}), "unauthorized")
    assert api.ok("DELETE", f"/keys/{issued['id']}")["revoked"] is True
    refused(client.request("GET", "/catalogue"), "unauthorized")


def test_revoking_one_key_leaves_the_others(api: Api) -> None:
    one, other = api.issue_key("read"), api.issue_key("read")
    api.ok("DELETE", f"/keys/{one['id']}")
    api.with_key(other["key"]).get("/catalogue")


def test_revoking_twice_with_one_idempotency_key_is_one_event(api: Api) -> None:
    issued = api.issue_key("read")
    headers = {"Idempotency-Key": fresh("key")}
    first = api.ok("DELETE", f"/keys/{issued['id']}", headers=headers)
    records = api.records()
    assert api.ok("DELETE", f"/keys/{issued['id']}", headers=headers) == first
    assert api.records() == records


def test_a_secret_is_shown_once_and_never_again(api: Api, server: ServerProcess) -> None:
    response = api.request("POST", "/keys", json={"name": "checkout", "scopes": ["publish", "read"]})
    assert response.headers["cache-control"] == "no-store"
    issued = response.json()
    key_id, token = issued["id"], issued["key"]
    assert token.startswith(f"sk_{key_id}_")
    digest = hashlib.sha256(token.encode()).digest()
    secrets = [
        token.split("_", 2)[2],
        digest.hex(),
        base64.b64encode(digest).decode(),
        base64.urlsafe_b64encode(digest).decode(),
    ]
    api.ok("DELETE", f"/keys/{key_id}")
    answers = [
        api.request("GET", path).text
        for path in (
            "/keys", "/events", "/holders/environment/history?limit=1000", "/holders/environment", "/catalogue",
            "/holders/environment/preferences", "/holders", f"/events/{_event_of_key(api, key_id)}", "/openapi.json",
        )
    ]  # fmt: skip
    answers += [api.outside("/readyz"), api.outside("/metrics"), server.output()]
    for secret in secrets:
        assert not any(secret in answer for answer in answers), f"{secret} was shown again"
    assert "sealed" not in "".join(answers[:5])
    listed = {key["id"]: key for key in api.get("/keys")["keys"]}
    assert listed[key_id] == {
        "id": key_id, "name": "checkout", "kind": "secret", "scopes": ["publish", "read"], "revoked": True,
    }  # fmt: skip


def test_no_secret_lies_in_the_data_folder_in_clear(api: Api, server: ServerProcess) -> None:
    secret = api.issue_key("read")["key"].split("_", 2)[2].encode()
    files = [path for path in server.data.rglob("*") if path.is_file()]
    assert any(path.name.startswith("log.sqlite") for path in files)
    for path in files:
        content = path.read_bytes()
        assert secret not in content, f"{path.name} has an API secret in clear"
        assert server.admin_key.encode() not in content, f"{path.name} has the operator's key in clear"


def _event_of_key(api: Api, key_id: str) -> str:
    entries = api.history("environment", limit=1000)
    return next(
        str(entry["event_id"]) for entry in entries if entry["item"] == f"key:{key_id}" and "Issued" in entry["type"]
    )


def test_a_public_key_opens_nothing(api: Api) -> None:
    issued = api.issue_key("read", "evaluate", "admin", kind="public")
    assert issued["key"].startswith("pk_")
    client = api.with_key(issued["key"])
    for route, (needed, path, body) in ROUTES.items():
        if needed is not None:
            refused(client.request(route[0], path, json=body), "unauthorized")
    disguised = api.with_key("sk" + issued["key"][2:])
    refused(disguised.request("GET", "/catalogue"), "unauthorized")


# fmt: off
BAD_KEYS: list[Json] = [
    {}, [], {"name": "k"}, {"name": "k", "scopes": []}, {"name": "k", "scopes": "read"}, {"name": "k", "scopes": ["root"]},
    {"name": "k", "scopes": [1]}, {"scopes": ["read"]}, {"name": 1, "scopes": ["read"]},
    {"name": "x" * 101, "scopes": ["read"]}, {"name": "a\u0007", "scopes": ["read"]},
    {"name": "k", "scopes": ["read"], "kind": "master"}, {"name": "k", "scopes": ["read"], "secret": "mine"},
    {"name": "k", "scopes": ["read"], "kind": None},
]
# fmt: on


@pytest.mark.parametrize("body", BAD_KEYS, ids=str)
def test_a_key_that_can_not_be_made_is_refused(api: Api, body: Json) -> None:
    before = api.records()
    refused(api.request("POST", "/keys", json=body), "invalid")
    assert api.records() == before


def test_a_key_can_not_be_issued_twice_by_an_idempotency_key(api: Api) -> None:
    before = api.records()
    body = {"name": "k", "scopes": ["read"]}
    refused(api.request("POST", "/keys", json=body, headers={"Idempotency-Key": "k"}), "bad-request")
    assert api.records() == before


def test_who_wrote_is_the_key(api: Api) -> None:
    issued = api.issue_key("publish")
    holder = f"user:{fresh()}"
    api.with_key(issued["key"]).put_set(holder, {"enabled": False})
    (entry,) = api.history(holder)
    assert entry["actor"] == f"key:{issued['id']}"
    assert entry["evidence"]["credential"] == f"key:{issued['id']}"
    api.with_key(issued["key"]).put_set(holder, {"enabled": True}, Prefledger_Actor="operator")
    assert api.history(holder)[0]["evidence"]["credential"] == f"key:{issued['id']}"


# The wall.


def test_nothing_of_one_environment_is_seen_from_another(api: Api, staging: Api) -> None:
    holder, workflow = f"user:{fresh()}", fresh("workflow")
    written = staging.put_set(holder, {"workflows": {workflow: False}})
    staging.ok("PUT", f"/holders/{holder}", json={"name": "Zoë"})
    staging.define("workflows", workflow, name="W")
    assert api.stored(holder) == {}
    assert api.get(f"/holders/{holder}")["properties"] == {}
    assert api.history(holder) == []
    assert workflow not in api.get("/catalogue")["workflows"]
    refused(api.request("GET", f"/events/{written['event_id']}"), "not-found")
    question = {"path": f"/workflows/{workflow}/enabled", "equals": "false"}
    assert api.get("/holders", **question)["entries"] == []
    assert [entry["holder"] for entry in staging.get("/holders", **question)["entries"]] == [holder]
    assert holder not in api.request("GET", "/events").text
    assert holder in staging.request("GET", "/events").text
    assert api.delivered(holder, workflow, channels=["email"]) == {"email": True}
    assert staging.delivered(holder, workflow, channels=["email"]) == {"email": False}


def test_the_same_question_in_two_environments_has_two_answers(api: Api, staging: Api) -> None:
    holder = f"user:{fresh()}"
    for _ in range(3):
        staging.put_set("environment", {"channel_types": {"email": False}})
        assert api.delivered(holder, channels=["email"]) == {"email": True}
        assert staging.delivered(holder, channels=["email"]) == {"email": False}
        staging.ok("DELETE", set_path("environment"))
        assert staging.delivered(holder, channels=["email"]) == {"email": True}
        batch: dict[str, Any] = {"recipients": [holder], "workflow": "w"}
        assert staging.ok("POST", "/evaluate/batch", json=batch)["position"] != api.ok(
            "POST", "/evaluate/batch", json=batch
        )["position"]  # fmt: skip


def test_a_position_or_cursor_of_one_environment_is_refused_by_another(api: Api, staging: Api) -> None:
    for at in range(2):
        staging.put_set(f"user:{fresh('wall')}", {"kept": {"at": at}})
    foreign = staging.position()
    for address in ("/catalogue", set_path("user:a"), "/holders/user:a"):
        for member in ("as_of", "min_position"):
            refused(api.request("GET", address, params={member: foreign}), "other-ledger")
    refused(api.request("GET", "/events", params={"after": foreign}), "other-ledger")
    for member in ("as_of", "min_position"):
        question = {"recipient": "user:a", "workflow": "w", member: foreign}
        refused(api.request("POST", "/evaluate", json=question), "other-ledger")
    cursor = staging.get("/holders", limit=1)["next_cursor"]
    refused(api.request("GET", "/holders", params={"limit": 1, "cursor": cursor}), "other-ledger")


def test_a_key_opens_its_own_environment_only(api: Api, staging: Api) -> None:
    issued = staging.issue_key("read", "evaluate", "publish", "admin")
    client = api.with_key(issued["key"])
    holder = f"user:{fresh()}"
    assert client.put_set(holder, {"enabled": False})["outcome"] == "applied"
    assert staging.stored(holder) == {"enabled": False}
    assert api.stored(holder) == {}
    named = api.with_key(issued["key"], {"Prefledger-Environment": STAGING})
    assert named.stored(holder) == {"enabled": False}
    astray = api.with_key(issued["key"], {"Prefledger-Environment": PRODUCTION})
    before = api.records()
    refused(astray.request("PUT", set_path(holder), json={}), "forbidden")
    refused(astray.request("POST", "/evaluate", json={"recipient": holder, "workflow": "w"}), "forbidden")
    refused(astray.request("GET", "/keys"), "forbidden")
    assert api.records() == before
    assert issued["id"] not in [key["id"] for key in api.get("/keys")["keys"]]
    refused(api.request("DELETE", f"/keys/{issued['id']}"), "not-found")
    client.get("/catalogue")


@pytest.mark.parametrize("name", ["development", "", "PRODUCTION", "production ,staging", "../staging", "é", "x" * 1000])
def test_an_environment_that_is_not_there_is_refused(api: Api, name: str) -> None:
    headers = {"Prefledger-Environment": name}
    for method, path, body in (
        ("GET", "/catalogue", None), ("POST", "/evaluate", {"recipient": "user:a", "workflow": "w"}),
    ):  # fmt: skip
        response = api.request(method, path, json=body, headers=headers)
        assert name == "" or refused(response, "forbidden")
        if name == "":
            assert response.status_code == 200


def test_an_idempotency_key_of_one_environment_means_nothing_in_another(api: Api, staging: Api) -> None:
    holder = f"user:{fresh()}"
    headers = {"Idempotency-Key": fresh("key")}
    one = api.ok("PUT", set_path(holder), json={"enabled": False}, headers=headers)
    other = staging.ok("PUT", set_path(holder), json={"enabled": True}, headers=headers)
    assert one["event_id"] != other["event_id"]
    assert (api.stored(holder), staging.stored(holder)) == ({"enabled": False}, {"enabled": True})


def test_the_log_of_the_process_names_no_holder_and_no_key(api: Api, server: ServerProcess) -> None:
    holder = fresh("unmistakable")
    issued = api.issue_key("read")
    api.put_set(f"user:{holder}", {"enabled": False}, Prefledger_Reason=f"because of {holder}")
    api.request("GET", f"/holders/user:{holder}/preferences/nonsense")
    api.request("PUT", set_path(f"user:{holder}"), json={"nonsense": holder})
    api.with_key(issued["key"]).request("PUT", set_path(f"user:{holder}"), json={})
    for text in (server.output(), api.outside("/metrics"), api.outside("/readyz")):
        assert holder not in text
        assert issued["id"] not in text
        assert server.admin_key not in text
