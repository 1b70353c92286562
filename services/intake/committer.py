# mypy: allow-untyped-calls
"""One partition's progress through an intake, moved in one transaction with what was refused on the way (KIP-98).

The transactional id belongs to the partition, not to the node: whoever opens it next fences the last one off, with
whatever that one still had open. So no refusal is answered twice to those who read committed records only.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from schemas.record import Headers
from services.intake.refusal import IntakeRecord, Refusal, headers_of_refusal
from services.intake.topics import IntakeTopics
from services.log.kafka_discard import discard_producer
from services.log.kafka_outcome import unreachable
from services.log.port import LogUnavailable

OPEN_SECONDS_MAX: Final = 15.0
COMMIT_SECONDS_MAX: Final = 10.0

Refusals = Sequence[tuple[IntakeRecord, Refusal]]


class PartitionCommitter:
    """For one partition, from `open` to the first failure or `close`. `settings` are for AIOKafkaProducer."""

    def __init__(self, topics: IntakeTopics, partition: int, settings: dict[str, Any], *, refused_partitions: int) -> None:
        self._topics = topics
        self._partition = TopicPartition(topics.intake, partition)
        self._refused_partition = partition % refused_partitions
        self._settings = settings
        self._producer: AIOKafkaProducer | None = None

    async def open(self) -> None:
        """Fence off whoever had the partition; after it nothing of theirs is pending. Raises KafkaError, LogUnavailable."""
        self._producer = AIOKafkaProducer(**self._settings)
        try:
            async with asyncio.timeout(OPEN_SECONDS_MAX):
                await self._producer.start()
        except TimeoutError as error:
            raise LogUnavailable(unreachable(self._settings["bootstrap_servers"], error)) from error

    async def commit(self, next_offset: int, refusals: Refusals) -> None:
        """Everything below `next_offset` is done, and these were refused: both, or nothing of it.

        Raises KafkaError, LogUnavailable. After that, whether it counts is known only to whoever opens next.
        """
        producer = self._producer
        if producer is None:
            raise ValueError("commit before open")
        try:
            async with asyncio.timeout(COMMIT_SECONDS_MAX):
                await producer.begin_transaction()
                # First of all: it fails if another node has the partition now, and then nothing else is on its way.
                await producer.send_offsets_to_transaction({self._partition: next_offset}, self._topics.group)
                await self._send(producer, refusals)
                await producer.commit_transaction()
        except TimeoutError as error:
            raise LogUnavailable(unreachable(self._settings["bootstrap_servers"], error)) from error

    async def close(self) -> None:
        """Throw the producer away, in bounded time. Safe to call twice."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await discard_producer(producer)

    async def _send(self, producer: AIOKafkaProducer, refusals: Refusals) -> None:
        """aiokafka commits a transaction whose records were not stored, so each batch is waited for."""
        waiting = [(record.key, record.value, headers_of_refusal(record, refusal)) for record, refusal in refusals]
        while waiting:
            batch = producer.create_batch()
            sent = 0
            while sent < len(waiting) and _fits(batch, *waiting[sent]):
                sent += 1
            if not sent:
                raise KafkaError("a refusal is larger than a batch")
            batch.close()
            delivery = await producer.send_batch(batch, self._topics.refused, partition=self._refused_partition)
            await delivery
            del waiting[:sent]


def _fits(batch: Any, key: bytes | None, value: bytes | None, headers: Headers) -> bool:
    return batch.append(key=key, value=value, headers=list(headers), timestamp=None) is not None
