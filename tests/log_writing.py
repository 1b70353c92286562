"""Records written straight into a log, past every node: what strangers, bugs and newer releases leave there."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from schemas.record import NewRecord
from services.log.kafka_log import KafkaEventLog
from services.log.port import EventLog, Stored
from services.log.sqlite_log import SqliteEventLog

APPEND_SECONDS = 30.0
NEWER_RELEASE = b"\xc3\x01" + b"newer..." + b"what only a newer release can read"


def append_to_file(data: Path, records: Sequence[NewRecord], environment: str = "development") -> list[int]:
    """Append to an embedded log that no node has open; the records' offsets."""
    return asyncio.run(_append(SqliteEventLog(data / environment / "log.sqlite"), records))


def append_to_topic(servers: str, environment: str, records: Sequence[NewRecord]) -> list[int]:
    """Append to an environment's topic; the records' offsets."""
    return asyncio.run(_append(KafkaEventLog(servers, f"preferences.{environment}"), records))


async def _append(log: EventLog, records: Sequence[NewRecord]) -> list[int]:
    await log.start()
    try:
        outcomes = await log.append(records, timeout_seconds=APPEND_SECONDS)
    finally:
        await log.stop()
    return [outcome.offset for outcome in outcomes if isinstance(outcome, Stored)]
