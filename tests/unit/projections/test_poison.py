"""Records broken in every way: each is parked or counts, none stops a node, and all nodes come to the same."""

import random
from dataclasses import replace
from pathlib import Path

import pytest

from projections.digest import ViewsDigest, views_digest
from projections.folding import decode_record
from projections.history import HistoryQuery, feed, page
from projections.state import PastState, PresentState
from schemas.codec import UnknownSchema, encode
from schemas.record import LogRecord
from tests.broken_bytes import broken
from tests.golden.drafts import DRAFTS
from tests.unit.projections.records import Records, folded, stream_of

COUNT = 1_000


@pytest.fixture(scope="module")
def log() -> list[LogRecord]:
    """A ledger whose writers have gone mad. Records that only a newer release could read are left out: they stop a node."""
    chance = random.Random(20260303)
    records = Records()
    drafts = [draft for name, draft in DRAFTS.items() if not name.startswith("Ledger")]
    while len(records.all) < COUNT:
        draft = chance.choice(drafts)
        stream = stream_of(draft.holder)
        draft = replace(draft, event_id=chance.randbytes(16), stream=stream, expected_version=None)
        value = encode(draft).value
        if chance.random() < 0.8:
            value = broken(value, chance)
        key = chance.choice([stream] * 8 + [b"", stream_of(drafts[0].holder)])
        record = records.add_bytes(value, key, chance.randrange(10**6))
        try:
            decode_record(record)
        except UnknownSchema:
            records.all.pop()
    return records.all


def test_no_broken_record_stops_a_node(tmp_path: Path, log: list[LogRecord]) -> None:
    connection = folded(tmp_path / "views.sqlite", log, range(0, COUNT, 217))
    outcomes = dict(connection.execute("SELECT outcome || ' ' || coalesce(why, ''), count(*) FROM history GROUP BY 1"))
    assert sum(outcomes.values()) == len(log), "every record has its row, whatever it was"
    assert outcomes["parked undecodable"] > 300
    assert outcomes["parked invalid"] > 20
    assert outcomes["applied "] > 20, "some of the broken records must still be events, or nothing was folded"
    connection.close()


def test_all_nodes_come_to_the_same_whatever_was_broken(tmp_path: Path, log: list[LogRecord]) -> None:
    digests: list[ViewsDigest] = []
    for cuts in ((), range(0, COUNT, 100), range(0, COUNT, 7)):
        connection = folded(tmp_path / f"{len(digests)}.sqlite", log, cuts)
        digests.append(views_digest(connection))
        connection.close()
    assert digests[0] == digests[1] == digests[2]


def test_what_was_folded_of_it_can_be_shown(tmp_path: Path, log: list[LogRecord]) -> None:
    """A row that no answer can show would make a holder's whole history unreadable."""
    connection = folded(tmp_path / "views.sqlite", log)
    assert len(feed(connection, 0, COUNT)) == len(log)
    streams = [stream for (stream,) in connection.execute("SELECT stream FROM holders")]
    for stream in streams:
        page(connection, HistoryQuery(stream, len(log), limit=COUNT))
        now = {name: row.stored.leaves for name, row in PresentState(connection).items(stream).items()}
        then = {name: row.stored.leaves for name, row in PastState(connection, len(log) - 1).items(stream).items()}
        assert now == then
    connection.close()
