"""What is kept of a holder, shown with the event that each value comes from."""

import sqlite3
from collections.abc import Collection, Iterable
from typing import Any

from domain.document import unflatten
from domain.preference_set import show_preference_set
from projections.history import event_at
from projections.position import parse_position
from projections.provenance import told
from projections.stored_item import StoredItem, references


class SourceEvents:
    """The events that values come from, told once each, by their positions."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.shown: dict[str, dict[str, Any]] = {}

    def of(self, stored: StoredItem, paths: Iterable[str]) -> dict[str, str]:
        """For each path, the position of the event that gave it its value."""
        wanted = set(paths)
        sources = {path: reference[1] for path, reference in references(stored) if path in wanted}
        for position in sources.values():
            if position not in self.shown:
                entry = event_at(self._connection, parse_position(position).offset)
                self.shown[position] = told(entry) if entry is not None else {}
        return sources


def sourced_set(item: str, version: int, stored: StoredItem, events: SourceEvents) -> dict[str, Any]:
    """A preference set."""
    return {
        "set": item.removeprefix("set:"),
        "version": version,
        "preferences": show_preference_set(stored.leaves),
        "sources": events.of(stored, stored.leaves),
    }


def sourced_document(
    version: int, stored: StoredItem, events: SourceEvents, told_paths: Collection[str] | None = None
) -> dict[str, Any]:
    """Anything else; only some of its leaves, where only these may be told."""
    leaves = {path: value for path, value in stored.leaves.items() if told_paths is None or path in told_paths}
    return {"version": version, "value": unflatten(leaves), "sources": events.of(stored, leaves)}
