"""What a stream held: now, or at any past record. Both answer the same questions from one read transaction."""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec

from domain.document import replayed
from projections.batch_state import SNAPSHOT_EVERY, ItemRow
from projections.history_detail import change_of
from projections.places import ID_OF_STREAM, OF_STREAM, of_stream
from projections.stored_item import EMPTY, after_event, decode_item, event_reference
from projections.tables import DEFAULT_ITEM


class State(Protocol):
    """Items of streams as they stand, or stood, at one position."""

    def item(self, stream: bytes, item: str) -> ItemRow | None:
        """One item; None where it never was. One that was taken away has no leaves."""

    def items(self, stream: bytes, prefix: str = "") -> Mapping[str, ItemRow]:
        """Every item whose name begins with `prefix`, by name."""


def _prefix_range(prefix: str) -> tuple[str, str]:
    """The bounds of all texts that begin with `prefix`, for an index."""
    return prefix, prefix + "\U0010ffff"


class PresentState:
    """The state at the checkpoint of the connection's read transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def item(self, stream: bytes, item: str) -> ItemRow | None:
        row = self._row("version, offset, body", stream, item)
        return None if row is None else ItemRow(row[0], row[1], decode_item(row[2]))

    def bytes_of(self, stream: bytes, item: str) -> int:
        """How much an item takes in the views; 0 where there is none."""
        row = self._row("length(body)", stream, item)
        return 0 if row is None else int(row[0])

    def items(self, stream: bytes, prefix: str = "") -> Mapping[str, ItemRow]:
        # Its id by itself: asked for it within the statement, SQLite would read every item of everybody.
        holder = self._connection.execute(
            f"SELECT id FROM holders WHERE {OF_STREAM}",  # noqa: S608 - a constant
            of_stream(stream),
        ).fetchone()
        if holder is None:
            return {}
        rows = self._connection.execute(
            "SELECT item, version, offset, body FROM every_item WHERE holder_id = ? AND item BETWEEN ? AND ? ORDER BY item",
            (*holder, *_prefix_range(prefix)),
        )
        return {row[0]: ItemRow(row[1], row[2], decode_item(row[3])) for row in rows}

    def _row(self, columns: str, stream: bytes, item: str) -> tuple[Any, ...] | None:
        if item == DEFAULT_ITEM:
            parameters: tuple[Any, ...] = of_stream(stream)
            rows = f"(SELECT set_version AS version, set_offset AS offset, set_body AS body FROM holders WHERE {OF_STREAM})"  # noqa: S608
            where = "body IS NOT NULL"
        else:
            parameters = (*of_stream(stream), item)
            rows, where = "items", f"holder_id = {ID_OF_STREAM} AND item = ?"
        row: tuple[Any, ...] | None = self._connection.execute(
            f"SELECT {columns} FROM {rows} WHERE {where}",  # noqa: S608 - constants
            parameters,
        ).fetchone()
        return row


@dataclass(slots=True)
class _Stream:
    """A stream's past around one offset: the snapshots before it, and the few records since."""

    holder_id: int = -1
    snapshot_offset: int = -1
    later: list[tuple[Any, ...]] = field(default_factory=list)
    hidden: bool = False


class PastState:
    """The state just after the record at `offset`. Folds at most `SNAPSHOT_EVERY` records of any stream."""

    def __init__(self, connection: sqlite3.Connection, offset: int) -> None:
        self._connection = connection
        self._offset = offset
        self._streams: dict[bytes, _Stream] = {}

    def item(self, stream: bytes, item: str) -> ItemRow | None:
        past = self._stream(stream)
        return None if past.hidden else self._item(past, item)

    def items(self, stream: bytes, prefix: str = "") -> Mapping[str, ItemRow]:
        past = self._stream(stream)
        if past.hidden:
            return {}
        names = self._connection.execute(
            "SELECT item FROM every_item WHERE holder_id = ? AND item BETWEEN ? AND ? ORDER BY item",
            (past.holder_id, *_prefix_range(prefix)),
        ).fetchall()
        found = {name: self._item(past, name) for (name,) in names}
        return {name: row for name, row in found.items() if row is not None}

    def _stream(self, stream: bytes) -> _Stream:
        past = self._streams.get(stream)
        if past is None:
            past = self._streams[stream] = self._load(stream)
        return past

    def _load(self, stream: bytes) -> _Stream:
        holder = self._connection.execute(
            f"SELECT id, forgotten_offset FROM holders WHERE {OF_STREAM}",  # noqa: S608 - a constant
            of_stream(stream),
        ).fetchone()
        if holder is None:
            return _Stream()
        if self._offset < holder[1]:
            return _Stream(hidden=True)  # The holder was forgotten since: what stood before is not shown again.
        rows = self._connection.execute(
            "SELECT offset, sequence, item, event_id, recorded_at, position, outcome, version, detail "
            "FROM history WHERE holder_id = ? AND offset <= ? ORDER BY offset DESC LIMIT ?",
            (holder[0], self._offset, SNAPSHOT_EVERY),
        ).fetchall()
        if not rows:
            return _Stream(holder[0])
        since_snapshot = rows[0][1] % SNAPSHOT_EVERY
        snapshot_offset = rows[since_snapshot][0] if since_snapshot < len(rows) else -1
        return _Stream(holder[0], snapshot_offset, rows[:since_snapshot][::-1])

    def _item(self, past: _Stream, item: str) -> ItemRow | None:
        row = self._snapshot(past, item)
        for record in past.later:
            _, _, named, event_id, recorded_at, position, outcome, version, detail = record
            if outcome != "applied" or (named is not None and named != item):
                continue
            changes = [
                change_of(shown) for shown in msgspec.json.decode(detail)["changes"] if shown.get("item", named) == item
            ]
            if named is None and not changes:
                continue
            stored = row.stored if row is not None else EMPTY
            if changes:
                reference = event_reference(event_id, position, recorded_at)
                stored = after_event(stored, replayed(stored.leaves, changes), changes, reference)
            next_version = version if named is not None else (row.version if row is not None else 0) + 1
            row = ItemRow(next_version, record[0], stored)
        return row

    def _snapshot(self, past: _Stream, item: str) -> ItemRow | None:
        if past.snapshot_offset < 0:
            return None
        row = self._connection.execute(
            "SELECT version, offset, body FROM snapshots WHERE holder_id = ? AND item = ? AND offset <= ? "
            "ORDER BY offset DESC LIMIT 1",
            (past.holder_id, item, past.snapshot_offset),
        ).fetchone()
        return None if row is None else ItemRow(row[0], row[1], decode_item(row[2]))
