"""The bits of a holder's row tell what an evaluation need not look for: a bit too few would silence a suppression."""

import json
import sqlite3
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings

from domain.event import SUPPRESSION, HolderForgotten, SetsAdopted
from domain.holder import DEFAULT_SET, tenant_set, user
from projections.own_items import HAS_CHANNEL_CHOICES, HAS_SUPPRESSION, HAS_TENANT_SETS
from tests.unit.projections.random_logs import LOGS, RandomLog
from tests.unit.projections.records import Records, folded, merge_of

ANN, BOB, CID, DAN = user("ann"), user("bob"), user("cid"), user("dan")
_FROM = "FROM history AS h JOIN holders AS o ON o.id = h.holder_id"


def bits(connection: sqlite3.Connection) -> dict[str, int]:
    return dict(connection.execute("SELECT name, own_items FROM holders"))


def expected_bits(connection: sqlite3.Connection) -> dict[int, int]:
    """By the items themselves, and by what history tells of default sets; by the holder's id: a name can be forged."""
    said_of_channels = "h.item = 'set:default' AND h.outcome = 'applied' AND CAST(h.detail AS TEXT) LIKE '%/channels/%'"
    said = {id_ for (id_,) in connection.execute(f"SELECT o.id {_FROM} WHERE {said_of_channels}")}
    said |= {
        id_
        for id_, item, detail in connection.execute(f"SELECT o.id, h.item, h.detail {_FROM} WHERE h.item IS NULL")
        for change in json.loads(detail)["changes"]
        if change.get("item", item) == "set:default" and "/channels/" in change["path"]
    }
    rows = connection.execute(
        "SELECT h.id, max(coalesce(i.item = ?, 0)) * ? + max(coalesce(i.item LIKE 'set:tenant:%', 0)) * ? "
        "FROM holders AS h LEFT JOIN items AS i ON i.holder_id = h.id GROUP BY h.id",
        (SUPPRESSION, HAS_SUPPRESSION, HAS_TENANT_SETS),
    )
    return {id_: bits + (HAS_CHANNEL_CHOICES if id_ in said else 0) for id_, bits in rows}


def test_each_way_to_an_item_sets_its_bit(tmp_path: Path) -> None:
    records = Records()
    records.add(ANN, merge_of({"enabled": True}))
    records.add(BOB, merge_of({"enabled": True}, tenant_set("acme")))
    records.add(CID, HolderForgotten("all"))
    records.add(DAN, SetsAdopted(BOB, ((DEFAULT_SET, {"/enabled": True}), (tenant_set("acme"), {"/enabled": True}))))
    connection = folded(tmp_path / "views.sqlite", records.all, range(0, 9, 2))
    found = bits(connection)
    assert [found[str(holder)] for holder in (ANN, BOB, CID, DAN)] == [0, HAS_TENANT_SETS, HAS_SUPPRESSION, HAS_TENANT_SETS]
    records.add(BOB, HolderForgotten("all"))
    records.add(ANN, merge_of({"workflows": {"w": {"channels": {"c-1": False}}}}))
    records.add(ANN, merge_of({"workflows": {"w": None}}))
    again = folded(tmp_path / "again.sqlite", records.all)
    assert bits(again)["user:bob"] == HAS_TENANT_SETS | HAS_SUPPRESSION, "what it once had may have left something behind"
    assert bits(again)["user:ann"] == HAS_CHANNEL_CHOICES
    connection.close()
    again.close()


@settings(max_examples=50)
@given(LOGS)
def test_the_bits_are_those_of_the_items_whatever_happened(log: RandomLog) -> None:
    with TemporaryDirectory() as folder:
        connection = folded(Path(folder) / "views.sqlite", log.records, range(0, 100, 7))
        assert dict(connection.execute("SELECT id, own_items FROM holders")) == expected_bits(connection)
        connection.close()
