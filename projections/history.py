"""The history view: every record of a stream, newest first, and any one event by its id."""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from heapq import merge
from itertools import islice
from typing import Any, NamedTuple, cast

import msgspec

from domain.event import SUPPRESSION, HolderForgotten, SetsAdopted, is_set_item
from domain.fold import Outcome
from domain.identifier import event_id_text
from projections.places import ID_OF_STREAM, of_stream
from projections.position import instant_text
from projections.tenant_records import tenant_number

PAGE_LIMIT = 1_000
SCAN_LIMIT = 20_000
"""Rows that a page may look at, whatever it leaves out of them: what one request may cost."""
SHOWN_OUTCOMES = (Outcome.APPLIED, Outcome.PARKED)

_OF_EVERY_SET = frozenset({HolderForgotten.__name__, SetsAdopted.__name__})
"""Types that may touch any set: without them, a set's history would not tell why it is gone or where it came from."""

NEVER_SHOWN = frozenset({"/secret_hash", "/sealed_secret"})
"""What is kept of a key's secret: enough to check it by, nothing to show anybody."""

_COLUMNS = (
    "h.offset, h.sequence, h.item, h.type, h.event_id, h.occurred_at, h.recorded_at, h.outcome, h.why, h.version, "
    "h.position, h.detail, o.name, o.forgotten_offset"
)
_FROM = "FROM history AS h LEFT JOIN holders AS o ON o.id = h.holder_id"
_OF_STREAM = f"h.holder_id = {ID_OF_STREAM} AND"

_Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class HistoryQuery:
    """Which rows of one stream, or without one of the whole ledger, to show.

    `below` is inclusive and where a page goes on; `above` is not.
    """

    stream: bytes | None
    below: int
    above: int = -1
    item: str | None = None
    path: str | None = None
    outcomes: Sequence[Outcome] = SHOWN_OUTCOMES
    limit: int = 100
    actor: str | None = None
    method: str | None = None
    member_item: str | None = None
    """With the stream of a tenant: also what its members said about this item of theirs."""


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """Rows as answers show them, and where the next page begins; None at the end."""

    entries: list[dict[str, Any]]
    next_below: int | None


class Folded(NamedTuple):
    """What the fold made of one record."""

    position: str
    outcome: str
    why: str | None
    """In one word, why it was not applied."""
    version: int | None
    """Of the item that the record is about."""


def entry_of(row: tuple[Any, ...]) -> dict[str, Any]:
    """A history row as answers show it."""
    offset, _, item, type_, event_id, occurred_at, recorded_at, outcome, why, version, position, *rest = row
    detail, name, forgotten_offset = rest
    entry: dict[str, Any] = {
        "event_id": event_id_text(event_id) if event_id is not None else None,
        "position": position,
        "type": type_,
        "holder": name,
        "set": item.removeprefix("set:") if item is not None and is_set_item(item) else None,
        "item": item,
        "actor": None,
        "method": None,
        "reason": None,
        "occurred_at": instant_text(occurred_at),
        "recorded_at": instant_text(recorded_at),
        "outcome": outcome,
        "version": version,
        "changes": [],
    }
    if why is not None:
        entry["why"] = why
    if forgotten_offset is not None and offset < forgotten_offset:
        # The holder was forgotten since: that something happened stays to be seen, what it was does not.
        entry["forgotten"] = True
        return entry
    entry |= msgspec.json.decode(detail)
    if type_ == "HolderForgotten":
        entry["changes"] = [change for change in entry["changes"] if change["item"] == SUPPRESSION]
    elif type_ == "ApiKeyIssued":
        entry["changes"] = [change for change in entry["changes"] if change["path"] not in NEVER_SHOWN]
    return entry


def page(connection: sqlite3.Connection, query: HistoryQuery) -> HistoryPage:
    """One page of history, newest first. `changes` are cut to the path asked for."""
    entries: list[dict[str, Any]] = []
    scanned, last_offset = 0, -1
    for row, asked in _rows(connection, query):
        scanned += 1
        if row[0] == last_offset:
            continue  # Of the tenant and, strangely, of a member too.
        last_offset = row[0]
        entry = _wanted_entry(row, asked)
        if entry is None:
            continue
        entries.append(entry)
        if len(entries) == query.limit:
            return HistoryPage(entries, last_offset - 1)
    return HistoryPage(entries, last_offset - 1 if scanned == SCAN_LIMIT else None)


def _rows(connection: sqlite3.Connection, query: HistoryQuery) -> Iterator[tuple[_Row, HistoryQuery]]:
    """Rows that a page looks at, newest first, `SCAN_LIMIT` at most, each with what is asked of it."""
    own = connection.execute(
        f"SELECT {_COLUMNS} {_FROM} WHERE {_OF_STREAM if query.stream is not None else ''} "
        "h.offset <= ? AND h.offset > ? ORDER BY h.offset DESC LIMIT ?",
        (*(of_stream(query.stream) if query.stream is not None else ()), query.below, query.above, SCAN_LIMIT),
    )
    asked = ((row, query) for row in own)
    if query.member_item is None or query.item not in (None, query.member_item):
        return asked
    of_members = connection.execute(
        f"SELECT {_COLUMNS} FROM tenant_records AS t CROSS JOIN history AS h ON h.offset = t.offset "  # noqa: S608
        "LEFT JOIN holders AS o ON o.id = h.holder_id "
        "WHERE t.tenant = ? AND t.offset <= ? AND t.offset > ? ORDER BY t.offset DESC LIMIT ?",
        (tenant_number(query.member_item), query.below, query.above, SCAN_LIMIT),
    )
    asked_of_members = replace(query, item=query.member_item)
    both = merge(
        asked, ((row, asked_of_members) for row in of_members), key=lambda each: cast(int, each[0][0]), reverse=True
    )
    return islice(both, SCAN_LIMIT)


def _wanted_entry(row: tuple[Any, ...], query: HistoryQuery) -> dict[str, Any] | None:
    _, _, item, type_, _, _, _, outcome, *_ = row
    if outcome not in query.outcomes or (query.item not in (None, item) and type_ not in _OF_EVERY_SET):
        return None
    entry = entry_of(row)
    if query.actor not in (None, entry["actor"]) or query.method not in (None, entry["method"]):
        return None
    adopted = query.item is not None and type_ == SetsAdopted.__name__
    if adopted:
        entry["changes"] = [change for change in entry["changes"] if change["item"] == query.item]
    if query.path is not None:
        entry["changes"] = [change for change in entry["changes"] if _under(change["path"], query.path)]
    return entry if entry["changes"] or not (adopted or query.path is not None) else None


def _under(path: str, wanted: str) -> bool:
    return path == wanted or path.startswith(wanted + "/")


def event_by_id(connection: sqlite3.Connection, event_id: bytes) -> dict[str, Any] | None:
    """The first record with this event id, as history shows it: later ones with the same id can only be duplicates."""
    row = connection.execute(
        f"SELECT {_COLUMNS} {_FROM} WHERE h.event_id = ? ORDER BY h.offset LIMIT 1",
        (event_id,),
    ).fetchone()
    return None if row is None else entry_of(row)


def earlier_event(connection: sqlite3.Connection, stream: bytes, event_id: bytes) -> tuple[dict[str, Any], bytes] | None:
    """The first record of one stream with this event id, and the fingerprint of what it said."""
    row = connection.execute(
        f"SELECT {_COLUMNS}, h.fingerprint {_FROM} "
        f"WHERE h.event_id = ? AND h.holder_id = {ID_OF_STREAM} ORDER BY h.offset LIMIT 1",
        (event_id, *of_stream(stream)),
    ).fetchone()
    return None if row is None else (entry_of(row[:-1]), row[-1])


def is_of_another_stream(connection: sqlite3.Connection, stream: bytes, event_id: bytes) -> bool:
    """Whether there are records with this event id, and none of this stream."""
    rows = connection.execute(
        "SELECT DISTINCT o.stream FROM history AS h JOIN holders AS o ON o.id = h.holder_id WHERE h.event_id = ?",
        (event_id,),
    ).fetchall()
    return bool(rows) and (stream,) not in rows


def event_at(connection: sqlite3.Connection, offset: int) -> dict[str, Any] | None:
    """The record at an offset, as history shows it."""
    row = connection.execute(
        f"SELECT {_COLUMNS} {_FROM} WHERE h.offset = ?",
        (offset,),
    ).fetchone()
    return None if row is None else entry_of(row)


def folded_at(connection: sqlite3.Connection, offset: int) -> Folded | None:
    """What became of the record at an offset; None where it is not folded yet. At a fifth of the time of `event_at`."""
    row = connection.execute("SELECT position, outcome, why, version FROM history WHERE offset = ?", (offset,)).fetchone()
    return None if row is None else Folded._make(row)


def feed(connection: sqlite3.Connection, start: int, limit: int) -> list[dict[str, Any]]:
    """Records of the whole ledger from an offset on, oldest first. Every offset has a row, so none is skipped."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} {_FROM} WHERE h.offset >= ? ORDER BY h.offset LIMIT ?",
        (start, limit),
    )
    return [entry_of(row) for row in rows]


def actor_and_method(connection: sqlite3.Connection, offset: int) -> tuple[str | None, str | None]:
    """Who said what the record at an offset says, and by which way."""
    row = connection.execute("SELECT detail FROM history WHERE offset = ?", (offset,)).fetchone()
    detail = msgspec.json.decode(row[0]) if row is not None else {}
    return detail.get("actor"), detail.get("method")


def position_at(connection: sqlite3.Connection, offset: int) -> str | None:
    """The position text of the record at an offset."""
    row = connection.execute("SELECT position FROM history WHERE offset = ?", (offset,)).fetchone()
    return None if row is None else str(row[0])


def position_and_time_at(connection: sqlite3.Connection, offset: int) -> tuple[str, int] | None:
    """The position text of the record at an offset, and when it was recorded, in Unix milliseconds."""
    row = connection.execute("SELECT position, recorded_at FROM history WHERE offset = ?", (offset,)).fetchone()
    return None if row is None else (str(row[0]), int(row[1]))


def offset_at(connection: sqlite3.Connection, recorded_at_milliseconds: int) -> int:
    """The last record that was recorded at or before an instant; -1 when there was none.

    Offsets have no holes and recorded times never go back, so some twenty point reads find it among a million.
    """
    low, high = -1, (connection.execute("SELECT max(offset) FROM history").fetchone()[0] or 0) + 1
    while high - low > 1:
        middle = (low + high) // 2
        row = connection.execute("SELECT recorded_at FROM history WHERE offset = ?", (middle,)).fetchone()
        if row is not None and row[0] <= recorded_at_milliseconds:
            low = middle
        else:
            high = middle
    return low
