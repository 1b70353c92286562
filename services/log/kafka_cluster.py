# mypy: allow-untyped-calls
"""Waiting for a cluster that has just come up.

Its first answers name no brokers. aiokafka's admin client takes them, and then fails over the controller that it does
not know, with an AttributeError in place of a KafkaError. It shows what it knows in a private part only, as of 0.14.
"""

import asyncio
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient

POLL_SECONDS: Final = 0.1


async def wait_for_controller(admin: AIOKafkaAdminClient) -> None:
    """Until a started client knows whom to ask for topics. The caller sets the deadline."""
    client = admin._client
    await client.force_metadata_update()
    while client.cluster.controller is None:
        await asyncio.sleep(POLL_SECONDS)
        await client.force_metadata_update()
