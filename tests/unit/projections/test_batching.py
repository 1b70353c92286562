"""The same log gives the same views, however it came in: in any batches, again from empty, or by another node."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.holder import user
from projections.digest import views_digest
from projections.fold_batch import fold_batch
from projections.folding import apply_batch, decode_batch
from projections.skips import in_force, said_by
from projections.views_store import CheckpointMoved, load_batch, read_checkpoint, write_batch
from schemas.record import LogRecord
from tests.unit.projections.random_logs import LOGS, RandomLog
from tests.unit.projections.records import Records, fold_on, folded, merge_of, rows_of

CUTS = st.lists(st.integers(1, 150), max_size=12)


@pytest.fixture
def folder() -> Iterator[Path]:
    with TemporaryDirectory() as name:
        yield Path(name)


@settings(max_examples=50, deadline=None)
@given(log=LOGS, cuts=CUTS, other_cuts=CUTS)
def test_views_do_not_depend_on_how_the_log_was_cut_into_batches(
    log: RandomLog, cuts: list[int], other_cuts: list[int]
) -> None:
    with TemporaryDirectory() as folder:
        whole = folded(Path(folder) / "whole.sqlite", log.records)
        cut = folded(Path(folder) / "cut.sqlite", log.records, cuts)
        other = folded(Path(folder) / "other.sqlite", log.records, [*other_cuts, *range(1, 6)])
        try:
            assert views_digest(cut) == views_digest(whole)
            assert views_digest(other) == views_digest(whole)
        finally:
            for connection in (whole, cut, other):
                connection.close()


@settings(max_examples=20, deadline=None)
@given(log=LOGS, cut=st.integers(1, 150))
def test_a_batch_that_was_folded_already_is_refused_and_leaves_no_trace(log: RandomLog, cut: int) -> None:
    """Else an event counts twice as soon as two processes follow one file, or one of them lags."""
    records = log.records
    cut = min(cut, len(records))
    with TemporaryDirectory() as folder:
        connection = folded(Path(folder) / "views.sqlite", records[: cut // 2])
        try:
            checkpoint = read_checkpoint(connection)
            decoded, _ = decode_batch(records[cut // 2 : cut], in_force(said_by(records)))
            late = fold_batch(load_batch(connection, decoded, checkpoint), decoded)
            fold_on(connection, records)
            before = rows_of(connection)
            with pytest.raises(CheckpointMoved, match="another process writes them"):
                write_batch(connection, late)
            assert rows_of(connection) == before
            assert not connection.in_transaction
        finally:
            connection.close()


def test_two_projectors_that_open_one_file_together_do_not_both_write_the_first_batch(folder: Path) -> None:
    records = Records().all
    connection = folded(folder / "views.sqlite", records)
    decoded, _ = decode_batch(records)
    with pytest.raises(CheckpointMoved, match="stand at record 0"):
        write_batch(connection, fold_batch(load_batch(connection, decoded, None), decoded))
    connection.close()


def test_a_record_of_a_newer_release_stops_the_projector_after_what_came_before_it(folder: Path) -> None:
    records = Records()
    records.add(user("ann"), merge_of({"channel_types": {"email": False}}))
    records.add_bytes(b"\xc3\x01" + b"newer..." + b"body", b"k" * 16)
    records.add(user("ann"), merge_of({"channel_types": {"sms": False}}))
    connection = folded(folder / "views.sqlite", [])

    checkpoint, unknown = apply_batch(connection, None, records.all)

    assert checkpoint is not None
    assert checkpoint.next_offset == 2, "what came before the unknown record counts, nothing after it does"
    assert "upgrade this node" in str(unknown)
    assert read_checkpoint(connection) == checkpoint

    again, still_unknown = apply_batch(connection, checkpoint, records.all[2:])
    assert again == checkpoint
    assert str(still_unknown) == str(unknown)
    connection.close()


def test_a_batch_that_begins_with_a_newer_record_changes_nothing(folder: Path) -> None:
    connection = folded(folder / "views.sqlite", [])
    checkpoint, unknown = apply_batch(connection, None, [LogRecord(0, 1, b"", b"\xc3\x01" + bytes(8))])
    assert checkpoint is None
    assert unknown is not None
    connection.close()


def test_the_random_logs_hold_what_they_are_meant_to_hold() -> None:
    """A property that never meets a duplicate or a snapshot proves nothing about them."""
    seen: set[tuple[str, str | None]] = set()
    snapshots = 0

    @settings(max_examples=80, deadline=None, database=None, derandomize=True)
    @given(log=LOGS)
    def look(log: RandomLog) -> None:
        nonlocal snapshots
        with TemporaryDirectory() as folder:
            connection = folded(Path(folder) / "views.sqlite", log.records)
            seen.update(connection.execute("SELECT outcome, why FROM history"))
            snapshots += connection.execute("SELECT count(*) FROM snapshots").fetchone()[0]
            connection.close()

    look()
    assert seen >= {
        ("applied", None),
        ("duplicate", None),
        ("rejected", "event-id-reused"),
        ("rejected", "version-mismatch"),
        ("rejected", "ledger-sealed"),
        ("rejected", "ledger-already-open"),
        ("parked", "undecodable"),
        ("parked", "invalid"),
        ("parked", "not-this-holders-to-say"),
        ("parked", "skipped"),
        ("rejected", "takes-nothing-out"),
    }
    assert snapshots > 20
