"""Evaluation over HTTP: processor time a request against the bare route, and latency at a fixed rate."""

import asyncio
import json
import random
from pathlib import Path

from benchmarks.load import Connection, closed_loop, connect, open_loop, post
from benchmarks.machine import anonymous_bytes, cpu_seconds, median, percentile, show
from benchmarks.population import CHANNELS, WORKFLOW, recipient
from benchmarks.servers import ADMIN_KEY, bare_server, our_server, prepare

PATH = "/ledger/v1/evaluate"
CONNECTIONS = 16
SLICE_SECONDS = 3.0
RATE = 2_000
OPEN_CONNECTIONS = 64
EVENTS_A_SECOND = 500
POSTS_A_SECOND = 50
PUBLISHERS = 2


class Requests:
    """Evaluations of users at random."""

    def __init__(self, holders: int) -> None:
        self._random = random.Random(7)
        self._holders = holders

    def evaluation(self) -> bytes:
        """One evaluation, of all four channels."""
        who = recipient(self._random.randrange(self._holders))
        body = {"recipient": str(who), "workflow": WORKFLOW, "channels": list(CHANNELS)}
        return post(PATH, json.dumps(body).encode(), ADMIN_KEY)

    def events(self, count: int) -> bytes:
        """One post of so many changes."""
        events = [
            {
                "type": "PreferenceSetMerged",
                "holder": str(recipient(self._random.randrange(self._holders))),
                "preferences": {"channel_types": {self._random.choice(CHANNELS): self._random.random() < 0.5}},
            }
            for _ in range(count)
        ]
        return post("/ledger/v1/events", json.dumps({"events": events}).encode(), ADMIN_KEY)


async def answer_size(port: int, requests: Requests) -> int:
    """The size of a typical answer."""
    (connection,) = await connect(port, 1)
    sizes = [len(await connection.ask(requests.evaluation())) for _ in range(50)]
    connection.close()
    return int(median(sizes))


async def throughput(ours: tuple[int, int], bare: tuple[int, int], requests: Requests, rounds: int) -> None:
    """Processor time of the server a request, alternated."""
    costs: dict[str, list[float]] = {"ours": [], "bare": []}
    for _ in range(rounds):
        for name, (port, pid) in (("bare", bare), ("ours", ours)):
            before = cpu_seconds(pid)
            answered = await closed_loop(port, requests.evaluation, SLICE_SECONDS, CONNECTIONS)
            costs[name].append((cpu_seconds(pid) - before) / answered)
    ratio = median(costs["bare"]) / median(costs["ours"])
    show(
        f"one evaluation over HTTP: {median(costs['ours']) * 1e6:.0f} µs of server CPU a request, bare Starlette JSON route "
        f"{median(costs['bare']) * 1e6:.0f} µs; throughput at equal CPU {ratio:.2f} (bar 1.0)"
    )


async def publish(port: int, requests: Requests, stop: asyncio.Event) -> int:
    """Changes at a fixed rate until told to stop; how many. An answer may take longer than the next post can wait."""
    connections = await connect(port, PUBLISHERS)
    sent = await asyncio.gather(*(_publish_in_turn(one, at, requests, stop) for at, one in enumerate(connections)))
    for connection in connections:
        connection.close()
    return sum(sent)


async def _publish_in_turn(connection: Connection, turn: int, requests: Requests, stop: asyncio.Event) -> int:
    sent = 0
    loop = asyncio.get_running_loop()
    due = loop.time() + turn / POSTS_A_SECOND
    while not stop.is_set():
        await asyncio.sleep(max(0.0, due - loop.time()))
        await connection.ask(requests.events(EVENTS_A_SECOND // POSTS_A_SECOND))
        sent += EVENTS_A_SECOND // POSTS_A_SECOND
        due += PUBLISHERS / POSTS_A_SECOND
    return sent


async def latency(ours: int, bare: int, requests: Requests, rounds: int) -> None:
    """Latency at a fixed rate, ours with the projector busy."""
    found: dict[str, list[tuple[float, float]]] = {"ours": [], "bare": []}
    applied: list[float] = []
    for _ in range(rounds):
        samples = await open_loop(bare, requests.evaluation, SLICE_SECONDS, RATE, OPEN_CONNECTIONS)
        found["bare"].append((percentile(samples, 0.5), percentile(samples, 0.99)))
        stop = asyncio.Event()
        publisher = asyncio.create_task(publish(ours, requests, stop))
        samples = await open_loop(ours, requests.evaluation, SLICE_SECONDS, RATE, OPEN_CONNECTIONS)
        stop.set()
        applied.append(await publisher / SLICE_SECONDS)
        found["ours"].append((percentile(samples, 0.5), percentile(samples, 0.99)))
    p50 = {name: median([pair[0] for pair in pairs]) * 1e3 for name, pairs in found.items()}
    p99 = {name: median([pair[1] for pair in pairs]) * 1e3 for name, pairs in found.items()}
    show(
        f"latency at {RATE:,}/s, open loop, {median(applied):.0f} events/s published and folded meanwhile: "
        f"p50 {p50['ours']:.2f} ms, p99 {p99['ours']:.2f} ms; bare p50 {p50['bare']:.2f} ms, p99 {p99['bare']:.2f} ms; "
        f"p99 ratio {p99['ours'] / p99['bare']:.2f} (bar 2.0)"
    )


async def memory(port: int, pid: int, requests: Requests) -> int:
    """Anonymous memory of the server after so many requests."""
    await closed_loop(port, requests.evaluation, SLICE_SECONDS, CONNECTIONS)
    return anonymous_bytes(pid)


def run(folder: Path, holders: int, small: int, rounds: int) -> None:
    """The lines of one evaluation, latency and memory."""
    sizes: dict[int, int] = {}
    for count in (small, holders):
        data = folder / f"ledger-{count}"
        prepare(data, count)
        requests = Requests(count)
        with our_server(data):
            pass  # The views are made once; what is measured below is a node that starts on them.
        with our_server(data) as ours:
            if count == holders:
                with bare_server(asyncio.run(answer_size(ours[0], requests))) as bare:
                    asyncio.run(throughput(ours, bare, requests, rounds))
                    asyncio.run(latency(ours[0], bare[0], requests, rounds))
        with our_server(data) as ours:
            sizes[count] = asyncio.run(memory(*ours, requests))
    show(
        f"memory (anonymous) after the same requests: {sizes[holders] / 2**20:.0f} MiB at {holders:,} holders, "
        f"{sizes[small] / 2**20:.0f} MiB at {small:,}; ratio {sizes[holders] / sizes[small]:.2f} (bar 1.1)"
    )
