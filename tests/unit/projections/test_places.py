"""Where holders stand: each is found by its stream alone, and never taken for another whose stream begins alike."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.event import HolderForgotten
from domain.holder import tenant_set
from projections.batch_state import HolderRow
from projections.digest import views_digest
from projections.history import HistoryQuery, page
from projections.holders import forgotten_since, life_of
from projections.places import BLOCK, first_place, first_places, free_place, of_stream
from projections.state import PastState, PresentState
from projections.tables import DEFAULT_ITEM, PUT_HOLDER
from tests.unit.projections.crowd import alike, crowded, holder_of, set_of
from tests.unit.projections.records import folded, merge_of

STREAMS = st.binary(min_size=16, max_size=16)


@given(st.lists(STREAMS))
def test_a_block_is_the_streams_own_and_fits_sqlites_integers(streams: list[bytes]) -> None:
    assert list(first_places(streams)) == [first_place(stream) for stream in streams]
    for stream in streams:
        first, last, named = of_stream(stream)
        assert named == stream
        assert -(2**63) <= first <= last < 2**63
        assert (first % BLOCK, last - first) == (0, BLOCK - 1)
        assert first == int.from_bytes(stream[:8], "big", signed=True) // BLOCK * BLOCK


@given(STREAMS, st.integers(0, BLOCK - 1))
def test_the_first_free_place_is_taken(stream: bytes, taken: int) -> None:
    first = first_place(stream)
    assert free_place(stream, set(range(first, first + taken))) == first + taken


def test_a_full_block_has_no_place() -> None:
    first = first_place(alike(0))
    assert free_place(alike(9), set(range(first, first + BLOCK))) is None


@pytest.mark.parametrize("cuts", [(), range(1, 10), (2, 5)], ids=["one batch", "each by itself", "a few"])
def test_holders_of_one_block_keep_their_own_sets(tmp_path: Path, cuts: Sequence[int]) -> None:
    records = crowded(BLOCK)
    records.add(holder_of(5), merge_of({"enabled": True}, tenant_set("acme")), stream=alike(5), key=alike(5))
    records.add(holder_of(6), HolderForgotten("all"), stream=alike(6), key=alike(6))
    connection = folded(tmp_path / "views.sqlite", records.all, cuts)
    end = len(records.all) - 1
    for number in range(BLOCK):
        stream, expected = alike(number), {} if number == 6 else set_of(number)
        for state in (PresentState(connection), PastState(connection, end)):
            row = state.item(stream, DEFAULT_ITEM)
            assert row is not None
            assert row.stored.leaves == expected
            assert state.items(stream)[DEFAULT_ITEM].stored.leaves == expected
        entries = page(connection, HistoryQuery(stream, end)).entries
        assert {entry["holder"] for entry in entries} == {str(holder_of(number))}
        assert (life_of(connection, stream) is None) == (number == 6)
    streams = [alike(number) for number in range(BLOCK)]
    assert forgotten_since(connection, streams, 0) == {alike(6)}
    assert PresentState(connection).item(alike(8), DEFAULT_ITEM) is None, "one more that nobody has heard of"
    connection.close()


def test_the_order_of_batches_says_nothing_of_who_stands_where(tmp_path: Path) -> None:
    records = crowded(BLOCK)
    at_once = folded(tmp_path / "at-once.sqlite", records.all)
    one_by_one = folded(tmp_path / "one-by-one.sqlite", records.all, range(1, len(records.all)))
    assert views_digest(at_once) == views_digest(one_by_one)
    at_once.close()
    one_by_one.close()


@pytest.mark.parametrize("cuts", [(), range(1, 12)], ids=["one batch", "each by itself"])
def test_one_stream_too_many_in_a_block_is_parked_and_nothing_stops(tmp_path: Path, cuts: Sequence[int]) -> None:
    """Who can write to the topic must not be able to halt every node with nine made-up streams."""
    records = crowded(BLOCK + 1)
    records.add(holder_of(0), merge_of({"enabled": True}), stream=alike(0), key=alike(0))
    connection = folded(tmp_path / "views.sqlite", records.all, cuts)
    outcomes = [outcome for (outcome,) in connection.execute("SELECT outcome FROM history ORDER BY offset")]
    assert outcomes == ["applied"] * (BLOCK + 1) + ["parked", "applied"]
    assert PresentState(connection).item(alike(BLOCK), DEFAULT_ITEM) is None
    connection.close()


def test_a_row_is_never_written_over_by_another_stream(tmp_path: Path) -> None:
    connection = folded(tmp_path / "views.sqlite", crowded(1).all)
    row = HolderRow(first_place(alike(0)), alike(1), 0, 99, "user:other", "user").values()
    for default_set in ((None, None, None), (1, 1, b"{}")):
        with pytest.raises(sqlite3.IntegrityError):
            connection.execute(PUT_HOLDER, (*row, *default_set))
    connection.close()
