"""Work per event and per question depends on the holder, never on how many holders or events there are.

Measured in steps of SQLite's virtual machine, which are the same on every machine.
"""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from domain.event import HolderForgotten
from domain.holder import DEFAULT_SET, Holder, tenant, tenant_set, user
from projections.folding import apply_batch
from projections.history import HistoryQuery, event_by_id, feed, offset_at, page
from projections.holders import page_of_choosers
from projections.state import PastState, PresentState
from projections.tenant_records import member_item
from projections.views_store import read_checkpoint
from schemas.record import LogRecord
from tests.unit.projections.records import Records, folded, merge_of, stream_of

TENANT = tenant("acme")
MEMBERS = 10
FEW, MANY = 100, 20_000
STEP_UNIT = 10
SLACK = 1.3
"""Twice the rows of a B-tree can be one more level; work that grew with the rows would be two hundred times as much."""


def holder_of(number: int) -> Holder:
    return user(f"user-{number:06d}")


class World:
    """Views of so many holders, and what comes next in their log."""

    def __init__(self, path: Path, holders: int) -> None:
        self.holders = holders
        self.records = Records()
        self.records.add(TENANT, merge_of({"channel_types": {"email": True}}))
        for number in range(MEMBERS):
            self.records.add(holder_of(number), merge_of({"enabled": True}, tenant_set(TENANT.id)))
        for number in range(holders):
            inside = tenant_set(f"other-{number % 7}") if number % 3 == 0 else DEFAULT_SET
            self.records.add(holder_of(number), merge_of({"channel_types": {"email": number % 2 == 0}}, inside))
        self.connection = folded(path, self.records.all, range(5_000, holders, 5_000))

    def next_batch(self) -> list[LogRecord]:
        """Fifty holders that are known and fifty that are new, one that is forgotten, one that repeats itself, poison."""
        start = len(self.records.all)
        for number in range(50):
            self.records.add(holder_of(number), merge_of({"workflows": {"w": {"channel_types": {"sms": True}}}}))
            self.records.add(holder_of(10_000_000 + start + number), merge_of({"enabled": True}))
        self.records.add(holder_of(60), HolderForgotten("all"))
        self.records.add(holder_of(61), merge_of({"enabled": True}), event_id=(62).to_bytes(16))
        self.records.add_bytes(b"poison", stream_of(holder_of(63)))
        return self.records.all[start:]


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, World]]:
    folder = tmp_path_factory.mktemp("worlds")
    few, many = World(folder / "few.sqlite", FEW), World(folder / "many.sqlite", MANY)
    yield few, many
    few.connection.close()
    many.connection.close()


def steps_of(connection: sqlite3.Connection, work: Callable[[], object]) -> int:
    """Steps of SQLite's virtual machine that the work takes."""
    units = 0

    def count() -> None:
        nonlocal units
        units += 1

    connection.set_progress_handler(count, STEP_UNIT)
    try:
        work()
    finally:
        connection.set_progress_handler(None, 0)
    return units * STEP_UNIT


def test_folding_a_batch_takes_the_same_work_however_many_holders_there_are(worlds: tuple[World, World]) -> None:
    def fold_next(world: World) -> int:
        batch = world.next_batch()
        checkpoint = read_checkpoint(world.connection)
        return steps_of(world.connection, lambda: apply_batch(world.connection, checkpoint, batch))

    few, many = map(fold_next, worlds)
    assert few > 1_000, "the steps must have been counted"
    assert many < few * SLACK, f"a batch took {few} steps among {FEW} holders and {many} among {MANY}"


QUESTIONS: dict[str, Callable[[World], object]] = {
    "a set": lambda world: PresentState(world.connection).item(stream_of(holder_of(7)), "set:default"),
    "all items of a holder": lambda world: PresentState(world.connection).items(stream_of(holder_of(7))),
    "a set at an earlier moment": lambda world: PastState(world.connection, 50).item(stream_of(holder_of(7)), "set:default"),
    "a holder's history": lambda world: page(world.connection, HistoryQuery(stream_of(holder_of(7)), 10**9)),
    "an event by its id": lambda world: event_by_id(world.connection, (8).to_bytes(16)),
    "a page of the ledger": lambda world: feed(world.connection, 20, 30),
    "a page of those who opted out": lambda world: page_of_choosers(
        world.connection, "set:default", "/channel_types/email", False, above=20, limit=20
    ),
    "a tenant's history with its members": lambda world: page(
        world.connection, HistoryQuery(stream_of(TENANT), 10**9, member_item=member_item(TENANT.id))
    ),
    "the checkpoint": lambda world: read_checkpoint(world.connection),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_takes_the_same_work_however_many_holders_there_are(worlds: tuple[World, World], question: str) -> None:
    few, many = (steps_of(world.connection, lambda world=world: QUESTIONS[question](world)) for world in worlds)  # type: ignore[misc]
    assert many <= few * SLACK + 2 * STEP_UNIT, f"{question} took {few} steps among {FEW} holders, {many} among {MANY}"


def test_finding_the_record_of_an_instant_takes_some_twenty_reads(worlds: tuple[World, World]) -> None:
    _, many = worlds
    at = many.records.all[5_000].timestamp_milliseconds
    steps = steps_of(many.connection, lambda: offset_at(many.connection, at))
    assert offset_at(many.connection, at) == 5_000
    assert steps < 500


def test_a_past_question_takes_the_same_work_however_long_the_stream_is(tmp_path: Path) -> None:
    ann = user("ann")
    records = Records()
    for number in range(3_000):
        records.add(ann, merge_of({"channel_types": {"email": bool(number % 2)}}))
    connection = folded(tmp_path / "views.sqlite", records.all)

    def ask(offset: int) -> int:
        return steps_of(connection, lambda: PastState(connection, offset).item(stream_of(ann), "set:default"))

    # Both lie the same number of records after a snapshot.
    early, late = ask(64 * 2 + 30), ask(64 * 45 + 30)
    assert early > 0
    assert late <= early * SLACK + 2 * STEP_UNIT
    connection.close()


def test_a_batch_of_one_long_stream_does_not_read_its_past(tmp_path: Path) -> None:
    """A holder with a long history is as quick to write as a new one."""
    ann = user("ann")
    steps = []
    for length in (10, 2_000):
        records = Records()
        for number in range(length):
            records.add(ann, merge_of({"channel_types": {"email": bool(number % 2)}}))
        connection = folded(tmp_path / f"{length}.sqlite", records.all)
        batch = [records.add(ann, merge_of({"enabled": True})) for _ in range(10)]
        checkpoint = read_checkpoint(connection)
        # Neither 11 to 20 nor 2,001 to 2,010 holds a snapshot.
        steps.append(steps_of(connection, lambda c=connection, p=checkpoint, b=batch: apply_batch(c, p, b)))  # type: ignore[misc]
        connection.close()
    assert steps[1] <= steps[0] * SLACK
