"""The two servers of the HTTP benchmarks, as real processes: ours on a prepared ledger, and the bare one."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.load import connect, get
from benchmarks.machine import show
from benchmarks.population import ENVIRONMENT_NAME, SECRET, Maker
from schemas.record import NewRecord
from services.log.port import EventLog
from services.log.sqlite_log import SqliteEventLog

ADMIN_KEY = "benchmark-admin-key-0123456789"
CATCH_UP_SECONDS_MAX = 3600.0
APPEND_SECONDS = 60.0


def free_port() -> int:
    """A port that nothing listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def fill_log(log: EventLog, holders: int, environment: str = ENVIRONMENT_NAME) -> None:
    """Start an empty log, fill it with so many users' first sets, and stop it."""
    maker = Maker(environment=environment)
    await log.start()
    batch: list[NewRecord] = maker.opening()
    for number in range(holders):
        batch.append(maker.first_set(number))
        if len(batch) >= 1000:
            await log.append(batch, timeout_seconds=APPEND_SECONDS)
            batch = []
    if batch:
        await log.append(batch, timeout_seconds=APPEND_SECONDS)
    await log.stop()


def prepare(data: Path, holders: int) -> None:
    """A data folder with a log of so many users; made once, views and all, and used again by later runs."""
    folder = data / ENVIRONMENT_NAME
    if (folder / "filled").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    asyncio.run(fill_log(SqliteEventLog(folder / "log.sqlite"), holders))
    (folder / "filled").write_text(f"{holders}\n")


@contextmanager
def our_server(data: Path, **variables: str) -> Iterator[tuple[int, int]]:
    """Our server on a data folder, caught up: its port and process id."""
    port = free_port()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PREFLEDGER_")},
        "PREFLEDGER_SECRET": SECRET,
        "PREFLEDGER_ADMIN_KEY": ADMIN_KEY,
        **variables,
    }
    command = [sys.executable, "-m", "services.cli", "serve", "--data", str(data), "--port", str(port)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    try:
        wait_ready(port, process)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(60)


@contextmanager
def bare_server(answer_bytes: int) -> Iterator[tuple[int, int]]:
    """The bare server: its port and process id."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.bare_app", str(port), str(answer_bytes)])
    try:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.05)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(60)


async def folded_records(port: int) -> int:
    """How many records our server has folded."""
    (connection,) = await connect(port, 1)
    answer = json.loads(await connection.ask(get("/readyz", ADMIN_KEY)))
    connection.close()
    (state,) = answer["environments"].values()
    return int(state["records"])


def wait_ready(port: int, process: "subprocess.Popen[bytes]") -> None:
    """Until `/readyz` says yes. Tells how a long catch-up goes."""
    begun = time.monotonic()
    told = begun
    while time.monotonic() - begun < CATCH_UP_SECONDS_MAX:
        if process.poll() is not None:
            raise RuntimeError(f"the server did not start: exit code {process.returncode}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as response:
                if response.status == 200:
                    return
        except OSError as error:
            body = error.read() if hasattr(error, "read") else b""
            if body and time.monotonic() - told > 20:
                told = time.monotonic()
                (state,) = json.loads(body)["environments"].values()
                show(f"  catching up: {state['records']:,} records")
        time.sleep(0.1)
    raise RuntimeError("the server did not catch up in time")
