"""Parked records over HTTP: poison in a real log is listed, shown, discarded, and replayed without undoing anything."""

import time
from base64 import b64decode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from domain.catalogue import EntryKind, parse_entry
from domain.event import (
    ApiKeyRevoked,
    Body,
    EntryDefined,
    HolderDescribed,
    HolderForgotten,
    PreferenceSetDeleted,
    PreferenceSetReplaced,
)
from domain.holder import DEFAULT_SET, ENVIRONMENT, Holder, user
from domain.preference_set import Patch, parse_preference_set
from schemas.record import NewRecord
from tests.faults.whole_ledger import HANG_SECONDS, rebuilt_digest
from tests.integration.command_line import answer, ask
from tests.integration.command_line import refused as command_refused
from tests.integration.http.api import Api, Json, refused
from tests.integration.http.test_openapi import OF_A_PARKED_RECORD, Checked
from tests.log_writing import append_to_file
from tests.poisoned_log import GARBAGE, WRONG_KEY, poison_of
from tests.server_process import ServerProcess
from tests.unit.projections.records import merge_of

EMAIL = "/channel_types/email"
YES: Json = {"channel_types": {"email": True}}
NO: Json = {"channel_types": {"email": False}}
BOTH = merge_of({"channel_types": {"email": True, "sms": False}})
WORKFLOW = EntryDefined(EntryKind.WORKFLOW, "invited", parse_entry(EntryKind.WORKFLOW, "invited", {"name": "Invited"}))
OTHER = EntryDefined(EntryKind.WORKFLOW, "other", parse_entry(EntryKind.WORKFLOW, "other", {"name": "Other"}))
RACES = 6

SAID: dict[str, tuple[Json, Holder, Body]] = {
    "half overtaken": ({}, user("ann"), BOTH),
    "put again": (NO, user("bea"), merge_of(YES)),
    "a no above it": ({}, user("cleo"), merge_of({"workflows": {"w": YES}})),
    "forgotten": (NO, user("dora"), merge_of(YES)),
    "a whole set": (NO, user("eve"), PreferenceSetReplaced(DEFAULT_SET, parse_preference_set({"digest": "daily"}))),
    "a deleted set": (NO, user("fay"), PreferenceSetDeleted(DEFAULT_SET)),
    "properties": ({}, user("gia"), HolderDescribed(Patch({"/name": "Gia", "/phone": "1"}))),
    "a discarded one": ({}, user("hal"), BOTH),
    "a forgetting": (NO, user("ida"), HolderForgotten("all")),
    "a key": ({}, ENVIRONMENT, ApiKeyRevoked("k")),
    "a workflow": ({}, ENVIRONMENT, WORKFLOW),
    "a workflow that was defined since": ({}, ENVIRONMENT, OTHER),
    "a workflow of a user": ({}, user("kim"), WORKFLOW),
    "on the command line": ({}, user("lea"), BOTH),
    "discarded on the command line": ({}, user("lea"), BOTH),
    "described": ({}, user("olga"), BOTH),
    "described too": ({}, user("olga"), BOTH),
    "told by nobody": ({}, user("moe"), BOTH),
    **{f"race {number}": ({}, user(f"racer-{number}"), merge_of(YES)) for number in range(RACES)},
    "many at once": ({}, user("nils"), merge_of(YES)),
}
"""What each holder said before, and what was parked of it."""


class Parked:
    """The poisoned ledger, served."""

    def __init__(self, api: Api, offsets: dict[str, int]) -> None:
        self.api = api
        self.offsets = offsets

    def shown(self, name: str) -> Json:
        return self.api.get(f"/parked/{self.offsets[name]}")

    def act(self, name: str, act: str, body: Json | None = None) -> Any:
        return self.api.request("POST", f"/parked/{self.offsets[name]}/{act}", json=body if body is not None else {})

    def replay(self, name: str, event: Json = None) -> Json:
        """A replay that must succeed."""
        response = self.act(name, "replay", {} if event is None else {"event": event})
        assert response.status_code == 200, response.text
        return response.json()

    def entries(self, **parameters: Any) -> list[Json]:
        """Every page of the list."""
        entries: list[Json] = []
        for _ in count():
            page = self.api.get("/parked", **parameters)
            entries += page["entries"]
            if page["next_cursor"] is None:
                return entries
            parameters["cursor"] = page["next_cursor"]
        raise AssertionError


@pytest.fixture(scope="module")
def parked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parked]:
    data = tmp_path_factory.mktemp("parked") / "data"
    server = ServerProcess(data)
    with server, closing(Api(server)) as api:
        for before, holder, _ in SAID.values():
            if before:
                api.put_set(str(holder), before)
        api.put_set("user:ulla", NO)
    poison = poison_of(data)
    records = [poison.misplaced(holder, body) for _, holder, body in SAID.values()]
    records += [poison.unreadable(user("ulla")), NewRecord(b"", GARBAGE)]
    names = [*SAID, "unreadable", "nobody's"]
    offsets = dict(zip(names, append_to_file(data, records), strict=True))
    with server, closing(Api(server)) as api:
        yield Parked(api, offsets)


def test_the_list_tells_what_is_open_in_pages(parked: Parked) -> None:
    entries = parked.entries(state="open", limit=3)
    assert [entry["offset"] for entry in entries] == sorted((entry["offset"] for entry in entries), reverse=True)
    assert {entry["offset"] for entry in entries} <= set(parked.offsets.values())
    oldest = parked.entries(order="oldest", limit=4)
    assert [entry["offset"] for entry in oldest] == sorted(parked.offsets.values())
    unreadable, nobodys = oldest[-2:]
    assert (unreadable["holder"], unreadable["why"], unreadable["state"]) == ("user:ulla", "undecodable", "open")
    assert (nobodys["holder"], oldest[0]["why"]) == (None, "invalid")
    assert "does not begin as an Avro single object does" in unreadable["sentence"]
    assert parked.api.get("/catalogue", as_of=nobodys["position"])["position"] == nobodys["position"]
    cursor = parked.api.get("/parked", limit=1)["next_cursor"]
    refused(parked.api.request("GET", f"/parked?order=oldest&cursor={cursor}"), "bad-request")


def test_one_is_shown_with_the_bytes_that_the_log_has(parked: Parked) -> None:
    shown = parked.shown("told by nobody")
    assert b64decode(shown["record"]["key"]) == WRONG_KEY
    assert shown["record"]["headers"] == [{"name": "ce_type", "value": "cHJlZmxlZGdlci54"}]
    assert shown["reads_as"]["type"] == "PreferenceSetMerged"
    assert (shown["reads_as"]["holder"], shown["reads_as"]["set"]) == ("user:moe", "default")
    unreadable = parked.shown("unreadable")
    assert b64decode(unreadable["record"]["value"]) == GARBAGE
    assert "does not begin" in unreadable["unreadable"]
    assert "reads_as" not in unreadable


@pytest.mark.parametrize("act", ["discard", "replay"])
def test_only_a_parked_record_can_be_settled(parked: Parked, act: str) -> None:
    for offset in ("0", "1", "999999"):
        refused(parked.api.request("POST", f"/parked/{offset}/{act}", json={"reason": "x"} if act == "discard" else {}),
                "not-found")  # fmt: skip
    for offset in ("-1", "x", "1.0", "9" * 19):
        refused(parked.api.request("GET", f"/parked/{offset}"), "invalid")
    refused(parked.api.request("GET", "/parked/1"), "not-found")
    path = f"/parked/{parked.offsets['told by nobody']}/{act}"
    for headers in ({"Idempotency-Key": "k"}, {"If-Match": '"1"'}):
        refused(parked.api.request("POST", path, json={}, headers=headers), "bad-request")
    refused(parked.api.request("POST", path, json={"resaon": "x"}), "invalid")
    assert parked.shown("told by nobody")["state"] == "open"


def test_a_record_is_discarded_once_and_for_a_reason(parked: Parked) -> None:
    name = "a discarded one"
    refused(parked.act(name, "discard", {}), "invalid")
    refused(parked.act(name, "discard", {"reason": " "}), "invalid")
    done = parked.act(name, "discard", {"reason": "a test import"}).json()
    assert (done["state"], done["settled"]["reason"]) == ("discarded", "a test import")
    assert parked.shown(name)["settled"]["actor"] == "operator"
    for act in ("discard", "replay"):
        problem = refused(parked.act(name, act, {"reason": "again"} if act == "discard" else {}), "conflict")
        assert problem["position"] == done["settled"]["position"], "who comes second should see who was first"
    assert parked.offsets[name] in {entry["offset"] for entry in parked.entries(state="discarded")}
    assert parked.offsets[name] not in {entry["offset"] for entry in parked.entries(state="open")}
    (event,) = [row for row in parked.api.history("environment") if row["item"] == f"parked:{parked.offsets[name]}"]
    assert (event["type"], event["actor"]) == ("ParkedDiscarded", "operator")
    assert parked.api.stored("user:hal") == {}


def test_what_was_overtaken_is_left_out_and_told(parked: Parked) -> None:
    parked.api.patch_set("user:ann", NO)
    done = parked.replay("half overtaken")
    assert done["superseded"] == [EMAIL]
    assert done["changes"] == [{"path": "/channel_types/sms", "after": False}]
    assert parked.api.stored("user:ann") == {"channel_types": {"email": False, "sms": False}}
    newest = parked.api.history("user:ann")[0]
    assert (newest["event_id"], newest["position"]) == (done["event_id"], done["position"])
    assert (newest["actor"], newest["method"]) == ("user:ann", "import"), "the person said it, not who replayed it"
    assert newest["evidence"] == {
        "file": "old.csv", "replayed_offset": parked.offsets["half overtaken"], "replayed_by": "operator",
    }  # fmt: skip
    assert newest["causation_id"] == parked.shown("half overtaken")["reads_as"]["event_id"]
    settled = parked.shown("half overtaken")
    assert settled["state"] == "replayed"
    assert (settled["settled"]["event_id"], settled["settled"]["superseded"]) == (done["event_id"], [EMAIL])
    refused(parked.act("half overtaken", "replay"), "conflict")
    refused(parked.act("half overtaken", "discard", {"reason": "x"}), "conflict")
    assert len(parked.api.history("user:ann")) == 2


def test_an_opt_out_that_was_said_again_stands(parked: Parked) -> None:
    parked.api.put_set("user:bea", NO)
    assert parked.replay("put again")["superseded"] == [EMAIL]
    assert parked.api.stored("user:bea") == NO


def test_an_opt_out_of_everything_stands(parked: Parked) -> None:
    parked.api.patch_set("user:cleo", NO)
    assert parked.replay("a no above it")["superseded"] == ["/workflows/w/channel_types/email"]
    assert parked.api.stored("user:cleo") == NO


def test_nothing_comes_back_of_who_was_forgotten(parked: Parked) -> None:
    parked.api.ok("DELETE", "/holders/user:dora?suppress=none")
    assert "was forgotten since" in refused(parked.act("forgotten", "replay"), "conflict")["detail"]
    shown = parked.shown("forgotten")
    assert (shown["forgotten"], shown["state"]) == (True, "open")
    assert "record" not in shown
    assert "dora" not in str(shown)
    assert parked.api.stored("user:dora") == {}
    assert parked.act("forgotten", "discard", {"reason": "she is gone"}).status_code == 200


def test_a_whole_set_is_replayed_as_a_merge_of_what_nobody_spoke_of(parked: Parked) -> None:
    parked.api.patch_set("user:eve", {"channel_types": {"sms": False}})
    assert parked.replay("a whole set")["superseded"] == []
    assert parked.api.stored("user:eve") == {"channel_types": {"sms": False}, "digest": "daily"}
    parked.api.patch_set("user:fay", {"channel_types": {"sms": False}})
    parked.replay("a deleted set")
    assert parked.api.stored("user:fay") == {"channel_types": {"sms": False}}


def test_properties_are_replayed(parked: Parked) -> None:
    parked.api.ok("PATCH", "/holders/user:gia", json={"phone": "2"})
    assert parked.replay("properties")["superseded"] == ["/phone"]
    assert parked.api.get("/holders/user:gia")["properties"] == {"name": "Gia", "phone": "2"}


def test_an_entry_of_the_catalogue_is_replayed_whole_or_not_at_all(parked: Parked) -> None:
    parked.replay("a workflow")
    assert parked.api.get("/catalogue/workflows/invited")["workflow"]["name"] == "Invited"
    parked.api.define("workflows", "other", name="Newer")
    assert (
        "was defined or removed since"
        in refused(parked.act("a workflow that was defined since", "replay"), "conflict")["detail"]
    )
    assert parked.api.get("/catalogue/workflows/other")["workflow"]["name"] == "Newer"
    refused(parked.act("a workflow of a user", "replay"), "unprocessable")


def test_what_is_not_replayed_says_what_to_do(parked: Parked) -> None:
    assert "forget user:ida anew" in refused(parked.act("a forgetting", "replay"), "unprocessable")["detail"]
    assert "ApiKeyRevoked is not replayed" in refused(parked.act("a key", "replay"), "unprocessable")["detail"]
    assert {parked.shown(name)["state"] for name in ("a forgetting", "a key")} == {"open"}
    assert parked.api.stored("user:ida") == NO


def test_bytes_that_nobody_can_read_are_mended(parked: Parked) -> None:
    assert (
        "send the event that it should have been" in refused(parked.act("unreadable", "replay"), "unprocessable")["detail"]
    )
    event: Json = {"type": "PreferenceSetMerged", "holder": "user:ulla", "preferences": {"channel_types": {"sms": False}}}
    for wrong, pointer in (
        ({**event, "event_id": "01890a5d-ac96-774b-bcce-b302099a8057"}, "/event/event_id"),
        ({**event, "expected_version": 1}, "/event/expected_version"),
        (
            {**event, "preferences": {"channel_types": {"carrier-pigeon": True}}},
            "/event/preferences/channel_types/carrier-pigeon",
        ),
    ):
        assert refused(parked.act("unreadable", "replay", {"event": wrong}), "invalid")["pointer"] == pointer
    mended = {**event, "actor": "user:ulla", "reason": "read off the import's file"}
    done = parked.replay("unreadable", mended)
    assert parked.api.stored("user:ulla") == {"channel_types": {"email": False, "sms": False}}
    (newest, *_) = parked.api.history("user:ulla")
    assert (newest["event_id"], newest["actor"], newest["reason"]) == (
        done["event_id"],
        "user:ulla",
        "read off the import's file",
    )
    assert newest["occurred_at"] == parked.shown("unreadable")["recorded_at"], "it was said by then, at the latest"


def test_of_many_replays_at_once_one_counts(parked: Parked) -> None:
    def either(number: int) -> int:
        act = ("replay", "discard")[number % 2]
        body = {"reason": "x"} if act == "discard" else {}
        status: int = parked.act("many at once", act, body).status_code
        return status

    with ThreadPoolExecutor(8) as threads:
        statuses = sorted(threads.map(either, range(8)))
    assert statuses == [200] + [409] * 7
    state = parked.shown("many at once")["state"]
    said = parked.api.history("user:nils")
    assert [row["changes"] for row in said] == ([[{"path": EMAIL, "after": True}]] if state == "replayed" else [])


def test_an_opt_out_that_comes_while_it_is_replayed_stands(parked: Parked) -> None:
    """Before the replay's event it is not undone by it, and after it, it is the newer one."""
    with ThreadPoolExecutor(2) as threads:
        for number in range(RACES):
            opting_out = threads.submit(parked.api.patch_set, f"user:racer-{number}", NO)
            done = parked.replay(f"race {number}")
            opting_out.result()
            assert parked.api.stored(f"user:racer-{number}") == NO, "an old yes has undone a newer no"
            applied = [row["position"] for row in parked.api.history(f"user:racer-{number}")]
            assert applied.count(done["position"]) == 1
            assert len(applied) == 2


def test_the_command_line_does_the_same(parked: Parked, tmp_path: Path) -> None:
    server = parked.api.server
    offset, other = (str(parked.offsets[name]) for name in ("on the command line", "discarded on the command line"))
    assert answer(server, "parked", "show", offset)["reads_as"]["holder"] == "user:lea"
    mended = tmp_path / "event.json"
    mended.write_text('{"type": "PreferenceSetMerged", "holder": "user:lea", "preferences": {"digest": "daily"}}')
    assert answer(server, "parked", "replay", offset, "--mended", str(mended))["state"] == "replayed"
    assert parked.api.stored("user:lea") == {"digest": "daily"}
    assert answer(server, "parked", "discard", other, "--reason", "said twice")["state"] == "discarded"
    assert "was discarded at" in command_refused(server, "parked", "replay", other)
    done = ask(server, "parked", "list", "--state", "discarded", "--json", "--oldest", "--limit", "1")
    assert (len(done.lines), "There are more" in done.err) == (1, len(parked.entries(state="discarded")) > 1)
    assert len(ask(server, "parked", "list", "--all", "--json").lines) == len(parked.entries())
    mended.write_text("{")
    assert "is not one JSON document" in command_refused(server, "parked", "replay", offset, "--mended", str(mended))
    assert "can't be read" in command_refused(server, "parked", "replay", offset, "--mended", str(tmp_path / "none"))
    given = b'{"type": "PreferenceSetMerged", "holder": "user:lea"}'
    done = ask(server, "parked", "replay", offset, "--mended", "-", given=given)
    assert "was replayed at" in done.sentence


def test_the_open_ones_are_told_to_prometheus(parked: Parked) -> None:
    name, deadline = 'prefledger_parked_records{environment="development"}', time.monotonic() + HANG_SECONDS
    open_now = float(len(parked.entries(state="open")))
    while True:
        samples = dict(line.rsplit(" ", 1) for line in parked.api.outside("/metrics").splitlines() if line[0] != "#")
        if float(samples[name]) == open_now:
            break
        assert time.monotonic() < deadline, f"{samples[name]} records are told to be open, and {open_now} are"
        time.sleep(0.05)
    assert 0 < float(samples['prefledger_parked_oldest_seconds{environment="development"}']) < 3600


def test_what_the_node_answers_is_what_the_document_says(parked: Parked) -> None:
    call = Checked(parked.api, parked.api.get("/openapi.json"))
    first, second = (f"/parked/{parked.offsets[name]}" for name in ("described", "described too"))
    event: Json = {"type": "PreferenceSetMerged", "holder": "user:olga", "preferences": {"digest": "daily"}}
    call("POST", f"{first}/replay", {"event": event})
    call("POST", f"{second}/discard", {"reason": "x"})
    for offset in (first, second, "/parked/0", *(f"/parked/{each}" for each in parked.offsets.values())):
        call("GET", offset)
    call("POST", f"{second}/replay", {})
    call("GET", "/parked")
    assert call.seen >= OF_A_PARKED_RECORD


def test_an_auditor_sees_them_and_touches_none(parked: Parked) -> None:
    auditor = parked.api.with_key(parked.api.issue_key("audit")["key"])
    assert auditor.get("/parked")["entries"]
    path = f"/parked/{parked.offsets['told by nobody']}"
    assert auditor.get(path)["record"]
    refused(auditor.request("POST", f"{path}/discard", json={"reason": "x"}), "forbidden")
    refused(auditor.request("POST", f"{path}/replay", json={}), "forbidden")
    reader = parked.api.with_key(parked.api.issue_key("read", "publish")["key"])
    refused(reader.request("GET", "/parked"), "forbidden")
    refused(reader.request("GET", path), "forbidden")


def test_what_became_of_them_follows_from_the_log(parked: Parked) -> None:
    before = parked.entries()
    rebuilt_digest(parked.api)
    assert parked.entries() == before
