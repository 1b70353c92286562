"""Folding records into a views file: decoded, folded and written in whole batches, up to a record that halts it."""

import gc
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from projections.batch_state import Decoded, Parked
from projections.checkpoint import Checkpoint
from projections.fold_batch import LogDisagrees, fold_batch
from projections.observer import FoldedBatch
from projections.skips import NOTHING_SKIPPED, SKIPPED, SkipSet, skipped_by
from projections.views_store import CheckpointMoved, load_batch, write_batch
from schemas.codec import Undecodable, UnknownSchema, decode
from schemas.record import LogRecord

LARGE_BATCH = 500

NO_RECORDS_FAULT = (LogDisagrees, CheckpointMoved, sqlite3.Error, OSError, MemoryError)
"""What folding raises for the sake of the log, the file or the machine: folding less at a time would not help."""


class Halted(Exception):
    """Folding can't go on at the record `offset`; what came before it is folded."""

    def __init__(self, offset: int, sentence: str) -> None:
        super().__init__(sentence)
        self.offset = offset


class UnknownRecord(Halted):
    """A newer release wrote the record."""


class SkipFound(Halted):
    """The record takes out an earlier one, which these views have counted."""


class Unfoldable(Halted):
    """The record meets a bug of this release, which is the exception's cause."""


def decode_record(record: LogRecord) -> Decoded:
    """A record's event, or why it is parked. Raises UnknownSchema."""
    try:
        return Decoded(record, decode(record.value))
    except Undecodable as error:
        return Decoded(record, Parked("undecodable", str(error)))


def decode_batch(records: Sequence[LogRecord], skips: SkipSet = NOTHING_SKIPPED) -> tuple[list[Decoded], Halted | None]:
    """The records up to the first that can't be folded, and why it can't. Those among `skips` are not looked into."""
    decoded: list[Decoded] = []
    for record in records:
        if record.offset in skips:
            decoded.append(Decoded(record, SKIPPED))
            continue
        try:
            one = decode_record(record)
        except UnknownSchema as error:
            return decoded, UnknownRecord(record.offset, f"record {record.offset} stops this node: {error}")
        taken_out = skipped_by(one)
        if taken_out is not None and taken_out not in skips:
            return decoded, SkipFound(record.offset, f"record {record.offset} takes out record {taken_out}")
        decoded.append(one)
    return decoded, None


def apply_batch(
    connection: sqlite3.Connection,
    checkpoint: Checkpoint | None,
    records: Sequence[LogRecord],
    skips: SkipSet = NOTHING_SKIPPED,
    batch: FoldedBatch | None = None,
) -> tuple[Checkpoint | None, Halted | None]:
    """Fold records into the views in one transaction. Returns the new checkpoint, and what halted it early.

    `batch` takes in what became of them.
    """
    with collector_paused(len(records)):
        return _apply(connection, checkpoint, records, skips, batch)


def _apply(
    connection: sqlite3.Connection,
    checkpoint: Checkpoint | None,
    records: Sequence[LogRecord],
    skips: SkipSet,
    batch: FoldedBatch | None,
) -> tuple[Checkpoint | None, Halted | None]:
    # A function of its own, so that what was made of the batch is gone by the time that the collector runs again.
    decoded, halted = decode_batch(records, skips)
    if decoded:
        state = load_batch(connection, decoded, checkpoint)
        state.notes_opt_outs = batch is not None and batch.notes_opt_outs
        writes = fold_batch(state, decoded)
        started_seconds = time.perf_counter()
        write_batch(connection, writes)
        if batch is not None:
            batch.note(writes, time.perf_counter() - started_seconds)
        checkpoint = writes.checkpoint
    return checkpoint, halted


def apply_records(
    connection: sqlite3.Connection,
    checkpoint: Checkpoint | None,
    records: Sequence[LogRecord],
    skips: SkipSet,
    batch: FoldedBatch | None = None,
) -> tuple[Checkpoint | None, Halted | None]:
    """`apply_batch`; where that fails over a bug, its record is found, and all that comes before it is folded."""
    try:
        return apply_batch(connection, checkpoint, records, skips, batch)
    except NO_RECORDS_FAULT:
        raise
    except Exception as error:
        if len(records) == 1:
            halted = Unfoldable(records[0].offset, _bug_sentence(records[0].offset, error))
            halted.__cause__ = error
            return checkpoint, halted
    half = len(records) // 2
    checkpoint, halted_early = apply_records(connection, checkpoint, records[:half], skips, batch)
    if halted_early is not None:
        return checkpoint, halted_early
    return apply_records(connection, checkpoint, records[half:], skips, batch)


def _bug_sentence(offset: int, error: Exception) -> str:
    # The error's own text may be about a person.
    return (
        f"record {offset} can't be folded ({type(error).__name__}), which is a bug of this release: upgrade this node, or "
        f"take the record out with `prefledger log skip {offset} --reason TEXT`"
    )


@contextmanager
def collector_paused(records: int) -> Iterator[None]:
    """No garbage collection during a large batch: its many objects hold no cycles and all go at its end.

    Collecting among them would take as long as folding them does.
    """
    if records < LARGE_BATCH or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
