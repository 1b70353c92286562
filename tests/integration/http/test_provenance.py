"""Where each value comes from: who, how, when claimed, when recorded, back to the first event."""

from typing import Any

import pytest

from tests.integration.http.api import Api, Json, fresh, refused, set_path

EMAIL = "/channel_types/email"


def provenance(api: Api, holder: str, set_name: str = "default", **params: Any) -> list[Json]:
    """One page of leaves."""
    leaves: list[Json] = api.get(f"{set_path(holder, set_name)}/provenance", **params)["leaves"]
    return leaves


def whole_chains(api: Api, holder: str, **params: Any) -> dict[str, list[str]]:
    """The positions of every leaf's events, read page by page."""
    chains: dict[str, list[str]] = {}
    cursor: dict[str, str] = {}
    while True:
        page = api.get(f"{set_path(holder)}/provenance", **params, **cursor)
        for leaf in page["leaves"]:
            chains.setdefault(leaf["path"], []).extend(event["position"] for event in leaf["events"])
        if page["next_cursor"] is None:
            return chains
        cursor = {"cursor": page["next_cursor"]}


@pytest.fixture
def holder(api: Api) -> str:
    holder = f"user:{fresh()}"
    api.put_set(holder, {"channel_types": {"email": False, "sms": True}}, Prefledger_Actor="user:ann")
    api.patch_set(holder, {"channel_types": {"email": True}}, Prefledger_Method="preference-centre")
    api.patch_set(holder, {"channel_types": {"push": False}})
    return holder


def test_a_value_is_followed_back_to_the_first_event(api: Api, holder: str) -> None:
    (leaf,) = provenance(api, holder, path=EMAIL)
    assert (leaf["path"], leaf["value"]) == (EMAIL, True)
    newest, oldest = leaf["events"]
    assert (newest["before"], newest["after"], newest["method"], newest["decides"]) == (
        False,
        True,
        "preference-centre",
        True,
    )
    assert (oldest["after"], oldest["actor"], oldest["decides"]) == (False, "user:ann", False)
    assert "before" not in oldest, "there was nothing before the first"
    entries = {entry["event_id"]: entry for entry in api.history(holder)}
    for event in leaf["events"]:
        entry = entries[event["event_id"]]
        for name in ("position", "type", "actor", "method", "reason", "occurred_at", "recorded_at", "version"):
            assert event[name] == entry[name], f"provenance and history tell {name} differently"


def test_every_leaf_of_the_set_is_told_of(api: Api, holder: str) -> None:
    leaves = provenance(api, holder)
    assert {leaf["path"]: leaf["value"] for leaf in leaves} == {
        EMAIL: True, "/channel_types/sms": True, "/channel_types/push": False,
    }  # fmt: skip
    for leaf in leaves:
        assert [event["decides"] for event in leaf["events"]][:1] == [True]
        assert sum(event["decides"] for event in leaf["events"]) == 1


def test_who_took_a_value_away_is_told(api: Api, holder: str) -> None:
    api.patch_set(holder, {"channel_types": {"email": None}}, Prefledger_Actor="user:thief")
    (leaf,) = provenance(api, holder, path=EMAIL)
    assert "value" not in leaf
    removed = leaf["events"][0]
    assert (removed["actor"], removed["before"], "after" in removed) == ("user:thief", True, False)
    assert not any(event["decides"] for event in leaf["events"])
    api.patch_set(holder, {"channel_types": {"email": False}})
    (leaf,) = provenance(api, holder, path=EMAIL)
    assert [event["decides"] for event in leaf["events"]] == [True, False, False, False]


def test_a_write_that_changes_nothing_takes_no_credit(api: Api, holder: str) -> None:
    before = provenance(api, holder, path=EMAIL)
    api.patch_set(holder, {"channel_types": {"email": True}})
    assert provenance(api, holder, path=EMAIL) == before


def test_as_of_shows_only_what_was_known_then(api: Api, holder: str) -> None:
    first = api.history(holder)[-1]
    (leaf,) = provenance(api, holder, path=EMAIL, as_of=first["position"])
    assert leaf["value"] is False
    (event,) = leaf["events"]
    assert (event["event_id"], event["decides"]) == (first["event_id"], True)
    answer = api.get(f"{set_path(holder)}/provenance", path=EMAIL, as_of=first["position"])
    assert answer["position"] == first["position"]


def test_pages_stand_still_while_the_holder_is_written_to(api: Api, holder: str) -> None:
    for number in range(20):
        api.patch_set(holder, {"channel_types": {"email": bool(number % 2)}})
    whole = whole_chains(api, holder)
    assert len(whole[EMAIL]) == 22, "every flip is an event"
    page = api.get(f"{set_path(holder)}/provenance", limit=3)
    api.patch_set(holder, {"channel_types": {"email": False, "sms": False}})
    read = {leaf["path"]: [event["position"] for event in leaf["events"]] for leaf in page["leaves"]}
    while page["next_cursor"] is not None:
        page = api.get(f"{set_path(holder)}/provenance", limit=3, cursor=page["next_cursor"])
        for leaf in page["leaves"]:
            read.setdefault(leaf["path"], []).extend(event["position"] for event in leaf["events"])
    assert read == whole


def test_a_set_keeps_to_itself(api: Api, holder: str) -> None:
    api.put_set(holder, {"channel_types": {"email": False}}, "tenant:acme")
    (leaf,) = provenance(api, holder, "tenant:acme")
    assert [event["decides"] for event in leaf["events"]] == [True]
    assert len(provenance(api, holder, path=EMAIL)[0]["events"]) == 2


def test_what_was_forgotten_is_not_told(api: Api, holder: str) -> None:
    known = api.position()
    api.ok("DELETE", f"/holders/{holder}", params={"suppress": "all"})
    assert provenance(api, holder) == []
    assert provenance(api, holder, as_of=known) == []
    api.patch_set(holder, {"channel_types": {"email": False}})
    (leaf,) = provenance(api, holder)
    assert [event["after"] for event in leaf["events"]] == [False]


def test_a_cursor_and_a_path_of_something_else_are_refused(api: Api, holder: str) -> None:
    cursor = api.get(f"{set_path(holder)}/provenance", limit=1)["next_cursor"]
    address = f"{set_path(holder)}/provenance"
    refused(api.request("GET", address, params={"path": EMAIL, "cursor": cursor}), "bad-request")
    refused(api.request("GET", address, params={"path": "email"}), "invalid")
    assert provenance(api, f"user:{fresh()}") == [], "a holder never heard of"
