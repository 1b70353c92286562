"""The event log on a Kafka topic of one partition, for several nodes that share one ledger."""

import asyncio
from collections.abc import Sequence
from typing import Final

from schemas.record import LogRecord, NewRecord
from services.log.append_queue import NOT_OPEN, AppendLimits, AppendQueue
from services.log.kafka_consumer import ANSWER_SECONDS_MAX, KafkaBounds
from services.log.kafka_logging import limit_aiokafka_logging
from services.log.kafka_outcome import no_such_offset, unreachable
from services.log.kafka_producer import SupervisedProducer
from services.log.kafka_reader import KafkaReaders
from services.log.kafka_settings import KafkaOptions, connection_settings, consumer_settings, producer_settings
from services.log.kafka_topic import (
    TopicFacts,
    create_topic,
    fetch_topic,
    reason_cut,
    reason_unfit,
    reasons_to_warn,
)
from services.log.port import AppendOutcome, LogBounds, LogUnavailable, LogUnfit, Refused

START_SECONDS_MAX: Final = 30.0
STOP_SECONDS_MAX: Final = 5.0
BATCH_RECORDS_MAX: Final = 10_000
BATCH_OVERHEAD_BYTES: Final = 1_024
WAITING_RECORDS_MAX: Final = 100_000
WAITING_BYTES_MAX: Final = 128 * 1024 * 1024


class KafkaEventLog:
    """`EventLog` on one topic. `warnings` says, after `start`, which of its settings may lose records one day.

    `bootstrap_servers` is HOST:PORT, or several with commas between them.
    """

    def __init__(self, bootstrap_servers: str, topic: str, *, options: KafkaOptions | None = None) -> None:
        self._servers = bootstrap_servers
        self._topic = topic
        self._options = options or KafkaOptions()
        limit_aiokafka_logging()
        self._producer: SupervisedProducer | None = None
        self._queue: AppendQueue | None = None
        self._readers: KafkaReaders | None = None
        self._bounds: KafkaBounds | None = None
        self.warnings: list[str] = []

    async def create_topic(self, *, replicas: int | None = None, timeout_seconds: float = START_SECONDS_MAX) -> bool:
        """Make the topic; False when it exists already. The replication factor is 3, or the number of brokers if fewer.

        Raises LogUnavailable, or LogUnfit when Kafka refuses.
        """
        try:
            async with asyncio.timeout(timeout_seconds):
                return await create_topic(connection_settings(self._servers, self._options), self._topic, replicas)
        except TimeoutError as error:
            raise LogUnavailable(unreachable(self._servers, error)) from error

    async def start(self) -> None:
        """See `EventLog.start`. Takes at most START_SECONDS_MAX."""
        if self._queue is not None:
            raise ValueError("This log is started already.")
        try:
            async with asyncio.timeout(START_SECONDS_MAX):
                await self._start()
        except TimeoutError as error:
            await self.stop()
            raise LogUnavailable(unreachable(self._servers, error)) from error
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """See `EventLog.stop`. What is in flight gets STOP_SECONDS_MAX to end."""
        queue, self._queue = self._queue, None
        producer, self._producer = self._producer, None
        readers, self._readers = self._readers, None
        bounds, self._bounds = self._bounds, None
        if queue is not None:
            await queue.stop(timeout_seconds=STOP_SECONDS_MAX)
        if producer is not None:
            await producer.stop()
        if readers is not None:
            await readers.stop()
        if bounds is not None:
            await bounds.stop()

    async def append(self, records: Sequence[NewRecord], *, timeout_seconds: float) -> list[AppendOutcome]:
        """See `EventLog.append`. All records that wait go into the next Kafka batch, which is stored whole or not."""
        if self._queue is None:
            return [Refused(NOT_OPEN)] * len(records)
        return await self._queue.append(records, timeout_seconds=timeout_seconds)

    async def read(self, offset: int, *, limit: int, wait_seconds: float) -> list[LogRecord]:
        """See `EventLog.read`. The broker confirms an empty list, which takes up to ANSWER_SECONDS_MAX more.

        Records are unpacked in the event loop, some 10 microseconds each: keep `limit` at a few thousand.
        """
        readers = self._readers
        if readers is None:
            raise LogUnavailable(NOT_OPEN)
        records = await readers.read(offset, limit, wait_seconds)
        if records:
            return records
        # aiokafka hides that a broker is gone: it goes on trying, and gives out nothing.
        bounds = await self.bounds(timeout_seconds=ANSWER_SECONDS_MAX)
        if not bounds.earliest <= offset <= bounds.end:
            raise LogUnfit(no_such_offset(self._topic, offset))
        if offset == bounds.end:
            return []
        return await readers.read(offset, limit, ANSWER_SECONDS_MAX)

    async def follow(self, offset: int, *, limit: int, wait_seconds: float) -> list[LogRecord]:
        """See `EventLog.follow`. What the brokers may still lose is never given from memory."""
        return await self.read(offset, limit=limit, wait_seconds=wait_seconds)

    async def bounds(self, *, timeout_seconds: float) -> LogBounds:
        """See `EventLog.bounds`."""
        if self._bounds is None:
            raise LogUnavailable(NOT_OPEN)
        return await self._bounds.ask(timeout_seconds=timeout_seconds)

    async def _start(self) -> None:
        consumer = consumer_settings(self._servers, self._options)
        facts = await fetch_topic(connection_settings(self._servers, self._options), self._topic)
        _raise_if_unfit(reason_unfit(self._servers, self._topic, facts))
        self.warnings = reasons_to_warn(self._servers, self._topic, facts)
        self._bounds = KafkaBounds(self._topic, consumer)
        self._readers = KafkaReaders(self._topic, consumer)
        bounds = await self._bounds.ask(timeout_seconds=START_SECONDS_MAX)
        _raise_if_unfit(reason_cut(self._topic, bounds.earliest))
        self._producer = SupervisedProducer(
            self._topic, producer_settings(self._servers, self._options, batch_bytes_max=facts.batch_bytes_max)
        )
        self._producer.expect_end(bounds.end)
        await self._producer.prepare()
        self._queue = AppendQueue(self._producer, limits_of(facts))
        self._queue.start()


def limits_of(facts: TopicFacts) -> AppendLimits:
    """A batch must fit what the topic takes, and a single record must fit a batch."""
    batch_bytes = facts.batch_bytes_max - BATCH_OVERHEAD_BYTES
    return AppendLimits(
        waiting_records_max=WAITING_RECORDS_MAX,
        waiting_bytes_max=max(WAITING_BYTES_MAX, batch_bytes),
        batch_records_max=BATCH_RECORDS_MAX,
        batch_bytes_max=batch_bytes,
        record_bytes_max=batch_bytes,
    )


def _raise_if_unfit(reason: str) -> None:
    if reason:
        raise LogUnfit(reason)
