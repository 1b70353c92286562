"""Folding records: what stops a projector, what is parked, and what one record can do to another."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from domain.catalogue import EntryKind
from domain.event import (
    ApiKeyIssued,
    Body,
    EntryDefined,
    HolderForgotten,
    LedgerOpened,
    LedgerSealed,
    RecordSkipped,
)
from domain.holder import ENVIRONMENT, Holder, user
from projections.digest import views_digest
from projections.fold_batch import LogDisagrees
from projections.folding import apply_batch
from projections.state import PresentState
from projections.stored_item import references
from projections.views_store import read_checkpoint
from schemas.record import LogRecord
from tests.unit.projections.records import (
    DAY_MILLISECONDS,
    LEDGER_ID,
    OPENED,
    START_MILLISECONDS,
    Records,
    fold_on,
    folded,
    merge_of,
    rows_of,
    stream_of,
)

ANN, BOB = user("ann"), user("bob")
NO = merge_of({"channel_types": {"email": False}})
YES = merge_of({"channel_types": {"email": True}})


class Both:
    """The same log folded in one batch and record by record: whatever is true must be true of both."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.connections: list[sqlite3.Connection] = []

    def fold(self, records: Records) -> "Both":
        self.close()
        one, each = self.folder / f"{len(records.all)}-one.sqlite", self.folder / f"{len(records.all)}-each.sqlite"
        self.connections = [folded(one, records.all), folded(each, records.all, range(len(records.all)))]
        assert views_digest(self.connections[0]) == views_digest(self.connections[1])
        return self

    def outcomes(self) -> list[tuple[str, str | None]]:
        return self.connections[0].execute("SELECT outcome, why FROM history ORDER BY offset").fetchall()

    def leaves(self, holder: Holder = ANN, item: str = "set:default") -> dict[str, Any] | None:
        row = PresentState(self.connections[0]).item(stream_of(holder), item)
        return None if row is None else row.stored.leaves

    def names(self) -> list[str]:
        return [name for (name,) in self.connections[0].execute("SELECT name FROM holders ORDER BY id")]

    def close(self) -> None:
        for connection in self.connections:
            connection.close()


@pytest.fixture
def both(tmp_path: Path) -> Any:
    both = Both(tmp_path)
    yield both
    both.close()


def moved(record: LogRecord, offset: int) -> LogRecord:
    return LogRecord(offset, record.timestamp_milliseconds, record.key, record.value)


GAPS: dict[str, Callable[[list[LogRecord]], list[LogRecord]]] = {
    "a record is missing": lambda log: [*log[:2], *log[3:]],
    "a record comes twice": lambda log: [*log[:3], log[2], *log[3:]],
    "records change places": lambda log: [log[0], log[2], log[1], *log[3:]],
    "the log goes back": lambda log: [*log[:3], moved(log[3], 1)],
}


@pytest.mark.parametrize("gap", GAPS)
@pytest.mark.parametrize("folded_before", [0, 1])
def test_records_that_do_not_follow_each_other_stop_the_projector(tmp_path: Path, gap: str, folded_before: int) -> None:
    records = Records()
    for _ in range(4):
        records.add(ANN, NO)
    broken = GAPS[gap](records.all)
    connection = folded(tmp_path / "views.sqlite", broken[:folded_before])
    before = rows_of(connection)
    checkpoint = read_checkpoint(connection)
    with pytest.raises(LogDisagrees, match=r"records are missing, so the projector stops: restore the log"):
        apply_batch(connection, checkpoint, broken[folded_before:])
    assert rows_of(connection) == before, "nothing of a batch with a hole is kept"
    connection.close()


FIRST: dict[str, Callable[[Records], object]] = {
    "a preference": lambda records: records.add(ANN, NO),
    "bytes": lambda records: records.add_bytes(b"some other topic's record"),
    "nothing at all": lambda records: records.add_bytes(b""),
    "a ledger without an id": lambda records: records.add(ENVIRONMENT, LedgerOpened("no UUID", 1, 0, b"")),
    "a ledger of generation 0": lambda records: records.add(ENVIRONMENT, LedgerOpened(LEDGER_ID, 0, 0, b"")),
}


@pytest.mark.parametrize("first", FIRST)
def test_a_log_that_does_not_open_a_ledger_is_not_followed(tmp_path: Path, first: str) -> None:
    records = Records(opened=None)
    FIRST[first](records)
    records.add(ENVIRONMENT, OPENED)
    connection = folded(tmp_path / "views.sqlite", [])
    with pytest.raises(LogDisagrees, match=r"does not open a ledger.*make a new one with `prefledger init`"):
        apply_batch(connection, None, records.all)
    assert not any(rows_of(connection).values())
    connection.close()


def test_a_log_whose_beginning_is_gone_is_not_followed(tmp_path: Path) -> None:
    records = Records()
    records.add(ENVIRONMENT, OPENED)
    connection = folded(tmp_path / "views.sqlite", [])
    with pytest.raises(LogDisagrees, match="does not open a ledger"):
        apply_batch(connection, None, records.all[1:])
    connection.close()


def test_of_two_racing_openings_the_first_counts(both: Both) -> None:
    records = Records()
    records.add(ENVIRONMENT, LedgerOpened("00000000-0000-4000-8000-0000000000ff", 7, 1, b"another check"))
    records.add(ANN, NO)
    both.fold(records)
    assert both.outcomes() == [("applied", None), ("rejected", "ledger-already-open"), ("applied", None)]
    checkpoint = read_checkpoint(both.connections[1])
    assert checkpoint is not None
    assert (checkpoint.ledger_id, checkpoint.generation, checkpoint.secret_check) == (LEDGER_ID, 1, b"check")


def test_the_checkpoint_says_what_it_stands_for(tmp_path: Path) -> None:
    records = Records()
    records.add(ENVIRONMENT, EntryDefined(EntryKind.SECTION, "s", {"/name": "S"}))
    records.add(ANN, NO)
    connection = folded(tmp_path / "views.sqlite", records.all)
    checkpoint = read_checkpoint(connection)
    assert checkpoint is not None
    assert checkpoint.next_offset == 3
    assert checkpoint.environment_offset == 1, "what is kept of the catalogue is good until the environment's stream moves"
    assert checkpoint.recorded_at_milliseconds == START_MILLISECONDS + 3_000
    assert checkpoint.ledger_tag.hex() == "0000000000004000"
    connection.close()


def test_recorded_times_never_go_back(both: Both) -> None:
    """A broker's clock may: and then "what was known at that instant" would lose an event."""
    records = Records()
    records.add(ANN, NO, after_milliseconds=60_000)
    records.add(ANN, YES, after_milliseconds=-90_000)
    records.add_bytes(b"poison", after_milliseconds=-1)
    both.fold(records)
    times = [at for (at,) in both.connections[0].execute("SELECT recorded_at FROM history ORDER BY offset")]
    assert times == sorted(times)
    assert times[1] == times[2] == times[3]


# What a forged record may do, which is nothing: its key, its stream and its holder belong together.


def test_a_forged_record_leaves_no_holder_behind(both: Both) -> None:
    records = Records()
    records.add(ANN, NO, key=stream_of(BOB))
    records.add(ANN, NO, key=b"short")
    records.add(ANN, NO, key=b"")
    both.fold(records)
    assert both.outcomes()[1:] == [("parked", "invalid")] * 3
    assert both.names() == ["environment"]


def test_a_forged_record_does_not_stop_the_projector_whatever_streams_it_names(both: Both) -> None:
    records = Records()
    records.add(ANN, NO)
    records.add(BOB, NO)
    records.add(ANN, YES, key=stream_of(BOB))
    records.add(BOB, YES, stream=stream_of(ANN), key=stream_of(ANN))
    both.fold(records)
    assert both.outcomes()[3:] == [("parked", "invalid")] * 2
    assert both.names() == ["environment", "user:ann", "user:bob"]
    assert both.leaves(ANN) == both.leaves(BOB) == {"/channel_types/email": False}, "no opt-out was lifted"


def test_poison_counts_in_the_stream_whose_key_it_bears(both: Both) -> None:
    records = Records()
    records.add(ANN, NO)
    records.add_bytes(b"poison", stream_of(ANN))
    records.add_bytes(b"poison", stream_of(BOB))
    records.add(ANN, YES)
    both.fold(records)
    rows = both.connections[0].execute("SELECT holder_id, sequence, type, event_id, fingerprint FROM history").fetchall()
    assert rows[2] == (2, 2, "Parked", None, None)
    assert rows[3] == (None, 0, "Parked", None, None)
    assert rows[4][:2] == (2, 3)
    detail = both.connections[0].execute("SELECT detail FROM history WHERE offset = 2").fetchone()[0]
    assert msgspec.json.decode(detail) == {
        "changes": [],
        "sentence": "the record does not begin as an Avro single object does",
    }


def test_an_event_with_the_nil_uuid_is_an_event_like_any_other(both: Both) -> None:
    """Parked rows have no id of their own: they must not answer for an event that has this one."""
    records = Records()
    records.add(ANN, NO)
    records.add_bytes(b"poison", stream_of(ANN))
    records.add(ANN, YES, event_id=bytes(16))
    records.add(ANN, YES, event_id=bytes(16))
    both.fold(records)
    assert [outcome for outcome, _ in both.outcomes()[1:]] == ["applied", "parked", "applied", "duplicate"]


def test_the_catalogue_is_not_a_users_to_change(both: Both) -> None:
    records = Records()
    bodies: list[Body] = [
        EntryDefined(EntryKind.WORKFLOW, "w", {"/name": "mine"}),
        ApiKeyIssued("k", "mine", "secret", ("admin",), b"", b""),
        LedgerSealed("mine"),
        RecordSkipped(0, "mine"),
    ]
    for body in bodies:
        records.add(ANN, body)
    records.add(ANN, NO)
    both.fold(records)
    assert both.outcomes()[1:-1] == [("parked", "not-this-holders-to-say")] * 4
    assert both.outcomes()[-1] == ("applied", None), "the ledger was not sealed by a user"
    assert both.leaves(ANN, "key:k") is None


# What an event's id means, for how long.


def test_the_same_event_again_counts_once(both: Both) -> None:
    records = Records()
    records.add(ANN, NO, event_id=b"a" * 16)
    records.add(ANN, YES)
    records.add(ANN, NO, event_id=b"a" * 16)
    both.fold(records)
    assert both.outcomes()[-1] == ("duplicate", None)
    assert both.leaves() == {"/channel_types/email": True}


def test_an_id_belongs_to_one_stream_only(both: Both) -> None:
    records = Records()
    records.add(ANN, NO, event_id=b"a" * 16)
    records.add(BOB, NO, event_id=b"a" * 16)
    both.fold(records)
    assert both.outcomes()[1:] == [("applied", None)] * 2


def test_a_misused_id_keeps_its_first_meaning(both: Both) -> None:
    """Else the publisher who was first could not resend without being told that the id is somebody else's."""
    records = Records()
    records.add(ANN, NO, event_id=b"a" * 16)
    records.add(ANN, YES, event_id=b"a" * 16)
    records.add(ANN, NO, event_id=b"a" * 16)
    records.add(ANN, YES, event_id=b"a" * 16)
    both.fold(records)
    assert both.outcomes()[1:] == [
        ("applied", None),
        ("rejected", "event-id-reused"),
        ("duplicate", None),
        ("rejected", "event-id-reused"),
    ]


@pytest.mark.parametrize(("between", "outcome"), [(99, "duplicate"), (100, "applied")])
def test_an_id_is_remembered_for_a_hundred_records_however_long_they_take(both: Both, between: int, outcome: str) -> None:
    records = Records()
    records.add(ANN, NO, event_id=b"a" * 16)
    for number in range(between):
        if number % 9 == 4:
            records.add_bytes(b"poison", stream_of(ANN))
        else:
            records.add(ANN, YES, after_milliseconds=DAY_MILLISECONDS)
    records.add(ANN, NO, event_id=b"a" * 16)
    both.fold(records)
    assert both.outcomes()[-1][0] == outcome


@pytest.mark.parametrize(("late_milliseconds", "outcome"), [(0, "duplicate"), (1, "applied")])
def test_an_id_is_remembered_for_seven_days_however_much_happens(both: Both, late_milliseconds: int, outcome: str) -> None:
    records = Records()
    records.add(ANN, NO, event_id=b"a" * 16)
    for _ in range(150):
        records.add(ANN, YES, after_milliseconds=0)
    records.add(ANN, NO, event_id=b"a" * 16, after_milliseconds=7 * DAY_MILLISECONDS + late_milliseconds)
    both.fold(records)
    assert both.outcomes()[-1][0] == outcome


def test_a_rejected_event_stays_rejected_when_it_is_sent_again(both: Both) -> None:
    records = Records()
    records.add(ANN, NO, event_id=b"a" * 16, expected_version=1)
    records.add(ANN, YES)
    records.add(ANN, NO, event_id=b"a" * 16, expected_version=1)
    both.fold(records)
    assert both.outcomes()[1:] == [("rejected", "version-mismatch"), ("applied", None), ("duplicate", None)]


def test_a_sealed_ledger_takes_nothing_more_but_knows_what_it_has(both: Both) -> None:
    records = Records()
    records.add(ANN, NO, event_id=b"a" * 16)
    records.add(ENVIRONMENT, LedgerSealed("moved on"))
    records.add(ANN, NO, event_id=b"a" * 16)
    records.add(ANN, YES)
    records.add(ENVIRONMENT, LedgerSealed("again"))
    both.fold(records)
    assert both.outcomes()[3:] == [("duplicate", None), ("rejected", "ledger-sealed"), ("rejected", "ledger-sealed")]
    assert both.leaves() == {"/channel_types/email": False}


def test_versions_count_what_was_applied_and_nothing_else(both: Both) -> None:
    records = Records()
    records.add(ANN, NO, expected_version=0)
    records.add(ANN, YES, expected_version=5)
    records.add_bytes(b"poison", stream_of(ANN))
    records.add(ANN, NO, expected_version=1)
    records.add(ANN, HolderForgotten("none"))
    records.add(ANN, YES, expected_version=3)
    both.fold(records)
    rows = both.connections[0].execute("SELECT outcome, version FROM history ORDER BY offset").fetchall()
    assert rows[1:] == [("applied", 1), ("rejected", 1), ("parked", None), ("applied", 2), ("applied", None), ("applied", 4)]


def test_every_leaf_knows_the_event_that_gave_it_its_value(both: Both) -> None:
    records = Records()
    first = records.add(ANN, merge_of({"channel_types": {"email": False, "sms": False}}))
    records.add(ANN, merge_of({"channel_types": {"email": False}}))
    third = records.add(ANN, merge_of({"channel_types": {"sms": True}}))
    both.fold(records)
    for connection in both.connections:
        row = PresentState(connection).item(stream_of(ANN), "set:default")
        assert row is not None
        sources = dict(references(row.stored))
        positions = dict(connection.execute("SELECT offset, position FROM history"))
        assert sources["/channel_types/email"][1] == positions[first.offset], "saying the same again decides nothing"
        assert sources["/channel_types/sms"][1] == positions[third.offset]
        assert len(row.stored.events) == 2, "an event that no leaf comes from is not kept"


def test_history_keeps_what_is_known_of_an_event_and_nothing_that_is_not(tmp_path: Path) -> None:
    records = Records()
    records.add(ANN, NO, expected_version=0)
    connection = folded(tmp_path / "views.sqlite", records.all)
    detail = connection.execute("SELECT detail FROM history WHERE offset = 1").fetchone()[0]
    assert msgspec.json.decode(detail) == {
        "changes": [{"path": "/channel_types/email", "after": False}],
        "actor": "key:2",
        "method": "api",
        "expected_version": 0,
    }
    connection.close()


def test_a_batch_is_made_of_the_rows_that_it_touches(tmp_path: Path) -> None:
    """Rows that a batch rewrites without need are work, and noise in every backup."""
    records = Records()
    for holder in (ANN, BOB):
        records.add(holder, NO)
    connection = folded(tmp_path / "views.sqlite", records.all)
    before = rows_of(connection)
    records.add(ANN, YES)
    fold_on(connection, records.all)
    after = rows_of(connection)
    changed = {name: set(after[name]) - set(before[name]) for name in after}
    assert {name: len(rows) for name, rows in changed.items()} == {
        "checkpoint": 1,
        "choices": 1,
        "history": 1,
        "holders": 1,
        "items": 0,
        "snapshots": 0,
        "tenant_records": 0,
    }
    connection.close()
