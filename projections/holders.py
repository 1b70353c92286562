"""The holders view: who there is, and who made a certain choice."""

import sqlite3
from typing import Any

from projections.choices import rule_number

PAGE_LIMIT = 1_000


def page_of_holders(connection: sqlite3.Connection, above: int, limit: int) -> list[tuple[int, str]]:
    """Holders in the order in which the ledger first heard of them: (row id, name).

    One that was forgotten is left out, until something is said of it again.
    """
    return connection.execute(
        "SELECT id, name FROM holders AS h WHERE id > ? AND (forgotten_offset < 0 OR EXISTS "
        "(SELECT 1 FROM items AS i WHERE i.holder_id = h.id AND i.offset > h.forgotten_offset)) ORDER BY id LIMIT ?",
        (above, limit),
    ).fetchall()


def page_of_choosers(
    connection: sqlite3.Connection, item: str, path: str, value: bool, *, above: int, limit: int
) -> list[tuple[int, str, int]]:
    """Holders whose item says `value` at `path` now: (row id, name, the item's version)."""
    return connection.execute(
        "SELECT h.id, h.name, i.version FROM choices AS c JOIN holders AS h ON h.id = c.holder_id "
        "JOIN items AS i ON i.holder_id = h.id AND i.item = ? "
        "WHERE c.rule = ? AND c.value = ? AND c.holder_id > ? AND EXISTS "
        "(SELECT 1 FROM json_each(CAST(i.body AS TEXT), '$[0]') AS leaf WHERE leaf.key = ? AND leaf.type = ?) "
        "ORDER BY c.holder_id LIMIT ?",
        (item, rule_number(item, path), int(value), above, path, "true" if value else "false", limit),
    ).fetchall()


def counts(connection: sqlite3.Connection) -> dict[str, Any]:
    """How much there is, for people: the highest ids, which cost nothing to read."""
    row = connection.execute("SELECT (SELECT max(id) FROM holders), (SELECT max(offset) FROM history)").fetchone()
    return {"holders": row[0] or 0, "records": (row[1] + 1) if row[1] is not None else 0}
