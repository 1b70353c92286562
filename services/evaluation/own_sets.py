"""The recipients' own sets that a compiled plan looks at, read for a whole batch at once."""

import sqlite3
from collections.abc import Mapping, Sequence

from projections.chunks import marks
from projections.own_items import HAS_TENANT_SETS
from projections.places import ID_OF_STREAM, OF_STREAM, first_places, of_stream
from projections.tenant_records import member_item

OwnRow = tuple[bytes, int, bytes | None]
"""Of one recipient: its stream, what it has beside a usual default set, and that set, not yet decoded."""

NOTHING: OwnRow = (b"", 0, None)
"""Of one that the ledger never heard of."""

_COLUMNS = "h.stream, h.own_items, h.set_body"


def own_rows(connection: sqlite3.Connection, streams: list[bytes]) -> list[OwnRow]:
    """The recipients' rows, in their order."""
    # A power of two of places, the last ones null: so a handful of statements serve batches of every length, and the
    # connection keeps them prepared.
    count = 1 << (len(streams) - 1).bit_length()
    places = first_places(streams)
    rows = connection.execute(
        f"WITH asked (place) AS (VALUES {marks(count, '(?)')}) "  # noqa: S608 - marks only
        f"SELECT {_COLUMNS} FROM asked CROSS JOIN holders AS h ON h.place = asked.place",
        (*places, *[None] * (count - len(streams))),
    ).fetchall()
    if [row[0] for row in rows] == streams:
        return rows  # As nearly always: everybody is known, and stands at the first place.
    row_of: dict[bytes, OwnRow] = {row[0]: row for row in rows}
    found = [row_of.get(stream, NOTHING) for stream in streams]
    if NOTHING in found:
        _look_further(connection, found, streams, places, taken=frozenset(first_places(row_of)))
    return found


def _look_further(
    connection: sqlite3.Connection,
    found: list[OwnRow],
    streams: Sequence[bytes],
    places: Sequence[int],
    *,
    taken: frozenset[int],
) -> None:
    """Who was not found, but whose first place another has, may stand at a later one."""
    for at, row in enumerate(found):
        if row is NOTHING and places[at] in taken:
            statement = f"SELECT {_COLUMNS} FROM holders AS h WHERE {OF_STREAM}"  # noqa: S608 - constants
            found[at] = connection.execute(statement, of_stream(streams[at])).fetchone() or NOTHING


def sets_in_tenant(connection: sqlite3.Connection, rows: Sequence[OwnRow], tenant_id: str | None) -> Mapping[bytes, bytes]:
    """What the recipients want inside the tenant, not yet decoded, by their streams."""
    if tenant_id is None:
        return {}
    item = member_item(tenant_id)
    statement = f"SELECT body FROM items WHERE holder_id = {ID_OF_STREAM} AND item = ?"  # noqa: S608 - constants
    found: dict[bytes, bytes] = {}
    for stream in {row[0] for row in rows if row[1] & HAS_TENANT_SETS}:
        row = connection.execute(statement, (*of_stream(stream), item)).fetchone()
        if row is not None:
            found[stream] = row[0]
    return found
