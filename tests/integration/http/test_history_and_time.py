"""History with before and after, pages that stand still, and reads of the past that equal an independent fold."""

import base64
import json
import random
import struct
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.integration.http.api import Api, Json, fresh, refused, set_path
from tests.model.folded import Folded


def feed(api: Api, **params: Any) -> list[Json]:
    """The whole feed, parsed."""
    response = api.request("GET", "/events", params=params)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in response.text.splitlines()]


def pages(api: Api, holder: str, limit: int, **params: Any) -> list[Json]:
    """All entries of a history, read page by page."""
    entries: list[Json] = []
    cursor = None
    while True:
        page = api.get(f"/holders/{holder}/history", limit=limit, **params, **({} if cursor is None else {"cursor": cursor}))
        entries += page["entries"]
        cursor = page["next_cursor"]
        if cursor is None:
            return entries


def moved(position: str, *, offset: int | None = None, ledger: bytes | None = None, tag: bytes | None = None) -> str:
    """The position with some of its parts exchanged: ledger, offset, the first bytes of the record's hash."""
    form, own_ledger, generation, own_offset, own_tag = struct.unpack(">B8sHQ4s", base64.urlsafe_b64decode(position + "="))
    parts = (form, ledger or own_ledger, generation, own_offset if offset is None else offset, tag or own_tag)
    return base64.urlsafe_b64encode(struct.pack(">B8sHQ4s", *parts)).decode().rstrip("=")


def offset_of(position: str) -> int:
    offset: int = struct.unpack(">B8sHQ4s", base64.urlsafe_b64decode(position + "="))[3]
    return offset


def test_history_tells_what_stood_before_and_after_newest_first(api: Api) -> None:
    holder = f"user:{fresh()}"
    first = api.put_set(holder, {"channel_types": {"email": False}, "kept": {"null": None}})
    second = api.patch_set(holder, {"channel_types": {"email": True, "sms": False}, "kept": None})
    third = api.ok("DELETE", set_path(holder))
    newest, middle, oldest = api.history(holder)
    assert [entry["position"] for entry in (newest, middle, oldest)] == [
        third["position"], second["position"], first["position"],
    ]  # fmt: skip
    assert [entry["type"] for entry in (newest, middle, oldest)] == [
        "PreferenceSetDeleted", "PreferenceSetMerged", "PreferenceSetReplaced",
    ]  # fmt: skip
    assert [entry["version"] for entry in (newest, middle, oldest)] == [3, 2, 1]
    assert oldest["changes"] == [{"path": "/channel_types/email", "after": False}, {"path": "/kept/null", "after": None}]
    assert middle["changes"] == [
        {"path": "/channel_types/email", "before": False, "after": True},
        {"path": "/channel_types/sms", "after": False},
        {"path": "/kept/null", "before": None},
    ]
    assert newest["changes"] == [
        {"path": "/channel_types/email", "before": True}, {"path": "/channel_types/sms", "before": False},
    ]  # fmt: skip
    assert newest["recorded_at"] >= middle["recorded_at"] >= oldest["recorded_at"]


def test_paths_of_history_are_json_pointers(api: Api) -> None:
    holder = f"user:{fresh()}"
    api.put_set(holder, {"workflows": {"a/b~c": {"channel_types": {"email": False}}, "": False}})
    (entry,) = api.history(holder)
    assert [change["path"] for change in entry["changes"]] == [
        "/workflows//enabled", "/workflows/a~1b~0c/channel_types/email",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def many(api: Api) -> tuple[str, list[Json]]:
    """A holder with entries in two sets and two rejected writes; the entries of all outcomes, newest first."""
    holder = f"user:{fresh('many')}"
    for at in range(6):
        api.put_set(holder, {"workflows": {"w": {"channel_types": {"email": at % 2 == 0}}}})
        api.put_set(holder, {"channel_types": {"sms": at % 3 == 0}}, "tenant:t")
        if at % 3 == 0:
            refused(api.request("PUT", set_path(holder), json={}, headers={"If-Match": '"99"'}), "version-mismatch")
    return holder, api.history(holder, outcome="applied,rejected", limit=100)


def test_rejected_entries_are_shown_when_they_are_asked_for(api: Api, many: tuple[str, list[Json]]) -> None:
    holder, everything = many
    assert len(everything) == 14
    assert api.history(holder) == [entry for entry in everything if entry["outcome"] == "applied"]
    rejected = api.history(holder, outcome="rejected")
    assert [entry["why"] for entry in rejected] == ["version-mismatch"] * 2
    assert all(entry["changes"] == [] for entry in rejected)
    assert api.history(holder, outcome="duplicate,parked") == []


def test_history_of_one_set_or_below_one_path(api: Api, many: tuple[str, list[Json]]) -> None:
    holder, everything = many
    applied = [entry for entry in everything if entry["outcome"] == "applied"]
    assert api.history(holder, set_="tenant:t") == [entry for entry in applied if entry["set"] == "tenant:t"]
    for path in ("/workflows/w", "/workflows", "/workflows/w/channel_types/email"):
        found = api.history(holder, path=path)
        assert [entry["position"] for entry in found] == [e["position"] for e in applied if e["set"] == "default"], path
    assert api.history(holder, path="/workflow") == []
    assert api.history(holder, path="/channel_types", set_="default") == []
    assert len(api.history(holder, path="")) == len([entry for entry in applied if entry["changes"]])


def test_a_path_cuts_the_changes_to_what_was_asked(api: Api) -> None:
    holder = f"user:{fresh()}"
    api.put_set(holder, {"channel_types": {"email": False}, "commercial": False})
    (entry,) = api.history(holder, path="/commercial")
    assert entry["changes"] == [{"path": "/commercial", "after": False}]


def test_history_between_two_instants_has_both_ends(api: Api, many: tuple[str, list[Json]]) -> None:
    holder, everything = many
    applied = [entry for entry in everything if entry["outcome"] == "applied"]
    since, until = applied[8]["recorded_at"], applied[3]["recorded_at"]
    expected = [entry for entry in applied if since <= entry["recorded_at"] <= until]
    assert api.history(holder, from_=since, to=until) == expected
    assert api.history(holder, from_=since) == [entry for entry in applied if entry["recorded_at"] >= since]
    assert api.history(holder, to=until) == [entry for entry in applied if entry["recorded_at"] <= until]
    assert api.history(holder, from_=until, to=since, limit=1000) == [e for e in expected if since == until]
    assert api.history(holder, to="2001-01-01T00:00:00Z") == []


@pytest.mark.parametrize("limit", [1, 3, 5, 12, 100])
def test_pages_join_to_the_whole(api: Api, many: tuple[str, list[Json]], limit: int) -> None:
    holder, everything = many
    assert pages(api, holder, limit, outcome="applied,rejected") == everything
    assert pages(api, holder, limit, path="/workflows") == api.history(holder, path="/workflows", limit=1000)


def test_pages_stand_still_while_writes_go_on(api: Api) -> None:
    holder = f"user:{fresh()}"
    for at in range(7):
        api.put_set(holder, {"kept": {"at": at}})
    before = api.history(holder)
    first = api.get(f"/holders/{holder}/history", limit=3)
    entries, cursor, positions = list(first["entries"]), first["next_cursor"], {first["position"]}
    while cursor is not None:
        api.put_set(holder, {"kept": {"later": len(entries)}})
        page = api.get(f"/holders/{holder}/history", limit=3, cursor=cursor)
        entries += page["entries"]
        cursor = page["next_cursor"]
        positions.add(page["position"])
    assert entries == before
    assert positions == {first["position"]}


def test_the_environments_history_ends_where_the_ledger_began(api: Api) -> None:
    entries = pages(api, "environment", 1)
    assert entries[-1]["type"] == "LedgerOpened"


def forged(*parts: Json) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


def test_a_cursor_belongs_to_its_question(api: Api, many: tuple[str, list[Json]]) -> None:
    holder, _ = many
    cursor = api.get(f"/holders/{holder}/history", limit=2)["next_cursor"]
    mark, position, number = json.loads(base64.urlsafe_b64decode(cursor + "=="))
    for address, params in [
        ("/holders/user:another/history", {}),
        (f"/holders/{holder}/history", {"set": "default"}),
        (f"/holders/{holder}/history", {"outcome": "rejected"}),
        (f"/holders/{holder}/history", {"to": "2999-01-01T00:00:00Z"}),
        ("/holders", {}),
    ]:
        refused(api.request("GET", address, params={**params, "cursor": cursor}), "bad-request")
    forgeries: list[list[Json]] = [
        [], [mark], [mark, position, 2**63], [mark, position, -1], [mark, position, 1e300], [mark, position, "1"],
        [mark, position, number, 1], [mark, 1, number], ["00000000", position, number],
    ]  # fmt: skip
    for text in ["", "x", "!", "é", "A" * 1000, *(forged(*parts) for parts in forgeries)]:
        refused(api.request("GET", f"/holders/{holder}/history", params={"cursor": text}), "bad-request")
    refused(api.request("GET", f"/holders/{holder}/history", params={"cursor": forged(mark, "x", 1)}), "invalid")
    foreign = forged(mark, moved(position, ledger=b"another!"), number)
    refused(api.request("GET", f"/holders/{holder}/history", params={"cursor": foreign}), "other-ledger")
    # The largest number that fits is only a place after everything.
    assert api.get(f"/holders/{holder}/history", cursor=forged(mark, position, 2**63 - 1))["entries"]


@pytest.mark.parametrize(
    "params",
    [
        {"set": "nonsense"}, {"path": "channel_types"}, {"path": "/a~2"}, {"path": "/~"}, {"from": "yesterday"},
        {"to": "2026-03-03"}, {"to": "2026-03-03T14:02:00"}, {"from": "2026-02-30T00:00:00Z"}, {"outcome": "lost"},
        {"outcome": ""}, {"outcome": "applied,"}, {"limit": "0"}, {"limit": "1001"}, {"limit": "-1"}, {"limit": "1.5"},
    ],
    ids=str,
)  # fmt: skip
def test_a_question_about_history_that_makes_no_sense_is_refused(api: Api, params: dict[str, str]) -> None:
    refused(api.request("GET", "/holders/user:a/history", params=params), "invalid")


@pytest.mark.parametrize("params", [{"asof": "x"}, {"as_of": "x"}, {"Set": "default"}, {"": "x"}], ids=str)
def test_a_parameter_that_is_not_known_is_refused_not_ignored(api: Api, params: dict[str, str]) -> None:
    refused(api.request("GET", "/holders/user:a/history", params=params), "bad-request")


def test_a_parameter_that_is_given_twice_or_is_not_utf8_is_refused(api: Api) -> None:
    for query in ("limit=1&limit=2", "set=tenant:%FF", "%FF=1", "path=/a&path=/a"):
        refused(api.request("GET", f"/holders/user:a/history?{query}"), "bad-request")


# The past.


def write_at_random(api: Api, holder: str, count: int, seed: int) -> None:
    """Many changes of one holder, of two sets, by every kind of event, in few requests."""
    chance = random.Random(seed)
    channel_types = ["email", "sms", "push", "chat"]
    events: list[Json] = []
    for _ in range(count):
        set_name = chance.choice(["default", "default", "tenant:t"])
        event: Json = {"holder": holder, "set": set_name}
        kind = chance.random()
        if kind < 0.1:
            events.append({**event, "type": "PreferenceSetDeleted"})
            continue
        rule: Json = chance.choice(
            [True, False, None, {"channel_types": {chance.choice(channel_types): chance.choice([True, False, None])}}]
        )
        preferences: Json = {"workflows": {chance.choice("abc"): rule}}
        if chance.random() < 0.3:
            preferences["channel_types"] = {chance.choice(channel_types): chance.choice([True, False, None])}
        if chance.random() < 0.2:
            preferences["kept"] = chance.choice([{"a": 1}, {"a": {"b": None}}, {"a": [1, {"c": 2}]}, None])
        type_ = "PreferenceSetReplaced" if kind < 0.3 else "PreferenceSetMerged"
        events.append({**event, "type": type_, "preferences": preferences})
    for start in range(0, count, 500):
        results = api.ok("POST", "/events", json={"events": events[start : start + 500]})["results"]
        assert {result["outcome"] for result in results} == {"applied"}


@pytest.mark.parametrize("count", [70, 210])
def test_every_past_of_a_holder_equals_an_independent_fold_of_the_feed(api: Api, count: int) -> None:
    holder = f"user:{fresh()}"
    write_at_random(api, holder, count, seed=count)
    folded = Folded()
    checked = 0
    for entry in feed(api):
        folded.apply(entry)
        if entry["holder"] != holder:
            continue
        checked += 1
        for set_name in ("default", "tenant:t"):
            past = api.get(set_path(holder, set_name), as_of=entry["position"])
            assert past["preferences"] == folded.preferences(holder, set_name), f"{set_name} as of its record {checked}"
            assert (past["version"], past["position"]) == (folded.version(holder, set_name), entry["position"])
    assert checked == count
    assert api.stored(holder) == folded.preferences(holder)
    assert api.stored(holder, "tenant:t") == folded.preferences(holder, "tenant:t")


def test_the_past_of_a_holder_between_other_holders_records(api: Api) -> None:
    holder = f"user:{fresh()}"
    first = api.put_set(holder, {"enabled": False})
    other = api.put_set(f"user:{fresh()}", {"enabled": False})
    api.put_set(holder, {"enabled": True})
    assert api.get(set_path(holder), as_of=other["position"])["preferences"] == {"enabled": False}
    assert api.get(set_path(holder), as_of=first["position"])["version"] == 1
    before = feed(api)[0]["position"]
    assert api.get(set_path(holder), as_of=before)["preferences"] == {}
    assert api.get(f"/holders/{holder}/preferences", as_of=before)["sets"] == []
    assert [one["preferences"] for one in api.get(f"/holders/{holder}/preferences", as_of=first["position"])["sets"]] == [
        {"enabled": False}
    ]


def test_the_catalogue_as_it_was(api: Api) -> None:
    workflow = fresh("workflow")
    api.define("workflows", workflow, name="One")
    then = api.position()
    api.define("workflows", workflow, name="Two")
    assert api.get(f"/catalogue/workflows/{workflow}", as_of=then)["workflow"] == {"name": "One"}
    assert api.get("/catalogue", as_of=then)["workflows"][workflow] == {"name": "One"}
    assert api.get("/catalogue")["workflows"][workflow] == {"name": "Two"}


def test_a_past_instant_is_settled_and_a_later_write_does_not_change_it(api: Api) -> None:
    holder = f"user:{fresh()}"
    api.put_set(holder, {"enabled": False})
    (entry,) = api.history(holder)
    first = api.get(set_path(holder), as_of=entry["recorded_at"])
    api.put_set(holder, {"enabled": True})
    again = api.get(set_path(holder), as_of=entry["recorded_at"])
    if first["settled"]:
        assert again["position"] == first["position"]
    assert again["settled"] is True or api.history(holder)[0]["recorded_at"] == entry["recorded_at"]
    just_before = datetime.fromisoformat(entry["recorded_at"]) - timedelta(milliseconds=1)
    earlier = api.get(set_path(holder), as_of=just_before.astimezone(UTC).isoformat())
    assert earlier["preferences"] == {}
    assert offset_of(earlier["position"]) < offset_of(entry["position"])


QUESTIONS = [
    set_path("user:time"),
    "/holders/user:time",
    "/holders/user:time/preferences",
    "/catalogue",
    "/catalogue/policy",
]


@pytest.mark.parametrize("address", QUESTIONS)
def test_a_position_of_another_ledger_is_a_conflict(api: Api, address: str) -> None:
    here = api.position()
    for member in ("as_of", "min_position"):
        foreign = moved(here, ledger=b"another!")
        refused(api.request("GET", address, params={member: foreign}), "other-ledger")
    remade = moved(here, tag=b"\0\0\0\0")
    refused(api.request("GET", address, params={"as_of": remade}), "other-ledger")


@pytest.mark.parametrize("address", QUESTIONS)
@pytest.mark.parametrize("position", ["", "x", "A" * 31, "a" * 31, "A" * 32, "=" * 31, "0", "-1", "latest", "é" * 31])
def test_what_is_no_position_is_refused(api: Api, address: str, position: str) -> None:
    for member in ("as_of", "min_position"):
        refused(api.request("GET", address, params={member: position}), "invalid")


@pytest.mark.parametrize(
    "as_of", ["2026-03-03", "2026-03-03T14:02", "2026-13-03T14:02:00Z", "2026-03-03T25:00:00Z", "9999-12-31T23:59:59-14:00"]
)
def test_what_is_no_instant_is_refused(api: Api, as_of: str) -> None:
    refused(api.request("GET", set_path("user:time"), params={"as_of": as_of}), "invalid")


@pytest.mark.parametrize("seconds", ["-1", "nan", "soon"])
def test_what_is_no_staleness_is_refused(api: Api, seconds: str) -> None:
    refused(api.request("GET", set_path("user:time"), params={"max_staleness": seconds}), "invalid")


def test_views_that_may_be_older_than_allowed_are_not_answered_from(api: Api) -> None:
    problem = refused(api.request("GET", set_path("user:time"), params={"max_staleness": "0"}), "too-stale")
    assert "at most 0" in problem["detail"]
    assert api.get(set_path("user:time"), max_staleness="3600")["stale_seconds"] < 3600


def test_before_the_ledger_nothing_is_answered(api: Api) -> None:
    for address in QUESTIONS:
        refused(api.request("GET", address, params={"as_of": "1999-12-31T23:59:59Z"}), "unprocessable")
