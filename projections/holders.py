"""The holders view: who there is, and who made a certain choice."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from domain.holder import HolderKind
from projections.choices import rule_number
from projections.chunks import chunks, marks
from projections.places import BLOCK, OF_STREAM, first_places, of_stream
from projections.tables import DEFAULT_ITEM

PAGE_LIMIT = 1_000


def page_of_holders(connection: sqlite3.Connection, above: int, limit: int) -> list[tuple[int, str]]:
    """Holders in the order in which the ledger first heard of them: (id, name).

    One that was forgotten is left out, until something is said of it again.
    """
    return connection.execute(
        "SELECT id, name FROM holders AS h WHERE id > ? AND (forgotten_offset < 0 OR set_offset > forgotten_offset "
        "OR EXISTS (SELECT 1 FROM items AS i WHERE i.holder_id = h.id AND i.offset > h.forgotten_offset)) "
        "ORDER BY id LIMIT ?",
        (above, limit),
    ).fetchall()


def page_of_choosers(
    connection: sqlite3.Connection, item: str, path: str, value: bool, *, above: int, limit: int
) -> list[tuple[int, str, int]]:
    """Holders whose item says `value` at `path` now: (id, name, the item's version)."""
    version, body, joined, parameters = "h.set_version", "h.set_body", "", list[str]()
    if item != DEFAULT_ITEM:
        version, body, parameters = "i.version", "i.body", [item]
        joined = "JOIN items AS i ON i.holder_id = h.id AND i.item = ? "
    return connection.execute(
        f"SELECT h.id, h.name, {version} FROM choices AS c JOIN holders AS h ON h.id = c.holder_id {joined}"  # noqa: S608
        "WHERE c.rule = ? AND c.value = ? AND c.holder_id > ? AND EXISTS "
        f"(SELECT 1 FROM json_each(CAST({body} AS TEXT), '$[0]') AS leaf WHERE leaf.key = ? AND leaf.type = ?) "
        "ORDER BY c.holder_id LIMIT ?",
        (*parameters, rule_number(item, path), int(value), above, path, "true" if value else "false", limit),
    ).fetchall()


@dataclass(frozen=True, slots=True)
class Life:
    """Since when a holder is known, and when it last changed: Unix milliseconds of the records."""

    began_at_milliseconds: int
    changed_at_milliseconds: int


def life_of(connection: sqlite3.Connection, stream: bytes) -> Life | None:
    """A holder's life; None where the ledger knows nothing of it, or has forgotten it and heard nothing since."""
    began, changed = (
        connection.execute(
            "SELECT v.recorded_at FROM holders AS h JOIN history AS v ON v.holder_id = h.id "  # noqa: S608 - constants
            f"WHERE {OF_STREAM} AND v.offset > h.forgotten_offset AND v.outcome = 'applied' "
            f"ORDER BY v.offset {order} LIMIT 1",
            of_stream(stream),
        ).fetchone()
        for order in ("ASC", "DESC")
    )
    return None if began is None or changed is None else Life(began[0], changed[0])


def forgotten_since(connection: sqlite3.Connection, streams: Sequence[bytes], offset: int) -> set[bytes]:
    """Those of these streams whose holder was forgotten by a record after this one."""
    forgotten: set[bytes] = set()
    for asked in chunks(streams):
        rows = connection.execute(
            f"WITH asked (first, stream) AS (VALUES {marks(len(asked), '(?,?)')}) "  # noqa: S608 - marks only
            "SELECT h.stream FROM asked CROSS JOIN holders AS h ON h.place BETWEEN asked.first AND asked.first + ? "
            "AND h.stream = asked.stream WHERE h.forgotten_offset > ?",
            (*chain.from_iterable(zip(first_places(asked), asked, strict=True)), BLOCK - 1, offset),
        )
        forgotten.update(stream for (stream,) in rows)
    return forgotten


_ALIVE = (
    "EXISTS (SELECT 1 FROM history AS v WHERE v.holder_id = h.id AND v.offset > h.forgotten_offset "
    "AND v.outcome = 'applied')"
)


def page_of_kind(
    connection: sqlite3.Connection, kind: HolderKind, beyond: int | None, limit: int, *, newest_first: bool = False
) -> list[tuple[int, str]]:
    """Living holders of one kind in the order in which the ledger heard of them, beyond an id: (id, name)."""
    comparison, order = ("<", "DESC") if newest_first else (">", "ASC")
    return connection.execute(
        "SELECT h.id, h.name FROM holders AS h "  # noqa: S608 - constants
        f"WHERE h.kind = ? AND (? IS NULL OR h.id {comparison} ?) AND {_ALIVE} ORDER BY h.id {order} LIMIT ?",
        (kind.value, beyond, beyond, limit),
    ).fetchall()


def page_of_objects(
    connection: sqlite3.Connection, prefix: str, beyond: str, limit: int, *, backwards: bool = False
) -> list[str]:
    """Living objects whose name begins with `prefix`, in the order of their names, beyond one: their names."""
    bound, order = ("<", "DESC") if backwards else (">", "ASC")
    rows = connection.execute(
        "SELECT h.name FROM holders AS h "  # noqa: S608 - constants
        f"WHERE h.kind = 'object' AND h.name >= ? AND h.name < ? AND h.name {bound} ? AND {_ALIVE} "
        f"ORDER BY h.name {order} LIMIT ?",
        (prefix, prefix + "\U0010ffff", beyond, limit),
    )
    return [name for (name,) in rows]


def counts(connection: sqlite3.Connection) -> dict[str, Any]:
    """How much there is, for people: the highest ids, which cost nothing to read."""
    row = connection.execute("SELECT (SELECT max(id) FROM holders), (SELECT max(offset) FROM history)").fetchone()
    return {"holders": row[0] or 0, "records": (row[1] + 1) if row[1] is not None else 0}
