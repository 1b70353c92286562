"""The comparison of two views files names the first thing that differs, and shows nothing that must stay hidden."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from domain.event import ApiKeyIssued, HolderForgotten
from domain.holder import ENVIRONMENT, tenant_set, user
from projections.comparison import NOT_SHOWN, ROWS_BETWEEN_CHECKS, Stopped, first_difference
from projections.stored_item import StoredItem, decode_item, encode_item
from tests.unit.projections.records import Records, folded, merge_of, put_body, stream_of
from tests.unit.projections.test_digest import CONDITION, KEYS, columns, other

ANN = user("ann")


@pytest.fixture
def records() -> Records:
    records = Records()
    for number in range(64):
        records.add(ANN, merge_of({"channel_types": {"email": bool(number % 2), "sms": {"conditions": [CONDITION]}}}))
    records.add(user("bob"), merge_of({"channel_types": {"email": False}}))
    records.add(user("bob"), HolderForgotten("all"))
    records.add(ENVIRONMENT, ApiKeyIssued("k", "a key", "secret", ("read",), b"the hash", b"the sealed secret"))
    records.add_bytes(b"poison", stream_of(ENVIRONMENT))
    records.add(user("cid"), merge_of({"enabled": True}, tenant_set("acme")))
    return records


@pytest.fixture
def live(tmp_path: Path, records: Records) -> Iterator[sqlite3.Connection]:
    connection = folded(tmp_path / "live.sqlite", records.all, range(7))
    yield connection
    connection.close()


@pytest.fixture
def anew(tmp_path: Path, records: Records) -> Iterator[sqlite3.Connection]:
    connection = folded(tmp_path / "anew.sqlite", records.all)
    yield connection
    connection.close()


def test_views_of_one_log_do_not_differ_however_they_came_to_be(live: sqlite3.Connection, anew: sqlite3.Connection) -> None:
    assert first_difference(live, anew) is None
    live.execute("UPDATE items SET id = id + 1000")
    assert first_difference(live, anew) is None, "the ids of items are nobody's business"


def test_a_difference_in_any_column_of_any_table_is_named(live: sqlite3.Connection, anew: sqlite3.Connection) -> None:
    """What the comparison does not look at would be called verified."""
    for table, column in columns(live):
        if column == "holder_id":
            continue  # A row of another holder is a row that lacks and one too many; below.
        live.execute("SAVEPOINT before")
        key = KEYS.get(table, "rowid")
        value, of_row = live.execute(f"SELECT {column}, {key} FROM {table} WHERE {column} IS NOT NULL").fetchone()
        live.execute(f"UPDATE {table} SET {column} = ? WHERE {key} = ?", (other(value, column), of_row))
        assert first_difference(live, anew) is not None, f"{table}.{column}"
        live.execute("ROLLBACK TO before")
        live.execute("RELEASE before")
    assert first_difference(live, anew) is None


@pytest.mark.parametrize("table", ["history", "holders", "items", "snapshots", "choices", "tenant_records"])
@pytest.mark.parametrize("side", ["live", "log"])
def test_a_row_that_only_one_side_has_is_named(
    live: sqlite3.Connection, anew: sqlite3.Connection, table: str, side: str
) -> None:
    short = anew if side == "live" else live
    where = "rowid = (SELECT max(rowid) FROM {0})" if table not in KEYS else f"{KEYS[table]} > 0"
    short.execute(f"DELETE FROM {table} WHERE {where.format(table)}")
    found = first_difference(live, anew)
    assert found is not None
    if table == "holders":
        # A holder that is gone takes its name out of history first.
        assert (found.view, found.column) == ("history", "holder")
        return
    assert (found.view, set(found.sides)) == (table, {side})


def test_the_first_difference_in_the_order_of_the_log_comes_first(
    live: sqlite3.Connection, anew: sqlite3.Connection
) -> None:
    live.execute("UPDATE history SET outcome = 'rejected' WHERE offset IN (9, 5)")
    live.execute("UPDATE items SET version = version + 1")
    found = first_difference(live, anew)
    assert found is not None
    assert (found.view, found.holder, found.offset, found.column) == ("history", "user:ann", 5, "outcome")
    assert found.sides == {"live": "rejected", "log": "applied"}


def turn_over(connection: sqlite3.Connection, name: str, path: str, value: object) -> None:
    """Tamper with one leaf as somebody with the file in hand would."""
    item, body = connection.execute(
        "SELECT i.item, i.body FROM every_item AS i JOIN holders AS h ON h.id = i.holder_id WHERE h.name = ? "
        "AND CAST(i.body AS TEXT) LIKE ?",
        (name, f"%{path}%"),
    ).fetchone()
    stored = decode_item(body)
    tampered = StoredItem({**stored.leaves, path: value}, stored.sources, stored.events)
    put_body(connection, name, item, encode_item(tampered))


def test_an_opt_out_that_was_turned_over_is_named_with_both_values(
    live: sqlite3.Connection, anew: sqlite3.Connection
) -> None:
    turn_over(live, "user:ann", "/channel_types/email", False)
    found = first_difference(live, anew)
    assert found is not None
    assert (found.view, found.holder, found.item, found.path) == ("items", "user:ann", "set:default", "/channel_types/email")
    assert (found.sides["live"]["value"], found.sides["log"]["value"]) == (False, True)


def test_true_is_not_one(live: sqlite3.Connection, anew: sqlite3.Connection) -> None:
    turn_over(live, "user:ann", "/channel_types/email", 1)
    found = first_difference(live, anew)
    assert found is not None
    assert found.path == "/channel_types/email"


def test_another_order_of_the_same_leaves_is_no_difference(live: sqlite3.Connection, anew: sqlite3.Connection) -> None:
    name, item, body = live.execute(
        "SELECT h.name, i.item, i.body FROM every_item AS i JOIN holders AS h ON h.id = i.holder_id "
        "WHERE length(i.body) > 200 AND CAST(i.body AS TEXT) LIKE '%,[],[%' LIMIT 1"  # Of one event.
    ).fetchone()
    stored = decode_item(body)
    turned = StoredItem(dict(reversed(stored.leaves.items())), stored.sources, stored.events)
    assert encode_item(turned) != body, "the fixture has lost its item of several leaves"
    put_body(live, name, item, encode_item(turned))
    assert first_difference(live, anew) is None


def test_a_body_that_cannot_be_read_is_a_difference(live: sqlite3.Connection, anew: sqlite3.Connection) -> None:
    live.execute("UPDATE items SET body = x'00'")
    found = first_difference(live, anew)
    assert found is not None
    assert found.sides["live"] == "can't be read"


def test_secrets_and_what_a_forgotten_holder_said_are_not_shown(live: sqlite3.Connection, anew: sqlite3.Connection) -> None:
    for name, path in (("environment", "/sealed_secret"), ("environment", "/secret_hash")):
        live.execute("SAVEPOINT before")
        turn_over(live, name, path, "AAAA")
        found = first_difference(live, anew)
        assert found is not None
        assert (found.path, found.sides) == (path, {"live": NOT_SHOWN, "log": NOT_SHOWN})
        live.execute("ROLLBACK TO before")
    for type_, name in (("ApiKeyIssued", "environment"), ("PreferenceSetMerged", "user:bob")):
        live.execute("SAVEPOINT before")
        live.execute(
            "UPDATE history SET detail = x'7b7d' WHERE type = ? AND holder_id = (SELECT id FROM holders WHERE name = ?)",
            (type_, name),
        )
        found = first_difference(live, anew)
        assert found is not None
        assert found.column == "detail"
        assert found.sides == {"live": NOT_SHOWN, "log": NOT_SHOWN}
        live.execute("ROLLBACK TO before")


def test_a_comparison_stops_when_it_is_told_to(tmp_path: Path) -> None:
    records = Records()
    for number in range(ROWS_BETWEEN_CHECKS):
        records.add(user(str(number)), merge_of({"channel_types": {"email": False}}))
    one, other_one = folded(tmp_path / "a.sqlite", records.all), folded(tmp_path / "b.sqlite", records.all)
    with pytest.raises(Stopped):
        first_difference(one, other_one, lambda: True)
    assert first_difference(one, other_one) is None
    one.close()
    other_one.close()
