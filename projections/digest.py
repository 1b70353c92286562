"""A digest of what a views file says, in whatever order it came to say it: to compare a rebuilt file with a live one."""

import hashlib
import sqlite3
from dataclasses import astuple, dataclass

import msgspec

from projections.stored_item import decode_item, logical_value
from projections.tables import DEFAULT_ITEM
from projections.views_store import read_checkpoint

_MODULUS = 2**256


@dataclass(frozen=True, slots=True)
class ViewsDigest:
    """Two files at the same record with the same digest give the same answers."""

    next_offset: int
    position: str
    digest: str


def views_digest(connection: sqlite3.Connection) -> ViewsDigest:
    """Sum of the hashes of all logical rows. Reads the whole file. Ids and SQLite's own layout play no part.

    Places do: a holder whose row stands elsewhere is not found.
    """
    checkpoint = read_checkpoint(connection)
    total = 0 if checkpoint is None else _hash("checkpoint", *(_text(value) for value in astuple(checkpoint)))
    for name, item, version, offset, body in connection.execute(
        f"SELECT name, '{DEFAULT_ITEM}', set_version, set_offset, set_body FROM holders WHERE set_body IS NOT NULL "  # noqa: S608
        "UNION ALL "
        "SELECT h.name, i.item, i.version, i.offset, i.body FROM items AS i JOIN holders AS h ON h.id = i.holder_id"
    ):
        total += _hash("item", name, item, version, offset, _logical(body))
    for row in connection.execute(
        "SELECT h.offset, o.name, h.sequence, h.item, h.type, hex(h.event_id), hex(h.fingerprint), h.occurred_at, "
        "h.recorded_at, h.outcome, h.why, h.version, h.position, h.detail FROM history AS h "
        "LEFT JOIN holders AS o ON o.id = h.holder_id"
    ):
        total += _hash("history", *row)
    for row in connection.execute(
        "SELECT place, name, hex(stream), kind, sequence, snapshot_offset, forgotten_offset, own_items FROM holders"
    ):
        total += _hash("holder", *row)
    for name, item, version, offset, body in connection.execute(
        "SELECT h.name, s.item, s.version, s.offset, s.body FROM snapshots AS s JOIN holders AS h ON h.id = s.holder_id"
    ):
        total += _hash("snapshot", name, item, version, offset, _logical(body))
    for row in connection.execute(
        "SELECT c.rule, c.value, h.name FROM choices AS c JOIN holders AS h ON h.id = c.holder_id"
    ):
        total += _hash("choice", *row)
    for row in connection.execute("SELECT tenant, offset FROM tenant_records"):
        total += _hash("tenant", *row)
    return ViewsDigest(
        checkpoint.next_offset if checkpoint else 0,
        checkpoint.position if checkpoint else "",
        f"{total % _MODULUS:064x}",
    )


def _logical(body: bytes) -> bytes:
    return logical_value(decode_item(body))


def _text(value: object) -> object:
    return value.hex() if isinstance(value, bytes) else value


def _hash(*parts: object) -> int:
    encoded = msgspec.json.encode([part.decode() if isinstance(part, bytes) else part for part in parts])
    return int.from_bytes(hashlib.sha256(encoded).digest())
