"""Opt-outs noted while they are folded, and read from history afterwards: the same ones."""

import tempfile
from pathlib import Path

from hypothesis import given, settings

from domain.fold import Outcome
from domain.holder import user
from projections.folding import apply_batch
from projections.observer import FoldedBatch
from projections.opt_outs import opt_outs_between
from projections.skips import in_force, said_by
from projections.views_file import open_writer
from services.observability.counts import PARKED_CLASSES
from tests.unit.projections.random_logs import LOGS, RandomLog
from tests.unit.projections.records import Records, merge_of


@settings(max_examples=60, deadline=None)
@given(log=LOGS)
def test_history_tells_of_the_same_opt_outs_as_the_fold(log: RandomLog) -> None:
    records = log.records
    with tempfile.TemporaryDirectory() as folder:
        connection = open_writer(Path(folder) / "views.sqlite")
        batch = FoldedBatch(records, notes_opt_outs=True, is_answering=True)
        apply_batch(connection, None, records, in_force(said_by(records)), batch)
        assert opt_outs_between(connection, 0, len(records)) == batch.opt_outs
        middle = len(records) // 2
        parts = opt_outs_between(connection, 0, middle) + opt_outs_between(connection, middle, len(records))
        assert parts == batch.opt_outs
        assert sum(batch.fates.values()) == len(records)
        parked = {why for _, outcome, why in batch.fates if outcome == Outcome.PARKED}
        assert parked <= {*PARKED_CLASSES}, "no alert would see the first record of another class"
        connection.close()


def test_a_replay_does_not_look_for_opt_outs() -> None:
    records = Records()
    records.add(user("ann"), merge_of({"enabled": False}))
    with tempfile.TemporaryDirectory() as folder:
        connection = open_writer(Path(folder) / "views.sqlite")
        batch = FoldedBatch(records.all, notes_opt_outs=False, is_answering=False)
        apply_batch(connection, None, records.all, batch=batch)
        assert batch.opt_outs == []
        assert len(opt_outs_between(connection, 0, 2)) == 1
        connection.close()
