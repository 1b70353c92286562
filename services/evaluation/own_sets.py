"""The recipients' own sets that a compiled plan looks at, read for a whole batch in one statement."""

import sqlite3
from collections.abc import Sequence

from domain.event import set_item
from domain.holder import tenant_set

OwnSets = tuple[bytes, bytes | None, bytes | None, bytes | None]
"""What a plan needs of one recipient, not yet decoded: stream, default set, set in the tenant, suppression."""


def own_sets(connection: sqlite3.Connection, streams: Sequence[bytes], tenant_id: str | None) -> dict[bytes, OwnSets]:
    """The own sets by stream; who has said nothing is left out."""
    tenant_item = set_item(tenant_set(tenant_id)) if tenant_id is not None else None
    # The default set and the suppression by their numbers (`NUMBERED_ITEMS`), what is said in the tenant by its name.
    rows = connection.execute(
        "SELECT h.stream, d.body, t.body, s.body FROM holders AS h "  # noqa: S608 - marks only
        "LEFT JOIN items AS d ON d.id = 2 * h.id "
        "LEFT JOIN items AS t ON t.holder_id = h.id AND t.item = ? "
        f"LEFT JOIN items AS s ON s.id = 2 * h.id + 1 WHERE h.stream IN ({','.join('?' * len(streams))})",
        (tenant_item, *streams),
    ).fetchall()
    return {row[0]: row for row in rows}
