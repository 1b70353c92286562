"""A large batch and the garbage collector: it is off meanwhile, and finds nothing to walk when it is on again."""

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from domain.holder import user
from projections import folding
from projections.batch_state import BatchState, Writes
from projections.folding import apply_batch, collector_paused
from projections.views_file import open_writer
from tests.unit.projections.records import Records, merge_of

NO = merge_of({"channel_types": {"email": False}})


@pytest.fixture(autouse=True)
def collector_as_before() -> Iterator[None]:
    yield
    gc.enable()


def test_the_collector_is_on_again_whatever_happened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folding, "LARGE_BATCH", 2)
    with collector_paused(1):
        assert gc.isenabled(), "a small batch is not worth it"
    with collector_paused(2):
        assert not gc.isenabled()
    assert gc.isenabled(), "a node would never collect again"
    with pytest.raises(ZeroDivisionError), collector_paused(2):
        raise ZeroDivisionError
    assert gc.isenabled(), "a node would never collect again"


def test_a_collector_that_somebody_turned_off_stays_off() -> None:
    gc.disable()
    with collector_paused(folding.LARGE_BATCH):
        pass
    assert not gc.isenabled()


def test_nothing_of_the_batch_is_left_for_the_collector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would walk ten thousand decoded events, just before they go anyway."""
    records = Records()
    records.add(user("ann"), NO)
    left: list[object] = []
    enable = gc.enable

    def enable_and_look() -> None:
        left.extend(type(each) for each in gc.get_objects() if isinstance(each, BatchState | Writes))
        enable()

    monkeypatch.setattr(folding, "LARGE_BATCH", 1)
    connection = open_writer(tmp_path / "views.sqlite")
    gc.collect()
    monkeypatch.setattr(gc, "enable", enable_and_look)
    checkpoint, _ = apply_batch(connection, None, records.all)
    monkeypatch.undo()
    connection.close()
    assert checkpoint is not None
    assert left == []
