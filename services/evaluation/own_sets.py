"""The recipients' own sets that a compiled plan looks at, read for a whole batch at once."""

import sqlite3
from collections.abc import Mapping, Sequence

from projections.own_items import HAS_TENANT_SETS
from projections.tenant_records import member_item

OwnRow = tuple[bytes, int, bytes | None]
"""Of one recipient: its stream, what it has beside its default set, and that set, not yet decoded."""


def own_rows(connection: sqlite3.Connection, streams: Sequence[bytes]) -> dict[bytes, OwnRow]:
    """The recipients' rows by stream; who has said nothing is left out."""
    # A power of two of streams, the last ones null: so a handful of statements serve batches of every length, and the
    # connection keeps them prepared. All that is read of a holder is in the index, and its default set has its number.
    marks = 1 << (len(streams) - 1).bit_length()
    rows = connection.execute(
        f"WITH asked (stream) AS (VALUES {','.join(['(?)'] * marks)}) "  # noqa: S608 - marks only
        "SELECT h.stream, h.own_items, d.body FROM asked "
        "CROSS JOIN holders AS h ON h.stream = asked.stream LEFT JOIN items AS d ON d.id = 2 * h.id",
        (*streams, *[None] * (marks - len(streams))),
    ).fetchall()
    return {row[0]: row for row in rows}


def sets_in_tenant(
    connection: sqlite3.Connection, rows: Mapping[bytes, OwnRow], tenant_id: str | None
) -> Mapping[bytes, bytes]:
    """What the recipients want inside the tenant, not yet decoded, by their streams."""
    if tenant_id is None:
        return {}
    asked = [stream for stream, own_items, _ in rows.values() if own_items & HAS_TENANT_SETS]
    if not asked:
        return {}
    found = connection.execute(
        "SELECT h.stream, i.body FROM holders AS h JOIN items AS i ON i.holder_id = h.id "  # noqa: S608 - marks only
        f"WHERE h.stream IN ({','.join('?' * len(asked))}) AND i.item = ?",
        (*asked, member_item(tenant_id)),
    )
    return dict(found.fetchall())
