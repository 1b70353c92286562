"""How a node's ledgers start and stop when a log does not do as it should."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from projections.projector import State
from services.bootstrap import Node, lock_data
from services.ledger import Ledger
from services.log.port import LogBounds, LogUnavailable
from services.log.sqlite_log import SqliteEventLog
from services.secrets import Secrets
from services.settings import Settings

SECRET = "a secret of the tests, long enough to be one"
# Only a hang reaches it.
HANG_SECONDS = 20.0


class AwayOnce(SqliteEventLog):
    """A log that starts, and can't be asked for its bounds the first time."""

    asked = 0

    async def bounds(self, *, timeout_seconds: float) -> LogBounds:
        self.asked += 1
        if self.asked == 1:
            raise LogUnavailable("the broker went away")
        return await super().bounds(timeout_seconds=timeout_seconds)


class Broken(SqliteEventLog):
    """A log with a bug: it neither starts nor stops."""

    async def start(self) -> None:
        raise ZeroDivisionError("a bug in the log")

    async def stop(self) -> None:
        raise ZeroDivisionError("a bug in the log's end")


class Watched(SqliteEventLog):
    """A log that remembers whether it was stopped."""

    stopped = False

    async def stop(self) -> None:
        await super().stop()
        self.stopped = True


def ledger_on(log: SqliteEventLog, folder: Path) -> Ledger:
    folder.mkdir(exist_ok=True)
    return Ledger(folder.name, log, Secrets(SECRET, folder.name), folder, Settings(data=folder.parent))


async def until(condition: Callable[[], bool], lost: str) -> None:
    try:
        async with asyncio.timeout(HANG_SECONDS):
            while not condition():  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    except TimeoutError:
        pytest.fail(lost)


async def test_a_log_that_goes_away_between_its_start_and_the_first_record_is_tried_again(tmp_path: Path) -> None:
    log = AwayOnce(tmp_path / "log.sqlite")
    ledger = ledger_on(log, tmp_path / "development")
    ledger.start()
    try:
        await until(lambda: ledger.readiness.trouble() == "the broker went away", "nobody is told of the trouble")
        await until(ledger.readiness.is_ready, f"the environment is dead for ever: {ledger.readiness.trouble()}")
        assert ledger.readiness.trouble() is None
    finally:
        await ledger.stop()


async def test_a_bug_at_the_start_is_told_and_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ledger = ledger_on(Broken(tmp_path / "log.sqlite"), tmp_path / "development")
    ledger.start()
    await until(lambda: ledger.progress.state is State.STOPPED, "the environment seems to be starting for ever")
    assert ledger.readiness.trouble() == "the environment could not be started: a bug in the log"
    assert ledger.readiness.checks()["trouble"] == "the projector has stopped; the node's own log says why"
    assert [record.exc_info is not None for record in caplog.records if "could not be started" in record.message] == [True]
    with pytest.raises(ZeroDivisionError, match="a bug in the log's end"):
        await ledger.stop()


async def test_a_ledger_that_fails_to_stop_keeps_no_other_open(tmp_path: Path) -> None:
    watched = Watched(tmp_path / "watched.sqlite")
    ledgers = {
        "broken": ledger_on(Broken(tmp_path / "log.sqlite"), tmp_path / "broken"),
        "whole": ledger_on(watched, tmp_path / "whole"),
    }
    node = Node(ledgers, lock_data(tmp_path))
    node.start()
    await until(ledgers["whole"].readiness.is_ready, "one environment's bug stops another")
    with pytest.raises(ExceptionGroup, match="did not stop cleanly"):
        await node.stop()
    assert watched.stopped, "the log of the other environment was not closed"
    lock_data(tmp_path).close()


async def test_the_log_is_closed_though_the_views_fail_to_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(tmp_path / "watched.sqlite")
    ledger = ledger_on(watched, tmp_path / "development")
    ledger.start()
    await until(ledger.readiness.is_ready, "the environment does not start")

    real_stop = ledger.views.stop

    async def fail() -> None:
        await real_stop()
        raise ZeroDivisionError("a bug in the views")

    monkeypatch.setattr(ledger.views, "stop", fail)
    with pytest.raises(ZeroDivisionError):
        await ledger.stop()
    assert watched.stopped
