"""Where the leaves of one item come from: for each, the events that changed it, from the present value back to the first."""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from domain.fold import Outcome
from projections.history import HistoryQuery, page
from projections.position import parse_position
from projections.stored_item import StoredItem, source_of

PAGE_LIMIT = 1_000
CHANGES_MAX = 10_000
"""Changes after which a page ends at the next event: a set of 5,000 leaves may change whole, again and again."""
EVENTS_AT_ONCE = 16

_TOLD = ("event_id", "position", "type", "actor", "method", "reason", "occurred_at", "recorded_at", "version")
_WHERE_GIVEN = ("evidence", "notice", "legal_basis", "correlation_id", "causation_id")


@dataclass(frozen=True, slots=True)
class ProvenanceQuery:
    """Which leaves of which item. `below` is where a page goes on, inclusive; the path `""` means every leaf."""

    stream: bytes
    item: str
    path: str
    below: int
    limit: int


@dataclass(frozen=True, slots=True)
class ProvenancePage:
    """Leaves in the order of their paths, the events of each newest first, and where the next page begins."""

    leaves: list[dict[str, Any]]
    next_below: int | None


def provenance(connection: sqlite3.Connection, stored: StoredItem, query: ProvenanceQuery) -> ProvenancePage:
    """The newest events of the leaves at or below a path. `stored` is the item at the moment asked about.

    `decides` marks the event that gave a leaf the value it has at that moment. A leaf that was taken away has no value,
    and its newest event is the one that took it. What a holder said before it was forgotten is not told.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    below: int | None = query.below
    events_left, changes_left = query.limit, CHANGES_MAX
    while below is not None and events_left > 0 and changes_left > 0:
        limit = min(events_left, EVENTS_AT_ONCE)
        part = page(connection, HistoryQuery(query.stream, below, -1, query.item, query.path, (Outcome.APPLIED,), limit))
        for entry in part.entries:
            changes_left -= _note(found, entry, query.item)
        events_left -= len(part.entries)
        below = part.next_below
        if len(part.entries) < limit:
            break  # The end, or as many rows as one request may look at.
    return ProvenancePage([_leaf(path, events, stored) for path, events in sorted(found.items())], _end(below))


def told(entry: Mapping[str, Any]) -> dict[str, Any]:
    """What is told of an event that gave a leaf its value, from its history entry."""
    return {name: entry[name] for name in _TOLD} | {name: entry[name] for name in _WHERE_GIVEN if name in entry}


def _end(below: int | None) -> int | None:
    return None if below is None or below < 0 else below


def _note(found: dict[str, list[dict[str, Any]]], entry: Mapping[str, Any], item: str) -> int:
    event = told(entry)
    # The changes of a record that touches several items name each one's.
    changes = [change for change in entry["changes"] if change.get("item", entry["item"]) == item]
    for change in changes:
        sides = {side: change[side] for side in ("before", "after") if side in change}
        found.setdefault(change["path"], []).append({**event, **sides})
    return len(changes)


def _leaf(path: str, events: list[dict[str, Any]], stored: StoredItem) -> dict[str, Any]:
    if path not in stored.leaves:
        return {"path": path, "events": [{**event, "decides": False} for event in events]}
    decided_at = parse_position(source_of(stored, path)[1]).offset
    shown = [{**event, "decides": parse_position(event["position"]).offset == decided_at} for event in events]
    return {"path": path, "value": stored.leaves[path], "events": shown}
