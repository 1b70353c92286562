"""Another node of the cluster, as far as the log sees one: a process that appends changes to a ledger's topic."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmarks.population import Maker
from services.log.kafka_log import KafkaEventLog
from services.log.port import Stored

EVENTS_A_SECOND = 500
BATCHES_A_SECOND = 50
APPEND_SECONDS = 10.0
START_SECONDS_MAX = 60.0
STOP_SECONDS_MAX = 30.0
BEGUN = b"begun\n"


@asynccontextmanager
async def neighbour(servers: str, topic: str, environment: str, holders: int) -> AsyncIterator[None]:
    """A process that appends EVENTS_A_SECOND, from before the beginning to the end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.neighbour", servers, topic, environment, str(holders), stdout=subprocess.PIPE
    )
    try:
        async with asyncio.timeout(START_SECONDS_MAX):
            if process.stdout is None or await process.stdout.readline() != BEGUN:
                raise RuntimeError("the neighbour did not begin to append")
        yield
        if process.returncode is not None:
            raise RuntimeError(f"the neighbour ended before its time: exit code {process.returncode}")
    finally:
        if process.returncode is None:
            process.terminate()
        async with asyncio.timeout(STOP_SECONDS_MAX):
            await process.wait()


async def append(servers: str, topic: str, environment: str, holders: int) -> None:
    """Append changes by users at random, until a signal."""
    # Each process says something else: what was said before would only be told to be a duplicate.
    maker = Maker(seed=os.getpid(), environment=environment)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    log = KafkaEventLog(servers, topic)
    await log.start()
    due, number = loop.time(), holders
    while not stop.is_set():
        await asyncio.sleep(max(0.0, due - loop.time()))
        records = [maker.change(number + at, holders) for at in range(EVENTS_A_SECOND // BATCHES_A_SECOND)]
        outcomes = await log.append(records, timeout_seconds=APPEND_SECONDS)
        if not all(isinstance(outcome, Stored) for outcome in outcomes):
            raise RuntimeError("the neighbour's events were not stored")
        if number == holders:
            sys.stdout.write(BEGUN.decode())
            sys.stdout.flush()
        number += len(records)
        due += 1 / BATCHES_A_SECOND
    await log.stop()


if __name__ == "__main__":
    asyncio.run(append(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
