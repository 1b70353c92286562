"""The decision log as an endpoint uses it: nothing waits, nothing fails, and what is not kept is counted and said."""

import asyncio
import logging
import os
import threading
import time
from pathlib import Path

import pytest

from services.decisions import log as log_module
from services.decisions.files import open_path
from services.decisions.log import DecisionLog, Lost
from services.decisions.writer import Limits
from services.errors import NotReady
from services.identifiers import new_decision_id
from tests.unit.services.decisions.lines import NOON, a_line, answer_of, ids_in, new_id

LIMITS = Limits(file_bytes_max=10**6, bytes_max=10**8, days=100_000)
QUESTION = b'{"recipient":"user:a","workflow":"w"}'


def a_log(folder: Path, share: float = 1.0, **given: int) -> DecisionLog:
    return DecisionLog(folder, "production", share, LIMITS, **given)


def keep(log: DecisionLog, decision_id: str, question: bytes = QUESTION) -> None:
    log.keep("key:k", question, answer_of(decision_id))


async def test_what_is_kept_is_found_at_once_and_after_a_restart(tmp_path: Path) -> None:
    one = new_id()
    for _ in range(2):
        log = a_log(tmp_path / "decisions")
        log.start()
        if not await log.find(one):
            keep(log, one)
        found = await log.find(one)
        assert found is not None
        assert (found.asked_by, found.question) == ("key:k", {"recipient": "user:a", "workflow": "w"})
        await log.stop()
    assert ids_in(tmp_path / "decisions") == [one]


async def test_stopping_writes_what_waits(tmp_path: Path) -> None:
    log = a_log(tmp_path / "decisions")
    log.start()
    ids = [new_id() for _ in range(3_000)]
    for one in ids:
        keep(log, one)
    await log.stop()
    assert ids_in(tmp_path / "decisions") == ids
    assert log.lines_written == 3_000
    assert not any(thread.name == "decisions production" for thread in threading.enumerate())


async def test_a_share_is_kept_by_id(tmp_path: Path) -> None:
    log = a_log(tmp_path / "decisions", share=0.5)
    log.start()
    low, high = new_id(random=1), new_id(random=0xFFFF_FFFF_FFFF)
    for one in (low, high):
        keep(log, one)
    assert await log.find(low) is not None
    assert await log.find(high) is None
    assert "share of 0.5" in log.why_absent(high)
    assert "rotated away" in log.why_absent(low)
    await log.stop()


async def test_without_a_share_nothing_is_written_and_old_files_are_found_and_removed_in_time(tmp_path: Path) -> None:
    folder = tmp_path / "decisions"
    on = a_log(folder)
    on.start()
    old, young = new_id(), new_decision_id(time.time_ns() // 1_000_000)
    keep(on, old)
    await on.stop()
    off = a_log(folder, share=0.0)
    off.start()
    assert not off.is_on
    assert await off.find(old) is not None
    assert "PREFLEDGER_DECISION_LOG is 0" in off.why_absent(young)
    await off.stop()
    strict = DecisionLog(folder, "production", 0.0, Limits(10**6, 10**8, days=1))
    strict.start()
    await strict.stop()
    assert ids_in(folder) == [], "what tells of people stayed on the disk after the log was switched off"


async def test_without_a_share_there_is_no_folder_and_no_thread(tmp_path: Path) -> None:
    log = a_log(tmp_path / "decisions", share=0.0)
    log.start()
    await log.stop()
    assert os.listdir(tmp_path) == []


async def test_what_does_not_fit_into_the_queue_is_counted_and_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = a_log(tmp_path / "decisions", queue_bytes_max=4_000)
    ids = [new_id() for _ in range(50)]
    with caplog.at_level(logging.WARNING):
        for one in ids:
            keep(log, one)
        log.start()
        await log.stop()
    kept = ids_in(tmp_path / "decisions")
    assert 0 < len(kept) < 50
    assert kept == ids[: len(kept)]
    assert log.lost == {Lost.QUEUE_FULL: 50 - len(kept), Lost.TOO_LARGE: 0, Lost.WRITE_FAILED: 0}
    (said,) = caplog.messages
    assert "production" in said
    assert "faster than the disk" in said
    assert "user:a" not in said


async def test_room_in_the_queue_comes_back(tmp_path: Path) -> None:
    log = a_log(tmp_path / "decisions", queue_bytes_max=4_000)
    log.start()
    ids = [new_id() for _ in range(12)]
    for one in ids:
        keep(log, one)
        assert await log.find(one) is not None
    await log.stop()
    assert sum(log.lost.values()) == 0


async def test_an_answer_larger_than_a_file_is_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    log = a_log(tmp_path / "decisions")
    log.start()
    large, small = new_id(), new_id()
    keep(log, large, b'{"data":"' + b"x" * 10**6 + b'"}')
    keep(log, small)
    assert await log.find(large) is None
    assert await log.find(small) is not None
    await log.stop()
    assert log.lost[Lost.TOO_LARGE] == 1
    assert "larger than a file" in caplog.text


async def test_a_disk_that_takes_nothing_is_counted_and_said_once_and_the_log_goes_on_afterwards(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "decisions"
    folder.write_text("in the way")
    log = a_log(folder)
    log.start()
    for _ in range(3):
        keep(log, new_id())
        await until(log, lost=log.lost[Lost.WRITE_FAILED] + 1)
    assert len([message for message in caplog.messages if "File exists" in message or "Not a directory" in message]) == 1
    os.unlink(folder)
    one = new_id()
    keep(log, one)
    assert await log.find(one) is not None
    await log.stop()
    assert log.lost[Lost.WRITE_FAILED] == 3
    assert log.lines_written == 1


async def test_a_disk_that_hangs_is_told_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_module, "FIND_SECONDS_MAX", 0.05)
    log = a_log(tmp_path)
    one = new_id()
    # To open a pipe for reading takes until somebody writes into it.
    pipe = open_path(tmp_path, 1, NOON)
    os.mkfifo(pipe)
    with pytest.raises(NotReady, match=r"within 0\.05 seconds"):
        await log.find(one)
    os.close(os.open(pipe, os.O_WRONLY))
    os.unlink(pipe)
    open_path(tmp_path, 2, NOON).write_bytes(a_line(one)[1])
    monkeypatch.undo()
    assert await log.find(one) is not None
    await log.stop()


async def until(log: DecisionLog, *, lost: int) -> None:
    async with asyncio.timeout(20):
        while log.lost[Lost.WRITE_FAILED] < lost:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
