"""Latency of evaluations at a fixed rate, while events are folded: another node's, and such as are published here."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from uuid import uuid4

from benchmarks.load import Connection, connect, open_loop
from benchmarks.machine import median, percentile, show
from benchmarks.neighbour import BATCHES_A_SECOND, EVENTS_A_SECOND, neighbour
from benchmarks.requests import Requests, answer_size
from benchmarks.servers import bare_server, fill_log, folded_records, our_server, prepare
from services.log.kafka_log import KafkaEventLog
from services.log.kafka_topic import ledger_topic
from tests.kafka_broker import NoBrokerError, some_servers

RATE = 2_000
CONNECTIONS = 64
SLICE_SECONDS = 3.0
PUBLISHERS = 2

Meanwhile = Callable[[], AbstractAsyncContextManager[None]]


async def measure(
    what: str, ours: int, bare: int, requests: Requests, rounds: int, meanwhile: Meanwhile, bar: str = ""
) -> None:
    """One line: our latency and the bare route's, alternated. `meanwhile` is what goes on beside our slices alone."""
    found: dict[str, list[tuple[float, float]]] = {"ours": [], "bare": []}
    folded: list[float] = []
    loop = asyncio.get_running_loop()
    for _ in range(rounds):
        found["bare"].append(await _slice(bare, requests))
        async with meanwhile():
            begun, before = loop.time(), await folded_records(ours)
            found["ours"].append(await _slice(ours, requests))
            folded.append((await folded_records(ours) - before) / (loop.time() - begun))
    p50 = {name: median([pair[0] for pair in pairs]) for name, pairs in found.items()}
    p99 = {name: median([pair[1] for pair in pairs]) for name, pairs in found.items()}
    show(
        f"latency at {RATE:,}/s, open loop, {median(folded):.0f} events/s {what} meanwhile: "
        f"p50 {p50['ours']:.2f} ms, p99 {p99['ours']:.2f} ms; bare p50 {p50['bare']:.2f} ms, p99 {p99['bare']:.2f} ms; "
        f"p99 ratio {p99['ours'] / p99['bare']:.2f}{bar}"
    )


async def _slice(port: int, requests: Requests) -> tuple[float, float]:
    """p50 and p99, in milliseconds."""
    samples = await open_loop(port, requests.evaluation, SLICE_SECONDS, RATE, CONNECTIONS)
    return percentile(samples, 0.5) * 1e3, percentile(samples, 0.99) * 1e3


@asynccontextmanager
async def publishing(port: int, requests: Requests) -> AsyncIterator[None]:
    """Changes are published over HTTP, in small posts, at EVENTS_A_SECOND or as fast as they are answered."""
    connections = await connect(port, PUBLISHERS)
    stop = asyncio.Event()
    publishers = [asyncio.create_task(_publish(one, turn, requests, stop)) for turn, one in enumerate(connections)]
    try:
        yield
    finally:
        stop.set()
        await asyncio.gather(*publishers)
        for connection in connections:
            connection.close()


async def _publish(connection: Connection, turn: int, requests: Requests, stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    due = loop.time() + turn / BATCHES_A_SECOND
    while not stop.is_set():
        await asyncio.sleep(max(0.0, due - loop.time()))
        await connection.ask(requests.events(EVENTS_A_SECOND // BATCHES_A_SECOND))
        due += PUBLISHERS / BATCHES_A_SECOND


def beside_another_node(holders: int, rounds: int) -> None:
    """The bar's line: what our node folds comes from the log alone. Without Kafka it says so."""
    environment = f"benchmark-{uuid4().hex[:8]}"
    topic = ledger_topic(environment)
    requests = Requests(holders)
    try:
        with some_servers() as servers, tempfile.TemporaryDirectory() as data:
            asyncio.run(_fill(servers, topic, environment, holders))
            variables = {"PREFLEDGER_KAFKA": servers, "PREFLEDGER_ENVIRONMENTS": environment}
            with (
                our_server(Path(data), **variables) as (ours, _),
                bare_server(asyncio.run(answer_size(ours, requests))) as (bare, _),
            ):
                meanwhile = partial(neighbour, servers, topic, environment, holders)
                what = f"of another node folded, of {holders:,} holders,"
                asyncio.run(measure(what, ours, bare, requests, rounds, meanwhile, " (bar 2.0)"))
    except NoBrokerError as error:
        show(f"(without Kafka: {error})")


async def _fill(servers: str, topic: str, environment: str, holders: int) -> None:
    log = KafkaEventLog(servers, topic)
    await log.create_topic()
    await fill_log(log, holders, environment)


def while_publishing(folder: Path, holders: int, rounds: int) -> None:
    """The same where our node also takes the events over HTTP, on the embedded log."""
    data = folder / f"ledger-{holders}"
    prepare(data, holders)
    requests = Requests(holders)
    with our_server(data) as (ours, _), bare_server(asyncio.run(answer_size(ours, requests))) as (bare, _):
        meanwhile = partial(publishing, ours, requests)
        what = f"published here and folded, of {holders:,} holders,"
        asyncio.run(measure(what, ours, bare, requests, rounds, meanwhile))


def run(folder: Path, holders: int, small: int, rounds: int) -> None:
    """Both lines."""
    beside_another_node(small, rounds)
    while_publishing(folder, holders, rounds)
