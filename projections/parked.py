"""Parked records: which there are, what became of each, and what their streams were told since."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

import msgspec

from domain.document import Change
from domain.event import HolderForgotten, SetsAdopted
from projections.history_detail import change_of
from projections.places import ID_OF_STREAM, OF_STREAM, of_stream
from projections.position import instant_text
from projections.stored_item import StoredItem, decode_item

PAGE_LIMIT = 1_000
SCAN_LIMIT = 20_000
"""Rows that a page may look at, whatever it leaves out of them: what one request may cost."""
COUNTED_AT_ONCE = 2_000

_NOT_ITS_HOLDERS: Final = "only the environment can say what this event says, and another holder says it"


class ParkedState(StrEnum):
    """What became of a parked record."""

    OPEN = "open"
    REPLAYED = "replayed"
    DISCARDED = "discarded"


@dataclass(frozen=True, slots=True)
class ParkedRecord:
    """A parked record, and the act upon it if there is one. Times are Unix milliseconds."""

    offset: int
    position: str
    recorded_at_milliseconds: int
    why: str
    sentence: str
    holder: str | None
    is_forgotten: bool
    """Whether its stream's holder was forgotten since: what it said is not to be shown."""
    state: ParkedState
    act: StoredItem | None
    """What the environment's stream keeps of the last act. An open record has one if a replay began and did not end."""
    act_version: int


@dataclass(frozen=True, slots=True)
class ParkedQuery:
    """Which parked records. `start` is inclusive and where a page begins."""

    start: int
    oldest_first: bool = False
    state: ParkedState | None = None
    limit: int = 100


@dataclass(frozen=True, slots=True)
class ParkedPage:
    """Records, and where the next page begins; None at the end."""

    records: list[ParkedRecord]
    next_start: int | None


@dataclass(frozen=True, slots=True)
class OpenRecords:
    """The open records of a stretch of the log, and when the oldest of them was recorded."""

    count: int = 0
    begun: int = 0
    """Those of them of which a replay began and has not come to its end."""
    oldest_offset: int | None = None
    oldest_recorded_at_milliseconds: int | None = None
    next_start: int | None = None
    """Where the next stretch begins; None where the log ends."""


@dataclass(frozen=True, slots=True)
class LaterRecord:
    """A record that was applied to some of a stream's items; without an item, to any number of them."""

    offset: int
    item: str | None
    shown_changes: list[dict[str, Any]]

    def changes_of(self, item: str) -> tuple[Change, ...]:
        """What it changed in one item."""
        return tuple(change_of(shown) for shown in self.shown_changes if shown.get("item", self.item) == item)


# What a replay promised counts only once its event is there: the node that began it may have died in between.
_COLUMNS = (
    "h.offset, h.position, h.recorded_at, h.why, h.detail, o.name, o.forgotten_offset, i.body, i.version, "
    "EXISTS (SELECT 1 FROM history AS e WHERE e.event_id = event_in_place(i.body) AND e.outcome = 'applied')"
)
_FROM = (
    "FROM history AS h LEFT JOIN holders AS o ON o.id = h.holder_id LEFT JOIN items AS i "
    f"ON i.holder_id = {ID_OF_STREAM} AND i.item = 'parked:' || h.offset"
)
_PARKED = "h.outcome = 'parked'"


def page(connection: sqlite3.Connection, environment_stream: bytes, query: ParkedQuery) -> ParkedPage:
    """One page of parked records, newest first if not told otherwise."""
    comparison, order, step = (">=", "ASC", 1) if query.oldest_first else ("<=", "DESC", -1)
    rows = _asked(
        connection,
        f"SELECT {_COLUMNS} {_FROM} WHERE {_PARKED} AND h.offset {comparison} ? ORDER BY h.offset {order} LIMIT ?",
        (*of_stream(environment_stream), query.start, SCAN_LIMIT),
    )
    records: list[ParkedRecord] = []
    scanned, last = 0, 0
    for row in rows:
        scanned, last = scanned + 1, row[0]
        record = _record(row)
        if query.state in (None, record.state):
            records.append(record)
        if len(records) == query.limit:
            return ParkedPage(records, max(0, last + step))
    return ParkedPage(records, max(0, last + step) if scanned == SCAN_LIMIT else None)


def parked_at(connection: sqlite3.Connection, environment_stream: bytes, offset: int) -> ParkedRecord | None:
    """The parked record at an offset; None where the record there is not parked."""
    statement = f"SELECT {_COLUMNS} {_FROM} WHERE {_PARKED} AND h.offset = ?"
    row = _asked(connection, statement, (*of_stream(environment_stream), offset)).fetchone()
    return None if row is None else _record(row)


def newest_parked(connection: sqlite3.Connection) -> int:
    """The offset of the last parked record; -1 where there is none. One step in an index."""
    row = connection.execute(f"SELECT max(h.offset) FROM history AS h WHERE {_PARKED}").fetchone()  # noqa: S608
    return -1 if row[0] is None else int(row[0])


def open_records(connection: sqlite3.Connection, environment_stream: bytes, start: int) -> OpenRecords:
    """The open ones among COUNTED_AT_ONCE parked records from `start` on."""
    rows = _asked(
        connection,
        f"SELECT {_COLUMNS} {_FROM} WHERE {_PARKED} AND h.offset >= ? ORDER BY h.offset LIMIT ?",
        (*of_stream(environment_stream), start, COUNTED_AT_ONCE),
    )
    records = [_record(row) for row in rows]
    waiting = [record for record in records if record.state is ParkedState.OPEN]
    return OpenRecords(
        count=len(waiting),
        begun=sum(record.act is not None for record in waiting),
        oldest_offset=waiting[0].offset if waiting else None,
        oldest_recorded_at_milliseconds=waiting[0].recorded_at_milliseconds if waiting else None,
        next_start=records[-1].offset + 1 if len(records) == COUNTED_AT_ONCE else None,
    )


def records_since(connection: sqlite3.Connection, stream: bytes, offset: int, limit: int) -> list[LaterRecord]:
    """What was applied to a stream's items after a record, in order; at most `limit` of them."""
    rows = connection.execute(
        f"SELECT offset, item, detail FROM history WHERE holder_id = {ID_OF_STREAM} "  # noqa: S608 - a constant
        "AND offset > ? AND outcome = 'applied' AND (item IS NOT NULL OR type IN (?, ?)) ORDER BY offset LIMIT ?",
        (*of_stream(stream), offset, HolderForgotten.__name__, SetsAdopted.__name__, limit),
    )
    return [LaterRecord(at, item, msgspec.json.decode(detail)["changes"]) for at, item, detail in rows]


def was_forgotten_since(connection: sqlite3.Connection, stream: bytes, offset: int) -> bool:
    """Whether a stream's holder was forgotten after a record."""
    row = connection.execute(
        f"SELECT forgotten_offset FROM holders WHERE {OF_STREAM}",  # noqa: S608 - a constant
        of_stream(stream),
    ).fetchone()
    return row is not None and row[0] > offset


def _asked(connection: sqlite3.Connection, statement: str, parameters: Sequence[Any]) -> sqlite3.Cursor:
    connection.create_function("event_in_place", 1, _event_in_place, deterministic=True)
    return connection.execute(statement, parameters)


def _event_in_place(body: bytes | None) -> bytes | None:
    """The id of the event that took a record's place, as its act says."""
    event_id = decode_item(body).leaves.get("/event_id") if body is not None else None
    return UUID(event_id).bytes if event_id is not None else None


def _record(row: tuple[Any, ...]) -> ParkedRecord:
    offset, position, recorded_at, why, detail, holder, forgotten_offset, body, version, is_in_place = row
    act = decode_item(body) if body is not None else None
    state = ParkedState.OPEN
    if act is not None and act.leaves["/state"] == ParkedState.DISCARDED:
        state = ParkedState.DISCARDED
    elif is_in_place:
        state = ParkedState.REPLAYED
    return ParkedRecord(
        offset=offset,
        position=position,
        recorded_at_milliseconds=recorded_at,
        why=why,
        sentence=msgspec.json.decode(detail).get("sentence", _NOT_ITS_HOLDERS),
        holder=holder,
        is_forgotten=forgotten_offset is not None and offset < forgotten_offset,
        state=state,
        act=act,
        act_version=version or 0,
    )


def shown(record: ParkedRecord) -> dict[str, Any]:
    """A parked record as answers show it."""
    entry: dict[str, Any] = {
        "offset": record.offset,
        "position": record.position,
        "recorded_at": instant_text(record.recorded_at_milliseconds),
        "why": record.why,
        "sentence": record.sentence,
        "holder": record.holder,
        "state": record.state.value,
    }
    return entry | _act_shown(record) if record.act is not None else entry


def _act_shown(record: ParkedRecord) -> dict[str, Any]:
    act = record.act
    if act is None:
        return {}
    _, position, recorded_at = act.events[0]
    told = {"position": position, "recorded_at": recorded_at}
    if record.state is ParkedState.OPEN:
        return {"replay_begun": told}
    names = {"/reason": "reason", "/event_id": "event_id", "/superseded": "superseded"}
    return {"settled": told | {name: act.leaves[path] for path, name in names.items() if path in act.leaves}}
