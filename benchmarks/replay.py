"""Replay: from a log to caught-up views, against what the same fetching, decoding and writing costs by itself."""

import asyncio
import io
import pickle
import sqlite3
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from fastavro import schemaless_reader

from benchmarks.logs import OpenLog, Result, with_log
from benchmarks.machine import median, show
from benchmarks.population import Maker
from projections.batch_state import Writes
from projections.checkpoint import Checkpoint
from projections.fold_batch import fold_batch
from projections.folding import apply_batch, decode_batch
from projections.projector import BATCH_LIMIT
from projections.views_file import open_writer
from projections.views_store import load_batch, write_batch
from schemas.codec import HEADER_LENGTH
from schemas.record import LogRecord, NewRecord
from schemas.released import newest
from services.log.port import EventLog

BARE_BATCH = 1_000
"""What the bar names: rows a transaction of the baseline."""
READ_SECONDS = 10.0
APPEND_SECONDS = 60.0


def events(holders: int, count: int) -> list[NewRecord]:
    """First sets of all holders, then changes by users at random."""
    maker = Maker()
    records = maker.opening()
    records += [maker.first_set(number) for number in range(holders)]
    records += [maker.change(number, holders) for number in range(count - len(records))]
    return records


async def fill_log(log: EventLog, records: list[NewRecord]) -> None:
    """Append everything, a thousand at a time."""
    for start in range(0, len(records), 1000):
        await log.append(records[start : start + 1000], timeout_seconds=APPEND_SECONDS)


async def batches(log: EventLog, size: int) -> AsyncIterator[list[LogRecord]]:
    """All records, so many at once as one read gives."""
    end = (await log.bounds(timeout_seconds=READ_SECONDS)).end
    offset = 0
    while offset < end:
        records = await log.read(offset, limit=size, wait_seconds=READ_SECONDS)
        yield records
        offset += len(records)


async def replay(log: EventLog, path: Path) -> float:
    """Seconds of our projector's own steps, from an empty file to the log's end."""
    connection = open_writer(path)
    checkpoint: Checkpoint | None = None
    started = time.perf_counter()
    async for records in batches(log, BATCH_LIMIT):
        # On a thread, as the projector does: a client of Kafka whose loop stands still loses its requests.
        checkpoint, _ = await asyncio.to_thread(apply_batch, connection, checkpoint, records)
    took = time.perf_counter() - started
    connection.close()
    return took


async def keep_rows(log: EventLog, path: Path, kept: Path) -> None:
    """The rows that a replay writes, a thousand records a transaction, in a file: no process that is measured holds them."""
    connection = open_writer(path)
    checkpoint: Checkpoint | None = None
    with kept.open("wb") as file:
        async for records in batches(log, BARE_BATCH):
            decoded, _ = decode_batch(records)
            writes = fold_batch(load_batch(connection, decoded, checkpoint), decoded)
            write_batch(connection, writes)
            checkpoint = writes.checkpoint
            pickle.dump(writes, file)
    connection.close()


def kept_rows(kept: Path) -> Iterator[Writes]:
    """What `keep_rows` kept, a transaction at a time."""
    with kept.open("rb") as file, suppress(EOFError):
        while True:
            yield pickle.load(file)


async def bare(log: EventLog, path: Path, kept: Path) -> float:
    """Seconds to fetch, to decode with fastavro alone, and to write those rows."""
    connection = open_writer(path)
    took = 0.0
    offset = 0
    for writes in kept_rows(kept):
        started = time.perf_counter()
        wanted = writes.checkpoint.next_offset - offset
        records = await _exactly(log, offset, wanted)
        await asyncio.to_thread(_decode_and_write, connection, records, writes)
        offset += wanted
        took += time.perf_counter() - started
    connection.close()
    return took


def _decode_and_write(connection: sqlite3.Connection, records: list[LogRecord], writes: Writes) -> None:
    schema = newest().parsed
    for record in records:
        schemaless_reader(io.BytesIO(record.value[HEADER_LENGTH:]), schema, None)
    write_batch(connection, writes)


async def _exactly(log: EventLog, offset: int, count: int) -> list[LogRecord]:
    records: list[LogRecord] = []
    while len(records) < count:
        records += await log.read(offset + len(records), limit=count - len(records), wait_seconds=READ_SECONDS)
    return records


def apart(open_log: OpenLog, use: Callable[[EventLog], Coroutine[Any, Any, Result]]) -> Result:
    """What comes of using the log in a process of its own, as a node that starts is one."""
    with ProcessPoolExecutor(1, get_context("spawn")) as processes:
        return processes.submit(with_log, open_log, use).result()


def measure(name: str, open_log: OpenLog, holders: int, count: int, rounds: int, folder: Path) -> None:
    """One log's line: medians of alternated rounds, their ratio, and the size of the views."""
    kept = folder / f"{name}-rows"
    apart(open_log, partial(keep_rows, path=folder / f"{name}-rows.sqlite", kept=kept))
    ours: list[float] = []
    baseline: list[float] = []
    for number in range(rounds):
        baseline.append(apart(open_log, partial(bare, path=folder / f"{name}-bare-{number}.sqlite", kept=kept)))
        ours.append(apart(open_log, partial(replay, path=folder / f"{name}-ours-{number}.sqlite")))
    path = folder / f"{name}-ours-0.sqlite"
    size = (
        sqlite3.connect(path).execute("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size").fetchone()[0]
    )
    ratio = median(baseline) / median(ours)
    show(
        f"replay, {name} log, {holders:,} holders, {count:,} events, {BATCH_LIMIT:,} a transaction: "
        f"{count / median(ours):,.0f} events/s ({median(ours) / count * 1e6:.0f} µs an event), "
        f"bare {count / median(baseline):,.0f} events/s; ratio {ratio:.2f} (bar 0.6); "
        f"{size / count:,.0f} bytes of views an event"
    )


def run(name: str, open_log: OpenLog, holders: int, rounds: int) -> None:
    """One log's line, with as many changes as there are holders."""
    count = 2 * holders
    with_log(open_log, lambda log: fill_log(log, events(holders, count)))
    with tempfile.TemporaryDirectory() as folder:
        measure(name, open_log, holders, count, rounds, Path(folder))
