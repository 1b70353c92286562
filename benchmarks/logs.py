"""The logs that are measured: an embedded one, and real Kafka."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

from benchmarks.machine import show
from services.log.kafka_log import KafkaEventLog
from services.log.port import EventLog
from services.log.sqlite_log import SqliteEventLog
from tests.kafka_broker import NoBrokerError, some_servers

OpenLog = Callable[[], EventLog]
"""The same log each time, not yet started. Another process can be given it."""

Result = TypeVar("Result")


def with_log(open_log: OpenLog, use: Callable[[EventLog], Awaitable[Result]]) -> Result:
    """What comes of using a started log, which is stopped then."""

    async def used() -> Result:
        log = open_log()
        await log.start()
        try:
            return await use(log)
        finally:
            await log.stop()

    return asyncio.run(used())


def on_each_log(folder: Path, measure: Callable[[str, OpenLog], None]) -> None:
    """The same line on a fresh embedded log and on a fresh topic of real Kafka. Says so where there is none."""
    measure("embedded", partial(SqliteEventLog, folder / f"log-{uuid4().hex}.sqlite"))
    try:
        with some_servers() as servers:
            topic = f"benchmark.{uuid4().hex}"
            asyncio.run(KafkaEventLog(servers, topic).create_topic())
            measure("Kafka", partial(KafkaEventLog, servers, topic))
    except NoBrokerError as error:
        show(f"(without Kafka: {error})")
