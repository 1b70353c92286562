"""Writing only if nobody wrote in between, and writing once: ETags, If-Match, Idempotency-Key."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.integration.http.api import Api, fresh, refused, set_path


def test_an_etag_is_the_version(api: Api) -> None:
    holder = f"user:{fresh()}"
    assert api.request("GET", set_path(holder)).headers["etag"] == '"0"'
    assert api.request("PUT", set_path(holder), json={"enabled": False}).headers["etag"] == '"1"'
    assert api.request("PATCH", set_path(holder), json={"enabled": True}).headers["etag"] == '"2"'
    assert api.request("GET", set_path(holder)).headers["etag"] == '"2"'
    assert api.request("DELETE", set_path(holder)).headers["etag"] == '"3"'


@pytest.mark.parametrize("known", ['"1"', 'W/"1"', '"7", "1"', '"1" , W/"2"'])
def test_who_has_the_present_version_is_not_sent_it_again(api: Api, known: str) -> None:
    holder = f"user:{fresh()}"
    api.put_set(holder, {"enabled": False})
    unchanged = api.request("GET", set_path(holder), headers={"If-None-Match": known})
    assert (unchanged.status_code, unchanged.content, unchanged.headers["etag"]) == (304, b"", '"1"')
    api.put_set(holder, {"enabled": True})
    changed = api.request("GET", set_path(holder), headers={"If-None-Match": '"1"'})
    assert changed.status_code == 200
    assert changed.json()["preferences"] == {"enabled": True}


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_a_write_upon_another_version_is_refused_and_changes_nothing(api: Api, method: str) -> None:
    holder = f"user:{fresh()}"
    api.put_set(holder, {"enabled": False})
    body = None if method == "DELETE" else {"enabled": True}
    problem = refused(api.request(method, set_path(holder), json=body, headers={"If-Match": '"2"'}), "version-mismatch")
    assert api.stored(holder) == {"enabled": False}
    event = api.get(f"/events/{problem['event_id']}")
    assert (event["outcome"], event["why"], event["changes"]) == ("rejected", "version-mismatch", [])
    assert event["position"] == problem["position"]
    answer = api.ok(method, set_path(holder), json=body, headers={"If-Match": '"1"'})
    assert answer["version"] == 2


def test_of_writers_with_the_same_version_one_wins(api: Api) -> None:
    holder = f"user:{fresh()}"
    start = threading.Barrier(8)

    def write(number: int) -> int:
        start.wait()
        body = {"kept": {"writer": number}}
        return api.request("PUT", set_path(holder), json=body, headers={"If-Match": '"0"'}).status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(write, range(8)))
    assert sorted(statuses) == [200] + [412] * 7
    assert api.stored(holder)["kept"]["writer"] == statuses.index(200)
    assert len(api.history(holder, outcome="rejected")) == 7


def test_if_none_match_writes_what_was_never_written(api: Api) -> None:
    holder = f"user:{fresh()}"
    assert api.put_set(holder, {"enabled": False}, If_None_Match="*")["version"] == 1
    again = api.request("PUT", set_path(holder), json={"enabled": True}, headers={"If-None-Match": "*"})
    refused(again, "version-mismatch")


@pytest.mark.parametrize(
    "headers",
    [
        {"If-Match": "*"}, {"If-Match": "1"}, {"If-Match": 'W/"1"'}, {"If-Match": '"1", "2"'}, {"If-Match": '"resolved-1"'},
        {"If-Match": '"-1"'}, {"If-Match": '"\u00b2"'}, {"If-Match": '"' + "9" * 19 + '"'}, {"If-Match": ""},
        {"If-None-Match": '"1"'}, {"If-Match": '"1"', "If-None-Match": "*"},
    ],
    ids=str,
)  # fmt: skip
def test_a_condition_that_is_not_understood_is_refused_not_ignored(api: Api, headers: dict[str, str]) -> None:
    holder = f"user:{fresh()}"
    api.put_set(holder, {"enabled": False})
    before = api.records()
    refused(api.request("PUT", set_path(holder), json={"enabled": True}, headers=headers), "bad-request")
    assert api.records() == before


def test_a_version_never_starts_again(api: Api) -> None:
    holder = f"user:{fresh()}"
    versions = [
        api.put_set(holder, {"enabled": False})["version"],
        api.ok("DELETE", set_path(holder))["version"],
        api.put_set(holder, {"enabled": False})["version"],
        api.ok("DELETE", f"/holders/{holder}", params={"suppress": "none"}) and api.get(set_path(holder))["version"],
        api.put_set(holder, {"enabled": True})["version"],
    ]
    assert versions == [1, 2, 3, 4, 5]
    assert api.put_set(holder, {}, "tenant:another-set")["version"] == 1


def test_versions_of_different_sets_are_counted_apart(api: Api) -> None:
    holder = f"user:{fresh()}"
    api.put_set(holder, {"enabled": False})
    api.put_set(holder, {"enabled": False}, "tenant:t")
    api.put_set(holder, {"enabled": True}, "tenant:t")
    assert api.put_set(holder, {"enabled": True}, If_Match='"1"')["version"] == 2


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_a_request_that_is_sent_again_is_the_same_event(api: Api, method: str) -> None:
    holder = f"user:{fresh()}"
    api.put_set(holder, {"kept": {"a": 1}})
    body = None if method == "DELETE" else {"enabled": False}
    headers = {"Idempotency-Key": fresh("key")}
    first = api.ok(method, set_path(holder), json=body, headers=headers)
    records = api.records()
    again = api.ok(method, set_path(holder), json=body, headers=headers)
    assert again == first
    assert api.records() == records, "sending a request again made a second record"
    assert len(api.history(holder, outcome="applied,duplicate")) == 2


def test_a_request_that_is_sent_again_is_answered_as_the_first_time_whatever_came_after(api: Api) -> None:
    holder, headers = f"user:{fresh()}", {"Idempotency-Key": fresh("key")}
    first = api.ok("PUT", set_path(holder), json={"enabled": False}, headers=headers)
    api.patch_set(holder, {"channel_types": {"email": True}})
    assert api.ok("PUT", set_path(holder), json={"enabled": False}, headers=headers) == first
    assert api.get(set_path(holder))["version"] == 2


@pytest.mark.parametrize("address", ["/holders/{}", "/holders/{}/preferences/default"])
def test_a_request_that_is_sent_again_may_name_its_members_in_another_order(api: Api, address: str) -> None:
    """Not every language keeps the order of an object's members, and what a patch takes away has one of its own."""
    path, headers = address.format(f"user:{fresh()}"), {"Idempotency-Key": fresh("key")}
    first = api.ok("PATCH", path, json={"kept": None, "digest": None, "enabled": None}, headers=headers)
    assert api.ok("PATCH", path, json={"enabled": None, "digest": None, "kept": None}, headers=headers) == first


def test_an_idempotency_key_with_another_body_is_refused(api: Api) -> None:
    holder = f"user:{fresh()}"
    headers = {"Idempotency-Key": fresh("key")}
    first = api.ok("PUT", set_path(holder), json={"enabled": False}, headers=headers)
    before = api.records()
    problem = refused(api.request("PUT", set_path(holder), json={"enabled": True}, headers=headers), "event-id-reused")
    assert problem["event_id"] == first["event_id"]
    assert api.records() == before
    assert api.stored(holder) == {"enabled": False}


def test_an_idempotency_key_counts_for_one_holder_set_method_and_credential(api: Api) -> None:
    holder, other = f"user:{fresh()}", f"user:{fresh()}"
    key = {"Idempotency-Key": fresh("key")}
    publisher = api.with_key(api.issue_key("publish")["key"])
    written = [
        api.ok("PUT", set_path(holder), json={"enabled": False}, headers=key),
        api.ok("PUT", set_path(other), json={"enabled": True}, headers=key),
        api.ok("PUT", set_path(holder, "tenant:t"), json={"enabled": True}, headers=key),
        api.ok("PATCH", set_path(holder), json={"enabled": True}, headers=key),
        publisher.ok("PUT", set_path(holder), json={"enabled": True}, headers=key),
        api.ok("PUT", f"/holders/{holder}", json={"name": "J"}, headers=key),
    ]
    assert len({answer["event_id"] for answer in written}) == len(written)
    assert {answer["outcome"] for answer in written} == {"applied"}


def test_a_refused_condition_stays_refused_when_it_is_sent_again(api: Api) -> None:
    holder = f"user:{fresh()}"
    headers = {"Idempotency-Key": fresh("key"), "If-Match": '"5"'}
    first = refused(api.request("PUT", set_path(holder), json={}, headers=headers), "version-mismatch")
    before = api.records()
    assert refused(api.request("PUT", set_path(holder), json={}, headers=headers), "version-mismatch") == first
    assert api.records() == before


def test_writers_that_send_one_request_at_once_make_one_event(api: Api) -> None:
    holder = f"user:{fresh()}"
    headers = {"Idempotency-Key": fresh("key")}
    start = threading.Barrier(6)

    def write(_: int) -> tuple[str, str, int]:
        start.wait()
        answer = api.ok("PUT", set_path(holder), json={"enabled": False}, headers=headers)
        return answer["event_id"], answer["position"], answer["version"]

    with ThreadPoolExecutor(6) as pool:
        assert len(set(pool.map(write, range(6)))) == 1
    assert api.get(set_path(holder))["version"] == 1


@pytest.mark.parametrize("key", ["", "x" * 256])
def test_an_idempotency_key_has_a_length(api: Api, key: str) -> None:
    response = api.request("PUT", set_path("user:keys"), json={}, headers={"Idempotency-Key": key})
    refused(response, "bad-request")


def test_who_wrote_how_and_why_is_kept(api: Api) -> None:
    holder = f"user:{fresh()}"
    headers = {
        "Prefledger-Actor": "user:zo%C3%AB", "Prefledger-Method": "preference-centre", "Prefledger-Reason": "100% sure",
        "Prefledger-Correlation-Id": "order-7", "X-Request-Id": "trace.me-1",
    }  # fmt: skip
    response = api.request("PUT", set_path(holder), json={"enabled": False}, headers=headers)
    assert response.headers["x-request-id"] == "trace.me-1"
    (entry,) = api.history(holder)
    assert (entry["actor"], entry["method"], entry["reason"]) == ("user:zoë", "preference-centre", "100% sure")
    assert entry["correlation_id"] == "order-7"
    assert entry["evidence"] == {"request_id": "trace.me-1", "credential": "operator"}


def test_a_header_in_utf8_is_kept_as_it_is(api: Api) -> None:
    holder = f"user:{fresh()}"
    api.put_set(holder, {"enabled": False}, Prefledger_Reason="désabonné".encode().decode("latin-1"))
    assert api.history(holder)[0]["reason"] == "désabonné"


@pytest.mark.parametrize("value", ["%00", "%0D%0AX-Evil: 1", "%FF", "x" * 1001, "%E2%80"])
def test_a_header_that_can_not_be_kept_is_refused(api: Api, value: str) -> None:
    before = api.records()
    response = api.request("PUT", set_path("user:headers"), json={}, headers={"Prefledger-Reason": value})
    refused(response, "invalid")
    assert api.records() == before


@pytest.mark.parametrize("sent", ["a b", "x" * 129, "é", "<script>", ""])
def test_a_request_id_that_could_harm_a_log_is_not_taken_over(api: Api, sent: str) -> None:
    response = api.request("GET", "/catalogue", headers={"X-Request-Id": sent})
    assert response.headers["x-request-id"] != sent
    assert len(response.headers["x-request-id"]) > 8
