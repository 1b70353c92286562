import asyncio
import threading
from collections.abc import Iterator

import pytest

from services.log.disk_threads import DiskThreads
from services.log.port import LogUnavailable

TIMEOUT_SECONDS = 20.0


@pytest.fixture
def stuck() -> Iterator[threading.Event]:
    """Work that waits for it is stuck until the test's end."""
    event = threading.Event()
    yield event
    event.set()


async def test_work_is_done_in_the_order_it_was_given() -> None:
    threads = DiskThreads("write", 1)
    done: list[int] = []
    for number in range(50):
        threads.submit(lambda number=number: done.append(number))  # type: ignore[misc]
    await threads.run(lambda: done.append(50), timeout_seconds=TIMEOUT_SECONDS)
    await threads.stop(timeout_seconds=TIMEOUT_SECONDS)
    assert done == list(range(51))


async def test_an_error_is_the_callers() -> None:
    threads = DiskThreads("read", 2)
    with pytest.raises(ZeroDivisionError):
        await threads.run(lambda: 1 // 0, timeout_seconds=TIMEOUT_SECONDS)
    await threads.stop(timeout_seconds=TIMEOUT_SECONDS)


async def test_a_disk_that_hangs_is_not_waited_for(stuck: threading.Event) -> None:
    threads = DiskThreads("read", 1)
    with pytest.raises(LogUnavailable, match="read took longer"):
        await threads.run(stuck.wait, timeout_seconds=0.05)
    await threads.stop(timeout_seconds=0.05)
    assert not stuck.is_set()


async def test_stopping_waits_for_the_work_that_was_given() -> None:
    threads = DiskThreads("write", 1)
    done: list[str] = []
    running = asyncio.create_task(threads.run(lambda: done.append("first"), timeout_seconds=TIMEOUT_SECONDS))
    await asyncio.sleep(0)
    threads.submit(lambda: done.append("last"))
    await threads.stop(timeout_seconds=TIMEOUT_SECONDS)
    assert done == ["first", "last"]
    with pytest.raises(LogUnavailable, match="not open"):
        await threads.run(lambda: None, timeout_seconds=TIMEOUT_SECONDS)
    await running
