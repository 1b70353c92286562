# mypy: allow-untyped-calls
"""Starting a consumer under a deadline, and asking one for the ends of a partition."""

import asyncio
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from services.log.append_queue import NOT_OPEN
from services.log.kafka_discard import discard_consumer
from services.log.kafka_outcome import unreachable
from services.log.port import LogBounds, LogUnavailable

START_SECONDS_MAX: Final = 10.0
ANSWER_SECONDS_MAX: Final = 5.0
PARTITION: Final = 0


async def start_consumer(settings: dict[str, Any]) -> AIOKafkaConsumer:
    """A started consumer without partitions. Raises LogUnavailable."""
    consumer = AIOKafkaConsumer(**settings)
    try:
        async with asyncio.timeout(START_SECONDS_MAX):
            await consumer.start()
    except (KafkaError, TimeoutError) as error:
        await discard_consumer(consumer)
        raise LogUnavailable(unreachable(settings["bootstrap_servers"], error)) from error
    except BaseException:
        await discard_consumer(consumer)
        raise
    return consumer


class KafkaBounds:
    """Asks for both ends of a topic's only partition, over a connection that no long fetch keeps busy."""

    def __init__(self, topic: str, settings: dict[str, Any]) -> None:
        self._partition = TopicPartition(topic, PARTITION)
        self._settings = settings
        self._consumer: AIOKafkaConsumer | None = None
        self._turn = asyncio.Lock()
        self._open = True

    async def ask(self, *, timeout_seconds: float) -> LogBounds:
        """Raises LogUnavailable."""
        consumer: AIOKafkaConsumer | None = None
        try:
            async with asyncio.timeout(timeout_seconds):
                consumer = await self._started()
                earliest = await consumer.beginning_offsets([self._partition])
                end = await consumer.end_offsets([self._partition])
        except (KafkaError, TimeoutError) as error:
            # A new consumer asks the bootstrap servers again where the brokers are now.
            if self._consumer is consumer:
                self._consumer = None
            raise LogUnavailable(unreachable(self._settings["bootstrap_servers"], error)) from error
        finally:
            # One that was replaced or stopped under this question may have connected again since.
            if consumer is not None and consumer is not self._consumer:
                await discard_consumer(consumer)
        return LogBounds(earliest[self._partition], end[self._partition])

    async def stop(self) -> None:
        """Safe to call twice. A question that waits is answered with LogUnavailable."""
        self._open = False
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await discard_consumer(consumer)

    async def _started(self) -> AIOKafkaConsumer:
        async with self._turn:
            if self._consumer is None:
                consumer = await start_consumer(self._settings)
                if not self._open:
                    await discard_consumer(consumer)
                    raise LogUnavailable(NOT_OPEN)
                self._consumer = consumer
            return self._consumer
