# mypy: allow-untyped-calls
"""What tests do to a Kafka cluster besides what the event log does."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from services.log.kafka_log import KafkaEventLog
from services.log.port import LogUnfit

# Only a hang reaches it.
HANG_SECONDS = 60.0


def new_topic_name() -> str:
    return f"preferences.{uuid.uuid4().hex}"


async def opened(servers: str, topic: str | None = None) -> KafkaEventLog:
    """A started log on a topic, which is made if there is none."""
    log = KafkaEventLog(servers, topic or new_topic_name())
    async with asyncio.timeout(HANG_SECONDS):
        await create_topic(log)
    await log.start()
    return log


async def create_topic(log: KafkaEventLog) -> None:
    """A broker that was frozen is fenced for a moment, and then takes no topic."""
    while True:
        try:
            await log.create_topic(replicas=1)
        except LogUnfit as error:
            if "fenced" not in str(error):
                raise
            await asyncio.sleep(0.1)
        else:
            return


@asynccontextmanager
async def admin_of(servers: str) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


async def make_topic(servers: str, topic: str, partitions: int, settings: dict[str, str]) -> None:
    async with admin_of(servers) as admin:
        answer: Any = await admin.create_topics([NewTopic(topic, partitions, 1, topic_configs=settings)])
        assert answer.topic_errors[0][1] == 0


async def delete_topic(servers: str, topic: str) -> None:
    async with admin_of(servers) as admin:
        await admin.delete_topics([topic])
        while topic in await admin.list_topics():  # noqa: ASYNC110 - Kafka has no event for it
            await asyncio.sleep(0.05)
