"""Time travel: what a stream held after any record, against a fold of the whole history done in the plainest way."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from hypothesis import given, settings

from domain.document import Unset
from domain.event import HolderDescribed, HolderForgotten, PreferenceSetMerged, SetsAdopted
from domain.holder import DEFAULT_SET, Holder, tenant_set, user
from domain.preference_set import Patch, parse_preference_set
from projections.batch_state import SNAPSHOT_EVERY, ItemRow
from projections.state import PastState, PresentState, State
from projections.stored_item import references
from tests.model.history_model import Item, Row, items_at
from tests.unit.projections.random_logs import HOLDERS, LOGS, RandomLog
from tests.unit.projections.records import Records, folded, merge_of, stream_of

ANN, BOB = user("ann"), user("bob")


@pytest.fixture
def folder() -> Iterator[Path]:
    with TemporaryDirectory() as name:
        yield Path(name)


def history_of(connection: sqlite3.Connection) -> list[Row]:
    rows = connection.execute(
        "SELECT h.offset, o.stream, h.item, h.type, h.outcome, h.version, h.position, h.detail "
        "FROM history AS h LEFT JOIN holders AS o ON o.id = h.holder_id ORDER BY h.offset"
    )
    names = ("offset", "stream", "item", "type", "outcome", "version", "position")
    return [dict(zip(names, row, strict=False)) | {"changes": msgspec.json.decode(row[-1])["changes"]} for row in rows]


def as_model(rows: dict[str, ItemRow]) -> dict[str, Item]:
    return {
        name: Item(
            row.version,
            {path: (row.stored.leaves[path], reference[1]) for path, reference in references(row.stored)},
        )
        for name, row in rows.items()
    }


def check_every_offset(connection: sqlite3.Connection, *holders: Holder) -> None:
    history = history_of(connection)
    for holder in holders:
        stream = stream_of(holder)
        for offset in range(len(history)):
            shown = dict(PastState(connection, offset).items(stream))
            assert as_model(shown) == items_at(history, stream, offset), f"{holder} after record {offset} of {len(history)}"
        present = dict(PresentState(connection).items(stream))
        assert as_model(present) == items_at(history, stream, len(history)), f"{holder} at present"


@settings(max_examples=25, deadline=None)
@given(log=LOGS)
def test_the_past_is_what_a_fold_up_to_it_gives(log: RandomLog) -> None:
    with TemporaryDirectory() as folder:
        connection = folded(Path(folder) / "views.sqlite", log.records, range(7, 200, 31))
        try:
            check_every_offset(connection, *HOLDERS)
        finally:
            connection.close()


@pytest.mark.parametrize("length", [1, 63, 64, 65, 200])
def test_the_past_across_snapshots(folder: Path, length: int) -> None:
    """Streams that end before, on and after the records at which snapshots are taken, with others in between."""
    records = Records()
    said = 0
    while said < length:
        number = len(records.all)
        if number % 7 == 3:
            records.add_bytes(b"poison", stream_of(ANN))
        elif number % 11 == 5:
            records.add(ANN, merge_of({"enabled": True}), event_id=(said).to_bytes(16))
        elif number % 13 == 6:
            records.add(ANN, SetsAdopted(BOB, ((tenant_set(f"t{number}"), {"/enabled": False}), (DEFAULT_SET, {}))))
        elif number % 17 == 8:
            records.add(ANN, PreferenceSetMerged(DEFAULT_SET, Patch({}, (Unset(("workflows", None, "enabled")),))))
        elif number % 3 == 0:
            records.add(ANN, HolderDescribed(Patch({"/number": number})))
        elif number % 3 == 1:
            records.add(BOB, merge_of({"channel_types": {"email": bool(number % 2)}}))
            continue
        else:
            records.add(ANN, merge_of({"workflows": {f"w{number % 5}": bool(number % 2)}}))
        said += 1
    connection = folded(folder / "views.sqlite", records.all, range(10, 400, 29))

    check_every_offset(connection, ANN, BOB)

    sequence = connection.execute("SELECT sequence FROM holders WHERE name = 'user:ann'").fetchone()[0]
    assert sequence == length, "every record of the stream counts for its snapshots, whatever became of it"
    connection.close()


def test_a_set_that_is_touched_once_is_remembered_wherever_that_stood(folder: Path) -> None:
    """Just before a snapshot, in it, just after it: the next snapshots take over what the last one has."""
    records = Records()
    for number in range(2 * SNAPSHOT_EVERY + 4):
        records.add(ANN, merge_of({"enabled": True}, tenant_set(f"t{number}")))
    connection = folded(folder / "views.sqlite", records.all, (40, 64, 65, 66, 100))
    history = history_of(connection)
    for offset in (63, 64, 65, 66, 127, 128, 129, len(records.all) - 1):
        shown = dict(PastState(connection, offset).items(stream_of(ANN)))
        assert as_model(shown) == items_at(history, stream_of(ANN), offset), offset
    connection.close()


def test_a_question_about_the_past_folds_no_more_than_one_snapshots_worth_of_records(folder: Path) -> None:
    """Whatever the stream's length: else an old customer's audit takes ever longer."""
    records = Records()
    for number in range(4 * SNAPSHOT_EVERY + 10):
        records.add(ANN, merge_of({"channel_types": {"email": bool(number % 2)}}))
    connection = folded(folder / "views.sqlite", records.all)
    fetched: list[tuple[object, ...]] = []
    statements: list[str] = []

    def count(_: sqlite3.Cursor, row: tuple[object, ...]) -> tuple[object, ...]:
        fetched.append(row)
        return row

    connection.row_factory = count
    connection.set_trace_callback(statements.append)
    most = 0
    for offset in range(len(records.all)):
        fetched.clear()
        assert (PastState(connection, offset).item(stream_of(ANN), "set:default") is None) == (offset == 0)
        most = max(most, sum(len(row) > 5 for row in fetched))
    assert most == SNAPSHOT_EVERY, "the count must see the records that are read, or it would bound nothing"
    reads = [statement for statement in statements if "FROM history" in statement]
    assert len(reads) == len(records.all), "the records of a stream are read in one go"
    connection.close()


def test_many_questions_about_one_moment_read_its_records_once(folder: Path) -> None:
    records = Records()
    records.add(ANN, merge_of({"enabled": True}))
    connection = folded(folder / "views.sqlite", records.all)
    statements: list[str] = []
    connection.set_trace_callback(statements.append)
    past = PastState(connection, 1)
    for _ in range(3):
        assert past.item(stream_of(ANN), "set:default") is not None
    assert sum("FROM history" in statement for statement in statements) == 1
    connection.close()


def test_what_was_forgotten_is_not_shown_again_by_asking_about_an_earlier_moment(folder: Path) -> None:
    records = Records()
    records.add(ANN, merge_of({"channel_types": {"email": False}}))
    records.add(BOB, merge_of({"channel_types": {"email": False}}))
    records.add(ANN, HolderForgotten("all"))
    records.add(ANN, merge_of({"channel_types": {"sms": False}}))
    connection = folded(folder / "views.sqlite", records.all)
    ann = stream_of(ANN)

    def leaves(state: State, item: str) -> object:
        row = state.item(ann, item)
        return None if row is None else row.stored.leaves

    for offset in (0, 1, 2):
        assert leaves(PastState(connection, offset), "set:default") is None
        assert PastState(connection, offset).items(ann) == {}
    assert leaves(PastState(connection, 3), "set:default") == {}
    assert leaves(PastState(connection, 3), "suppression") == {"/suppress": "all"}
    assert leaves(PastState(connection, 4), "set:default") == {"/channel_types/sms": False}
    assert PastState(connection, 1).item(stream_of(BOB), "set:default") is None
    assert PastState(connection, 2).item(stream_of(BOB), "set:default") is not None, "only the forgotten holder is hidden"
    connection.close()


def test_a_version_never_starts_again(folder: Path) -> None:
    """A client's If-Match from before the set was emptied must not match what came after."""
    records = Records()
    tree = parse_preference_set({"enabled": True})
    for _ in range(3):
        records.add(ANN, merge_of({"enabled": True}))
    records.add(ANN, HolderForgotten("none"))
    records.add(ANN, merge_of({"enabled": True}))
    connection = folded(folder / "views.sqlite", records.all)
    row = PresentState(connection).item(stream_of(ANN), "set:default")
    assert row is not None
    assert (row.version, row.stored.leaves) == (5, tree)
    connection.close()


def test_forgetting_a_holder_who_said_nothing_is_the_same_in_the_past_and_now(folder: Path) -> None:
    records = Records()
    records.add(ANN, HolderForgotten("none"))
    records.add(ANN, HolderForgotten("all"))
    records.add(ANN, HolderForgotten("all"))
    connection = folded(folder / "views.sqlite", records.all)
    for state in (PresentState(connection), PastState(connection, 3)):
        row = state.item(stream_of(ANN), "suppression")
        assert row is not None
        assert (row.version, row.stored.leaves) == (1, {"/suppress": "all"})
    connection.close()


def test_items_are_found_by_the_beginning_of_their_names(folder: Path) -> None:
    records = Records()
    records.add(ANN, merge_of({"enabled": True}))
    records.add(ANN, merge_of({"enabled": True}, tenant_set("\U0010ffff")))
    records.add(ANN, HolderDescribed(Patch({"/a": 1})))
    connection = folded(folder / "views.sqlite", records.all)
    for state in (PresentState(connection), PastState(connection, 3)):
        assert [*state.items(stream_of(ANN), "set:")] == ["set:default", "set:tenant:\U0010ffff"]
        assert [*state.items(stream_of(ANN), "prop")] == ["properties"]
        assert state.items(b"nobody's stream!", "set:") == {}
        assert state.item(b"nobody's stream!", "set:default") is None
    connection.close()
