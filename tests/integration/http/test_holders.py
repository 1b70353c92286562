"""Properties, forgetting, and finding who opted out of what."""

from typing import Any

import pytest

from tests.integration.http.api import Api, Json, fresh, refused, set_path


def test_properties_are_put_patched_and_versioned_apart_from_sets(api: Api) -> None:
    holder = f"user:{fresh()}"
    api.put_set(holder, {"enabled": False})
    first = api.ok("PUT", f"/holders/{holder}", json={"name": "Zoë", "plan": {"tier": "pro", "seats": None}})
    assert (first["version"], first["properties"]["plan"]) == (1, {"tier": "pro", "seats": None})
    second = api.ok("PATCH", f"/holders/{holder}", json={"plan": {"tier": None}, "age": 7}, headers={"If-Match": '"1"'})
    assert second["properties"] == {"name": "Zoë", "plan": {"seats": None}, "age": 7}
    response = api.request("GET", f"/holders/{holder}")
    assert response.headers["etag"] == '"2"'
    assert response.json()["sets"] == ["default"]
    assert api.ok("PUT", f"/holders/{holder}", json={})["properties"] == {}


def test_a_property_can_be_null_and_a_patch_takes_it_away(api: Api) -> None:
    holder = f"user:{fresh()}"
    assert api.ok("PUT", f"/holders/{holder}", json={"a": None, "b": 1})["properties"] == {"a": None, "b": 1}
    assert api.ok("PATCH", f"/holders/{holder}", json={"a": None})["properties"] == {"b": 1}


@pytest.mark.parametrize("body", [[], "text", 1, True, {"parent": 3}, {"p": list(range(3)), "q": 2**64}], ids=str)
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_what_are_no_properties_is_refused(api: Api, method: str, body: Any) -> None:
    before = api.records()
    response = api.request(method, "/holders/user:refused", json=body)
    refused(response, "malformed-json" if isinstance(body, dict) and "q" in body else "invalid")
    assert api.records() == before


def test_there_are_at_most_a_thousand_properties(api: Api) -> None:
    refused(api.request("PUT", "/holders/user:many", json={str(at): at for at in range(1_001)}), "invalid")
    assert api.ok("PUT", "/holders/user:many", json={str(at): at for at in range(1_000)})["version"] == 1


def forget(api: Api, holder: str, suppress: str | None = None) -> Json:
    return api.ok("DELETE", f"/holders/{holder}", params={"suppress": suppress} if suppress is not None else None)


@pytest.mark.parametrize(
    ("suppress", "kept"), [("none", "none"), ("commercial", "commercial"), ("all", "all"), (None, "all")]
)
def test_forgetting_hides_everything_but_what_must_not_be_sent(api: Api, suppress: str | None, kept: str) -> None:
    holder, name = f"user:{fresh()}", fresh("Tyrannosaurus")
    api.ok("PUT", f"/holders/{holder}", json={"name": name})
    before = api.put_set(holder, {"channel_types": {"email": False}})
    api.put_set(holder, {"channel_types": {"sms": False}}, "tenant:t")
    answer = forget(api, holder, suppress)
    assert (answer["suppress"], answer["outcome"]) == (kept, "applied")
    shown = api.get(f"/holders/{holder}")
    assert (shown["properties"], shown["sets"], shown["suppress"]) == ({}, [], kept)
    assert api.stored(holder) == {}
    assert api.stored(holder, "tenant:t") == {}
    assert api.stored(holder, as_of=before["position"]) == {}, "the past still shows what was forgotten"
    assert api.get(f"/holders/{holder}", as_of=before["position"])["properties"] == {}
    assert name not in api.request("GET", f"/holders/{holder}/history").text
    assert name not in api.request("GET", "/events").text
    assert name not in api.request("GET", f"/events/{before['event_id']}").text


def test_the_history_of_a_forgotten_holder_tells_that_it_was_forgotten(api: Api) -> None:
    holder = f"user:{fresh()}"
    written = api.put_set(holder, {"kept": {"word": "roar"}}, Prefledger_Reason="as asked")
    forget(api, holder, "commercial")
    forgotten, hidden = api.history(holder)
    assert forgotten["type"] == "HolderForgotten"
    assert [(change["path"], change["after"]) for change in forgotten["changes"]] == [("/suppress", "commercial")]
    assert (hidden["event_id"], hidden["forgotten"], hidden["changes"]) == (written["event_id"], True, [])
    assert (hidden["actor"], hidden["reason"]) == (None, None)


def test_what_is_said_after_a_holder_was_forgotten_is_shown_again(api: Api) -> None:
    holder = f"user:{fresh()}"
    api.put_set(holder, {"channel_types": {"email": False}})
    forget(api, holder, "all")
    api.put_set(holder, {"channel_types": {"sms": False}})
    assert api.stored(holder) == {"channel_types": {"sms": False}}
    newest, _, oldest = api.history(holder)
    assert newest["changes"] == [{"path": "/channel_types/sms", "after": False}]
    assert oldest["forgotten"] is True
    assert api.get(f"/holders/{holder}")["suppress"] == "all"
    # Forgotten once more, with nothing to suppress: the way to take a suppression back.
    forget(api, holder, "none")
    assert api.delivered(holder, channels=["email", "sms"]) == {"email": True, "sms": True}


def test_forgetting_twice_with_one_key_is_one_event(api: Api) -> None:
    holder = f"user:{fresh()}"
    api.put_set(holder, {"enabled": False})
    headers = {"Idempotency-Key": fresh("key")}
    first = api.ok("DELETE", f"/holders/{holder}", headers=headers)
    records = api.records()
    assert api.ok("DELETE", f"/holders/{holder}", headers=headers) == first
    assert api.records() == records
    refused(
        api.request("DELETE", f"/holders/{holder}", headers=headers, params={"suppress": "none"}), "event-id-reused"
    )  # fmt: skip


def test_what_can_not_be_forgotten_that_way_is_refused(api: Api) -> None:
    before = api.records()
    refused(api.request("DELETE", "/holders/environment"), "invalid")
    refused(api.request("DELETE", "/holders/user:a", params={"suppress": "some"}), "invalid")
    refused(api.request("DELETE", "/holders/user:a", headers={"If-Match": '"1"'}), "bad-request")
    assert api.records() == before


def everybody(api: Api, limit: int, **question: Any) -> tuple[list[str], int]:
    """The holders of all pages, and how many pages there were."""
    found: list[str] = []
    pages, cursor = 0, None
    while pages == 0 or cursor is not None:
        page = api.get("/holders", limit=limit, **question, **({"cursor": cursor} if cursor is not None else {}))
        found += [entry["holder"] for entry in page["entries"]]
        cursor, pages = page["next_cursor"], pages + 1
    return found, pages


def test_who_opted_out_is_found_page_by_page(api: Api) -> None:
    word = fresh("opted")
    path = f"/workflows/{word}/channel_types/email"
    holders = [f"user:{word}-{at}" for at in range(25)]
    for at, holder in enumerate(holders):
        api.put_set(holder, {"workflows": {word: {"channel_types": {"email": at % 2 == 0}}}})
    assert everybody(api, 5, path=path, equals="true") == (holders[::2], 3)
    assert everybody(api, 4, path=path, equals="false")[0] == holders[1::2]
    assert everybody(api, 1000, path=path, equals="false") == (holders[1::2], 1)
    api.put_set(holders[1], {"workflows": {word: {"channel_types": {"email": True}}}})
    forget(api, holders[3], "none")
    api.ok("DELETE", set_path(holders[5]))
    assert everybody(api, 4, path=path, equals="false")[0] == holders[7::2]
    assert everybody(api, 4, path=path, equals="true")[0] == sorted([*holders[::2], holders[1]], key=holders.index)


def test_who_opted_out_is_asked_of_one_set(api: Api) -> None:
    holder, word = f"user:{fresh()}", fresh("w")
    api.put_set(holder, {"workflows": {word: {"enabled": False}}}, "context:b:2,a:1")
    question = {"path": f"/workflows/{word}/enabled", "equals": "false"}
    assert api.get("/holders", **question)["entries"] == []
    page = api.get("/holders", set_="context:b:2,a:1", **question)
    assert page["entries"] == [{"holder": holder, "set": "context:a:1,b:2", "version": 1}]
    assert page["position"]


@pytest.mark.parametrize("key", ["a/b", "~1", 'quo"te', "zoë", ""])
def test_who_opted_out_of_a_workflow_with_a_strange_key(api: Api, key: str) -> None:
    holder = f"user:{fresh()}"
    api.put_set(holder, {"workflows": {key: {"enabled": False}}})
    pointer = "/workflows/" + key.replace("~", "~0").replace("/", "~1") + "/enabled"
    assert holder in everybody(api, 1000, path=pointer, equals="false")[0]
    assert holder not in everybody(api, 1000, path=pointer, equals="true")[0]


def test_the_list_of_all_holders_leaves_out_the_forgotten(api: Api) -> None:
    holder = f"user:{fresh()}"
    api.put_set(holder, {"enabled": False})
    assert holder in everybody(api, 1000)[0]
    forget(api, holder, "all")
    assert holder not in everybody(api, 7)[0]
    api.put_set(holder, {"enabled": True})
    assert holder in everybody(api, 7)[0]


@pytest.mark.parametrize(
    "question",
    [
        {"path": "/a"}, {"equals": "true"}, {"path": "a", "equals": "true"}, {"path": "/~2", "equals": "true"},
        {"path": "/a", "equals": "maybe"}, {"set": "tenant:t"}, {"set": "nonsense", "path": "/a", "equals": "true"},
        {"limit": "0"}, {"limit": "1001"}, {"limit": "ten"}, {"limit": "9" * 30},
    ],
    ids=str,
)  # fmt: skip
def test_a_question_about_holders_that_makes_no_sense_is_refused(api: Api, question: dict[str, str]) -> None:
    refused(api.request("GET", "/holders", params=question), "invalid")
