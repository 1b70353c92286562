"""A tenant's history with its members: every record about what somebody wants inside it, and no other."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import UNSET, UnsetType

from domain.document import MISSING, Change
from domain.event import HolderForgotten, PreferenceSetDeleted, SetsAdopted
from domain.fold import Outcome
from domain.holder import DEFAULT_SET, ENVIRONMENT, object_in, tenant, tenant_set, user
from domain.json_value import JsonValue
from projections import history
from projections.history import HistoryQuery, page
from projections.history_detail import ShownChange, shown_change
from projections.tenant_records import member_item, tenant_number, tenant_records
from tests.unit.projections.records import Records, folded, merge_of, stream_of

ANN, BOB, CID, PROJECT = user("ann"), user("bob"), user("cid"), object_in("projects", "p1")
ACME, OTHER = tenant_set("acme"), tenant_set("acme:2")
ACME_ITEM = member_item("acme")
NO: JsonValue = {"channel_types": {"email": False}}
YES: JsonValue = {"channel_types": {"email": True}, "enabled": True}


@pytest.fixture
def records() -> Records:
    records = Records()
    records.add(tenant("acme"), merge_of(NO))  # 1
    records.add(ANN, merge_of(NO))
    records.add(ANN, merge_of(NO, ACME))  # 3
    records.add(BOB, merge_of(YES, OTHER))
    records.add(PROJECT, merge_of(YES, ACME))  # 5
    records.add(ANN, merge_of(YES, ACME), expected_version=9)  # 6, rejected
    records.add(ANN, merge_of(NO, ACME), event_id=(4).to_bytes(16))  # 7, a duplicate of 3
    records.add(CID, SetsAdopted(ANN, ((ACME, {"/enabled": False}), (OTHER, {"/enabled": True}))))  # 8
    records.add(BOB, SetsAdopted(ANN, ((OTHER, {"/enabled": False}), (DEFAULT_SET, {"/enabled": True}))))
    records.add_bytes(b"poison", stream_of(tenant("acme")))  # 10, parked
    records.add_bytes(b"poison", stream_of(ANN))
    records.add(ENVIRONMENT, merge_of(NO))
    records.add(ANN, PreferenceSetDeleted(ACME))  # 13
    records.add(PROJECT, HolderForgotten("all"))  # 14, which takes a member's set
    records.add(BOB, HolderForgotten("all"))  # Of no member.
    records.add(tenant("acme"), merge_of(YES))  # 16
    return records


@pytest.fixture
def connection(tmp_path: Path, records: Records) -> Iterator[sqlite3.Connection]:
    connection = folded(tmp_path / "views.sqlite", records.all, range(0, 20, 3))
    yield connection
    connection.close()


def found(connection: sqlite3.Connection, **query: Any) -> list[tuple[int, dict[str, Any]]]:
    """What a page shows, with the offsets."""
    by_position = {text: offset for offset, text in connection.execute("SELECT offset, position FROM history")}
    given = {"below": 10**9, "outcomes": tuple(Outcome), "member_item": ACME_ITEM, **query}
    entries = page(connection, HistoryQuery(stream_of(tenant("acme")), **given)).entries
    return [(by_position[entry["position"]], entry) for entry in entries]


def offsets(connection: sqlite3.Connection, **query: Any) -> list[int]:
    return [offset for offset, _ in found(connection, **query)]


def test_everything_inside_the_tenant_is_there_in_the_order_of_the_log(connection: sqlite3.Connection) -> None:
    assert offsets(connection) == [16, 14, 13, 10, 8, 7, 6, 5, 3, 1]
    assert offsets(connection, member_item=None) == [16, 10, 1], "without its members, the tenant's own stream"


def test_of_a_record_about_several_tenants_only_this_ones_part_is_told(connection: sqlite3.Connection) -> None:
    adopted = dict(found(connection))[8]
    assert adopted["changes"] == [{"item": ACME_ITEM, "path": "/enabled", "after": False}]


def test_who_was_forgotten_is_named_and_not_told_of(connection: sqlite3.Connection) -> None:
    entries = dict(found(connection))
    assert entries[5]["holder"] == "object:projects:p1"
    assert (entries[5]["forgotten"], entries[5]["changes"]) == (True, [])
    assert "forgotten" not in entries[3]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"outcomes": (Outcome.REJECTED,)}, [6]),
        ({"outcomes": (Outcome.DUPLICATE, Outcome.PARKED)}, [10, 7]),
        ({"path": "/channel_types"}, [16, 13, 3, 1]),
        ({"path": "/enabled", "outcomes": (Outcome.APPLIED,)}, [16, 8]),
        ({"item": ACME_ITEM}, [14, 13, 8, 7, 6, 5, 3]),
        ({"item": "set:default"}, [16, 1]),
        ({"item": member_item("acme:2")}, []),
        ({"actor": "key:2", "outcomes": (Outcome.APPLIED,)}, [16, 13, 8, 1]),
        ({"method": "carrier-pigeon"}, []),
        ({"below": 9, "above": 5}, [8, 7, 6]),
    ],
    ids=str,
)
def test_every_filter_holds_for_members_too(
    connection: sqlite3.Connection, query: dict[str, Any], expected: list[int]
) -> None:
    assert offsets(connection, **query) == expected


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
def test_pages_put_together_are_the_whole(
    connection: sqlite3.Connection, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However few a page shows, and however few rows it may look at."""
    whole = [entry for _, entry in found(connection, outcomes=(Outcome.APPLIED,))]
    for scan_limit in (2, 20_000):
        monkeypatch.setattr(history, "SCAN_LIMIT", scan_limit)
        pieces: list[dict[str, Any]] = []
        below: int | None = 10**9
        while below is not None:
            query = HistoryQuery(
                stream_of(tenant("acme")), below, outcomes=(Outcome.APPLIED,), limit=limit, member_item=ACME_ITEM
            )
            part = page(connection, query)
            pieces += part.entries
            below = part.next_below
        assert pieces == whole


def test_a_tenant_that_shares_another_ones_number_shows_nothing_of_it(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE OR IGNORE tenant_records SET tenant = ?", (tenant_number(ACME_ITEM),))
    assert 4 not in offsets(connection)
    assert 9 not in offsets(connection)


def test_one_that_is_tenant_and_member_at_once_is_told_of_once(tmp_path: Path) -> None:
    records = Records()
    records.add(tenant("acme"), merge_of(NO, ACME))
    connection = folded(tmp_path / "views.sqlite", records.all)
    assert offsets(connection) == [1]
    connection.close()


def shown(path: str, item: str | UnsetType = UNSET) -> ShownChange:
    return shown_change(item, Change(path, MISSING, True))


def test_a_record_about_no_member_costs_no_row() -> None:
    assert tenant_records(1, "set:default", [shown("/enabled")]) == []
    assert tenant_records(1, "set:context:tenant:acme", []) == []
    assert tenant_records(1, None, [shown("/a", "set:default"), shown("/b", "suppression")]) == []
    assert tenant_records(7, ACME_ITEM, []) == [(tenant_number(ACME_ITEM), 7)]
