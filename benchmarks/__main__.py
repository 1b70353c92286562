"""`python -m benchmarks`: every line of the report, or those that are named."""

import argparse
import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from uuid import uuid4

from benchmarks import append, batch, evaluation, history, latency, replay
from benchmarks.machine import description, show
from services.log.kafka_log import KafkaEventLog
from services.log.port import EventLog
from services.log.sqlite_log import SqliteEventLog
from tests.kafka_broker import NoBrokerError, some_servers

LINES = ("append", "replay", "evaluation", "latency", "batch", "history")


async def on_log(log: EventLog, measure: Callable[[EventLog], Awaitable[None]]) -> None:
    """Measure on a started log, and stop it."""
    if isinstance(log, KafkaEventLog):
        await log.create_topic()
    await log.start()
    try:
        await measure(log)
    finally:
        await log.stop()


def embedded(folder: Path) -> SqliteEventLog:
    """A fresh embedded log."""
    return SqliteEventLog(folder / f"log-{uuid4().hex}.sqlite")


def on_kafka(measure: Callable[[EventLog], Awaitable[None]]) -> None:
    """Measure on real Kafka. Says so where there is none."""
    try:
        with some_servers() as servers:
            asyncio.run(on_log(KafkaEventLog(servers, f"benchmark.{uuid4().hex}"), measure))
    except NoBrokerError as error:
        show(f"(without Kafka: {error})")


def logs(folder: Path, measure: Callable[[str, EventLog], Awaitable[None]]) -> None:
    """The same line on the embedded log and on Kafka."""
    asyncio.run(on_log(embedded(folder), lambda log: measure("embedded", log)))
    on_kafka(lambda log: measure("Kafka", log))


def main() -> None:
    """Parse the arguments and measure."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("lines", nargs="*", default=LINES, help=f"which of {', '.join(LINES)}; all by default")
    parser.add_argument(
        "--holders", type=int, default=1_000_000, help="stored holders for evaluation, latency while publishing, and batch"
    )
    parser.add_argument(
        "--small",
        type=int,
        default=100_000,
        help="stored holders for replay, latency beside another node, and memory's comparison",
    )
    parser.add_argument(
        "--events", type=int, default=1_000_000, help="events of history; 10,000,000 take 15 GB and patience"
    )
    parser.add_argument("--rounds", type=int, default=5, help="alternated rounds, of which the median counts")
    parser.add_argument("--folder", type=Path, help="where prepared ledgers are kept for the next run")
    arguments = parser.parse_args()
    show(description())
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if "append" in arguments.lines:
            logs(folder, lambda name, log: append.measure(name, log, arguments.rounds))
        if "replay" in arguments.lines:
            logs(folder, lambda name, log: replay.run(name, log, arguments.small, arguments.rounds))
        if "evaluation" in arguments.lines:
            evaluation.run(folder, arguments.holders, arguments.small, arguments.rounds)
        if "latency" in arguments.lines:
            latency.run(folder, arguments.holders, arguments.small, arguments.rounds)
        if "batch" in arguments.lines:
            batch.run(folder, arguments.holders, arguments.rounds)
        if "history" in arguments.lines:
            history.run(folder, arguments.events, arguments.rounds)


main()
