"""The projector on a real embedded log: its states, what stops it, and what it waits out."""

import asyncio
import logging
from dataclasses import replace
from pathlib import Path

import pytest

from domain.holder import user
from projections.checkpoint import Checkpoint
from projections.digest import views_digest
from projections.position_watcher import PositionWatcher
from projections.projector import CONFIRM_SECONDS, Progress, State
from projections.views_file import open_reader
from projections.views_store import read_checkpoint
from schemas.record import LogRecord
from tests.unit.projections.following import Gate, following, open_log, until
from tests.unit.projections.records import LEDGER_ID, Records, folded, merge_of


def some_records(count: int) -> list[LogRecord]:
    records = Records()
    for number in range(count - 1):
        records.add(user(f"u{number % 3}"), merge_of({"channel_types": {"email": bool(number % 2)}}))
    return records.all


async def test_a_node_answers_only_after_everything_that_was_there_at_its_start(tmp_path: Path) -> None:
    async with open_log(tmp_path / "log.sqlite", some_records(10)) as log:
        gate = Gate(log, limit=3)
        gate.readable_below = 9
        async with following(tmp_path / "views.sqlite", gate) as follower:
            assert follower.is_in(State.STARTING)
            await until(lambda: follower.watcher.next_offset == 9, "nine of ten records are folded")
            assert follower.is_in(State.CATCHING_UP), "one record is missing: an answer now could be wrong"
            assert follower.progress.confirmed_at_seconds is None

            await log.append(some_records(4)[1:])
            gate.readable_below = 10
            await until(lambda: follower.is_in(State.LIVE), "live at the end that was seen at the start")
            assert follower.watcher.next_offset == 10
            assert follower.progress.start_end == 10


async def test_an_empty_log_is_no_ledger_yet(tmp_path: Path) -> None:
    async with open_log(tmp_path / "log.sqlite") as log, following(tmp_path / "views.sqlite", gate := Gate(log)) as follower:
        await until(lambda: gate.reads > 3, "the projector reads on")
        assert follower.is_in(State.CATCHING_UP), "there is no ledger to answer for"
        await log.append(some_records(2))
        await until(lambda: follower.is_in(State.LIVE), "live as soon as the ledger is there")


async def test_the_views_are_confirmed_as_of_when_the_end_was_asked_for(tmp_path: Path) -> None:
    """Staleness counts from the question, not from the answer: the log may have grown in between."""
    now = [100.0]
    async with open_log(tmp_path / "log.sqlite", some_records(5)) as log:
        gate = Gate(log)
        async with following(tmp_path / "views.sqlite", gate, monotonic=lambda: now[0]) as follower:
            await until(lambda: follower.progress.confirmed_at_seconds == 100.0, "caught up")
            asked = gate.ends
            reads = gate.reads
            await until(lambda: gate.reads > reads + 3, "the projector reads on")
            assert gate.ends == asked, "a log that was just asked for its end is not asked again"

            now[0] = 100.0 + CONFIRM_SECONDS
            await until(lambda: follower.progress.confirmed_at_seconds == now[0], "confirmed anew after a while")

            gate.readable_below, reads = 5, gate.reads
            await until(lambda: gate.reads > reads + 1, "the gate is shut")
            await log.append(some_records(3)[1:])
            now[0] += CONFIRM_SECONDS
            await until(lambda: follower.progress.log_end == 7, "the new end is known")
            assert follower.progress.confirmed_at_seconds == 100.0 + CONFIRM_SECONDS, "two records are not folded yet"
            now[0] += 50
            gate.tells_end.clear()
            gate.readable_below = 7
            await until(lambda: follower.watcher.next_offset == 7, "folded")
            asked_at = 100.0 + 2 * CONFIRM_SECONDS
            await until(lambda: follower.progress.confirmed_at_seconds == asked_at, "confirmed as of the question")
            gate.tells_end.set()
            await until(lambda: follower.progress.confirmed_at_seconds == now[0], "and then as of the next one")


async def test_a_log_out_of_reach_is_waited_out_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with open_log(tmp_path / "log.sqlite", some_records(3)) as log:
        gate = Gate(log)
        gate.unreachable = "the broker is down; start it"
        async with following(tmp_path / "views.sqlite", gate) as follower:
            await until(lambda: follower.trouble() is not None, "the trouble is told")
            assert follower.trouble() == "the broker is down; start it"
            assert not follower.task.done(), "trouble that passes stops nothing"
            gate.unreachable = None
            await until(lambda: follower.is_in(State.LIVE), "live once the log is back")
            assert follower.trouble() is None
            gate.unreachable = "the broker is down again"
            await until(lambda: follower.trouble() == "the broker is down again", "told again")
            assert follower.is_in(State.LIVE), "what is folded can still be asked for, stale"
    assert sum("waits for the log" in message for message in caplog.messages) == 2, "once an outage, not once a try"


@pytest.mark.parametrize("unreachable_first", [False, True])
async def test_a_log_that_was_cut_stops_the_projector(tmp_path: Path, unreachable_first: bool) -> None:
    records = some_records(6)
    folded(tmp_path / "views.sqlite", records).close()
    async with open_log(tmp_path / "log.sqlite", records[:4]) as log:
        gate = Gate(log)
        gate.unreachable = "not yet" if unreachable_first else None
        async with following(tmp_path / "views.sqlite", gate) as follower:
            if unreachable_first:
                await until(lambda: gate.ends > 0, "the log was asked")
                gate.unreachable = None
            await until(follower.task.done, "the projector stops")
            assert follower.is_in(State.STOPPED)
            assert follower.trouble() == (
                "the views have seen 6 records, but the log has 4: it was cut or made anew; "
                "restore the log, or delete the views if this log is the right one"
            )


async def test_another_record_where_the_views_left_off_stops_the_projector(tmp_path: Path) -> None:
    records = some_records(6)
    folded(tmp_path / "views.sqlite", records[:4]).close()
    other = Records()
    for number in range(8):
        other.add(user("somebody-else"), merge_of({"enabled": bool(number % 2)}))
    async with (
        open_log(tmp_path / "log.sqlite", other.all) as log,
        following(tmp_path / "views.sqlite", Gate(log)) as follower,
    ):
        await until(follower.task.done, "the projector stops")
        assert "record 3 is not the one that the views were made from: restore" in str(follower.trouble())
    views = folded(tmp_path / "views.sqlite", records[:4])
    checkpoint = read_checkpoint(views)
    assert checkpoint is not None
    assert checkpoint.next_offset == 4, "nothing of the other ledger got into the views"
    views.close()


async def test_a_log_that_opens_no_ledger_stops_the_projector(tmp_path: Path) -> None:
    records = Records(opened=None)
    records.add(user("ann"), merge_of({"enabled": True}))
    async with (
        open_log(tmp_path / "log.sqlite", records.all) as log,
        following(tmp_path / "views.sqlite", Gate(log)) as follower,
    ):
        await until(follower.task.done, "the projector stops")
        assert "does not open a ledger" in str(follower.trouble())
        assert follower.progress.checkpoint is None


async def test_a_ledger_that_is_not_accepted_is_not_followed(tmp_path: Path) -> None:
    """The secret of another ledger: its pseudonyms would find nobody."""
    seen: list[Checkpoint] = []

    def refuse(checkpoint: Checkpoint) -> None:
        seen.append(checkpoint)
        raise ValueError("another secret")

    records = some_records(3)
    for _ in ("a new views file", "one that was made before"):
        async with (
            open_log(tmp_path / "log.sqlite", records) as log,
            following(tmp_path / "views.sqlite", Gate(log), accept=refuse) as follower,
        ):
            await until(follower.task.done, "the projector stops")
            assert follower.trouble() == "another secret"
            assert follower.watcher.next_offset == 0, "nothing is shown to those who wait"
        records = []
    assert [checkpoint.ledger_id for checkpoint in seen] == [LEDGER_ID] * 2


async def test_a_record_of_a_newer_release_stops_it_and_what_is_there_goes_on_answering(tmp_path: Path) -> None:
    records = Records()
    records.add(user("ann"), merge_of({"enabled": True}))
    records.add_bytes(b"\xc3\x01" + b"newer..." + b"body")
    records.add(user("ann"), merge_of({"enabled": False}))
    async with (
        open_log(tmp_path / "log.sqlite", records.all) as log,
        following(tmp_path / "views.sqlite", Gate(log)) as follower,
    ):
        await until(follower.task.done, "the projector stops")
        assert "upgrade this node" in str(follower.trouble())
        assert follower.watcher.next_offset == 2, "what came before it is folded, and those who wait for it are told"
        assert follower.progress.checkpoint is not None


async def test_a_bug_or_a_full_disk_stops_it_with_a_traceback(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    views = tmp_path / "views.sqlite"
    folded(views, some_records(2)).close()
    async with open_log(tmp_path / "log.sqlite", some_records(2)) as log, following(views, Gate(log)) as follower:
        await until(lambda: follower.is_in(State.LIVE), "live")
        spoiler = folded(views, [])
        spoiler.execute("DROP TABLE choices")
        spoiler.close()
        await log.append(some_records(4)[2:])
        await until(follower.task.done, "the projector stops")
        assert follower.trouble() == "no such table: choices"
        assert follower.watcher.next_offset == 2
    assert [record.exc_info is not None for record in caplog.records if record.levelno == logging.ERROR] == [True]


async def test_two_projectors_on_one_file_do_not_both_go_on(tmp_path: Path) -> None:
    views = tmp_path / "views.sqlite"
    records = some_records(8)
    async with open_log(tmp_path / "log.sqlite", records[:4]) as log, following(views, Gate(log)) as follower:
        await until(lambda: follower.is_in(State.LIVE), "live")
        folded(views, records[:5]).close()
        await log.append(records[4:])
        await until(follower.task.done, "the projector that was overtaken stops")
        assert "another process writes them" in str(follower.trouble())
    again = folded(views, records)
    clean = folded(tmp_path / "clean.sqlite", records)
    # Recorded times differ: this log has a clock of its own, so only what does not hang on them is compared.
    assert again.execute("SELECT offset, type, outcome, version FROM history").fetchall() == (
        clean.execute("SELECT offset, type, outcome, version FROM history").fetchall()
    )
    again.close()
    clean.close()


async def test_a_projector_that_goes_on_for_another_starts_from_its_own_file(tmp_path: Path) -> None:
    """After a rebuild the node stays live, and reads on where the new file stands, not where the old one stood."""
    records = some_records(9)
    folded(tmp_path / "views-2.sqlite", records[:5]).close()
    watcher = PositionWatcher()
    async with open_log(tmp_path / "log.sqlite", records) as log:
        async with following(tmp_path / "views-1.sqlite", Gate(log), watcher=watcher) as first:
            await until(lambda: first.is_in(State.LIVE), "live")
        progress = replace(first.progress, state=State.LIVE)
        gate = Gate(log)
        async with following(tmp_path / "views-2.sqlite", gate, watcher=watcher, progress=progress) as second:
            await until(lambda: second.progress.checkpoint is not None, "the new file is open")
            assert second.is_in(State.LIVE)
            await until(lambda: second.progress.checkpoint.next_offset == 9, "it has folded what it lacked")  # type: ignore[union-attr]
            assert second.trouble() is None
        assert watcher.next_offset == 9


async def test_stopping_finishes_the_batch_at_hand_and_lets_go_of_the_file(tmp_path: Path) -> None:
    records = some_records(400)
    views = tmp_path / "views.sqlite"
    async with open_log(tmp_path / "log.sqlite", records) as log, following(views, Gate(log, limit=40)) as follower:
        await until(lambda: follower.watcher.next_offset >= 40, "a batch is folded")
        await follower.stop()
        await until(follower.task.done, "it stops")
        assert follower.is_in(State.STOPPED)
        assert follower.trouble() is None, "being stopped is no trouble"
    reader = open_reader(views)
    checkpoint = read_checkpoint(reader)
    assert checkpoint is not None
    assert checkpoint.next_offset == reader.execute("SELECT count(*) FROM history").fetchone()[0]
    assert checkpoint.next_offset % 40 == 0
    views_digest(reader)
    reader.close()


def test_a_new_projectors_progress_says_nothing_it_does_not_know() -> None:
    assert Progress() == Progress(State.STARTING, None, None, None, 0.0, None, None)


async def test_waiting_for_the_projector_from_many_tasks(tmp_path: Path) -> None:
    """How writes read themselves back: each waits for its own record."""
    async with open_log(tmp_path / "log.sqlite", some_records(30)) as log:
        gate = Gate(log, limit=1)
        async with following(tmp_path / "views.sqlite", gate) as follower:
            waits = [asyncio.create_task(follower.watcher.wait_past(offset, 30.0)) for offset in (0, 10, 29)]
            assert await asyncio.gather(*waits) == [True, True, True]
            assert not await follower.watcher.wait_past(30, 0.01), "a record that does not exist is not waited for in vain"
