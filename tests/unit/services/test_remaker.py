"""A record is taken out under a node that has counted it: its views are made anew, and it answers all the while."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from domain.event import NOBODY, Body, PreferenceSetReplaced, RecordSkipped
from domain.holder import DEFAULT_SET, ENVIRONMENT, Holder, user
from projections.digest import ViewsDigest, views_digest
from projections.projector import State
from projections.skips import skipped_so_far
from projections.state import PastState, PresentState
from projections.views_file import path_of
from schemas.codec import encode
from schemas.record import LogRecord, NewRecord
from services.commands import Request, draft_of
from services.errors import NotReady
from services.ledger import Ledger
from services.log.port import Stored
from services.log.sqlite_log import SqliteEventLog
from services.replay import Replay
from services.secrets import Secrets
from services.settings import Settings
from services.source import LogSource

WAIT_SECONDS = 30.0
ZOE = user("zoe")
FOREIGN = b"\xc3\x01" + b"newer..." + b"body"


class HeldLog(SqliteEventLog):
    """An embedded log that can be told to keep its first record back from whoever begins to fold it anew.

    The projector is not held up when it looks ahead: it follows the log, which is another call.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.gives_first = asyncio.Event()
        self.gives_first.set()

    def hold(self) -> None:
        """Keep whoever asks for the first record waiting."""
        self.gives_first.clear()

    async def read(self, offset: int, *, limit: int, wait_seconds: float) -> list[LogRecord]:
        if offset == 0:
            await self.gives_first.wait()
        return await super().read(offset, limit=limit, wait_seconds=wait_seconds)


def open_ledger(folder: Path) -> tuple[Ledger, HeldLog]:
    settings = Settings(data=folder, environments=("test",))
    (folder / "test").mkdir(exist_ok=True)
    log = HeldLog(folder / "test" / "log.sqlite")
    secrets = Secrets("a secret of the tests, long enough to be one", "test")
    ledger = Ledger("test", log, secrets, folder / "test", settings)
    ledger.start()
    return ledger, log


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[tuple[Ledger, HeldLog]]:
    ledger, log = open_ledger(tmp_path)
    await until(lambda: ledger.progress.state is State.LIVE)
    yield ledger, log
    await ledger.stop()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        while not condition():  # noqa: ASYNC110 - what is asked is a state
            await asyncio.sleep(0.01)


async def write(ledger: Ledger, enabled: bool) -> str:
    """Zoe's choice; the position of its event."""
    body = PreferenceSetReplaced(DEFAULT_SET, {"/enabled": enabled})
    receipt = await ledger.publisher.publish_one(draft_of(ledger, ZOE, body, Request(NOBODY)))
    assert receipt.outcome == "applied"
    return receipt.position


async def append(ledger: Ledger, holder: Holder, body: Body) -> int:
    """Straight into the log, as `prefledger log skip` does; the record's offset."""
    draft = draft_of(ledger, holder, body, Request(NOBODY))
    return await append_bytes(ledger, draft.stream, encode(draft).value)


async def append_bytes(ledger: Ledger, key: bytes, value: bytes) -> int:
    (outcome,) = await ledger.log.append([NewRecord(key, value)], timeout_seconds=WAIT_SECONDS)
    assert isinstance(outcome, Stored)
    return outcome.offset


def enabled(ledger: Ledger) -> object:
    stream = ledger.secrets.stream_key(ZOE)
    row = ledger.views.reader.read_now(lambda connection: PresentState(connection).item(stream, "set:default"))
    assert row is not None
    return row.stored.leaves["/enabled"]


def live_digest(ledger: Ledger) -> ViewsDigest:
    return ledger.views.reader.read_now(views_digest)


async def fresh_digest(ledger: Ledger, path: Path) -> ViewsDigest:
    """What another node comes to that sees this log for the first time."""
    async with Replay(path, LogSource(ledger.log), lambda _, __: None) as replay:
        await replay.fold_to((await ledger.log.bounds(timeout_seconds=WAIT_SECONDS)).end)
        return await replay.in_thread(views_digest, replay.connection)


async def finished(ledger: Ledger, job: str) -> dict[str, object]:
    runner = ledger.rebuilder if job == "rebuild" else ledger.verifier
    runner.start()
    await until(lambda: runner.progress()["phase"] in ("done", "failed"))
    return runner.progress()


async def test_live_fresh_and_rebuilt_nodes_come_to_the_same(opened: tuple[Ledger, HeldLog], tmp_path: Path) -> None:
    ledger, _ = opened
    await write(ledger, enabled=False)
    await write(ledger, enabled=True)
    skip = await append(ledger, ENVIRONMENT, RecordSkipped(2, "a test wrote it"))
    await until(lambda: ledger.views.folded > skip and ledger.progress.state is State.LIVE)
    assert enabled(ledger) is False, "the opt-in was taken out, and is honoured all the same"
    await write(ledger, enabled=False)
    assert live_digest(ledger) == await fresh_digest(ledger, tmp_path / "fresh.sqlite")
    verified = await finished(ledger, "verify")
    assert (verified["phase"], verified["same"]) == ("done", True), verified
    rebuilt = await finished(ledger, "rebuild")
    assert rebuilt["phase"] == "done", rebuilt
    assert live_digest(ledger).digest == rebuilt["digest"]
    assert ledger.views.reader.read_now(skipped_so_far) == {2}
    assert [path.name for path in (tmp_path / "test").glob("views-*.sqlite")] == [ledger.views.path.name]


@pytest.mark.parametrize("waits", [False, True])
async def test_records_taken_out_one_after_the_other_are_all_taken_out(
    opened: tuple[Ledger, HeldLog], tmp_path: Path, waits: bool
) -> None:
    """The next word may come while views are being made anew over the last one, or just as they begin to serve."""
    ledger, _ = opened
    for number in range(6):
        await write(ledger, enabled=number % 2 == 0)
    skip = 0
    for offset in range(2, 7):
        number = ledger.views.number
        skip = await append(ledger, ENVIRONMENT, RecordSkipped(offset, "a test wrote it"))
        if waits:
            await until(lambda number=number: ledger.views.number > number)  # type: ignore[misc]
    await until(lambda: ledger.views.folded > skip and ledger.progress.state is State.LIVE)
    assert ledger.views.reader.read_now(skipped_so_far) == {2, 3, 4, 5, 6}
    assert live_digest(ledger) == await fresh_digest(ledger, tmp_path / "fresh.sqlite")


async def test_views_that_are_outdated_as_soon_as_they_serve_are_made_once_more(
    opened: tuple[Ledger, HeldLog], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The next word comes before the file that was made is let go of: the node would catch up for ever."""
    ledger, _ = opened
    for number in range(3):
        await write(ledger, enabled=number % 2 == 0)
    may_let_go = asyncio.Event()
    let_go = Replay.__aexit__

    async def let_go_later(*arguments: Any) -> None:
        await let_go(*arguments)
        await may_let_go.wait()

    monkeypatch.setattr(Replay, "__aexit__", let_go_later)
    number = ledger.views.number
    await append(ledger, ENVIRONMENT, RecordSkipped(2, "a test wrote it"))
    await until(lambda: ledger.views.number > number)
    await append(ledger, ENVIRONMENT, RecordSkipped(3, "and another"))
    await until(lambda: "takes out record 3" in caplog.text)
    may_let_go.set()
    await until(lambda: ledger.progress.state is State.LIVE and ledger.views.number > number + 1)
    assert ledger.views.reader.read_now(skipped_so_far) == {2, 3}


async def test_the_past_is_told_without_it_too_by_the_views_and_by_a_replay(opened: tuple[Ledger, HeldLog]) -> None:
    ledger, _ = opened
    await write(ledger, enabled=False)
    position = await write(ledger, enabled=True)
    assert await replayed(ledger, position) == {"enabled": True}
    skip = await append(ledger, ENVIRONMENT, RecordSkipped(2, "a test wrote it"))
    await until(lambda: ledger.views.folded > skip)
    stream = ledger.secrets.stream_key(ZOE)
    row = ledger.views.reader.read_now(lambda connection: PastState(connection, 2).item(stream, "set:default"))
    assert row is not None
    assert row.stored.leaves == {"/enabled": False}
    assert await replayed(ledger, position) == {"enabled": False}, "it was kept from before the record was taken out"


async def replayed(ledger: Ledger, position: str) -> object:
    """Zoe's preferences by a replay of the log up to a position."""
    await ledger.replayer.start(position)
    await until(lambda: ledger.replayer.progress()["phase"] == "done")
    pages = [page async for page in ledger.replayer.holders(position)]
    told = [msgspec.json.decode(line) for page in pages for line in page.splitlines()]
    (zoe,) = (state for state in told if state["holder"] == "user:zoe")
    (stored,) = zoe["sets"]
    return stored["preferences"]


async def test_the_old_views_answer_and_nothing_is_written_until_the_new_ones_are_there(
    opened: tuple[Ledger, HeldLog],
) -> None:
    ledger, log = opened
    await write(ledger, enabled=False)
    await write(ledger, enabled=True)
    log.hold()
    await append(ledger, ENVIRONMENT, RecordSkipped(2, "a test wrote it"))
    await append(ledger, ENVIRONMENT, RecordSkipped(1, "and another"))
    await until(lambda: ledger.progress.state is not State.LIVE)
    ledger.readiness.check_answer()
    assert enabled(ledger) is True, "a question is answered as of a moment ago, never from half-made views"
    with pytest.raises(NotReady, match="nothing was appended"):
        await write(ledger, enabled=False)
    log.gives_first.set()
    await until(lambda: ledger.progress.state is State.LIVE)
    assert ledger.progress.trouble is None
    assert ledger.views.reader.read_now(skipped_so_far) == {1, 2}
    await write(ledger, enabled=True)


async def test_a_node_that_ends_meanwhile_begins_again_when_it_starts(tmp_path: Path) -> None:
    ledger, log = open_ledger(tmp_path)
    await until(lambda: ledger.progress.state is State.LIVE)
    await write(ledger, enabled=False)
    await write(ledger, enabled=True)
    log.hold()
    await append(ledger, ENVIRONMENT, RecordSkipped(2, "a test wrote it"))
    await until(lambda: ledger.progress.state is not State.LIVE)
    await ledger.stop()
    ledger, _ = open_ledger(tmp_path)
    await until(lambda: ledger.progress.state is State.LIVE)
    assert enabled(ledger) is False
    await ledger.stop()


async def test_it_waits_its_turn_behind_a_rebuild(opened: tuple[Ledger, HeldLog], tmp_path: Path) -> None:
    """Both would write the same file."""
    ledger, log = opened
    await write(ledger, enabled=False)
    await write(ledger, enabled=True)
    log.hold()
    ledger.rebuilder.start()
    skip = await append(ledger, ENVIRONMENT, RecordSkipped(2, "a test wrote it"))
    log.gives_first.set()
    await until(lambda: ledger.rebuilder.progress()["phase"] == "done")
    await until(lambda: ledger.views.folded > skip and ledger.progress.state is State.LIVE)
    assert live_digest(ledger) == await fresh_digest(ledger, tmp_path / "fresh.sqlite")


async def test_a_record_of_a_newer_release_behind_it_is_still_told(opened: tuple[Ledger, HeldLog], tmp_path: Path) -> None:
    ledger, log = opened
    await write(ledger, enabled=False)
    await write(ledger, enabled=True)
    log.hold()
    await append(ledger, ENVIRONMENT, RecordSkipped(2, "a test wrote it"))
    newer = await append_bytes(ledger, ledger.secrets.stream_key(ZOE), FOREIGN)
    log.gives_first.set()
    await until(lambda: ledger.progress.state is State.STOPPED)
    assert f"record {newer} stops this node" in str(ledger.progress.trouble)
    assert enabled(ledger) is False, "what could be folded was not folded"
    assert not path_of(tmp_path / "test", ledger.views.number + 1).exists()


async def test_a_record_that_is_put_back_and_cannot_be_folded_stops_the_node_on_its_old_views(
    opened: tuple[Ledger, HeldLog],
) -> None:
    ledger, _ = opened
    await write(ledger, enabled=False)
    newer = await append_bytes(ledger, ledger.secrets.stream_key(ZOE), FOREIGN)
    await until(lambda: ledger.progress.state is State.STOPPED)
    word = await append(ledger, ENVIRONMENT, RecordSkipped(newer, "can't wait"))
    async with ledger.views.paused():
        pass
    ledger.views.projector.progress.state = State.LIVE
    await until(lambda: ledger.views.folded > word)
    await append(ledger, ENVIRONMENT, RecordSkipped(word, "it counts after all"))
    await until(lambda: ledger.progress.state is State.STOPPED)
    assert "the views could not be made anew" in str(ledger.progress.trouble)
    assert f"record {newer} stops this node" in str(ledger.progress.trouble)
    assert enabled(ledger) is False
