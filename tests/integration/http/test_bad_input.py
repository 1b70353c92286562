"""Whatever is sent: a clear refusal of a documented type, nothing appended, and never a fault of the node's own."""

import json
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import quote_from_bytes

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.http.api import (
    Api,
    Json,
    assert_clear_refusal,
    connect,
    exchange,
    raw,
    refused,
    set_path,
)
from tests.server_process import ServerProcess

EXAMPLES = 30

# Every address that takes a body.
BODIES: Final[list[tuple[str, str]]] = [
    ("PUT", set_path("user:bad")),
    ("PATCH", set_path("user:bad", "tenant:t")),
    ("PUT", "/holders/user:bad"),
    ("PATCH", "/holders/object:bad:bad"),
    ("PUT", "/catalogue/workflows/bad"),
    ("PUT", "/catalogue/categories/bad"),
    ("PUT", "/catalogue/channels/bad"),
    ("PUT", "/catalogue/sections/bad"),
    ("PUT", "/catalogue/policy"),
    ("POST", "/events"),
    ("POST", "/keys"),
    ("POST", "/signing-keys"),
    ("POST", "/evaluate"),
    ("POST", "/evaluate/batch"),
]


@pytest.fixture(autouse=True, scope="module")
def the_node_itself_never_failed(server: ServerProcess) -> Iterator[None]:
    yield
    assert "Traceback" not in server.output(), server.output()[-4_000:]


def nested(opening: bytes, closing: bytes, levels: int) -> bytes:
    return opening * levels + closing * levels


# fmt: off
MALFORMED: Final[dict[str, bytes]] = {
    "empty": b"", "blank": b" \n", "cut short": b'{"a": 1', "two documents": b"{}{}", "trailing comma": b'{"a": 1,}',
    "single quotes": b"{'a': 1}", "a word": b"nul", "a comment": b"{} // a", "no value": b'{"a":}', "no key": b"{1: 2}",
    "not UTF-8": b'{"a": "\xff"}', "a surrogate in UTF-8": b'{"a": "\xed\xa0\x80"}', "UTF-16": '{"a": 1}'.encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf{}", "a NUL byte": b'{"a": 1}\0', "a raw control character": b'{"a": "\x01"}',
    "a raw line break in a text": b'{"a": "b\nc"}', "NaN": b'{"a": NaN}', "infinity": b'{"a": Infinity}',
    "minus infinity": b'[-Infinity]', "1e999": b'{"a": 1e999}', "-1e999": b'{"a": [-1e999]}',
    "400 digits": b'{"a": ' + b"7" * 400 + b"}", "a million digits": b"1" * 1_000_000,
    "2**63": b'{"a": 9223372036854775808}',
    "-2**63 - 1": b'{"a": -9223372036854775809}', "2**64": b'{"a": {"b": 18446744073709551616}}',
    "a leading zero": b'{"a": 01}', "a plus": b'{"a": +1}', "a bare point": b'{"a": .5}', "hexadecimal": b'{"a": 0x10}',
    "a duplicate key": b'{"a": 1, "a": 1}', "a duplicate key spelled otherwise": b'{"a": 1, "\\u0061": 2}',
    "a duplicate key deep inside": b'{"a": [{"b": {"c": 1, "c": 2}}]}', "half a surrogate pair": b'{"a": "\\ud800"}',
    "the wrong half first": b'{"a": "\\udc00\\ud800"}', "half a pair in a key": b'{"\\uDFFF": 1}',
    "NUL in a text": b'{"a": "\\u0000"}', "NUL in a key": b'{"a": {"\\u0000b": 1}}', "a bad escape": b'{"a": "\\x"}',
    "33 lists": nested(b"[", b"]", 33), "33 objects": b'{"a":' * 33 + b"1" + b"}" * 33,
    "100,000 lists": nested(b"[", b"]", 100_000), "100,000 lists, open": b"[" * 100_000,
    "100,000 objects": b'{"":' * 100_000 + b"1" + b"}" * 100_000, "lists and objects": b'[{"a":' * 17 + b"1" + b"}]" * 17,
    "closed before they were opened": b"]" * 50 + b"[" * 50,
    # What a depth check by backtracking would need hours for.
    "an open text of escaped quotes": b"[" * 40 + b'"' + b'\\"' * 500_000,
    "an open text of backslashes": b"[" * 40 + b'"' + b"\\" * 1_000_001,
}
# fmt: on


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
def test_a_body_that_is_not_one_unambiguous_document_is_refused(api: Api, body: bytes) -> None:
    before = api.records()
    # All addresses read bodies in one of two ways; each way is taken by every body, and every address by some.
    first = list(MALFORMED.values()).index(body) % len(BODIES)
    for method, path in [BODIES[first], BODIES[first - 5], BODIES[-1]]:
        problem = refused(api.request(method, path, content=body), "malformed-json")
        assert len(problem["detail"]) < 300, "the refusal repeats too much of the body"
    assert api.records() == before


def test_brackets_inside_of_texts_are_not_depth(api: Api) -> None:
    text = '[{"' * 1_000
    api.put_set("user:brackets", {"kept": {"text": text, "deep": json.loads("[" * 28 + "]" * 28)}})
    assert api.stored("user:brackets")["kept"]["text"] == text


@pytest.mark.parametrize("body", [b"[]", b'"text"', b"1", b"-0.5", b"null", b"true", b"[{}]", b'[["a", 1]]'])
def test_a_body_of_another_type_is_refused(api: Api, body: bytes) -> None:
    before = api.records()
    for method, path in BODIES:
        assert refused(api.request(method, path, content=body), "invalid")["pointer"] == ""
    assert api.records() == before


@pytest.mark.parametrize("name", ["nonsense", "", "__proto__", "a/b", "x" * 5_000, "\u0001", "é", "Name"])
def test_a_member_that_is_not_known_is_refused_and_named(api: Api, name: str) -> None:
    before = api.records()
    for method, path in BODIES:
        if "/holders/" in path and "preferences" not in path:
            continue  # Properties are free.
        problem = refused(api.request(method, path, json={name: 1}), "invalid")
        assert len(problem["detail"]) < 6_000
    assert api.records() == before


LONG = "x" * 10_000


@pytest.mark.parametrize(
    "id_", [LONG, "", "a\u0007", "\u0085", "\u007f", 1, None, [], {}, True, 0.5], ids=lambda i: repr(i)[:12]
)
def test_an_id_that_is_none_is_refused_wherever_it_stands(api: Api, id_: Json) -> None:
    before = api.records()
    question = {"recipient": "user:a", "workflow": "w"}
    event = {"type": "PreferenceSetMerged", "holder": "user:a", "preferences": {}}
    told: list[tuple[str, Json]] = [
        ("/evaluate", {**question, "workflow": id_}),
        ("/evaluate", {**question, "recipient": id_}),
        ("/evaluate", {**question, "recipient": {"user": id_}}),
        ("/evaluate", {**question, "recipient": {"object": {"collection": id_, "id": "a"}}}),
        ("/evaluate", {**question, "recipient": {"object": {"collection": "a", "id": id_}}}),
        ("/evaluate", {**question, "categories": [id_]}),
        ("/evaluate", {**question, "subscription": {"topic": id_, "id": "a"}}),
        ("/events", {"events": [{**event, "holder": id_}]}),
        ("/events", {"events": [{**event, "type": id_}]}),
    ]
    if id_ is not None:
        told += [
            ("/evaluate", {**question, "tenant": id_}),
            ("/evaluate", {**question, "context": [id_]}),
            ("/evaluate", {**question, "channels": [{"type": "email", "id": id_}]}),
            ("/events", {"events": [{**event, "event_id": id_}]}),
            ("/events", {"events": [{**event, "set": id_}]}),
        ]
    if isinstance(id_, str):
        told += [
            ("/evaluate", {**question, "recipient": f"user:{id_}"}),
            ("/events", {"events": [{**event, "holder": f"user:{id_}"}]}),
            ("/events", {"events": [{**event, "holder": f"object:{id_}:a"}]}),
            ("/events", {"events": [{**event, "set": f"tenant:{id_}"}]}),
            ("/events", {"events": [{**event, "set": f"subscription:a:{id_}"}]}),
        ]
        if id_:
            told.append(("/events", {"events": [{**event, "preferences": {"workflows": {id_: True}}}]}))
    for path, body in told:
        refused(api.request("POST", path, json=body), "invalid")
    assert api.records() == before


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", set_path("user:a"), "DELETE, GET, PATCH, PUT"), ("PUT", "/holders/user:a/preferences", "GET"),
        ("POST", "/holders", "GET"), ("PUT", "/holders/user:a/history", "GET"), ("POST", "/catalogue/policy", "GET, PUT"),
        ("DELETE", "/catalogue/policy", "GET, PUT"), ("PATCH", "/catalogue/workflows/w", "DELETE, GET, PUT"),
        ("PUT", "/events", "GET, POST"), ("GET", "/keys/x", "DELETE"), ("GET", "/evaluate", "POST"),
        ("DELETE", "/evaluate/batch", "POST"), ("OPTIONS", "/catalogue", "GET"), ("TRACE", "/catalogue", "GET"),
    ],
)  # fmt: skip
def test_a_method_that_an_address_does_not_know(api: Api, method: str, path: str, allowed: str) -> None:
    response = api.request(method, path)
    refused(response, "method-not-allowed")
    assert response.headers["allow"] == allowed


@pytest.mark.parametrize(
    "path",
    [
        "", "/", "/nonsense", "/holders/", "/holders//preferences/default", "/holders/user:a/preferences/default/",
        "/holders/user:a/preferences/default/x", "/evaluate/", "/evaluate/batch/", "//evaluate", "/catalogue/nonsense/w",
        "/keys/a/b", "/events/a/b", "/%65valuate", "/holders/user:a/../user:b", "/..", "/holders/user:a/preferences/a/b",
    ],
)  # fmt: skip
def test_an_address_where_there_is_nothing(api: Api, path: str) -> None:
    status, received = exchange(api, raw(api, "GET", f"/ledger/v1{path}"))
    assert status == 404, received
    assert b"application/problem+json" in received


def test_an_address_with_bytes_that_are_no_ascii_is_refused(api: Api) -> None:
    status, _ = exchange(api, raw(api, "GET", "/ledger/v1/holders/user:\xe9"))
    assert status == 400


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/9.9\r\n\r\n", b"GARBAGE\r\n\r\n", b"GET /ledger/v1/catalogue HTTP/1.1\r\nBad Header: x\r\n\r\n",
        b"PUT /ledger/v1/holders/user:a HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"PUT /ledger/v1/holders/user:a HTTP/1.1\r\nContent-Length: two\r\n\r\n",
        b"PUT /ledger/v1/holders/user:a HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"PUT /ledger/v1/holders/user:a HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"PUT /ledger/v1/holders/user:a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n{}\r\n0\r\n\r\n",
    ],
)  # fmt: skip
def test_what_is_no_http_is_refused(api: Api, head: bytes) -> None:
    before = api.records()
    status, received = exchange(api, head)
    assert 400 <= status < 500, received
    assert api.records() == before


def test_a_connection_that_is_closed_amid_a_body_appends_nothing(api: Api) -> None:
    before = api.records()
    whole = raw(api, "PUT", "/ledger/v1" + set_path("user:cut"), b'{"enabled": false}' + b" " * 100)
    for missing in (1, 50, 100):
        with connect(api) as connection:
            connection.sendall(whole[:-missing])
    assert api.stored("user:cut") == {}
    assert api.records() == before


# Arbitrary JSON, with the words of the API among its keys and values so that it gets far in.

# fmt: off
WORDS = [
    "recipient", "recipients", "workflow", "channels", "categories", "tenant", "context", "subscription", "data", "actor",
    "policy", "at", "as_of", "min_position", "explain", "events", "type", "holder", "set", "preferences", "properties",
    "replaces", "event_id", "occurred_at", "expected_version", "evidence", "notice", "id", "version", "locale", "topic",
    "channel_types", "workflows", "enabled", "condition", "conditions", "otherwise", "locked", "routing", "applies",
    "digest", "layering", "self", "kept", "commercial", "schedule", "weekly", "monday", "hours", "start", "end", "variable",
    "operator", "argument", "name", "scopes", "kind", "key", "document", "defaults", "resource", "user", "object",
    "collection", "decide", "own_default_in_tenant", "parent",
    "timezone", "tags", "severity", "internal_id", "default", "allowed_preferences",
]
VALUES: list[Json] = [
    "user:a", "object:a:b", "tenant:t", "environment", "w", "default", "email", "sms", "merge", "replace", "read", "admin",
    "secret", "PreferenceSetMerged", "PreferenceSetReplaced", "PreferenceSetDeleted", "HolderDescribed", "WorkflowDefined",
    "CategoryRemoved", "PolicySet", "every_rule_allows", "never", "novu", "2026-03-03T14:02:00Z", "equal_to", "data.a",
    "exists", "09:00 AM", "high", "snooze", "00000000-0000-7000-8000-000000000000", "context:a:b",
]
# fmt: on

texts = st.one_of(
    st.sampled_from(WORDS),
    st.sampled_from(VALUES),
    st.text(alphabet=st.characters(categories=("L", "N", "P", "S", "Z", "C")), max_size=6),
)
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**64), 2**64), st.floats(), st.integers(-2, 3), texts
)  # fmt: skip
documents = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(texts, inner, max_size=4),
        st.fixed_dictionaries({"type": st.sampled_from(VALUES), "holder": st.sampled_from(VALUES), "preferences": inner}),
        st.fixed_dictionaries({"workflow": st.just("w"), "recipient": st.just("user:a")}, optional={"data": inner}),
    ),
    max_leaves=12,
)
bodies = st.one_of(
    st.dictionaries(texts, documents, max_size=5),
    st.fixed_dictionaries({"events": st.lists(documents, min_size=1, max_size=3)}),
    st.fixed_dictionaries(
        {"recipient": documents, "workflow": st.just("w")},
        optional={"channels": documents, "policy": documents, "at": documents, "as_of": documents, "explain": documents},
    ),
    st.fixed_dictionaries({"recipients": st.lists(documents, max_size=3), "workflow": st.just("w")}),
    st.fixed_dictionaries(
        {}, optional={"workflows": documents, "channel_types": documents, "kept": documents, "schedule": documents}
    ),
    documents,
)


@given(body=bodies)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_arbitrary_json_is_taken_or_clearly_refused(api: Api, body: Json) -> None:
    content = json.dumps(body).encode()
    before, taken = api.records(), 0
    for method, path in BODIES:
        response = api.request(method, path, content=content)
        assert response.status_code < 500, f"{method} {path} {content!r}: {response.text}"
        if response.status_code >= 400:
            assert_clear_refusal(response)
        elif path == "/events":
            taken += len(response.json()["results"])
        elif not path.startswith("/evaluate"):
            taken += 1
    assert api.records() <= before + taken, "something was refused and appended all the same"


segments = st.one_of(
    st.sampled_from(["user:", "object:", "object:a:", "tenant:", "environment", "default", "context:", "subscription:a:"]),
    st.just(""),
)


@given(prefix=segments, rest=st.binary(max_size=12), other=segments, more=st.binary(max_size=8))
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_arbitrary_addresses_are_taken_or_clearly_refused(
    api: Api, prefix: str, rest: bytes, other: str, more: bytes
) -> None:
    one, two = prefix + quote_from_bytes(rest, safe=":"), other + quote_from_bytes(more, safe=":")
    for path in (f"/holders/{one}", f"/holders/{one}/preferences/{two}", f"/holders/{one}/history", f"/events/{one}",
                 f"/catalogue/{one}/{two}", f"/catalogue/workflows/{two}", f"/keys/{one}"):  # fmt: skip
        response = api.request("GET", path)
        assert response.status_code < 500, f"{path}: {response.text}"
        if response.status_code >= 400:
            assert_clear_refusal(response)


parameters = st.dictionaries(
    st.sampled_from(["as_of", "min_position", "max_staleness", "resolved", "tenant", "set", "path", "from", "to", "limit",
                     "cursor", "outcome", "equals", "after", "suppress", "x"]),
    st.one_of(st.binary(max_size=10).map(lambda value: quote_from_bytes(value)), texts.map(lambda text: quote_from_bytes(
        text.encode("utf-8", "surrogatepass")))),
    max_size=3,
)  # fmt: skip


@given(given_=parameters)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_arbitrary_parameters_are_taken_or_clearly_refused(api: Api, given_: dict[str, str]) -> None:
    query = "&".join(f"{name}={value}" for name, value in given_.items())
    for path in ("/holders", "/holders/user:a", set_path("user:a"), "/holders/user:a/history", "/catalogue", "/events"):
        response = api.request("GET", f"{path}?{query}" if query else path)
        assert response.status_code < 500, f"{path}?{query}: {response.text}"
        if response.status_code >= 400:
            assert_clear_refusal(response)


def test_everything_that_can_be_said_of_a_workflow_can_be_stored(api: Api) -> None:
    condition = {"conditions": [{"variable": "data.a", "operator": "exists"}]}
    rule: dict[str, Any] = {
        "enabled": True, "channel_types": {"email": condition, "sms": False}, "channels": {"c": True, "d": condition},
        "otherwise": False, "locked": False, "routing": {"applies": True, "channels": ["email"]}, "digest": "daily",
        "layering": {"self": "merge", "channel_types": "replace"}, "kept": {"a": [1, None, {"b": {}}]},
    }  # fmt: skip
    own = {**rule, "condition": condition["conditions"]}
    workflow = {
        "name": "W", "internal_id": "i", "categories": ["c"], "channels": [{"type": "email"}, {"type": "sms", "id": "x"}],
        "tags": ["t"], "severity": "high", "commercial": True, "override": False, "active": True,
        "defaults": {"resource": {**rule, "condition": {"==": [1, 1]}}, "user": own},
        "data": {"a": {"b": None}},
    }  # fmt: skip
    category = {
        "name": "C", "description": "D", "section": "s", "default": rule, "allowed_preferences": ["snooze"],
        "routing_options": ["email"], "unsubscribe_header": True, "digest": {"every": 1}, "data": {},
    }  # fmt: skip
    assert api.define("workflows", "whole", **workflow)["workflow"] == workflow
    assert api.define("categories", "whole", **category)["category"] == category
    preferences = {
        **rule,
        "workflows": {"w": rule, "v": {"condition": True}},
        "categories": {"c": rule},
        "commercial": condition,
    }
    assert api.put_set("tenant:whole", preferences)["preferences"] == preferences
