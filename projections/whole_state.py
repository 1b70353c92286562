"""Everything that a views file holds, holder by holder, with the event that each value comes from: to be written out."""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from domain.catalogue import EntryKind
from domain.event import POLICY, PROPERTIES, SUPPRESSION, is_set_item
from domain.holder import HolderKind
from projections.sourced import SourceEvents, sourced_document, sourced_set
from projections.stored_item import StoredItem, decode_item

PAGE_HOLDERS = 100
"""Holders a page: they are read, and kept in memory, together."""

_CATALOGUE = {
    EntryKind.WORKFLOW.value: "workflows",
    EntryKind.CATEGORY.value: "categories",
    EntryKind.CHANNEL.value: "channels",
    EntryKind.SECTION.value: "sections",
}
_KEYS = {"key": "keys", "signing_key": "signing_keys"}
_BULK = {"bulk": "bulk_operations"}
_TOLD_OF_KEYS = frozenset({"/name", "/kind", "/scopes", "/revoked"})
"""What is kept of a key's secret is not among it."""

_Item = tuple[str, int, StoredItem]
"""Name, version, content."""


@dataclass(frozen=True, slots=True)
class HolderState:
    """One holder as it is written out. `id` is where the next page begins, `stream` the holder's pseudonym."""

    id: int
    stream: bytes
    shown: dict[str, Any]


def page_of_holders(connection: sqlite3.Connection, above: int) -> list[HolderState]:
    """Holders in the order in which the ledger first heard of them."""
    rows = connection.execute(
        "SELECT id, stream, name FROM holders WHERE id > ? ORDER BY id LIMIT ?", (above, PAGE_HOLDERS)
    ).fetchall()
    return [HolderState(id_, stream, _holder(connection, id_, name)) for id_, stream, name in rows]


def _holder(connection: sqlite3.Connection, holder_id: int, name: str) -> dict[str, Any]:
    events = SourceEvents(connection)
    items = _items(connection, holder_id)
    sets = [sourced_set(*item, events) for item in items if is_set_item(item[0])]
    others = {
        item: sourced_document(version, stored, events)
        for item, version, stored in items
        if item in (PROPERTIES, SUPPRESSION)
    }
    return {"holder": name, "sets": sets, **others, "events": events.shown}


def environment_documents(connection: sqlite3.Connection) -> dict[str, dict[str, Any]]:
    """The catalogue with the policy, the keys without their secrets, and the bulk operations: a document for each."""
    row = connection.execute("SELECT id FROM holders WHERE kind = ?", (HolderKind.ENVIRONMENT.value,)).fetchone()
    items = _items(connection, row[0]) if row is not None else []
    return {
        "catalogue": _collections(connection, items, _CATALOGUE, alone=POLICY),
        "keys": _collections(connection, items, _KEYS),
        "bulk": _collections(connection, items, _BULK),
    }


def _collections(
    connection: sqlite3.Connection, items: Sequence[_Item], names: Mapping[str, str], alone: str | None = None
) -> dict[str, Any]:
    """Items by what stands before their colon, each collection under its name; and the one that stands alone."""
    events = SourceEvents(connection)
    shown: dict[str, dict[str, Any]] = {name: {} for name in names.values()}
    for item, version, stored in items:
        kind, _, key = item.partition(":")
        if item == alone:
            shown[item] = sourced_document(version, stored, events)
        elif kind in names:
            told_paths = _TOLD_OF_KEYS if kind == "key" else None
            shown[names[kind]][key] = sourced_document(version, stored, events, told_paths)
    return {**shown, "events": events.shown}


def _items(connection: sqlite3.Connection, holder_id: int) -> list[_Item]:
    """A holder's items that say something, by name."""
    rows = connection.execute(
        "SELECT item, version, body FROM every_item WHERE holder_id = ? ORDER BY item", (holder_id,)
    ).fetchall()
    decoded = [(item, version, decode_item(body)) for item, version, body in rows]
    return [row for row in decoded if row[2].leaves]


def counts(connection: sqlite3.Connection) -> dict[str, Any]:
    """How much there is: holders by kind, sets that say something, records by outcome. Reads the whole file."""
    holders = connection.execute("SELECT kind, count(*) FROM holders GROUP BY kind ORDER BY kind")
    outcomes = connection.execute("SELECT outcome, count(*) FROM history GROUP BY outcome ORDER BY outcome")
    bodies = connection.execute("SELECT body FROM every_item WHERE item >= 'set:' AND item < 'set;'")
    sets = sum(1 for (body,) in bodies if decode_item(body).leaves)
    return {"holders": dict(holders.fetchall()), "sets": sets, "records": dict(outcomes.fetchall())}
