# mypy: allow-untyped-calls
"""A node's place in the consumer group of an intake, with aiokafka's waits bounded.

The group says who reads which partition; where to read on is read from Kafka anew each time a partition is given out.
aiokafka waits for the end of a rebalance without a deadline, and gives out no partition before it is over.
"""

import asyncio
from collections.abc import Iterable
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import IllegalStateError

from services.intake.raw_batch import first_batch
from services.intake.refusal import IntakeRecord
from services.log.kafka_consumer import start_consumer
from services.log.kafka_discard import discard_consumer
from services.log.kafka_raw import fetch_raw
from services.log.kafka_settings import REBALANCE_TIMEOUT_MILLISECONDS
from services.log.port import LogUnavailable

POLL_MILLISECONDS: Final = 500
RECORDS_MAX: Final = 500
ANSWER_SECONDS_MAX: Final = 10.0
REVOKE_SECONDS_MAX: Final = 20.0
"""How long a rebalance waits for the batch under way: less than the rebalance itself may take."""


class GroupMember(ConsumerRebalanceListener):
    """One membership, from `join` to `leave`. `working` is held by whoever works on a batch."""

    def __init__(self, topic: str, settings: dict[str, Any], working: asyncio.Lock) -> None:
        self._topic = topic
        self._settings = settings
        self._working = working
        self._consumer: AIOKafkaConsumer | None = None
        self._next: dict[int, int] = {}
        """Of each partition, the offset that is to be given out next."""
        self.owned: frozenset[int] = frozenset()
        self.generation = 0
        """Goes up whenever partitions are given or taken. What was fetched before is not this node's to work on."""
        session_milliseconds: int = settings["session_timeout_ms"]
        self._fetch_seconds_max = (2 * REBALANCE_TIMEOUT_MILLISECONDS + session_milliseconds) / 1000

    async def join(self) -> None:
        """Ask for a share of the partitions. Raises LogUnavailable."""
        self._consumer = await start_consumer(self._settings)
        self._consumer.subscribe([self._topic], listener=self)

    async def leave(self) -> None:
        """Give everything back, in bounded time. Safe to call twice."""
        consumer, self._consumer = self._consumer, None
        self.owned = frozenset()
        if consumer is not None:
            await discard_consumer(consumer)

    async def on_partitions_revoked(self, _: Iterable[TopicPartition]) -> None:
        """Called by aiokafka before a rebalance, which waits for it: the batch under way ends first."""
        try:
            async with asyncio.timeout(REVOKE_SECONDS_MAX), self._working:
                self._own(frozenset())
        except TimeoutError:
            # The batch goes on, but its progress is fenced off as soon as another node has the partition.
            self._own(frozenset())

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Called by aiokafka after a rebalance. No heart beats before it returns, so it only takes note."""
        self._own(frozenset(partition.partition for partition in assigned))

    def _own(self, partitions: frozenset[int]) -> None:
        self.owned = partitions
        self.generation += 1

    async def fetch(self) -> dict[int, list[IntakeRecord]]:
        """The next records of each partition, in order; none when none came soon. Raises KafkaError, LogUnavailable.

        Each was begun by `seek`.
        """
        try:
            async with asyncio.timeout(self._fetch_seconds_max):
                fetched = await self._started.getmany(timeout_ms=POLL_MILLISECONDS, max_records=RECORDS_MAX)
        except TimeoutError as error:
            raise LogUnavailable(
                f"The group {self._topic} did not agree on who reads what within {self._fetch_seconds_max:g} s."
            ) from error
        except UnicodeDecodeError:
            return await self._fetch_raw()
        given_out = {
            partition.partition: [
                IntakeRecord(self._topic, partition.partition, record.offset, record.key, record.value) for record in records
            ]
            for partition, records in fetched.items()
        }
        self._next |= {partition: records[-1].offset + 1 for partition, records in given_out.items()}
        return given_out

    async def _fetch_raw(self) -> dict[int, list[IntakeRecord]]:
        """The next batch of each partition, where one of them has a record that aiokafka can't read.

        It has moved on in the others already, and dropped what it had read of them.
        """
        given_out = {}
        for partition in sorted(self.owned & self._next.keys()):
            start = self._next[partition]
            async with asyncio.timeout(ANSWER_SECONDS_MAX):
                batch = first_batch(*await fetch_raw(self._started, self._named(partition), start))
            self.seek(partition, start if batch is None else max(start, batch.next_offset))
            given_out[partition] = [
                IntakeRecord(self._topic, partition, record.offset, record.key, record.value)
                for record in (batch.records if batch is not None else ())
                if record.offset >= start
            ]
        return {partition: records for partition, records in given_out.items() if records}

    async def start_of(self, partition: int) -> tuple[int | None, int, int]:
        """How far the group has come (None: nowhere yet), the partition's first offset, and its next.

        Raises KafkaError, TimeoutError.
        """
        consumer, asked = self._started, self._named(partition)
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            committed = await consumer.committed(asked)
            earliest = await consumer.beginning_offsets([asked])
            end = await consumer.end_offsets([asked])
        return committed, earliest[asked], end[asked]

    def seek(self, partition: int, offset: int) -> None:
        """Read on from here. Raises KafkaError when the partition is no longer this node's."""
        self._started.seek(self._named(partition), offset)
        self._next[partition] = offset

    async def lag(self, partition: int) -> int | None:
        """How many records the partition has that were not fetched yet; None if it was taken away. Raises TimeoutError."""
        named = self._named(partition)
        try:
            async with asyncio.timeout(ANSWER_SECONDS_MAX):
                end = self._started.highwater(named)
                return 0 if end is None else max(0, end - await self._started.position(named))
        except (AssertionError, IllegalStateError):
            return None

    @property
    def _started(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            raise LogUnavailable("This node has left the group of the intake.")
        return self._consumer

    def _named(self, partition: int) -> TopicPartition:
        return TopicPartition(self._topic, partition)
