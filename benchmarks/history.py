"""History: the first page of a holder with many changes, among many events of others and among few, over HTTP."""

import asyncio
import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from benchmarks.load import Connection, connect, get
from benchmarks.machine import cpu_seconds, median, percentile, show
from benchmarks.population import ENVIRONMENT_NAME, Maker, recipient
from benchmarks.servers import ADMIN_KEY, our_server
from projections.checkpoint import Checkpoint
from projections.folding import apply_batch
from projections.views_file import open_writer, path_of, point_to
from schemas.record import NewRecord
from services.log.sqlite_log import SqliteEventLog

CHANGES = 10_000
FEW_EVENTS = 100_000
EVENTS_A_HOLDER = 10
BUSY = 0
"""The number of the holder whose history is read; the others have the numbers after it."""
PAGE = 50
QUESTIONS = 200
APPEND_BATCH = 1_000
FOLD_BATCH = 50_000
TOLD_EVERY = 1_000_000
APPEND_SECONDS = 60.0
READ_SECONDS = 30.0
RATIO_MAX = 1.2
"""The bar is "no slower"; medians of the same differ by so much on a machine that does other things too."""


def records(events: int) -> Iterator[NewRecord]:
    """Changes of the busy holder at even distances, and in between those of others at random."""
    maker = Maker()
    yield from maker.opening()
    others = events // EVENTS_A_HOLDER
    for number in range(events):
        if number * CHANGES // events != (number - 1) * CHANGES // events:
            yield maker.change_of(BUSY, number)
        else:
            yield maker.change_of(maker.random.randint(1, others), number)


def chunks(values: Iterator[NewRecord], size: int) -> Iterator[list[NewRecord]]:
    """Lists of so many of the values; the last one has the rest."""
    while chunk := list(islice(values, size)):
        yield chunk


async def fill(folder: Path, events: int) -> None:
    """A real log of so many events, and the views that they fold to, at the full speed of this process."""
    log = SqliteEventLog(folder / "log.sqlite")
    await log.start()
    connection = open_writer(path_of(folder, 1))
    checkpoint: Checkpoint | None = None
    began = time.monotonic()
    for batch in chunks(records(events), FOLD_BATCH):
        for part in chunks(iter(batch), APPEND_BATCH):
            await log.append(part, timeout_seconds=APPEND_SECONDS)
        end = (await log.bounds(timeout_seconds=READ_SECONDS)).end
        while checkpoint is None or checkpoint.next_offset < end:
            start = checkpoint.next_offset if checkpoint is not None else 0
            read = await log.read(start, limit=FOLD_BATCH, wait_seconds=READ_SECONDS)
            checkpoint, _ = apply_batch(connection, checkpoint, read)
        if end // TOLD_EVERY > (end - len(batch)) // TOLD_EVERY:
            show(f"  {end:,} events written and folded in {time.monotonic() - began:,.0f} s")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    await log.stop()
    point_to(folder, 1)


def prepare(data: Path, events: int) -> None:
    """A data folder with so many events; made once, and used again by later runs."""
    folder = data / ENVIRONMENT_NAME
    if (folder / "filled").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    asyncio.run(fill(folder, events))
    (folder / "filled").write_text(f"{events}\n")


def forget_pages(data: Path) -> None:
    """Ask the system to drop what it has of the views in its cache, as after a night without questions."""
    for path in (data / ENVIRONMENT_NAME).glob("views-*.sqlite"):
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


async def ask(connection: Connection, request: bytes) -> float:
    """Milliseconds to the first page; it is looked at, too."""
    began = time.perf_counter()
    body = await connection.ask(request)
    took = (time.perf_counter() - began) * 1e3
    versions = [entry["version"] for entry in json.loads(body)["entries"]]
    if versions != list(range(CHANGES, CHANGES - PAGE, -1)):
        raise RuntimeError(f"this is not the busy holder's first page: {versions[:3]}")
    return took


@dataclass(slots=True)
class Asked:
    """One ledger's figures. `processor_milliseconds` is what its server worked for each question."""

    connection: Connection
    pid: int
    first_milliseconds: float = 0.0
    milliseconds: list[float] = field(default_factory=list)
    processor_milliseconds: float = 0.0


async def measure(servers: Sequence[tuple[int, int]], rounds: int) -> list[Asked]:
    """The very first answer of each server, and many after it. They take turns, and in beginning them, too."""
    request = get(f"/ledger/v1/holders/{recipient(BUSY)}/history?limit={PAGE}", ADMIN_KEY)
    ledgers = [Asked((await connect(port, 1))[0], pid) for port, pid in servers]
    for ledger in ledgers:
        ledger.first_milliseconds = await ask(ledger.connection, request)
    worked = [cpu_seconds(ledger.pid) for ledger in ledgers]
    for number in range(rounds * QUESTIONS):
        for ledger in ledgers if number % 2 else reversed(ledgers):
            ledger.milliseconds.append(await ask(ledger.connection, request))
    for ledger, before in zip(ledgers, worked, strict=True):
        ledger.processor_milliseconds = (cpu_seconds(ledger.pid) - before) * 1e3 / (rounds * QUESTIONS)
        ledger.connection.close()
    return ledgers


def run(folder: Path, events: int, rounds: int) -> None:
    """The line of history."""
    sizes = (FEW_EVENTS, events)
    few, many = (folder / f"history-{size}" for size in sizes)
    for data, size in zip((few, many), sizes, strict=True):
        prepare(data, size)
        forget_pages(data)
    with our_server(few) as one, our_server(many) as other:
        ledgers = asyncio.run(measure((one, other), rounds))
    show(f"history, first page of {PAGE} of a holder with {CHANGES:,} changes, {rounds * QUESTIONS:,} times each:")
    for size, asked in zip(sizes, ledgers, strict=True):
        show(
            f"  among {size:,} events: {median(asked.milliseconds):.2f} ms (p99 "
            f"{percentile(asked.milliseconds, 0.99):.1f}), {asked.processor_milliseconds:.2f} ms of processor time; "
            f"the first from a cold file {asked.first_milliseconds:.0f} ms"
        )
    ratio = median(ledgers[1].milliseconds) / median(ledgers[0].milliseconds)
    worked = ledgers[1].processor_milliseconds / ledgers[0].processor_milliseconds
    show(f"  ratio {ratio:.2f}, of processor time {worked:.2f} (bar {RATIO_MAX})")
