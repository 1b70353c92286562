"""The projector's side of a views file: what a batch needs is read, and what it came to is written, in whole batches.

Plain calls on one connection, made from the one thread that owns it: a batch is a dozen statements, and a hop between
threads for each would cost more than the statements.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from domain.fold import EVENT_ID_REUSED, touches_every_item
from projections import tables
from projections.batch_state import (
    SNAPSHOT_EVERY,
    BatchState,
    Decoded,
    EarlierEvent,
    HolderRow,
    ItemRow,
    Parked,
    Writes,
)
from projections.checkpoint import Checkpoint
from projections.chunks import chunks, marks
from projections.places import STREAM_BYTES, first_places, of_stream
from projections.stored_item import decode_item

_StoredSet = tuple[int, int, bytes]
"""A default set not yet decoded: version, offset, body."""

_HOLDERS = (
    "SELECT place, stream, own_items, id, name, kind, sequence, snapshot_offset, forgotten_offset, set_version, set_offset, "
    "set_body FROM holders WHERE"
)


class CheckpointMoved(Exception):
    """Another writer moved the checkpoint: this one must stop at once."""


def read_checkpoint(connection: sqlite3.Connection) -> Checkpoint | None:
    """How far the file has come; None for a file that no record has reached yet."""
    row = connection.execute(tables.READ_CHECKPOINT).fetchone()
    return None if row is None else Checkpoint.from_row(row)


def load_batch(connection: sqlite3.Connection, records: Sequence[Decoded], checkpoint: Checkpoint | None) -> BatchState:
    """Everything that folding these records reads."""
    highest = connection.execute("SELECT max(id) FROM holders").fetchone()[0] or 0
    state = BatchState(checkpoint, next_holder_id=highest + 1)
    if checkpoint is not None:
        default_sets = _load_holders(connection, state, records)
        if state.holders:
            _load_items(connection, state, records, default_sets)
            _load_earlier(connection, state, records)
    return state


def write_batch(connection: sqlite3.Connection, writes: Writes) -> None:
    """One transaction. Raises CheckpointMoved, with nothing written, when the file is not where it was read at."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        _move_checkpoint(connection, writes)
        for statement, rows in (
            (tables.PUT_HOLDER, _of_holders(writes)),
            (tables.PUT_ITEM, [row for row in writes.items if row[1] != tables.DEFAULT_ITEM]),
            (tables.ADD_HISTORY, writes.history),
            (tables.ADD_SNAPSHOT, writes.snapshots),
            (tables.REMOVE_CHOICE, writes.choices_removed),
            (tables.ADD_CHOICE, writes.choices_added),
            (tables.ADD_TENANT_RECORD, writes.tenant_records),
        ):
            if rows:
                connection.executemany(statement, rows)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def tidy_up(connection: sqlite3.Connection) -> bool:
    """Checkpoint SQLite's write-ahead log as far as open reads allow, and never wait for them; whether that was all of it.

    Only a log that was copied wholly is begun anew, at the next write of which no read still looks into it.
    """
    busy, in_log, copied = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    return not busy and bool(in_log == copied)


def _move_checkpoint(connection: sqlite3.Connection, writes: Writes) -> None:
    after = writes.checkpoint
    moved = (
        after.next_offset,
        after.position,
        after.record_hash,
        after.recorded_at_milliseconds,
        after.environment_offset,
    )
    if writes.expected_offset == 0:
        identity = (after.ledger_id, after.generation, after.secret_check, after.sealed, after.fold_version)
        cursor = connection.execute(tables.OPEN_CHECKPOINT, (*moved, *identity))
    else:
        cursor = connection.execute(tables.MOVE_CHECKPOINT, (*moved, after.sealed, writes.expected_offset))
    if cursor.rowcount != 1:
        raise CheckpointMoved(
            f"the views no longer stand at record {writes.expected_offset}: another process writes them; stop one of the two"
        )


def _of_holders(writes: Writes) -> list[tuple[Any, ...]]:
    """The rows of holders, with their default sets where these were touched, in the order of their places."""
    default_sets = {row[0]: row[2:] for row in writes.items if row[1] == tables.DEFAULT_ITEM}
    return [row + default_sets.get(row[3], (None, None, None)) for row in sorted(writes.holders)]


def _load_holders(connection: sqlite3.Connection, state: BatchState, records: Sequence[Decoded]) -> Mapping[int, _StoredSet]:
    """The batch's holders that are known, and their default sets."""
    streams = list({decoded.record.key for decoded in records if len(decoded.record.key) == STREAM_BYTES})
    default_sets: dict[int, _StoredSet] = {}
    for chunk in chunks(streams):
        first = first_places(chunk)
        rows = connection.execute(f"{_HOLDERS} place IN ({marks(len(chunk))})", first).fetchall()
        at_place = {row[0]: row for row in rows}
        for stream, place in zip(chunk, first, strict=True):
            row = at_place.get(place)
            if row is None:
                continue
            if row[1] != stream:
                row = _elsewhere(connection, state, stream)
            if row is not None:
                state.put_holder(HolderRow(*row[:9]))
                if row[11] is not None:
                    default_sets[row[3]] = row[9:]
    return default_sets


def _elsewhere(connection: sqlite3.Connection, state: BatchState, stream: bytes) -> tuple[Any, ...] | None:
    """The row of a stream that is not at the first place of its block."""
    first, last, _ = of_stream(stream)
    found: tuple[Any, ...] | None = None
    for row in connection.execute(f"{_HOLDERS} place BETWEEN ? AND ?", (first, last)):
        state.places.add(row[0])
        if row[1] == stream:
            found = row
    return found


def _load_items(
    connection: sqlite3.Connection,
    state: BatchState,
    records: Sequence[Decoded],
    default_sets: Mapping[int, _StoredSet],
) -> None:
    keys, whole = _wanted_items(state, records)
    for holder_id in {*whole, *(holder_id for holder_id, item in keys if item == tables.DEFAULT_ITEM)} & default_sets.keys():
        version, offset, body = default_sets[holder_id]
        state.put_item(holder_id, tables.DEFAULT_ITEM, ItemRow(version, offset, decode_item(body)))
    for chunk in chunks([key for key in keys if key[1] != tables.DEFAULT_ITEM]):
        # CROSS JOIN fixes the order: one index look-up for each wanted pair.
        statement = (
            f"WITH wanted(holder_id, item) AS (VALUES {marks(len(chunk), '(?,?)')}) "  # noqa: S608 - marks only
            "SELECT i.holder_id, i.item, i.version, i.offset, i.body FROM wanted CROSS JOIN items AS i "
            "ON i.holder_id = wanted.holder_id AND i.item = wanted.item"
        )
        _put_items(connection, state, statement, [value for key in chunk for value in key])
    for holder_ids in chunks(whole):
        statement = (
            "SELECT holder_id, item, version, offset, body FROM items "  # noqa: S608 - marks only
            f"WHERE holder_id IN ({marks(len(holder_ids))})"
        )
        _put_items(connection, state, statement, holder_ids)


def _put_items(connection: sqlite3.Connection, state: BatchState, statement: str, parameters: Sequence[Any]) -> None:
    for holder_id, item, version, offset, body in connection.execute(statement, parameters):
        state.put_item(holder_id, item, ItemRow(version, offset, decode_item(body)))


def _load_earlier(connection: sqlite3.Connection, state: BatchState, records: Sequence[Decoded]) -> None:
    event_ids = list({decoded.event.event_id for decoded in records if not isinstance(decoded.event, Parked)})
    for chunk in chunks(event_ids):
        # In the order of the log, so that the latest record with an id is the one that stays.
        for holder_id, event_id, fingerprint, recorded_at, sequence in connection.execute(
            "SELECT holder_id, event_id, fingerprint, recorded_at, sequence FROM history "  # noqa: S608 - marks only
            f"WHERE event_id IN ({marks(len(chunk))}) AND why IS NOT ? ORDER BY offset",
            (*chunk, EVENT_ID_REUSED),
        ):
            state.earlier[holder_id, event_id] = EarlierEvent(fingerprint, recorded_at, sequence)


def _wanted_items(state: BatchState, records: Sequence[Decoded]) -> tuple[list[tuple[int, str]], list[int]]:
    """The items that the batch touches, and the holders of which it needs every item."""
    keys: set[tuple[int, str]] = set()
    counts: dict[int, int] = {}
    whole: set[int] = set()
    for decoded in records:
        holder = state.holders.get(decoded.record.key)
        if holder is None:
            continue
        counts[holder.id] = counts.get(holder.id, 0) + 1
        if holder.sequence % SNAPSHOT_EVERY + counts[holder.id] >= SNAPSHOT_EVERY:
            whole.add(holder.id)
        if isinstance(decoded.event, Parked):
            continue
        item = decoded.event.item
        if item is not None:
            keys.add((holder.id, item))
        elif touches_every_item(decoded.event.body):
            whole.add(holder.id)
    return [key for key in keys if key[0] not in whole], list(whole)
