"""The digest: equal for views that say the same, another one for views that differ in anything."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from domain.event import HolderForgotten
from domain.holder import ENVIRONMENT, tenant_set, user
from domain.json_value import JsonValue
from projections.digest import ViewsDigest, views_digest
from projections.stored_item import StoredItem, decode_item, encode_item
from tests.unit.projections.records import Records, folded, merge_of, put_body, stream_of

ANN = user("ann")


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    records = Records()
    for number in range(64):
        records.add(ANN, merge_of({"channel_types": {"email": bool(number % 2), "sms": {"conditions": [CONDITION]}}}))
    records.add(user("cid"), merge_of({"enabled": True}, tenant_set("acme")))
    records.add(user("bob"), HolderForgotten("all"))
    records.add_bytes(b"poison", stream_of(ENVIRONMENT))
    connection = folded(tmp_path / "views.sqlite", records.all)
    yield connection
    connection.close()


CONDITION: JsonValue = {"variable": "data.x", "operator": "equal_to", "argument": "1"}
TABLES = ("checkpoint", "holders", "items", "history", "snapshots", "choices", "tenant_records")
KEYS = {"snapshots": "holder_id", "choices": "holder_id", "tenant_records": "offset"}
"""What tells rows apart where they have no id."""
WITHOUT_MEANING = {("checkpoint", "id"), ("items", "id"), ("holders", "id")}
"""Row ids: which of two files got there first is nobody's business."""


def columns(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    return [
        (table, column)
        for table in TABLES
        for _, column, *_ in connection.execute(f"PRAGMA table_info({table})")
        if (table, column) not in WITHOUT_MEANING
    ]


def test_a_difference_in_any_column_of_any_table_is_seen(connection: sqlite3.Connection) -> None:
    """What the digest does not look at, a rebuild would swap in unseen."""
    original = views_digest(connection)
    for table, column in columns(connection):
        connection.execute("SAVEPOINT before")
        key = KEYS.get(table, "rowid")
        value, of_row = connection.execute(f"SELECT {column}, {key} FROM {table} WHERE {column} IS NOT NULL").fetchone()
        connection.execute(f"UPDATE {table} SET {column} = ? WHERE {key} = ?", (other(value, column), of_row))
        assert views_digest(connection).digest != original.digest, f"{table}.{column}"
        connection.execute("ROLLBACK TO before")
        connection.execute("RELEASE before")
        assert views_digest(connection) == original


def other(value: object, column: str) -> object:
    """Another value of the same kind."""
    if column == "holder_id":
        return 1 if value != 1 else 2
    if column in ("body", "set_body"):
        assert isinstance(value, bytes)
        stored = decode_item(value)
        return encode_item(StoredItem(dict.fromkeys(stored.leaves, "?"), stored.sources, stored.events))
    if isinstance(value, bytes):
        return b"{}" if column == "detail" else bytes(len(value))
    if isinstance(value, str):
        return f"{value}?"
    assert isinstance(value, int)
    return 1 - value if column in ("value", "sealed") else value + 1_000


def test_a_row_too_few_or_too_many_is_seen(connection: sqlite3.Connection) -> None:
    original = views_digest(connection)
    for table in TABLES[1:]:
        connection.execute("SAVEPOINT before")
        whole = table in ("holders", "tenant_records")
        of_one = f"WHERE holder_id = (SELECT max(holder_id) FROM {table})"
        connection.execute(f"DELETE FROM {table}" if whole else f"DELETE FROM {table} {of_one}")
        assert views_digest(connection).digest != original.digest, table
        connection.execute("ROLLBACK TO before")
        connection.execute("RELEASE before")


def test_the_order_in_which_an_items_leaves_and_events_stand_says_nothing(connection: sqlite3.Connection) -> None:
    original = views_digest(connection)
    (body,) = connection.execute("SELECT set_body FROM holders WHERE name = 'user:ann'").fetchone()
    stored = decode_item(body)
    turned = StoredItem(
        dict(reversed(stored.leaves.items())),
        [len(stored.events) - 1 - at for at in reversed(stored.sources)],
        stored.events[::-1],
    )
    assert encode_item(turned) != body
    put_body(connection, "user:ann", "set:default", encode_item(turned))
    assert views_digest(connection) == original


def test_an_empty_file_has_a_digest_too(tmp_path: Path) -> None:
    connection = folded(tmp_path / "empty.sqlite", [])
    assert views_digest(connection) == ViewsDigest(0, "", "0" * 64)
    connection.close()


def test_a_digest_says_where_it_stands(connection: sqlite3.Connection) -> None:
    said = views_digest(connection)
    assert said.next_offset == 68
    assert said.position == connection.execute("SELECT position FROM history WHERE offset = 67").fetchone()[0]


def test_a_digest_of_a_large_file_makes_no_copy_of_it(connection: sqlite3.Connection) -> None:
    asked: list[str] = []
    connection.set_trace_callback(asked.append)
    views_digest(connection)
    connection.set_trace_callback(None)
    steps = [step[-1] for statement in asked for step in connection.execute(f"EXPLAIN QUERY PLAN {statement}")]
    assert len(steps) > len(TABLES)
    assert not [step for step in steps if "MATERIALIZE" in step or "TEMP B-TREE" in step]
