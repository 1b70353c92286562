# mypy: allow-untyped-calls
"""Ending aiokafka's clients in bounded time, whatever state they and the brokers are in.

Their own `stop()` is not enough: a producer's waits for batches that can't be delivered (aiokafka #1101), a consumer's
may end in the CancelledError of one of its own tasks before it closes its sockets, and a socket's `close()` goes on
sending what is buffered. This module and `kafka_cluster` alone touch aiokafka's private parts, as of 0.14.
"""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient

logger = logging.getLogger(__name__)

STEP_SECONDS_MAX: Final = 1.0


async def discard_producer(producer: AIOKafkaProducer) -> None:
    """Stop sending at once: what was not answered stays unknown, and is never sent again. At most 3 steps long."""
    sender: asyncio.Task[None] | None = producer._sender.sender_task
    if sender is not None:
        sender.cancel()
    await _close_client(producer.client)
    if sender is not None:
        # Cancelled once it waits for the request in flight; cancelled twice it also gives that up.
        sender.cancel()
        await _finish(sender)
    # Its own `stop()` would now wait for batches that nobody sends any more.
    producer._closed = True
    waiter = producer._txn_manager._transaction_waiter
    if waiter is not None and waiter.done() and not waiter.cancelled():
        # Looked at, or the event loop would report a failed transaction that everybody knows of.
        waiter.exception()


async def discard_consumer(consumer: AIOKafkaConsumer) -> None:
    """At most 3 steps long."""
    await _run(consumer.stop())
    await _close_client(consumer._client)


async def discard_admin(admin: AIOKafkaAdminClient) -> None:
    """At most 2 steps long."""
    await _close_client(admin._client)
    await _run(admin.close())


async def _close_client(client: AIOKafkaClient) -> None:
    for connection in list(client._conns.values()):
        if connection._writer is not None:
            connection._writer.transport.abort()
    await _run(client.close())


async def _run(ending: Coroutine[Any, Any, None]) -> None:
    await _finish(asyncio.ensure_future(ending))


async def _finish(task: asyncio.Task[None]) -> None:
    """Wait for the task, cancel it if it takes too long, and swallow how it ended: nobody can act on it."""
    try:
        await asyncio.wait({task}, timeout=STEP_SECONDS_MAX)
    finally:
        task.cancel()
    await asyncio.wait({task}, timeout=STEP_SECONDS_MAX)
    if task.done() and not task.cancelled() and task.exception() is not None:
        logger.debug("A Kafka client ended with %r", task.exception())
