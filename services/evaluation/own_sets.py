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
    tenant_item = set_item(tenant_set(tenant_id)) if tenant_id is not None else _DEFAULT_ITEM
    marks = ",".join("?" * len(streams))
    rows = connection.execute(
        "SELECT h.stream, i.item, i.body FROM holders AS h CROSS JOIN items AS i ON i.holder_id = h.id "  # noqa: S608
        f"AND i.item IN (?, ?, ?) WHERE h.stream IN ({marks})",
        (_DEFAULT_ITEM, tenant_item, SUPPRESSION, *streams),
    )
    found: dict[bytes, OwnSets] = {}
    for stream, item, body in rows:
        own = found.get(stream)
        if own is None:
            own = found[stream] = OwnSets()
        if item == _DEFAULT_ITEM:
            own.default = decode_item(body)
        elif item == SUPPRESSION:
            own.suppressed = bool(decode_item(body).leaves)
        else:
            own.in_tenant = decode_item(body)
    return found
