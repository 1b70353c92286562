# mypy: allow-untyped-calls
"""A producer that is thrown away and made anew whenever it can't be trusted any more.

aiokafka's idempotent producer never gives up on a batch, its `stop()` waits for such a batch for ever (#1101), and an
out-of-order sequence number is fatal to it (#1017). So every wait here has a deadline, and nothing is ever sent again.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from schemas.record import NewRecord
from services.log.kafka_discard import discard_producer
from services.log.kafka_outcome import (
    needs_new_producer,
    outcome_of_failure,
    outcomes_of_answer,
    unreachable,
    went_back,
)
from services.log.port import AppendOutcome, LogUnavailable, LogUnfit, Stored, Unknown

START_SECONDS_MAX: Final = 10.0
PARTITION: Final = 0


class SupervisedProducer:
    """A `BatchStore` on one topic's only partition. `settings` are for AIOKafkaProducer."""

    def __init__(self, topic: str, settings: dict[str, Any]) -> None:
        self._topic = topic
        self._settings = settings
        self._producer: AIOKafkaProducer | None = None
        self._unfit = ""
        self._end = 0

    def expect_end(self, end: int) -> None:
        """Tell which offsets are taken: a record stored below `end` shows that the topic is another one."""
        self._end = end

    async def prepare(self) -> None:
        """Have a working producer. Raises LogUnavailable, or LogUnfit once the topic proved to be another one."""
        if self._unfit:
            raise LogUnfit(self._unfit)
        if self._producer is not None:
            return
        producer = AIOKafkaProducer(**self._settings)
        try:
            async with asyncio.timeout(START_SECONDS_MAX):
                await producer.start()
                await producer.partitions_for(self._topic)
        except (KafkaError, TimeoutError) as error:
            await discard_producer(producer)
            raise LogUnavailable(unreachable(self._settings["bootstrap_servers"], error)) from error
        except BaseException:
            await discard_producer(producer)
            raise
        self._producer = producer

    async def commit(self, records: Sequence[NewRecord], deadline: float) -> list[AppendOutcome]:
        """Send the records as one batch, which Kafka stores whole or not at all; wait until `deadline`."""
        if self._producer is None:
            raise ValueError("commit before prepare")
        outcomes: list[AppendOutcome] = [Unknown("The log was stopped before Kafka answered.")]
        try:
            outcomes = await self._send(self._producer, records, deadline)
        finally:
            if needs_new_producer(outcomes):
                await self.stop()
        if went_back(outcomes, self._end):
            return self._fence(outcomes)
        for last in outcomes[-1:]:
            self._end = last.offset + 1 if isinstance(last, Stored) else self._end
        return outcomes

    async def stop(self) -> None:
        """Throw the producer away, in bounded time. Safe to call twice."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await discard_producer(producer)

    async def _send(self, producer: AIOKafkaProducer, records: Sequence[NewRecord], deadline: float) -> list[AppendOutcome]:
        batch = producer.create_batch()
        for record in records:
            if batch.append(key=record.key, value=record.value, headers=list(record.headers), timestamp=None) is None:
                raise ValueError("The records do not fit one Kafka batch, though their sizes were added up before.")
        batch.close()
        try:
            async with asyncio.timeout_at(deadline):
                delivery = await producer.send_batch(batch, self._topic, partition=PARTITION)
                answer = await delivery
        except (KafkaError, TimeoutError) as error:
            return [outcome_of_failure(self._topic, error)] * len(records)
        return outcomes_of_answer(self._topic, answer.offset, answer.timestamp, len(records))

    def _fence(self, outcomes: list[AppendOutcome]) -> list[AppendOutcome]:
        """Nothing more goes to a topic that gives out offsets for a second time."""
        self._unfit = (
            f"The topic {self._topic} gave out an offset below {self._end}, where it has had records: "
            "it was cut or made anew. Stop this node; restore the topic, or start a new ledger."
        )
        return [Unknown(self._unfit)] * len(outcomes)
