"""The OpenAPI document: valid, whole, and true: what the node answers is what the document says."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fastapi.openapi.models import OpenAPI
from fastapi.routing import APIRoute

from services.http.app import PREFIX, ROUTERS
from services.http.problems import BASE, PROBLEMS
from tests.integration.http.api import Api, Json, fresh, set_path
from tests.integration.http.test_keys_and_walls import NOT_ROUTED
from tests.integration.http.test_preferences import DOCUMENTED
from tests.json_schema import Schemas, SchemaUnknown

# The API as the design has it: what must never go, whatever else comes.
DESIGNED: Final = """
    get put patch delete /ledger/v1/holders/{holder}/preferences/{set_name}
    get /ledger/v1/holders/{holder}/preferences
    get put patch delete /ledger/v1/holders/{holder}
    get /ledger/v1/holders
    get /ledger/v1/holders/{holder}/preferences/{set_name}/provenance
    get /ledger/v1/holders/{holder}/history
    post /ledger/v1/evaluate
    post /ledger/v1/evaluate/batch
    get post /ledger/v1/events
    get /ledger/v1/events/{event_id}
    get /ledger/v1/catalogue
    get put /ledger/v1/catalogue/policy
    get put delete /ledger/v1/catalogue/{collection}/{key}
    get post /ledger/v1/keys
    delete /ledger/v1/keys/{key_id}
    get /livez
    get /readyz
    get /metrics
"""


OF_A_PARKED_RECORD: Final = {
    ("get", f"{PREFIX}/parked/{{offset}}"),
    ("post", f"{PREFIX}/parked/{{offset}}/discard"),
    ("post", f"{PREFIX}/parked/{{offset}}/replay"),
}
"""Compared where there are parked records."""


@pytest.fixture(scope="module")
def document(api: Api) -> Json:
    return api.get("/openapi.json")


def operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def references(node: Json) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(node, list):
        for item in node:
            yield from references(item)


def test_the_document_is_valid_openapi(document: Json) -> None:
    OpenAPI.model_validate(document)
    assert document["openapi"] == "3.1.0"
    for method, path, operation in operations(document):
        shown = f"{method} {path}"
        assert operation["summary"], shown
        assert operation["responses"], shown
        assert all(response["description"] for response in operation["responses"].values()), shown
        in_path = [parameter["name"] for parameter in operation.get("parameters", []) if parameter["in"] == "path"]
        assert sorted(in_path) == sorted(re.findall(r"{(\w+)}", path)), shown
        named = [(parameter["in"], parameter["name"]) for parameter in operation.get("parameters", [])]
        assert len(named) == len(set(named)), f"{shown} has a parameter twice"
        assert ("requestBody" in operation) == (
            method in ("put", "patch", "post") and path not in {f"{PREFIX}/{job}" for job in ("rebuild", "verify", "replay")}
        ), shown


def test_every_reference_leads_somewhere_and_every_schema_is_used(document: Json) -> None:
    schemas = document["components"]["schemas"]
    used = {reference.removeprefix("#/components/schemas/") for reference in references(document)}
    assert used == set(schemas)


def test_operations_have_short_names_of_their_own(document: Json) -> None:
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(names) == len(set(names))
    assert max(map(len, names)) < 30


def test_every_route_and_everything_designed_is_in_the_document(document: Json) -> None:
    described = {(method, path) for method, path, _ in operations(document)}
    routed = {
        (method.lower(), PREFIX + route.path)
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }
    assert described == routed | {(method.lower(), PREFIX + path) for method, path in NOT_ROUTED} | {
        ("get", "/livez"), ("get", "/readyz"), ("get", "/readyz/{environment}"), ("get", "/metrics"),
    }  # fmt: skip
    designed = {(method, path) for *methods, path in map(str.split, DESIGNED.strip().splitlines()) for method in methods}
    assert described >= designed


def test_every_operation_tells_its_refusals(document: Json) -> None:
    for method, path, operation in operations(document):
        if path.startswith(PREFIX):
            refusal = operation["responses"]["default"]["content"]["application/problem+json"]["schema"]
            assert refusal == {"$ref": "#/components/schemas/Problem"}, f"{method} {path}"
            assert "422" not in operation["responses"]
    types = document["components"]["schemas"]["Problem"]["properties"]["type"]["enum"]
    assert types == [BASE + name for name in PROBLEMS]


def test_what_needs_no_key_says_so(document: Json) -> None:
    assert document["security"] == [{"key": []}]
    without = {path for _, path, operation in operations(document) if operation.get("security") == []}
    assert without == {f"{PREFIX}/problems", "/livez", "/readyz", "/readyz/{environment}", "/metrics"}


def test_writes_tell_of_their_headers(document: Json) -> None:
    def headers(method: str, path: str) -> set[str]:
        parameters = document["paths"][PREFIX + path][method]["parameters"]
        return {parameter["name"] for parameter in parameters if parameter["in"] == "header"}

    assert {"If-Match", "If-None-Match", "Idempotency-Key", "Prefledger-Actor"} <= headers(
        "put", "/holders/{holder}/preferences/{set_name}"
    )
    assert "Idempotency-Key" in headers("post", "/events")
    assert "If-Match" not in headers("delete", "/holders/{holder}")
    assert "Idempotency-Key" not in headers("post", "/keys")


def test_the_documentation_page_is_served(api: Api) -> None:
    page = api.request("GET", "/docs")
    assert page.status_code == 200
    assert f"{PREFIX}/openapi.json" in page.text


def template_of(document: Json, path: str) -> str:
    """The path of the document that this address is one of."""
    wanted = path.partition("?")[0].split("/")
    fitting: list[str] = [
        template
        for template in document["paths"]
        if len(template.split("/")) == len(wanted)
        and all(part.startswith("{") or part == given for part, given in zip(template.split("/"), wanted, strict=True))
    ]
    return min(fitting, key=lambda template: template.count("{"))


LINES: Final = {f"{PREFIX}/events": "HistoryEntry", f"{PREFIX}/replay/holders": "HolderState"}
"""What each line is where an answer is lines of JSON."""


class Checked:
    """A client that holds each answer, and each body that was accepted, against the document."""

    def __init__(self, api: Api, document: Json) -> None:
        self.api, self.document, self.schemas = api, document, Schemas(document)
        self.seen: set[tuple[str, str]] = set()

    def __call__(self, method: str, path: str, body: Json = None, **headers: str) -> Json:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        response = self.api.request(method, path, json=body, headers=given)
        template = template_of(self.document, PREFIX + path)
        operation = self.document["paths"][template][method.lower()]
        shown = f"{method} {path}: {response.status_code} {response.text[:600]}"
        described = operation["responses"].get(str(response.status_code), operation["responses"]["default"])
        content_type = response.headers["content-type"].partition(";")[0]
        assert content_type in described["content"], shown
        if response.status_code < 300:
            self.seen.add((method.lower(), template))
            if body is not None:
                schema = operation["requestBody"]["content"]["application/json"]["schema"]
                assert self.schemas.faults(body, schema) == [], f"the document does not describe the body of {shown}"
        if content_type.endswith("json") and not content_type.endswith("ndjson"):
            assert self.schemas.faults(response.json(), described["content"][content_type]["schema"]) == [], shown
            return response.json()
        if content_type.startswith("text/html"):
            return response.text
        lines = [json.loads(line) for line in response.text.splitlines()]
        for line in lines:
            faults = self.schemas.faults(line, self.document["components"]["schemas"][LINES[template]])
            assert faults == [], f"{faults} in {line}"
        return lines


def test_what_the_node_answers_is_what_the_document_says(api: Api, document: Json) -> None:
    call = Checked(api, document)
    user, workflow = f"user:{fresh()}", fresh("workflow")
    condition = {"conditions": [{"variable": "data.a", "operator": "exists"}]}
    everything: dict[str, Any] = {
        **DOCUMENTED, "commercial": condition, "schedule": {"enabled": False}, "kept": [1, None], "digest": "d",
        "categories": {"c": True, "d": {"channels": {"x": condition}, "enabled": False}}, "layering": {"self": "merge"},
        "routing": {"applies": True, "channels": ["email"]}, "otherwise": True, "condition": {"==": [1, 1]},
    }  # fmt: skip
    written = call("PUT", set_path(user), everything, Prefledger_Actor="zoe")
    call("PATCH", set_path(user), {"commercial": None, "categories": {"c": None}})
    call("PUT", set_path(user), {}, If_Match='"77"')
    call("GET", set_path(user))
    call("GET", set_path(user) + "?resolved=true&tenant=t")
    call("GET", set_path(user) + f"?as_of={written['position']}")
    call("GET", f"/holders/{user}/preferences")
    call("PUT", f"/holders/{user}", {"a": {"b": None}})
    call("PATCH", f"/holders/{user}", {"a": None})
    call("GET", f"/holders/{user}")
    call("GET", f"/holders/{user}/history?outcome=applied,rejected,duplicate,parked")
    call("GET", "/holders")
    call("GET", "/holders?path=/channel_types/email&equals=true&limit=1")
    call("PUT", f"/catalogue/workflows/{workflow}", {"name": "W", "categories": ["c"], "commercial": True})
    call("PUT", "/catalogue/channels/c", {"type": "email"})
    call("PUT", "/catalogue/policy", {"decide": "every_rule_allows", "own_default_in_tenant": "above_tenant_defaults"})
    call("GET", "/catalogue")
    call("GET", f"/catalogue?as_of={written['position']}")
    call("GET", "/catalogue/policy")
    call("GET", f"/catalogue/workflows/{workflow}")
    call("GET", "/catalogue/workflows/never")
    evaluations(call, user, workflow, written["position"])
    keys(call)
    event = {"type": "PreferenceSetMerged", "holder": user, "preferences": {"enabled": True}}
    detailed = {
        "evidence": {"a": 1}, "notice": {"id": "n", "version": "1", "locale": "da"}, "legal_basis": "consent", "reason": "r",
        "correlation_id": "c", "causation_id": "d", "expected_version": 2, "occurred_at": "2026-03-03T14:02:00Z",
    }  # fmt: skip
    results = call("POST", "/events", {"events": [{**event, **detailed}, {**event, "expected_version": 99}]})["results"]
    assert [result["outcome"] for result in results] == ["applied", "failed"]
    call("GET", f"/events/{results[0]['event_id']}")
    call("GET", f"{set_path(user)}/provenance")
    call("GET", "/history?limit=5")
    call("GET", "/parked?state=open&order=oldest")
    call("GET", "/opt-out-clock")
    call("GET", f"/holders/{user}/report")
    call("GET", f"/holders/{user}/report?format=json")
    call("DELETE", set_path(user))
    call("DELETE", f"/holders/{user}?suppress=all")
    call("POST", "/evaluate", {"recipient": user, "workflow": workflow, "explain": True})
    call("DELETE", f"/catalogue/workflows/{workflow}")
    call("GET", "/events")
    call("GET", "/problems")
    call("GET", f"/decisions/{call('POST', '/evaluate', {'recipient': user, 'workflow': workflow})['decision_id']}")
    batch = call("POST", "/evaluate/batch", {"recipients": [user, "user:other", 5], "workflow": workflow, "explain": True})
    assert call("GET", f"/decisions/{batch['decision_id']}")["same"] is True
    call("DELETE", f"/holders/{user}?suppress=none")
    assert call("GET", f"/decisions/{batch['decision_id']}")["logged"]["results"][0] == {"forgotten": True}
    call("POST", "/verify")
    call("GET", "/verify")
    call("DELETE", "/verify")
    replay(call, written["position"])
    call("POST", "/rebuild")
    call("GET", "/rebuild")
    call("DELETE", "/rebuild")
    unseen = {(method, path) for method, path, _ in operations(document) if path.startswith(PREFIX)} - call.seen
    assert unseen == {("get", f"{PREFIX}/workflow-runs/{{run_id}}"), *OF_A_PARKED_RECORD}, (
        "operations whose answers nobody compared"
    )


def evaluations(call: Checked, user: str, workflow: str, position: str) -> None:
    question: dict[str, Any] = {
        "workflow": workflow, "channels": ["email", {"type": "sms", "id": "x"}], "categories": ["c"], "tenant": "t",
        "data": {"a": 1}, "actor": {"id": "z"}, "policy": "knock", "at": "2026-03-03T14:02:00Z",
    }  # fmt: skip
    for more in (
        {}, {"explain": True}, {"as_of": position}, {"min_position": position, "max_staleness": 60.5},
        {"as_of": "9999-12-31T00:00:00Z"}, {"policy": {"decide": "most_specific_wins", "own_default_in_tenant": "never"}},
        {"context": ["a:b"], "tenant": None}, {"subscription": {"topic": "t", "id": "s"}},
    ):  # fmt: skip
        call("POST", "/evaluate", {"recipient": user, **question, **more})
        call("POST", "/evaluate/batch", {"recipients": [user, {"user": "zoe"}, "bad", 5], **question, **more})
    call("POST", "/evaluate", {"recipient": {"object": {"collection": "c", "id": "d"}}, "workflow": "w"})
    call("POST", "/evaluate", {"recipient": {"user": "a"}, "workflow": "w"})
    call("POST", "/evaluate", {"recipient": "nobody", "workflow": "w"})


def replay(call: Checked, position: str) -> None:
    while call("POST", f"/replay?until={position}").get("status") == 409:
        pass  # What was given up is not gone at once.
    while call("GET", "/replay")["phase"] != "done":
        pass
    assert call("GET", f"/replay/holders?position={position}")
    call("GET", f"/replay/environment?position={position}")
    call("DELETE", "/replay")


def keys(call: Checked) -> None:
    issued = call("POST", "/keys", {"name": "k", "scopes": ["publish", "read"], "kind": "public"})
    call("GET", "/keys")
    call("DELETE", f"/keys/{issued['id']}")
    pem = (
        generate_private_key(65537, 2048).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    )
    added = call("POST", "/signing-keys", {"name": "k", "public_key_pem": pem})
    call("GET", "/signing-keys")
    call("DELETE", f"/signing-keys/{added['id']}")


def test_the_validator_sees_what_is_wrong() -> None:
    schemas = Schemas(
        {"components": {"schemas": {"A": {"type": "object", "required": ["a"], "additionalProperties": False,
                                          "properties": {"a": {"anyOf": [{"type": "integer"}, {"type": "null"}]}}}}}}
    )  # fmt: skip
    reference = {"$ref": "#/components/schemas/A"}
    assert schemas.faults({"a": 1}, reference) == []
    mistakes: list[Json] = [{}, {"a": True}, {"a": "1"}, {"a": 1, "b": 2}, [], None]
    for wrong in mistakes:
        assert schemas.faults(wrong, reference), wrong
    with pytest.raises(SchemaUnknown):
        schemas.faults(1, {"multipleOf": 3})
