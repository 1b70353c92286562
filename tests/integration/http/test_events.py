"""`/events`: published in batches that are all checked first, safe to send again, and read back as a feed."""

import json
import threading
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from tests.integration.http.api import PREFIX, TIMEOUT_SECONDS, Api, Json, fresh, refused, set_path
from tests.integration.http.test_history_and_time import feed, moved
from tests.server_process import ServerProcess


def merged(holder: str, preferences: Json, **members: Json) -> Json:
    return {"type": "PreferenceSetMerged", "holder": holder, "preferences": preferences, **members}


def publish(api: Api, *events: Json, **headers: str) -> list[Json]:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    results: list[Json] = api.ok("POST", "/events", json={"events": list(events)}, headers=given)["results"]
    return results


def test_events_are_appended_in_order_with_one_outcome_each(api: Api) -> None:
    one, other, workflow = f"user:{fresh()}", f"object:things:{fresh()}", fresh("workflow")
    results = publish(
        api,
        merged(one, {"channel_types": {"email": False}}),
        merged(one, {"channel_types": {"email": None, "sms": False}}, set="tenant:t"),
        {"type": "PreferenceSetReplaced", "holder": one, "preferences": {"commercial": False}},
        {"type": "HolderDescribed", "holder": other, "properties": {"a": 1, "b": None}, "replaces": True},
        {"type": "HolderDescribed", "holder": other, "properties": {"a": None, "c": 2}},
        {"type": "PreferenceSetDeleted", "holder": one, "set": "tenant:t"},
        {"type": "WorkflowDefined", "key": workflow, "document": {"name": "W"}},
        {"type": "WorkflowRemoved", "key": workflow},
    )
    assert [result["outcome"] for result in results] == ["applied"] * 8
    assert [result["version"] for result in results] == [1, 1, 2, 1, 2, 2, 1, 2]
    positions = [result["position"] for result in results]
    lines = feed(api)[-8:]
    assert [line["position"] for line in lines] == positions
    assert [line["event_id"] for line in lines] == [result["event_id"] for result in results]
    assert [line["holder"] for line in lines] == [one, one, one, other, other, one, "environment", "environment"]
    assert api.stored(one) == {"commercial": False}
    assert api.get(f"/holders/{other}")["properties"] == {"b": None, "c": 2}


def test_what_an_event_says_of_itself_is_kept(api: Api) -> None:
    holder, event_id = f"user:{fresh()}", str(uuid4())
    said: dict[str, Json] = {
        "event_id": event_id, "occurred_at": "2026-03-03T14:02:00.5+02:00", "actor": "user:zoë", "method": "letter",
        "reason": "asked by post", "evidence": {"scan": ["a.pdf", 3]}, "legal_basis": "consent",
        "notice": {"id": "n", "version": "2", "locale": "da-DK"}, "correlation_id": "case-7", "causation_id": "letter-1",
        "expected_version": 0,
    }  # fmt: skip
    (result,) = publish(api, merged(holder, {"enabled": False}, **said), Prefledger_Actor="somebody else")
    assert result["event_id"] == event_id
    (entry,) = api.history(holder)
    assert entry == api.get(f"/events/{event_id}")
    assert entry["occurred_at"] == "2026-03-03T12:02:00.500Z"
    assert entry["evidence"]["scan"] == ["a.pdf", 3]
    assert entry["evidence"]["credential"] == "operator"
    for member in (
        "actor",
        "method",
        "reason",
        "legal_basis",
        "notice",
        "correlation_id",
        "causation_id",
        "expected_version",
    ):
        assert entry[member] == said[member], member


def test_evidence_can_not_pretend_to_be_ours(api: Api) -> None:
    holder = f"user:{fresh()}"
    publish(api, merged(holder, {}, evidence={"credential": "key:forged", "request_id": "forged"}))
    assert api.history(holder)[0]["evidence"]["credential"] == "operator"
    assert api.history(holder)[0]["evidence"]["request_id"] != "forged"


# fmt: off
BAD_EVENTS: list[tuple[Json, str]] = [
    (None, ""), ([], ""), ("PreferenceSetMerged", ""),
    ({}, "/type"), ({"type": "Nonsense"}, "/type"), ({"type": 1}, "/type"),
    ({"type": "PreferenceSetMerged"}, "/holder"), (merged("jhammond", {}), "/holder"),
    (merged("user:a", {"fax": True}), "/preferences/fax"), (merged("user:a", None), "/preferences"),
    (merged("user:a", {}, colour="red"), "/colour"), (merged("user:a", {}, set=1), "/set"),
    (merged("user:a", {}, set="x"), "/set"), (merged("user:a", {"locked": True}), "/preferences/locked"),
    (merged("user:a", {}, event_id="x"), "/event_id"), (merged("user:a", {}, event_id=1), "/event_id"),
    (merged("user:a", {}, occurred_at="now"), "/occurred_at"), (merged("user:a", {}, occurred_at=0), "/occurred_at"),
    (merged("user:a", {}, occurred_at="9999-12-31T23:59:59-14:00"), "/occurred_at"),
    (merged("user:a", {}, expected_version=-1), "/expected_version"),
    (merged("user:a", {}, expected_version=True), "/expected_version"),
    (merged("user:a", {}, expected_version=1.5), "/expected_version"),
    (merged("user:a", {}, actor=1), "/actor"), (merged("user:a", {}, reason="x" * 1001), "/reason"),
    (merged("user:a", {}, method="a\u0007"), "/method"), (merged("user:a", {}, evidence=[]), "/evidence"),
    (merged("user:a", {}, evidence={str(at): 1 for at in range(51)}), "/evidence"),
    (merged("user:a", {}, notice={"id": "n"}), "/notice"),
    (merged("user:a", {}, notice={"id": "n", "version": 1, "locale": "da"}), "/notice/version"),
    (merged("tenant:t", {}, set="tenant:t"), "/set"),
    ({"type": "HolderDescribed", "holder": "user:a"}, "/properties"),
    ({"type": "HolderDescribed", "holder": "user:a", "properties": {"parent": 1}}, "/properties/parent"),
    ({"type": "WorkflowDefined", "document": {"name": "W"}}, "/key"),
    ({"type": "WorkflowDefined", "key": "w", "document": {"nonsense": 1}}, "/document/nonsense"),
    ({"type": "WorkflowDefined", "key": "w", "document": {}}, "/document"),
    ({"type": "WorkflowDefined", "key": "w", "holder": "user:a", "document": {"name": "W"}}, "/holder"),
    ({"type": "PolicySet", "policy": {"decide": "by_chance"}}, "/policy/decide"), ({"type": "PolicySet"}, "/policy"),
    ({"type": "ApiKeyIssued", "key_id": "x"}, "/type"), ({"type": "LedgerSealed", "reason": "x"}, "/type"),
    ({"type": "HolderForgotten", "holder": "user:a"}, "/type"), ({"type": "SetsAdopted", "holder": "user:a"}, "/type"),
]
# fmt: on


@pytest.mark.parametrize(("bad", "pointer"), BAD_EVENTS, ids=lambda value: str(value)[:70])
def test_when_one_event_is_bad_nothing_is_appended(api: Api, bad: Json, pointer: str) -> None:
    holder = f"user:{fresh()}"
    before = api.records()
    good = merged(holder, {"enabled": False})
    problem = refused(api.request("POST", "/events", json={"events": [good, bad, good]}), "invalid")
    assert problem["pointer"] == f"/events/1{pointer}"
    assert api.records() == before
    assert api.stored(holder) == {}


@pytest.mark.parametrize(
    "body", [{}, [], {"events": []}, {"events": {}}, {"events": "x"}, {"events": [], "x": 1}, {"event": []}], ids=str
)
def test_a_request_without_events_is_refused(api: Api, body: Json) -> None:
    refused(api.request("POST", "/events", json=body), "invalid")


def test_a_thousand_events_fit_one_request_and_no_more(api: Api) -> None:
    word = fresh("batch")
    events = [merged(f"user:{word}-{at % 100}", {"kept": {"at": at}}) for at in range(1_000)]
    before = api.records()
    problem = refused(api.request("POST", "/events", json={"events": [*events, events[0]]}), "invalid")
    assert problem["pointer"] == "/events"
    assert api.records() == before
    results = publish(api, *events)
    assert [result["outcome"] for result in results] == ["applied"] * 1_000
    assert [result["version"] for result in results] == [at // 100 + 1 for at in range(1_000)]
    assert api.records() == before + 1_000
    assert [api.stored(f"user:{word}-{at}")["kept"]["at"] for at in (0, 99)] == [900, 999]


def test_a_whole_request_is_safe_to_send_again(api: Api) -> None:
    holder = f"user:{fresh()}"
    with_ids = [merged(holder, {"kept": {"at": at}}, event_id=str(uuid4())) for at in range(3)]
    first = publish(api, *with_ids)
    records = api.records()
    assert publish(api, *with_ids) == first
    assert api.records() == records
    without_ids = [merged(holder, {"kept": {"again": at}}) for at in range(3)]
    key = fresh("key")
    first = publish(api, *without_ids, Idempotency_Key=key)
    records = api.records()
    assert publish(api, *without_ids, Idempotency_Key=key) == first
    assert api.records() == records
    # Part of it had come through before: only the rest is appended.
    more = [*with_ids, merged(holder, {"kept": {"new": True}}, event_id=str(uuid4()))]
    assert [result["outcome"] for result in publish(api, *more)] == ["applied"] * 4
    assert api.records() == records + 1


def test_one_event_twice_in_one_request_counts_once(api: Api) -> None:
    holder = f"user:{fresh()}"
    event = merged(holder, {"enabled": False}, event_id=str(uuid4()))
    first, second = publish(api, event, event)
    assert first == second
    assert api.get(set_path(holder))["version"] == 1


def test_an_event_id_with_other_content_fails_alone(api: Api) -> None:
    holder, event_id = f"user:{fresh()}", str(uuid4())
    publish(api, merged(holder, {"enabled": False}, event_id=event_id))
    reused, good = publish(api, merged(holder, {"enabled": True}, event_id=event_id), merged(holder, {"commercial": False}))
    assert (reused["outcome"], good["outcome"]) == ("failed", "applied")
    assert reused["problem"]["type"].endswith("#event-id-reused")
    assert api.stored(holder) == {"enabled": False, "commercial": False}


def test_an_event_id_of_another_holder_is_another_event(api: Api) -> None:
    one, other, event_id = f"user:{fresh()}", f"user:{fresh()}", str(uuid4())
    (first,) = publish(api, merged(one, {"enabled": False}, event_id=event_id))
    (second,) = publish(api, merged(other, {"enabled": True}, event_id=event_id))
    assert (first["outcome"], second["outcome"]) == ("applied", "applied")
    assert first["position"] != second["position"]
    (again,) = publish(api, merged(other, {"enabled": True}, event_id=event_id))
    assert again == second, "the resent event was answered with another holder's"


def test_expected_versions_are_judged_one_after_the_other(api: Api) -> None:
    holder = f"user:{fresh()}"
    results = publish(
        api,
        merged(holder, {"kept": {"a": 1}}, expected_version=0),
        merged(holder, {"kept": {"b": 1}}, expected_version=0),
        merged(holder, {"kept": {"c": 1}}, expected_version=1),
    )
    assert [result["outcome"] for result in results] == ["applied", "failed", "applied"]
    assert results[1]["problem"]["type"].endswith("#version-mismatch")
    assert results[1]["problem"]["event_id"] == results[1]["event_id"]
    assert api.stored(holder)["kept"] == {"a": 1, "c": 1}


@pytest.mark.parametrize("header", ["If-Match", "If-None-Match"])
def test_a_condition_that_no_event_could_meet_is_refused_not_ignored(api: Api, header: str) -> None:
    response = api.request("POST", "/events", json={"events": [merged("user:a", {})]}, headers={header: '"1"'})
    refused(response, "bad-request")


def test_an_event_that_is_too_large_for_the_log_is_refused_before_anything_is_appended(api: Api) -> None:
    before = api.records()
    large = merged("user:large", {"kept": {"text": "x" * 1_000_000}})
    problem = refused(api.request("POST", "/events", json={"events": [merged("user:a", {}), large]}), "too-large")
    assert "nothing was appended" in problem["detail"]
    assert api.records() == before


def test_an_event_is_found_by_its_id_in_any_case_and_unknown_ones_are_not(api: Api) -> None:
    written = api.put_set(f"user:{fresh()}", {"enabled": False})
    event_id = written["event_id"]
    assert UUID(event_id).version == 7
    assert api.get(f"/events/{event_id}")["position"] == written["position"]
    assert api.get(f"/events/{event_id.upper()}")["event_id"] == event_id
    missing = refused(api.request("GET", f"/events/{uuid4()}"), "not-found")
    assert "still on its way" in missing["detail"]
    refused(api.request("GET", "/events/x"), "invalid")
    refused(api.request("GET", "/events/%00"), "invalid")


# The feed.


def test_the_feed_has_every_record_in_order_and_begins_where_it_is_told(api: Api) -> None:
    api.put_set(f"user:{fresh()}", {"enabled": False})
    lines = feed(api)
    assert lines[0]["type"] == "LedgerOpened"
    assert len(lines) == api.records()
    assert len({line["position"] for line in lines}) == len(lines)
    assert feed(api, limit=2) == lines[:2]
    assert feed(api, after=lines[1]["position"]) == lines[2:]
    assert feed(api, after=lines[1]["position"], limit=1) == lines[2:3]
    assert feed(api, after=lines[-1]["position"]) == []


def test_a_feed_of_more_than_a_page_has_no_holes(api: Api) -> None:
    word = fresh("feed")
    publish(api, *[merged(f"user:{word}", {"kept": {"at": at}}) for at in range(1_000)])
    found = [line["changes"][0]["after"] for line in feed(api) if line["holder"] == f"user:{word}"]
    assert found == list(range(1_000))
    assert len(feed(api, limit=777)) == 777


def test_a_feed_has_what_it_is_asked_for_and_nothing_else(api: Api) -> None:
    """A consumer that wants one kind of event must not miss any, however many others lie in between."""
    user, other = f"user:{fresh('feed')}", f"user:{fresh('feed')}"
    here = api.position()
    mine = [merged(user, {"kept": {"at": at}}) for at in range(3)]
    publish(api, mine[0], *[merged(other, {"kept": {"at": at}}) for at in range(600)], mine[1])
    api.ok("PUT", f"/holders/{user}", json={"locale": "en"})
    publish(api, mine[2])
    found = feed(api, after=here, holder=user)
    assert [entry["type"] for entry in found] == [*["PreferenceSetMerged"] * 2, "HolderDescribed", "PreferenceSetMerged"]
    assert feed(api, after=here, holder=user, type="HolderDescribed") == found[2:3]
    assert feed(api, after=here, holder=user, limit=2) == found[:2]
    assert feed(api, after=found[1]["position"], holder=user, limit=1) == found[2:3]
    assert feed(api, after=here, holder=user, outcome="rejected,parked,duplicate") == []
    assert len(feed(api, after=here, type="PreferenceSetMerged,HolderDescribed", outcome="applied")) == 604


@pytest.mark.parametrize(("name", "value"), [("type", "Nothing"), ("outcome", "kept"), ("holder", "nobody"), ("type", "")])
def test_a_feed_of_what_there_can_not_be_is_refused(api: Api, name: str, value: str) -> None:
    problem = refused(api.request("GET", "/events", params={name: value}), "invalid")
    assert problem["pointer"] == f"/{name}"


def test_a_feed_after_a_position_that_is_not_of_this_ledger_is_refused(api: Api) -> None:
    here = api.position()
    offset = 2**63
    refused(api.request("GET", "/events", params={"after": moved(here, ledger=b"another!")}), "other-ledger")
    refused(api.request("GET", "/events", params={"after": moved(here, tag=b"\0\0\0\0")}), "other-ledger")
    refused(api.request("GET", "/events", params={"after": moved(here, offset=offset)}), "position-not-reached")
    refused(api.request("GET", "/events", params={"after": "x"}), "invalid")
    refused(api.request("GET", "/events", params={"limit": "0"}), "invalid")
    assert len(feed(api, limit=10**30)) == api.records()


def follow(api: Api, key: str, lines: list[Json], started: threading.Event, **params: Any) -> None:
    """Follow the feed into `lines` until the server ends it."""
    headers = {**api.headers, "Authorization": f"Bearer {key}"}
    with (
        httpx.Client(base_url=api.server.url + PREFIX, timeout=TIMEOUT_SECONDS, trust_env=False, verify=False) as client,
        client.stream("GET", "/events", params={"follow": "true", **params}, headers=headers) as response,
    ):
        started.set()
        lines.extend(json.loads(line) for line in response.iter_lines() if line)


def test_a_followed_feed_goes_on_and_ends_with_its_key(api: Api) -> None:
    key = api.issue_key("audit")
    lines: list[Json] = []
    started = threading.Event()
    here = api.position()
    follower = threading.Thread(target=follow, args=(api, key["key"], lines, started), kwargs={"after": here})
    follower.start()
    assert started.wait(TIMEOUT_SECONDS)
    holder = f"user:{fresh()}"
    written = [api.put_set(holder, {"kept": {"at": at}}) for at in range(3)]
    revoked = api.ok("DELETE", f"/keys/{key['id']}")
    follower.join(TIMEOUT_SECONDS)
    assert not follower.is_alive(), "a feed went on although its key was revoked"
    positions = [line["position"] for line in lines]
    assert positions[:3] == [answer["position"] for answer in written]
    assert positions[3:] in ([], [revoked["position"]])
    later = api.put_set(holder, {})
    assert later["position"] not in positions


def test_a_followed_feed_ends_at_its_limit(api: Api) -> None:
    lines: list[Json] = []
    started = threading.Event()
    arguments = (api, api.server.admin_key, lines, started)
    follower = threading.Thread(target=follow, args=arguments, kwargs={"after": api.position(), "limit": 2})
    follower.start()
    assert started.wait(TIMEOUT_SECONDS)
    for at in range(3):
        api.put_set(f"user:{fresh()}", {"kept": {"at": at}})
    follower.join(TIMEOUT_SECONDS)
    assert len(lines) == 2


def test_a_node_that_stops_ends_the_feeds_that_are_followed(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path / "data").start()
    api = Api(server)
    lines: list[Json] = []
    started, cut_off = threading.Event(), threading.Event()

    def follow_to_the_end() -> None:
        try:
            follow(api, server.admin_key, lines, started)
        except httpx.TransportError:
            cut_off.set()

    follower = threading.Thread(target=follow_to_the_end)
    follower.start()
    assert started.wait(TIMEOUT_SECONDS)
    api.put_set("user:a", {"enabled": False})
    api.close()
    assert server.stop() == 0
    follower.join(TIMEOUT_SECONDS)
    assert not cut_off.is_set(), "the feed was cut off in the middle instead of being ended"
    assert lines[0]["type"] == "LedgerOpened"
