"""The history of one holder who changed often: its pages cost the same, however many others the ledger has.

Measured in steps of SQLite's virtual machine, which are the same on every machine; `python -m benchmarks history`
measures the time over HTTP.
"""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from domain.fold import Outcome
from domain.holder import user
from projections.history import HistoryQuery, page
from tests.unit.projections.records import Records, folded, merge_of, stream_of
from tests.unit.projections.test_growth import steps_of

BUSY: Final = user("busy")
CHANGES: Final = 2_000
FEW, MANY = 200, 20_000
"""Events of others, evenly in between."""
PAGE: Final = 50
SLACK: Final = 1.1
END: Final = 10**9
STREAM: Final = stream_of(BUSY)

QUESTIONS: Final = {
    "the first page": HistoryQuery(STREAM, END, limit=PAGE),
    "a page of one set": HistoryQuery(STREAM, END, item="set:default", limit=PAGE),
    "a page of one path": HistoryQuery(STREAM, END, path="/channel_types/email", limit=PAGE),
    "a page of one actor": HistoryQuery(STREAM, END, actor="key:1", limit=PAGE),
    "everything that was rejected": HistoryQuery(STREAM, END, outcomes=[Outcome.REJECTED], limit=PAGE),
}


def views_among(path: Path, others: int) -> sqlite3.Connection:
    """Views of the busy holder's changes, with those of so many others in between."""
    records = Records()
    for number in range(CHANGES):
        records.add(BUSY, merge_of({"channel_types": {"email": bool(number % 2)}}))
        for other in range(number * others // CHANGES, (number + 1) * others // CHANGES):
            records.add(user(f"user-{other % 1_000}"), merge_of({"channel_types": {"sms": bool(other % 2)}}))
    return folded(path, records.all, range(5_000, len(records.all), 5_000))


@pytest.fixture(scope="module")
def ledgers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[sqlite3.Connection]]:
    folder = tmp_path_factory.mktemp("ledgers")
    opened = [views_among(folder / f"{others}.sqlite", others) for others in (FEW, MANY)]
    yield opened
    for connection in opened:
        connection.close()


def test_both_ledgers_hold_the_same_changes_of_the_busy_holder(ledgers: list[sqlite3.Connection]) -> None:
    counted = [connection.execute("SELECT count(*) FROM history").fetchone()[0] for connection in ledgers]
    assert counted == [1 + CHANGES + FEW, 1 + CHANGES + MANY]
    told = [page(connection, QUESTIONS["the first page"]).entries for connection in ledgers]
    assert [entry["version"] for entry in told[0]] == list(range(CHANGES, CHANGES - PAGE, -1))
    assert [entry["version"] for entry in told[1]] == [entry["version"] for entry in told[0]]


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_page_takes_the_same_work_however_many_others_there_are(ledgers: list[sqlite3.Connection], question: str) -> None:
    query = QUESTIONS[question]
    few, many = (steps_of(connection, lambda c=connection: page(c, query)) for connection in ledgers)  # type: ignore[misc]
    assert few > 0
    assert many <= few * SLACK, f"{question} took {few} steps among {FEW} events of others, and {many} among {MANY}"


def test_every_page_takes_the_same_work_wherever_it_begins(ledgers: list[sqlite3.Connection]) -> None:
    """Whoever follows `next_cursor` to the first change must not wait longer with each page."""
    _, connection = ledgers
    steps: list[int] = []
    below: int | None = END
    while below is not None:
        query = HistoryQuery(STREAM, below, limit=500)
        steps.append(steps_of(connection, lambda q=query: page(connection, q)))  # type: ignore[misc]
        below = page(connection, query).next_below
    assert len(steps) > CHANGES // 500
    assert max(steps) <= min(steps[:-1]) * SLACK, steps


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_page_is_found_by_its_index_and_never_sorted(ledgers: list[sqlite3.Connection], question: str) -> None:
    _, connection = ledgers
    asked: list[str] = []
    connection.set_trace_callback(asked.append)
    try:
        page(connection, QUESTIONS[question])
    finally:
        connection.set_trace_callback(None)
    plans = [row[3] for statement in asked for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}")]
    assert any("SEARCH h USING INDEX history_of_holder (holder_id=?" in plan for plan in plans), plans
    assert not [plan for plan in plans if "SCAN" in plan or "TEMP B-TREE" in plan], plans
