# mypy: allow-untyped-calls
"""What a service outside does with an intake: publishes events to it, and reads what the ledger refused."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition

from domain.event import NOBODY, Body, PreferenceSetReplaced, Provenance
from domain.holder import DEFAULT_SET, Holder, user
from schemas.codec import Draft, encode
from services.identifiers import new_event_id
from services.intake.topics import IntakeTopics

HANG_SECONDS: Final = 60.0
POLL_SECONDS: Final = 0.02
OPT_OUT: Final = PreferenceSetReplaced(DEFAULT_SET, {"/channel_types/email": False})

Record = ConsumerRecord[bytes, bytes]


@dataclass(frozen=True)
class Sent:
    """A record on its way into the intake."""

    value: bytes | None
    key: bytes | None = b"any key"
    partition: int = 0


def event(
    body: Body = OPT_OUT,
    holder: Holder | None = None,
    *,
    event_id: bytes | None = None,
    expected_version: int | None = None,
    provenance: Provenance = NOBODY,
) -> bytes:
    """An event as a publisher writes it, which has neither the ledger's secret nor its pseudonyms."""
    chosen = event_id or new_event_id()
    return encode(
        Draft(chosen, bytes(16), b"no key", holder or user("ann"), body, 1_772_000_000_000, provenance, expected_version)
    ).value


def id_of(value: bytes) -> str:
    """The event id in a published event: it stands first, after the ten bytes of the framing."""
    return str(UUID(bytes=value[10:26]))


@asynccontextmanager
async def publisher(servers: str, compression: str | None = None) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(bootstrap_servers=servers, acks="all", enable_idempotence=True, compression_type=compression)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


def publish(servers: str, topics: IntakeTopics, records: Sequence[Sent], compression: str | None = None) -> list[int]:
    """Publish records in order; their offsets."""

    async def send() -> list[int]:
        async with publisher(servers, compression) as producer:
            waiting = [
                await producer.send(topics.intake, record.value, record.key, partition=record.partition)
                for record in records
            ]
            return [(await future).offset for future in waiting]

    return asyncio.run(send())


def refusals_of(servers: str, topics: IntakeTopics, count: int) -> list[Record]:
    """The refusals that a reader of committed records gets: those that are there, once there are so many."""

    async def read() -> list[Record]:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=servers, isolation_level="read_committed", auto_offset_reset="earliest"
        )
        await consumer.start()
        try:
            partitions = await consumer._client._wait_on_metadata(topics.refused)
            consumer.assign([TopicPartition(topics.refused, partition) for partition in sorted(partitions)])
            found: list[Record] = []
            async with asyncio.timeout(HANG_SECONDS):
                while len(found) < count:
                    fetched = await consumer.getmany(timeout_ms=100)
                    found += [record for records in fetched.values() for record in records]
            # What would be one too many has had the time to come.
            fetched = await consumer.getmany(timeout_ms=500)
            return found + [record for records in fetched.values() for record in records]
        finally:
            await consumer.stop()

    return asyncio.run(read())


def headers_of(record: Record) -> dict[str, str]:
    return {name.removeprefix("__streams.errors."): value.decode() for name, value in record.headers}
