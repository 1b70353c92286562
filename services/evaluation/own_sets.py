"""The recipients' own sets that a compiled plan looks at, read for a whole batch in one statement."""

import sqlite3
from collections.abc import Sequence

import msgspec

from domain.event import SUPPRESSION, set_item
from domain.holder import DEFAULT_SET, tenant_set
from projections.stored_item import EMPTY, StoredItem, decode_item

_DEFAULT_ITEM = set_item(DEFAULT_SET)


class OwnSets(msgspec.Struct, gc=False):
    """What a plan needs of one recipient."""

    default: StoredItem = EMPTY
    in_tenant: StoredItem = EMPTY
    suppressed: bool = False


def own_sets(connection: sqlite3.Connection, streams: Sequence[bytes], tenant_id: str | None) -> dict[bytes, OwnSets]:
    """The own sets by stream; who has said nothing is left out."""
    tenant_item = set_item(tenant_set(tenant_id)) if tenant_id is not None else None
    # A join for each item, not one with a list of them: SQLite would search the list anew for each holder.
    rows = connection.execute(
        "SELECT h.stream, d.body, t.body, s.body FROM holders AS h "  # noqa: S608 - marks only
        "LEFT JOIN items AS d ON d.holder_id = h.id AND d.item = ? "
        "LEFT JOIN items AS t ON t.holder_id = h.id AND t.item = ? "
        f"LEFT JOIN items AS s ON s.holder_id = h.id AND s.item = ? WHERE h.stream IN ({','.join('?' * len(streams))})",
        (_DEFAULT_ITEM, tenant_item, SUPPRESSION, *streams),
    ).fetchall()
    return {
        stream: OwnSets(
            EMPTY if default is None else decode_item(default),
            EMPTY if in_tenant is None else decode_item(in_tenant),
            suppression is not None and bool(decode_item(suppression).leaves),
        )
        for stream, default, in_tenant, suppression in rows
    }
