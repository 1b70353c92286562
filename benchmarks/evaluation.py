"""Evaluation over HTTP: processor time a request against the bare route, and memory."""

import asyncio
from pathlib import Path

from benchmarks.load import closed_loop
from benchmarks.machine import anonymous_bytes, cpu_seconds, median, show
from benchmarks.requests import Requests, answer_size
from benchmarks.servers import bare_server, our_server, prepare

CONNECTIONS = 16
SLICE_SECONDS = 3.0


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


async def memory(port: int, pid: int, requests: Requests) -> int:
    """Anonymous memory of the server after so many requests."""
    await closed_loop(port, requests.evaluation, SLICE_SECONDS, CONNECTIONS)
    return anonymous_bytes(pid)


def run(folder: Path, holders: int, small: int, rounds: int) -> None:
    """The lines of one evaluation and of memory."""
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
        with our_server(data) as ours:
            sizes[count] = asyncio.run(memory(*ours, requests))
    show(
        f"memory (anonymous) after the same requests: {sizes[holders] / 2**20:.0f} MiB at {holders:,} holders, "
        f"{sizes[small] / 2**20:.0f} MiB at {small:,}; ratio {sizes[holders] / sizes[small]:.2f} (bar 1.1)"
    )
