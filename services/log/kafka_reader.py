# mypy: allow-untyped-calls
"""Reading a topic's only partition from any offset, by several readers at a time.

Each consumer stays where its last reader left it, so that the reader who goes on from there gets what it has fetched
ahead. A consumer that failed in any way is thrown away: the position is the caller's, so nothing can be skipped.
"""

import asyncio
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from schemas.record import LogRecord
from services.log.append_queue import NOT_OPEN
from services.log.kafka_consumer import ANSWER_SECONDS_MAX, PARTITION, start_consumer
from services.log.kafka_discard import discard_consumer
from services.log.kafka_outcome import no_such_offset, unreachable
from services.log.port import LogUnavailable, LogUnfit

CONSUMERS_MAX: Final = 8


class _Lane:
    """One consumer, and the offset it will give out next."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self.consumer = consumer
        self.position = -1


class KafkaReaders:
    """A few consumers without a group, made when needed. `settings` are for AIOKafkaConsumer."""

    def __init__(self, topic: str, settings: dict[str, Any]) -> None:
        self._partition = TopicPartition(topic, PARTITION)
        self._settings = settings
        self._lanes: set[_Lane] = set()
        self._idle: list[_Lane] = []
        self._starting = 0
        self._turns = asyncio.Semaphore(CONSUMERS_MAX)
        self._open = True

    async def read(self, offset: int, limit: int, wait_seconds: float) -> list[LogRecord]:
        """Up to `limit` records from `offset` on; none when none came within `wait_seconds`.

        Raises LogUnavailable, and LogUnfit when the topic has no such offset or the records have holes.
        """
        try:
            async with asyncio.timeout(ANSWER_SECONDS_MAX + wait_seconds):
                await self._turns.acquire()
        except TimeoutError as error:
            raise LogUnavailable(f"{CONSUMERS_MAX} readers read {self._partition.topic} already. Try again.") from error
        try:
            return await self._read_in_turn(offset, limit, wait_seconds)
        finally:
            self._turns.release()

    async def stop(self) -> None:
        """Throw all consumers away. A reader that waits is answered with an empty list at once."""
        self._open = False
        self._idle.clear()
        while self._lanes:
            await discard_consumer(self._lanes.pop().consumer)

    async def _read_in_turn(self, offset: int, limit: int, wait_seconds: float) -> list[LogRecord]:
        if not self._open:
            raise LogUnavailable(NOT_OPEN)
        lane = await self._take_lane(offset)
        try:
            async with asyncio.timeout(ANSWER_SECONDS_MAX + wait_seconds):
                records = await self._fetch(lane, offset, limit, wait_seconds)
        except OffsetOutOfRangeError as error:
            raise LogUnfit(no_such_offset(self._partition.topic, offset)) from error
        except (KafkaError, TimeoutError) as error:
            raise LogUnavailable(unreachable(self._settings["bootstrap_servers"], error)) from error
        finally:
            # Only a fetch that went well sets the position again.
            if lane.position < 0 or not self._open:
                self._lanes.discard(lane)
                await discard_consumer(lane.consumer)
            else:
                self._idle.append(lane)
        return records

    async def _fetch(self, lane: _Lane, offset: int, limit: int, wait_seconds: float) -> list[LogRecord]:
        if lane.position != offset:
            lane.consumer.seek(self._partition, offset)
        lane.position = -1
        fetched = await lane.consumer.getmany(self._partition, timeout_ms=int(wait_seconds * 1000), max_records=limit)
        records = [_log_record(record) for record in fetched.get(self._partition, ())]
        if records and (records[0].offset != offset or records[-1].offset != offset + len(records) - 1):
            raise LogUnfit(
                f"Offsets are missing from the topic {self._partition.topic} after {offset}: it was compacted, or "
                "written to in transactions. Restore it from a backup; only ledger nodes may write to it."
            )
        lane.position = offset + len(records)
        return records

    async def _take_lane(self, offset: int) -> _Lane:
        """A consumer that stands at the offset, else a new one, else the one that has been idle longest."""
        for index, lane in enumerate(self._idle):
            if lane.position == offset:
                return self._idle.pop(index)
        if len(self._lanes) + self._starting >= CONSUMERS_MAX:
            return self._idle.pop(0)
        self._starting += 1
        try:
            lane = _Lane(await start_consumer(self._settings))
        finally:
            self._starting -= 1
        lane.consumer.assign([self._partition])
        self._lanes.add(lane)
        return lane


def _log_record(record: ConsumerRecord[bytes, bytes]) -> LogRecord:
    """A key or value that is null comes from a stranger's record: its emptiness is for the codec to judge."""
    return LogRecord(record.offset, record.timestamp, record.key or b"", record.value or b"", tuple(record.headers))
