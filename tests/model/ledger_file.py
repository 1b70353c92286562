"""Writing into a log itself, past any node: what other publishers, older nodes and broken ones leave there."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from schemas.record import NewRecord
from services.bootstrap import lock_data
from services.log.kafka_log import KafkaEventLog
from services.log.kafka_topic import ledger_topic
from services.log.port import EventLog, Stored
from services.log.sqlite_file import INSERT, open_writer, read_end
from services.log.sqlite_log import SqliteEventLog

ENVIRONMENT: Final = "development"
APPEND_SECONDS_MAX: Final = 60.0
BATCH: Final = 1_000


def log_file(data: Path) -> Path:
    """The embedded log of a data folder."""
    return data / ENVIRONMENT / "log.sqlite"


def write_to_file(data: Path, records: Sequence[NewRecord], clock: Callable[[], int]) -> list[Stored]:
    """Append to the embedded log of a folder whose node is down, by a clock of our own (Unix milliseconds)."""
    with lock_data(data):
        return asyncio.run(_append(SqliteEventLog(log_file(data), clock=clock), records))


def write_timed(data: Path, records: Sequence[tuple[NewRecord, int]]) -> int:
    """The same with a timestamp for each record, none of them kept from going back; the offset of the first."""
    with lock_data(data), closing(open_writer(log_file(data))) as connection:
        first = read_end(connection)[0]
        rows = [(first + at, timestamp, one.key, one.value, None) for at, (one, timestamp) in enumerate(records)]
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(INSERT, rows)
        connection.execute("COMMIT")
        return first


def write_to_topic(servers: str, environment: str, records: Sequence[NewRecord]) -> list[Stored]:
    """Append to an environment's topic, whatever its nodes do meanwhile."""
    return asyncio.run(_append(KafkaEventLog(servers, ledger_topic(environment)), records))


async def _append(log: EventLog, records: Sequence[NewRecord]) -> list[Stored]:
    await log.start()
    try:
        stored: list[Stored] = []
        for start in range(0, len(records), BATCH):
            outcomes = await log.append(records[start : start + BATCH], timeout_seconds=APPEND_SECONDS_MAX)
            stored += [outcome for outcome in outcomes if isinstance(outcome, Stored)]
        assert len(stored) == len(records), "the log did not take what the test writes"
        return stored
    finally:
        await log.stop()
