"""The first difference between two views files at the same record: one that serves, one made anew from the log."""

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import msgspec

from projections.history import NEVER_SHOWN
from projections.stored_item import StoredItem, decode_item, source_of
from projections.tables import DEFAULT_ITEM

ROWS_BETWEEN_CHECKS = 4_096
TEXT_SHOWN_MAX = 1_000
NOT_SHOWN = "not shown"
"""In place of secrets, and of what a forgotten holder said."""


class Stopped(Exception):
    """The comparison was told to stop."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What the live views and the log say of the same thing. A side that says nothing has no `live` or `log`."""

    view: str
    holder: str | None
    item: str | None
    offset: int | None
    path: str | None
    column: str | None
    sides: dict[str, Any]


class _View(NamedTuple):
    """One table, read in the order of a key that is the same in every file made from the log."""

    name: str
    select: str
    columns: tuple[str, ...]
    key: int
    """How many of the first columns make up the key."""


_VIEWS: Final = (
    # History comes first: its first difference is the record from which on everything else may differ.
    _View(
        "history",
        "SELECT h.offset, o.name, h.item, h.sequence, h.type, hex(h.event_id), hex(h.fingerprint), h.occurred_at, "
        "h.recorded_at, h.outcome, h.why, h.version, h.position, h.detail, o.forgotten_offset FROM history AS h "
        "LEFT JOIN holders AS o ON o.id = h.holder_id ORDER BY h.offset",
        ("offset", "holder", "item", "sequence", "type", "event_id", "fingerprint", "occurred_at", "recorded_at", "outcome",
         "why", "version", "position", "detail"),
        1,
    ),
    _View(
        "holders",
        "SELECT place, hex(stream), name, kind, sequence, snapshot_offset, forgotten_offset, own_items, forgotten_offset "
        "FROM holders ORDER BY place",
        ("place", "stream", "holder", "kind", "sequence", "snapshot_offset", "forgotten_offset", "own_items"),
        1,
    ),
    _View(
        "items",
        f"SELECT place, '{DEFAULT_ITEM}', name, set_version, set_offset, set_body, forgotten_offset FROM holders "  # noqa: S608
        "WHERE set_body IS NOT NULL ORDER BY place",
        ("place", "item", "holder", "version", "offset", "body"),
        1,
    ),
    _View(
        "items",
        "SELECT h.place, i.item, h.name, i.version, i.offset, i.body, h.forgotten_offset FROM holders AS h "
        "CROSS JOIN items AS i ON i.holder_id = h.id ORDER BY h.place, i.item",
        ("place", "item", "holder", "version", "offset", "body"),
        2,
    ),
    _View(
        "snapshots",
        "SELECT h.place, s.item, s.offset, h.name, s.version, s.body, h.forgotten_offset FROM holders AS h "
        "CROSS JOIN snapshots AS s ON s.holder_id = h.id ORDER BY h.place, s.item, s.offset",
        ("place", "item", "offset", "holder", "version", "body"),
        3,
    ),
    _View(
        "choices",
        "SELECT c.rule, c.value, hex(h.stream), h.name, h.forgotten_offset FROM choices AS c "
        "JOIN holders AS h ON h.id = c.holder_id ORDER BY c.rule, c.value, h.stream",
        ("rule", "value", "stream", "holder"),
        3,
    ),
    _View(
        "tenant_records",
        "SELECT tenant, offset, -1 FROM tenant_records ORDER BY tenant, offset",
        ("tenant", "offset"),
        2,
    ),
    _View(
        "checkpoint",
        "SELECT next_offset, position, hex(record_hash), recorded_at, environment_offset, ledger_id, generation, "
        "hex(secret_check), sealed, fold_version, -1 FROM checkpoint",
        ("next_offset", "position", "record_hash", "recorded_at", "environment_offset", "ledger_id", "generation",
         "secret_check", "sealed", "fold_version"),
        0,
    ),
)  # fmt: skip

_Row = tuple[Any, ...]


def first_difference(
    live: sqlite3.Connection, log: sqlite3.Connection, is_stopped: Callable[[], bool] = lambda: False
) -> Difference | None:
    """The first row that both do not have alike; None where every row is alike. Reads both files whole.

    Both must be inside a read transaction, and at the same record. Ids and SQLite's own layout play no part.
    Raises Stopped.
    """
    for view in _VIEWS:
        for of_live, of_log in _pairs(live.execute(view.select), log.execute(view.select), view.key, is_stopped):
            if of_live is None or of_log is None:
                return _lone(view, of_live, of_log)
            if of_live != of_log and (found := _difference(view, of_live, of_log)) is not None:
                return found
    return None


def _pairs(
    live: Iterator[_Row], log: Iterator[_Row], key: int, is_stopped: Callable[[], bool]
) -> Iterator[tuple[_Row | None, _Row | None]]:
    """Rows of both sides with the same key, in the order of the keys; None where a side has none."""
    ours, theirs = next(live, None), next(log, None)
    read = 0
    while ours is not None or theirs is not None:
        read += 1
        if read % ROWS_BETWEEN_CHECKS == 0 and is_stopped():
            raise Stopped
        if theirs is None or (ours is not None and ours[:key] < theirs[:key]):
            yield ours, None
            ours = next(live, None)
        elif ours is None or theirs[:key] < ours[:key]:
            yield None, theirs
            theirs = next(log, None)
        else:
            yield ours, theirs
            ours, theirs = next(live, None), next(log, None)


def _lone(view: _View, of_live: _Row | None, of_log: _Row | None) -> Difference:
    row = of_live or of_log or ()
    side = "live" if of_live is not None else "log"
    return _at(
        view, row, None, None, {side: NOT_SHOWN if "body" in view.columns or view.name == "history" else _told(view, row)}
    )


def _told(view: _View, row: _Row) -> dict[str, Any]:
    return {name: _shown(value) for name, value in zip(view.columns, row, strict=False) if name != "place"}


def _difference(view: _View, of_live: _Row, of_log: _Row) -> Difference | None:
    """The first column that differs; None where only what has no meaning does."""
    for number, column in enumerate(view.columns):
        live, log = of_live[number], of_log[number]
        if live == log:
            continue
        if column != "body":
            hidden = column == "detail" and _is_hidden(view, of_live, of_log)
            sides = {"live": NOT_SHOWN, "log": NOT_SHOWN} if hidden else {"live": _shown(live), "log": _shown(log)}
            return _at(view, of_log, None, column, sides)
        found = _leaf_difference(view, of_live, of_log, number)
        if found is not None:
            return found
    return None


def _is_hidden(view: _View, *rows: _Row) -> bool:
    """Whether a holder was forgotten since the row's record, or the record holds a key's secret."""
    columns = view.columns
    issued = "type" in columns and any(row[columns.index("type")] == "ApiKeyIssued" for row in rows)
    return issued or any(row[columns.index("offset")] < (row[-1] if row[-1] is not None else -1) for row in rows)


def _leaf_difference(view: _View, of_live: _Row, of_log: _Row, number: int) -> Difference | None:
    """What two items say differently: a leaf's value, or the event that it comes from."""
    log = decode_item(of_log[number])
    try:
        live = decode_item(of_live[number])
    except (msgspec.DecodeError, TypeError):
        return _at(view, of_log, None, "body", {"live": "can't be read", "log": NOT_SHOWN})
    hidden = _is_hidden(view, of_live, of_log)
    for path in sorted({*live.leaves, *log.leaves}):
        sides = {"live": _leaf(live, path), "log": _leaf(log, path)}
        # Compared as JSON: true is not 1.
        if msgspec.json.encode(sides["live"]) != msgspec.json.encode(sides["log"]):
            secret = hidden or path in NEVER_SHOWN
            shown = {side: NOT_SHOWN if secret else _shown(value) for side, value in sides.items() if value is not None}
            return _at(view, of_log, path, "body", shown)
    return None


def _leaf(stored: StoredItem, path: str) -> dict[str, Any] | None:
    if path not in stored.leaves:
        return None
    try:
        event_id, position, recorded_at = source_of(stored, path)
    except LookupError:
        return {"value": stored.leaves[path]}
    return {"value": stored.leaves[path], "event_id": event_id, "position": position, "recorded_at": recorded_at}


def _shown(value: Any) -> Any:
    """A value that fits in an answer."""
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    if isinstance(value, str) and len(value) > TEXT_SHOWN_MAX:
        return value[:TEXT_SHOWN_MAX] + "..."
    return value


def _at(view: _View, row: _Row, path: str | None, column: str | None, sides: dict[str, Any]) -> Difference:
    named = dict(zip(view.columns, row, strict=False))
    return Difference(view.name, named.get("holder"), named.get("item"), named.get("offset"), path, column, sides)
