"""Everything that a views file holds, holder by holder, with the event that each value comes from: to be written out."""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from domain.catalogue import EntryKind
from domain.document import unflatten
from domain.event import POLICY, PROPERTIES, SUPPRESSION, is_set_item
from domain.holder import HolderKind
from domain.preference_set import show_preference_set
from projections.history import event_at
from projections.position import parse_position
from projections.provenance import told
from projections.stored_item import StoredItem, decode_item, source_of

PAGE_HOLDERS = 100
"""Holders a page: they are read, and kept in memory, together."""

_CATALOGUE = {
    EntryKind.WORKFLOW: "workflows",
    EntryKind.CATEGORY: "categories",
    EntryKind.CHANNEL: "channels",
    EntryKind.SECTION: "sections",
}
_KEY_LEAVES = frozenset({"/name", "/kind", "/scopes", "/revoked"})
"""What may be told of a key. What is kept of its secret is not among it."""


@dataclass(frozen=True, slots=True)
class HolderState:
    """One holder as it is written out. `id` is where the next page begins, `stream` the holder's pseudonym."""

    id: int
    stream: bytes
    shown: dict[str, Any]


class _Events:
    """The events that one document's values come from, told once each, by their positions."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.shown: dict[str, dict[str, Any]] = {}

    def sources(self, stored: StoredItem, paths: Iterable[str]) -> dict[str, str]:
        """For each path, the position of the event that gave it its value."""
        sources = {path: source_of(stored, path)[1] for path in paths}
        for position in sources.values():
            if position not in self.shown:
                entry = event_at(self._connection, parse_position(position).offset)
                self.shown[position] = told(entry) if entry is not None else {}
        return sources


def page_of_holders(connection: sqlite3.Connection, above: int) -> list[HolderState]:
    """Holders in the order in which the ledger first heard of them."""
    rows = connection.execute(
        "SELECT id, stream, name FROM holders WHERE id > ? ORDER BY id LIMIT ?", (above, PAGE_HOLDERS)
    ).fetchall()
    return [HolderState(id_, stream, _holder(connection, id_, name)) for id_, stream, name in rows]


def _holder(connection: sqlite3.Connection, holder_id: int, name: str) -> dict[str, Any]:
    events = _Events(connection)
    items = _items(connection, holder_id)
    sets = [
        {
            "set": item.removeprefix("set:"),
            "version": version,
            "preferences": show_preference_set(stored.leaves),
            "sources": events.sources(stored, stored.leaves),
        }
        for item, version, stored in items
        if is_set_item(item)
    ]
    shown: dict[str, Any] = {"holder": name, "sets": sets}
    for item, version, stored in items:
        if item in (PROPERTIES, SUPPRESSION):
            shown[item] = _document(version, stored, events)
    return {**shown, "events": events.shown}


def environment_documents(connection: sqlite3.Connection) -> dict[str, dict[str, Any]]:
    """The catalogue with the policy, the keys without their secrets, and the bulk operations: a document for each."""
    row = connection.execute("SELECT id FROM holders WHERE kind = ?", (HolderKind.ENVIRONMENT.value,)).fetchone()
    items = _items(connection, row[0]) if row is not None else []
    catalogue = _collections(connection, items, {kind.value: name for kind, name in _CATALOGUE.items()})
    policy = next(((version, stored) for item, version, stored in items if item == POLICY), None)
    if policy is not None:
        events = _Events(connection)
        catalogue["policy"] = _document(*policy, events)
        catalogue["events"] |= events.shown
    return {
        "catalogue": catalogue,
        "keys": _collections(connection, items, {"key": "keys", "signing_key": "signing_keys"}),
        "bulk": _collections(connection, items, {"bulk": "bulk_operations"}),
    }


def _collections(
    connection: sqlite3.Connection, items: Sequence[tuple[str, int, StoredItem]], names: dict[str, str]
) -> dict[str, Any]:
    """Items by what stands before their colon, each collection under its name."""
    events = _Events(connection)
    shown: dict[str, dict[str, Any]] = {name: {} for name in names.values()}
    for item, version, stored in items:
        kind, _, key = item.partition(":")
        if kind in names:
            shown[names[kind]][key] = _document(version, stored, events, _KEY_LEAVES if kind == "key" else None)
    return {**shown, "events": events.shown}


def _document(version: int, stored: StoredItem, events: _Events, told_paths: frozenset[str] | None = None) -> dict[str, Any]:
    leaves = {path: value for path, value in stored.leaves.items() if told_paths is None or path in told_paths}
    return {"version": version, "value": unflatten(leaves), "sources": events.sources(stored, leaves)}


def _items(connection: sqlite3.Connection, holder_id: int) -> list[tuple[str, int, StoredItem]]:
    """A holder's items that say something, by name."""
    rows = connection.execute(
        "SELECT item, version, body FROM items WHERE holder_id = ? ORDER BY item", (holder_id,)
    ).fetchall()
    decoded = [(item, version, decode_item(body)) for item, version, body in rows]
    return [row for row in decoded if row[2].leaves]


def counts(connection: sqlite3.Connection) -> dict[str, Any]:
    """How much there is: holders by kind, sets that say something, records by outcome. Reads the whole file."""
    holders = connection.execute("SELECT kind, count(*) FROM holders GROUP BY kind ORDER BY kind")
    outcomes = connection.execute("SELECT outcome, count(*) FROM history GROUP BY outcome ORDER BY outcome")
    bodies = connection.execute("SELECT body FROM items WHERE item >= 'set:' AND item < 'set;'")
    sets = sum(1 for (body,) in bodies if decode_item(body).leaves)
    return {"holders": dict(holders.fetchall()), "sets": sets, "records": dict(outcomes.fetchall())}


def forgotten_after(connection: sqlite3.Connection, streams: Sequence[bytes], offset: int) -> set[bytes]:
    """Those of a page's holders that were forgotten after an offset. For the live views, which know of it."""
    marks = ",".join("?" * len(streams))
    rows = connection.execute(
        f"SELECT stream FROM holders WHERE stream IN ({marks}) AND forgotten_offset > ?",  # noqa: S608 - marks only
        (*streams, offset),
    )
    return {stream for (stream,) in rows}
