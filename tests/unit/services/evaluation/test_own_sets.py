"""Reading the sets of a whole batch: each recipient's own, however close the rows of others stand."""

from pathlib import Path

from domain.holder import tenant_set, user
from services.evaluation.own_sets import NOTHING, own_rows, sets_in_tenant
from tests.unit.projections.crowd import alike, crowded, holder_of
from tests.unit.projections.records import folded, merge_of


def test_a_batch_gets_each_recipients_own_row(tmp_path: Path) -> None:
    """Somebody else's row would be somebody else's consent."""
    records = crowded(4)
    records.add(holder_of(2), merge_of({"enabled": True}, tenant_set("acme")), stream=alike(2), key=alike(2))
    alone = bytes(16)
    records.add(user("alone"), merge_of({"workflows": {"w9": False}}), stream=alone, key=alone)
    connection = folded(tmp_path / "views.sqlite", records.all)
    streams = [alike(3), alone, alike(7), alike(0), alike(2), alike(2), alike(1), b"\1" * 16]
    rows = own_rows(connection, streams)
    assert [row[0] for row in rows] == [alike(3), alone, b"", alike(0), alike(2), alike(2), alike(1), b""]
    assert [row for row in rows if row[2] is None] == [NOTHING, NOTHING]
    for number, row in ((3, rows[0]), (0, rows[3]), (2, rows[4]), (1, rows[6])):
        assert row[2] is not None
        assert f"/workflows/w{number}/enabled".encode() in row[2]
    assert list(sets_in_tenant(connection, rows, "acme")) == [alike(2)]
    assert sets_in_tenant(connection, rows, "other") == {} == sets_in_tenant(connection, rows, None)
    assert own_rows(connection, [alike(9)]) == [NOTHING]
    connection.close()
