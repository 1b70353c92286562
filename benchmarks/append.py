"""Append: many writers against one, and batches of a thousand."""

import asyncio
import time
from collections.abc import Sequence

from benchmarks.logs import OpenLog, with_log
from benchmarks.machine import median, show
from benchmarks.population import Maker
from schemas.record import NewRecord
from services.log.port import EventLog, Stored

WRITERS = 32
ROUND_SECONDS = 1.5
BATCH = 1_000
APPEND_SECONDS = 30.0


async def writers(log: EventLog, records: Sequence[NewRecord], count: int) -> float:
    """Events a second of so many writers, each with one event in flight."""
    deadline = time.perf_counter() + ROUND_SECONDS
    stored = 0

    async def write(first: int) -> None:
        nonlocal stored
        at = first
        while time.perf_counter() < deadline:
            (outcome,) = await log.append([records[at % len(records)]], timeout_seconds=APPEND_SECONDS)
            if not isinstance(outcome, Stored):
                raise RuntimeError(f"an append failed: {outcome.reason}")
            stored += 1
            at += count

    started = time.perf_counter()
    await asyncio.gather(*(write(number) for number in range(count)))
    return stored / (time.perf_counter() - started)


async def batches(log: EventLog, records: Sequence[NewRecord]) -> float:
    """Events a second of one writer that appends a thousand at a time."""
    deadline = time.perf_counter() + ROUND_SECONDS
    stored = 0
    started = time.perf_counter()
    while time.perf_counter() < deadline:
        outcomes = await log.append(records[:BATCH], timeout_seconds=APPEND_SECONDS)
        if not all(isinstance(outcome, Stored) for outcome in outcomes):
            raise RuntimeError("an append failed")
        stored += len(outcomes)
    return stored / (time.perf_counter() - started)


async def measure(name: str, log: EventLog, rounds: int) -> None:
    """One log's line: alternated rounds."""
    maker = Maker()
    records = [maker.first_set(number) for number in range(BATCH)]
    one: list[float] = []
    many: list[float] = []
    batch: list[float] = []
    for _ in range(rounds):
        one.append(await writers(log, records, 1))
        many.append(await writers(log, records, WRITERS))
        batch.append(await batches(log, records))
    show(
        f"append, {name} log, durable: 1 writer {median(one):,.0f} events/s, {WRITERS} writers {median(many):,.0f}; "
        f"ratio {median(many) / median(one):.1f} (bar 10); batches of {BATCH:,}: {median(batch):,.0f} events/s (bar 30,000)"
    )


def run(name: str, open_log: OpenLog, rounds: int) -> None:
    """One log's line."""
    with_log(open_log, lambda log: measure(name, log, rounds))
