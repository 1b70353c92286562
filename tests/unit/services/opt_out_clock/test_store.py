"""The opt-out clock's file: bounded, and honest about what it left out."""

import sqlite3
from pathlib import Path

import pytest

from projections.batch_state import OptOut
from services.opt_out_clock import store as module
from services.opt_out_clock.measurement import SlowOptOut, Totals
from services.opt_out_clock.store import OptOutStore, StoreUnusable

TOTALS = Totals("ledger", 1, 0, 0, 0)


def slow(offset: int, took: int) -> SlowOptOut:
    return SlowOptOut(OptOut(offset, f"position {offset}", offset.to_bytes(16), 1_000), 1_000 + took)


def test_what_is_kept_is_there_again(tmp_path: Path) -> None:
    store = OptOutStore(tmp_path / "f.sqlite")
    assert store.totals is None
    store.save(TOTALS, [slow(5, 3_000), slow(2, 2_000)])
    store.close()
    again = OptOutStore(tmp_path / "f.sqlite")
    assert again.totals == TOTALS
    page = again.slower_than(1_000, above=-1, limit=10)
    assert (page.count, page.rows) == (2, [slow(2, 2_000), slow(5, 3_000)])
    page = again.slower_than(1_000, above=2, limit=10)
    assert (page.count, page.rows) == (2, [slow(5, 3_000)]), "the count is of all pages"
    assert again.slower_than(3_000, above=-1, limit=10).count == 0, "as long as the bound is not longer"
    again.close()


def test_the_slowest_stay_and_the_number_of_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LISTED_MAX", 10)
    monkeypatch.setattr(module, "LISTED_AFTER_CUT", 6)
    store = OptOutStore(tmp_path / "f.sqlite")
    totals = TOTALS
    for start in (0, 8):
        totals = store.save(totals, [slow(offset, 2_000 + offset) for offset in range(start, start + 8)])
    page = store.slower_than(1_000, above=-1, limit=100)
    assert [one.opt_out.offset for one in page.rows] == [10, 11, 12, 13, 14, 15]
    assert (totals.not_listed, totals.listed_from_milliseconds) == (10, 2_009)
    assert store.slower_than(totals.listed_from_milliseconds, above=-1, limit=100).count == 6, "exact from there on"
    store.close()
    again = OptOutStore(tmp_path / "f.sqlite")
    assert again.totals == totals
    again.close()


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "f.sqlite").write_bytes(b"x" * 5_000)
    with pytest.raises(StoreUnusable):
        OptOutStore(tmp_path / "f.sqlite")


def test_a_file_that_somebody_holds_is_not_taken_for_a_broken_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be put aside, and with it what was measured for years."""
    monkeypatch.setattr(module, "BUSY_SECONDS", 0.01)
    path = tmp_path / "f.sqlite"
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("CREATE TABLE t (a)")
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        OptOutStore(path)
    holder.close()
