"""Bulk operations in the views: which were asked for, and what became of their rows."""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from projections.chunks import chunks, marks
from projections.places import ID_OF_STREAM, of_stream


@dataclass(frozen=True, slots=True)
class RowResult:
    """What became of one event of an operation."""

    outcome: str
    recorded_at_milliseconds: int


def requested_since(connection: sqlite3.Connection, environment_stream: bytes, above: int) -> list[tuple[int, str]]:
    """The operations that were asked for after the record at `above`: (offset, item), oldest first."""
    return connection.execute(
        f"SELECT v.offset, v.item FROM history AS v WHERE v.holder_id = {ID_OF_STREAM} "  # noqa: S608 - a constant
        "AND v.offset > ? AND v.type = 'BulkRequested' AND v.outcome = 'applied' ORDER BY v.offset",
        (*of_stream(environment_stream), above),
    ).fetchall()


def results_of(connection: sqlite3.Connection, event_ids: Sequence[bytes]) -> Mapping[bytes, RowResult]:
    """What became of each of these events that was folded: its first record counts, later ones are duplicates of it."""
    results: dict[bytes, RowResult] = {}
    for chunk in chunks(event_ids):
        rows = connection.execute(
            "SELECT event_id, outcome, recorded_at FROM history "  # noqa: S608 - marks only
            f"WHERE event_id IN ({marks(len(chunk))}) ORDER BY offset",
            chunk,
        )
        for event_id, outcome, recorded_at in rows:
            results.setdefault(event_id, RowResult(outcome, recorded_at))
    return results
