"""Latency of evaluations at a fixed rate, while events are folded: another node's, and such as are published here."""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

from benchmarks.load import Connection, connect, open_loop
from benchmarks.machine import median, percentile, show, stolen_share, stolen_ticks
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
STOLEN_SHARE_MAX = 0.05
"""A host that takes more of the processors than this decides the p99 by itself: five times as long at a fifth of them."""
TRIES_A_ROUND = 4

Meanwhile = Callable[[], AbstractAsyncContextManager[None]]


class Slice(NamedTuple):
    """Some seconds of requests to one server. Latencies in milliseconds."""

    p50: float
    p99: float
    stolen_share: float
    """Of the processors' time, what the host took meanwhile."""


class Pair(NamedTuple):
    """Both servers, one right after the other."""

    bare: Slice
    ours: Slice
    events_a_second: float
    """Folded beside our slice."""

    @property
    def stolen_share(self) -> float:
        """Of the worse of the two slices."""
        return max(self.bare.stolen_share, self.ours.stolen_share)


async def measure(
    what: str,
    ours: int,
    bare: int,
    requests: Requests,
    rounds: int,
    beside_ours: Meanwhile,
    beside_bare: Meanwhile | None,
    bar: str = "",
) -> None:
    """One line: our latency and the bare route's, alternated, and what goes on beside the slices of each.

    Pairs of slices are tried until as many as there are rounds were left alone by the host; the least disturbed count.
    """
    tried: list[Pair] = []
    while len(tried) < rounds * TRIES_A_ROUND and sum(pair.stolen_share <= STOLEN_SHARE_MAX for pair in tried) < rounds:
        async with (beside_bare or nullcontext)():
            of_bare = await _slice(bare, requests)
        async with beside_ours():
            begun, before = time.monotonic(), await folded_records(ours)
            of_ours = await _slice(ours, requests)
            folded = (await folded_records(ours) - before) / (time.monotonic() - begun)
        tried.append(Pair(of_bare, of_ours, folded))
    pairs = sorted(tried, key=lambda pair: pair.stolen_share)[:rounds]
    events = median([pair.events_a_second for pair in pairs])
    too_much = " (too much to tell)" if pairs[-1].stolen_share > STOLEN_SHARE_MAX else ""
    (our_p99, bare_p99), (our_p99_in_all, bare_p99_in_all) = _p99s(pairs), _p99s(tried)
    show(
        f"latency at {RATE:,}/s, open loop, {events:.0f} events/s {what} meanwhile: "
        f"p50 {median([pair.ours.p50 for pair in pairs]):.2f} ms, p99 {our_p99:.2f} ms; "
        f"bare {'alone' if beside_bare is None else 'beside the same appends'} "
        f"p50 {median([pair.bare.p50 for pair in pairs]):.2f} ms, p99 {bare_p99:.2f} ms; "
        f"p99 ratio {our_p99 / bare_p99:.2f}{bar} in the {len(pairs)} pairs of {len(tried)} from which the host took "
        f"{pairs[-1].stolen_share:.0%} of the processors at most{too_much}, {our_p99_in_all / bare_p99_in_all:.2f} in all"
    )


def _p99s(pairs: Sequence[Pair]) -> tuple[float, float]:
    """Ours and the bare route's."""
    return median([pair.ours.p99 for pair in pairs]), median([pair.bare.p99 for pair in pairs])


async def _slice(port: int, requests: Requests) -> Slice:
    before = stolen_ticks()
    samples = await open_loop(port, requests.evaluation, SLICE_SECONDS, RATE, CONNECTIONS)
    return Slice(percentile(samples, 0.5) * 1e3, percentile(samples, 0.99) * 1e3, stolen_share(before))


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
    """The bar's line: what our node folds comes from the log alone. Without Kafka it says so.

    Beside the bare route's slices the same neighbour appends as much, to a topic that nobody follows: what differs is our
    folding, not who else has work for the processor.
    """
    environment = f"benchmark-{uuid4().hex[:8]}"
    topic, unfollowed = ledger_topic(environment), f"unfollowed-{environment}"
    requests = Requests(holders)
    try:
        with some_servers() as servers, tempfile.TemporaryDirectory() as data:
            asyncio.run(_fill(servers, topic, environment, holders))
            asyncio.run(KafkaEventLog(servers, unfollowed).create_topic())
            variables = {"PREFLEDGER_KAFKA": servers, "PREFLEDGER_ENVIRONMENTS": environment}
            with (
                our_server(Path(data), **variables) as (ours, _),
                bare_server(asyncio.run(answer_size(ours, requests))) as (bare, _),
            ):
                beside_ours = partial(neighbour, servers, topic, environment, holders)
                beside_bare = partial(neighbour, servers, unfollowed, environment, holders)
                what = f"of another node folded, of {holders:,} holders,"
                asyncio.run(measure(what, ours, bare, requests, rounds, beside_ours, beside_bare, " (bar 2.0)"))
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
        what = f"published here and folded, of {holders:,} holders,"
        asyncio.run(measure(what, ours, bare, requests, rounds, partial(publishing, ours, requests), None))


def run(folder: Path, holders: int, small: int, rounds: int) -> None:
    """Both lines."""
    beside_another_node(small, rounds)
    while_publishing(folder, holders, rounds)
