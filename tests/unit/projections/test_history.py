"""History: who said what of a holder, when, and what came of it."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from domain.event import ApiKeyIssued, HolderDescribed, HolderForgotten, PreferenceSetDeleted, SetsAdopted
from domain.fold import Outcome
from domain.holder import DEFAULT_SET, ENVIRONMENT, tenant_set, user
from domain.preference_set import Patch
from projections import history
from projections.history import (
    HistoryQuery,
    actor_and_method,
    earlier_event,
    event_at,
    event_by_id,
    feed,
    offset_at,
    page,
    position_at,
)
from tests.unit.projections.records import START_MILLISECONDS, Records, folded, merge_of, stream_of

ANN, BOB = user("ann"), user("bob")
ACME = tenant_set("acme")
EVERYTHING = tuple(Outcome)


@pytest.fixture
def records() -> Records:
    """1 to 8 are Ann's, but for 5; 9 is nobody's, 10 the environment's, 11 Bob's."""
    records = Records()
    records.add(ANN, merge_of({"channel_types": {"email": False}, "workflows": {"w": True}}))
    records.add(ANN, merge_of({"workflows": {"w": False, "wx": True}}))
    records.add(ANN, merge_of({"channel_types": {"sms": False}}, ACME))
    records.add(ANN, merge_of({"channel_types": {"sms": True}}), expected_version=7)
    records.add(BOB, merge_of({"channel_types": {"sms": True}}))
    records.add(ANN, SetsAdopted(user("old"), ((ACME, {"/enabled": False}), (tenant_set("two"), {"/enabled": True}))))
    records.add_bytes(b"poison", stream_of(ANN))
    records.add(ANN, HolderDescribed(Patch({"/name": "Ann"})))
    records.add_bytes(b"poison")
    records.add(ENVIRONMENT, ApiKeyIssued("k", "a key", "secret", ("read",), b"the hash", b"the sealed secret"))
    records.add(BOB, PreferenceSetDeleted(DEFAULT_SET))
    return records


@pytest.fixture
def connection(tmp_path: Path, records: Records) -> Iterator[sqlite3.Connection]:
    connection = folded(tmp_path / "views.sqlite", records.all)
    yield connection
    connection.close()


def offsets(connection: sqlite3.Connection, **query: object) -> list[int]:
    """Which records a page shows, by their offsets."""
    by_position = {text: offset for offset, text in connection.execute("SELECT offset, position FROM history")}
    found = page(connection, HistoryQuery(stream_of(ANN), **{"below": 10**9, **query}))  # type: ignore[arg-type]
    return [by_position[entry["position"]] for entry in found.entries]


def test_an_entry_tells_everything_that_is_known_of_an_event(connection: sqlite3.Connection) -> None:
    position = position_at(connection, 2)
    assert event_at(connection, 2) == {
        "event_id": str(UUID(int=3)),
        "position": position,
        "type": "PreferenceSetMerged",
        "holder": "user:ann",
        "set": "default",
        "item": "set:default",
        "actor": "key:0",
        "method": "api",
        "reason": None,
        "occurred_at": "2026-02-25T06:13:22.000Z",
        "recorded_at": "2026-02-25T06:13:23.000Z",
        "outcome": "applied",
        "version": 2,
        "changes": [
            {"path": "/workflows/w/enabled", "before": True, "after": False},
            {"path": "/workflows/wx/enabled", "after": True},
        ],
    }


def test_a_stream_is_shown_newest_first_with_what_counted_and_what_is_parked(connection: sqlite3.Connection) -> None:
    assert offsets(connection) == [8, 7, 6, 3, 2, 1]


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        (EVERYTHING, [8, 7, 6, 4, 3, 2, 1]),
        ((Outcome.REJECTED,), [4]),
        ((Outcome.PARKED, Outcome.REJECTED), [7, 4]),
        ((Outcome.DUPLICATE,), []),
    ],
)
def test_outcomes_can_be_asked_for(
    connection: sqlite3.Connection, outcomes: tuple[Outcome, ...], expected: list[int]
) -> None:
    assert offsets(connection, outcomes=outcomes) == expected


def test_a_sets_history_has_the_events_that_touched_it_beside_others(connection: sqlite3.Connection) -> None:
    """Adoption changed only the sets that were not there: the tenant's set was, the other one was not."""
    assert offsets(connection, item="set:default") == [2, 1]
    assert offsets(connection, item="set:tenant:acme") == [3]
    assert offsets(connection, item="set:tenant:two") == [6]
    assert offsets(connection, item="properties") == [8]
    (entry,) = page(connection, HistoryQuery(stream_of(ANN), 10**9, item="set:tenant:two")).entries
    assert entry["changes"] == [{"item": "set:tenant:two", "path": "/enabled", "after": True}]


def test_a_sets_history_tells_that_its_holder_was_forgotten(tmp_path: Path, records: Records) -> None:
    """Without it the set would be gone and nobody could see why."""
    records.add(ANN, HolderForgotten("all"))
    connection = folded(tmp_path / "forgotten.sqlite", records.all)
    found = page(connection, HistoryQuery(stream_of(ANN), 10**9, item="set:default")).entries
    assert [entry["type"] for entry in found] == ["HolderForgotten", "PreferenceSetMerged", "PreferenceSetMerged"]
    assert found[0]["changes"] == [{"item": "suppression", "path": "/suppress", "after": "all"}]
    for entry in found[1:]:
        assert entry["forgotten"] is True
        assert (entry["changes"], entry["actor"], entry["method"]) == ([], None, None)
        assert entry["outcome"] == "applied", "that something happened stays to be seen"
    connection.close()


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/workflows/w", {2: ["/workflows/w/enabled"], 1: ["/workflows/w/enabled"]}),
        ("/workflows/w/enabled", {2: ["/workflows/w/enabled"], 1: ["/workflows/w/enabled"]}),
        ("/workflows", {2: ["/workflows/w/enabled", "/workflows/wx/enabled"], 1: ["/workflows/w/enabled"]}),
        ("/channel_types/email", {1: ["/channel_types/email"]}),
        ("/work", {}),
        ("/name", {8: ["/name"]}),
    ],
)
def test_a_paths_history_is_cut_to_the_path(
    connection: sqlite3.Connection, path: str, expected: dict[int, list[str]]
) -> None:
    found = page(connection, HistoryQuery(stream_of(ANN), 10**9, path=path)).entries
    shown = {entry["version"]: [change["path"] for change in entry["changes"]] for entry in found}
    assert list(shown.values()) == list(expected.values())
    assert offsets(connection, path=path) == list(expected)


@pytest.mark.parametrize("limit", [1, 2, 3, 6, 7])
def test_pages_follow_each_other_without_a_gap(connection: sqlite3.Connection, limit: int) -> None:
    below: int | None = 10**9
    seen: list[str] = []
    pages = 0
    while below is not None:
        found = page(connection, HistoryQuery(stream_of(ANN), below, limit=limit))
        seen += [entry["position"] for entry in found.entries]
        below = found.next_below
        pages += 1
    assert seen == [position_at(connection, offset) for offset in (8, 7, 6, 3, 2, 1)]
    assert pages <= 6 // limit + 1


def test_pages_end_where_they_are_told_to(connection: sqlite3.Connection) -> None:
    assert offsets(connection, below=6, above=1) == [6, 3, 2]


def test_a_page_looks_at_a_bounded_number_of_rows_and_says_where_it_stopped(
    connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A filter that finds nothing in a long stream must not read all of it at once."""
    monkeypatch.setattr(history, "SCAN_LIMIT", 3)
    for query in ({"item": "set:nowhere"}, {"path": "/nowhere"}, {"outcomes": (Outcome.DUPLICATE,)}):
        below: int | None = 10**9
        stops = []
        while below is not None:
            found = page(connection, HistoryQuery(stream_of(ANN), below, **query))
            assert found.entries == []
            below = found.next_below
            stops.append(below)
        assert stops == [5, 1, None]


def test_nobodys_history_is_empty(connection: sqlite3.Connection) -> None:
    assert page(connection, HistoryQuery(b"nobody's stream!", 10**9)).entries == []


def test_a_keys_secret_is_never_shown(connection: sqlite3.Connection) -> None:
    entry = event_at(connection, 10)
    assert entry is not None
    assert [change["path"] for change in entry["changes"]] == ["/kind", "/name", "/scopes"]


def test_a_parked_record_has_no_event_id_and_says_why(connection: sqlite3.Connection) -> None:
    known, unknown = event_at(connection, 7), event_at(connection, 9)
    assert known is not None
    assert unknown is not None
    assert (known["holder"], unknown["holder"]) == ("user:ann", None)
    for entry in (known, unknown):
        assert (entry["event_id"], entry["type"], entry["outcome"], entry["why"]) == (
            None,
            "Parked",
            "parked",
            "undecodable",
        )
        assert entry["sentence"] == "the record does not begin as an Avro single object does"
    assert event_by_id(connection, bytes(16)) is None, "no id leads to a parked record"


def test_an_event_is_found_by_its_id_as_it_first_came(tmp_path: Path, records: Records) -> None:
    first = records.all[1].offset
    records.add(ANN, merge_of({"channel_types": {"email": False}, "workflows": {"w": True}}), event_id=(2).to_bytes(16))
    records.add(BOB, merge_of({"enabled": True}), event_id=(2).to_bytes(16))
    connection = folded(tmp_path / "again.sqlite", records.all)
    found = event_by_id(connection, (2).to_bytes(16))
    assert found is not None
    assert (found["position"], found["outcome"]) == (position_at(connection, first), "applied")
    earlier = earlier_event(connection, stream_of(BOB), (2).to_bytes(16))
    assert earlier is not None
    assert earlier[0]["holder"] == "user:bob"
    assert len(earlier[1]) == 16
    assert event_by_id(connection, b"x" * 16) is None
    assert earlier_event(connection, stream_of(ANN), b"x" * 16) is None
    connection.close()


def test_the_ledgers_feed_has_every_record_once(connection: sqlite3.Connection, records: Records) -> None:
    found = feed(connection, 0, 100)
    assert [entry["position"] for entry in found] == [position_at(connection, at) for at in range(len(records.all))]
    assert feed(connection, 3, 2) == found[3:5]
    assert feed(connection, 100, 2) == []


def test_who_said_it(connection: sqlite3.Connection) -> None:
    assert actor_and_method(connection, 1) == ("key:2", "api")
    assert actor_and_method(connection, 7) == (None, None), "a parked record says nothing"
    assert actor_and_method(connection, 100) == (None, None)
    assert position_at(connection, 100) is None
    assert event_at(connection, 100) is None


def test_the_last_record_of_an_instant(tmp_path: Path) -> None:
    records = Records()
    for wait in (1_000, 0, 0, 5, 1_000):
        records.add(ANN, merge_of({"enabled": True}), after_milliseconds=wait)
    connection = folded(tmp_path / "views.sqlite", records.all)
    times = [record.timestamp_milliseconds for record in records.all]
    for instant in range(START_MILLISECONDS - 2, times[-1] + 2):
        expected = max((at for at, time in enumerate(times) if time <= instant), default=-1)
        assert offset_at(connection, instant) == expected
    connection.close()
    empty = folded(tmp_path / "empty.sqlite", [])
    assert offset_at(empty, START_MILLISECONDS) == -1
    empty.close()
