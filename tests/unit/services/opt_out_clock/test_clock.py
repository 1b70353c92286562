"""The opt-out clock over a node's life: an auditor's zero is only worth something if nothing late can slip past it."""

import asyncio
import sqlite3
from pathlib import Path
from uuid import UUID

import pytest

from domain.event import HolderForgotten, PreferenceSetReplaced
from domain.holder import DEFAULT_SET, user
from projections.history import feed
from projections.position_watcher import PositionWatcher
from projections.projector import Projector
from projections.views_file import open_writer, remove
from services.errors import NotReady
from services.opt_out_clock.clock import FILE
from services.opt_out_clock.measurement import NOTED_WITHIN_MILLISECONDS
from tests.unit.projections.following import Following, until
from tests.unit.projections.records import fold_on, merge_of
from tests.unit.services.opt_out_clock.node import DAY, Time, open_node, open_timed_log

ANN, BEN = user("ann"), user("ben")
NO = merge_of({"channel_types": {"email": False}})
YES = merge_of({"channel_types": {"email": True}})


@pytest.fixture
def time() -> Time:
    return Time()


async def test_every_opt_out_counts_once_and_nothing_else_does(tmp_path: Path, time: Time) -> None:
    async with open_timed_log(tmp_path, time) as log, open_node(tmp_path, log, time) as node:
        await log.say(ANN, NO, NO, YES, merge_of({"workflows": {"w": True}}))
        await log.say(BEN, YES, PreferenceSetReplaced(DEFAULT_SET, {}), HolderForgotten("none"), HolderForgotten("all"))
        await node.folded(log)
        report = await node.report()
        assert report.totals is not None
        assert report.totals.opt_outs == 3, "ann's no, ben's yes taken away, ben's suppression"
        assert (report.slow.count, report.totals.longest_milliseconds, report.totals.unmeasured) == (0, 0, 0)
        assert sum(node.clock.histogram.counts) == 3


async def test_an_outage_of_the_log_counts_in_full_and_is_told_to_the_event(tmp_path: Path, time: Time) -> None:
    async with open_timed_log(tmp_path, time) as log, open_node(tmp_path, log, time) as node:
        await log.say(BEN, NO)
        await node.folded(log)
        node.gate.unreachable = "the broker is away"
        await until(lambda: node.follower.trouble() is not None, "the log is out of reach")
        await log.say(ANN, YES, NO)
        recorded_at = time.now
        time.pass_by(3 * DAY)
        node.gate.unreachable = None
        await node.folded(log)
        report = await node.report(2 * DAY / 1000)
        (late,) = report.slow.rows
        (row,) = await node.views.read(lambda connection: feed(connection, late.opt_out.offset, 1))
        assert (row["holder"], row["position"], row["event_id"]) == (
            "user:ann",
            late.opt_out.position,
            str(UUID(bytes=late.opt_out.event_id)),
        )
        assert (late.opt_out.recorded_at_milliseconds, late.took_milliseconds, late.at_most) == (recorded_at, 3 * DAY, False)
        assert (await node.report(3 * DAY / 1000)).slow.count == 0
        assert (await node.totals()).opt_outs == 2


async def test_the_zero_of_a_year_survives_restarts(tmp_path: Path, time: Time) -> None:
    async with open_timed_log(tmp_path, time) as log:
        since = time.now
        for _ in range(3):
            async with open_node(tmp_path, log, time) as node:
                await log.say(ANN, NO, YES)
                await node.folded(log)
            time.pass_by(100 * DAY)
            await log.say(BEN, NO, YES)
            time.pass_by(DAY)
        async with open_node(tmp_path, log, time) as node:
            totals = await node.totals()
        assert (totals.since, totals.opt_outs, totals.longest_milliseconds) == (since, 3, 0)
        assert totals.while_away == 3, "the node answered nothing when they came, so none of them waited"
        assert totals.unmeasured == 0


async def test_a_node_whose_projector_stopped_does_not_get_away_with_a_restart(tmp_path: Path, time: Time) -> None:
    """It answered without the opt-out for two days, and then it was restarted: the projector never met it while it ran."""
    async with open_timed_log(tmp_path, time) as log:
        async with open_node(tmp_path, log, time) as node:
            await node.follower.stop()
            await log.say(ANN, NO)
            recorded_at = time.now
            time.pass_by(2 * DAY)
        time.pass_by(DAY)
        async with open_node(tmp_path, log, time) as node:
            (late,) = (await node.report(DAY / 1000)).slow.rows
            assert late.honoured_at_milliseconds == recorded_at + 2 * DAY, "then it stopped answering"
            assert not late.at_most
            assert (await node.totals()).while_away == 0


async def test_the_same_of_a_node_that_was_killed_is_known_within_seconds(tmp_path: Path, time: Time) -> None:
    async with open_timed_log(tmp_path, time) as log:
        async with open_node(tmp_path, log, time, killed=True) as node:
            await node.follower.stop()
            await log.say(ANN, NO)
            time.pass_by(2 * DAY)
            await node.report()
            noted_at = time.now
            time.pass_by(NOTED_WITHIN_MILLISECONDS - 1)
            await log.say(BEN, NO)
        time.pass_by(30 * DAY)
        await log.say(user("zoe"), NO)
        async with open_node(tmp_path, log, time) as node:
            report = await node.report()
            assert [one.honoured_at_milliseconds - noted_at for one in report.slow.rows] == [NOTED_WITHIN_MILLISECONDS]
            assert [one.at_most for one in report.slow.rows] == [True]
            totals = await node.totals()
            assert (totals.opt_outs, totals.while_away) == (2, 1), "ben's may have been waited for too"


async def test_what_a_kill_kept_from_being_noted_is_made_up_for(tmp_path: Path, time: Time) -> None:
    async with open_timed_log(tmp_path, time) as log:
        async with open_node(tmp_path, log, time, killed=True) as node:
            await log.say(ANN, NO)
            await node.folded(log)
            await node.report()
            await log.say(BEN, YES, NO)
            await node.folded(log)
        time.pass_by(DAY)
        async with open_node(tmp_path, log, time) as node:
            totals = await node.totals()
            assert (totals.opt_outs, totals.unmeasured) == (2, 0)
            assert totals.longest_milliseconds == NOTED_WITHIN_MILLISECONDS


async def test_what_was_honoured_without_a_note_is_owned_up_to(tmp_path: Path, time: Time) -> None:
    """A file that is older than the views, as from a backup: the clock can't know, and says so."""
    async with open_timed_log(tmp_path, time) as log:
        async with open_node(tmp_path, log, time):
            pass
        kept = (tmp_path / FILE).read_bytes()
        time.pass_by(DAY)
        async with open_node(tmp_path, log, time) as node:
            await log.say(ANN, NO, YES, NO)
            await node.folded(log)
        (tmp_path / FILE).write_bytes(kept)
        async with open_node(tmp_path, log, time) as node:
            totals = await node.totals()
            assert (totals.unmeasured, totals.opt_outs) == (2, 0)
            assert node.clock.unmeasured == 2


async def test_a_new_node_measures_from_when_it_answers_and_looks_at_nothing_before(tmp_path: Path, time: Time) -> None:
    async with open_timed_log(tmp_path, time) as log:
        await log.say(ANN, NO, YES, NO)
        time.pass_by(DAY)
        async with open_node(tmp_path, log, time) as node:
            totals = await node.totals()
            assert (totals.since, totals.opt_outs, totals.while_away) == (time.now, 0, 0)


async def test_a_node_that_never_answered_measures_nothing(tmp_path: Path, time: Time) -> None:
    async with open_timed_log(tmp_path, time) as log:
        await log.say(ANN, NO, YES)
        async with open_node(tmp_path, log, time, readable_below=2) as node:
            await until(lambda: node.follower.watcher.next_offset == 2, "one of two is folded")
            assert not node.clock.wants_opt_outs(1_000), "a replay would pay for what nobody counts"
            assert (await node.report()).totals is None


async def test_views_that_are_made_anew_count_nothing_twice(tmp_path: Path, time: Time) -> None:
    async with open_timed_log(tmp_path, time) as log:
        async with open_node(tmp_path, log, time) as node:
            await log.say(ANN, NO, YES, NO)
            await node.folded(log)
        remove(tmp_path, 1)
        time.pass_by(DAY)
        async with open_node(tmp_path, log, time) as node:
            totals = await node.totals()
            assert (totals.opt_outs, totals.while_away, totals.unmeasured) == (2, 0, 0)


async def test_what_came_into_the_views_past_the_projector_is_measured(tmp_path: Path, time: Time) -> None:
    """Views that are made anew while the old ones serve are folded by somebody else, and then take their place."""
    async with open_timed_log(tmp_path, time) as log, open_node(tmp_path, log, time) as node:
        await log.say(ANN, NO)
        await node.folded(log)
        await node.follower.stop()
        await log.say(BEN, YES, NO)
        time.pass_by(DAY)
        connection = open_writer(tmp_path / "views-1.sqlite")
        fold_on(connection, await log.log.read(0, limit=100, wait_seconds=0))
        watcher = PositionWatcher()
        projector = Projector(node.gate, connection, watcher, observer=node.observer, progress=node.follower.progress)
        follower = Following(projector, watcher)
        await log.say(ANN, YES, NO)
        await until(lambda: watcher.next_offset == len(log.records.all), "the new projector goes on")
        report = await node.report(DAY / 1000 - 1)
        assert [one.opt_out.offset for one in report.slow.rows] == [3]
        assert (await node.totals()).opt_outs == 3
        await follower.end()


async def test_another_ledger_in_the_same_folder_is_measured_anew(tmp_path: Path, time: Time) -> None:
    async with open_timed_log(tmp_path, time) as log, open_node(tmp_path, log, time) as node:
        node.gate.readable_below = 2
        await log.say(ANN, NO, YES, NO)
        time.pass_by(DAY)
        node.gate.readable_below = 1_000_000
        await node.folded(log)
        assert (await node.report()).slow.count >= 1
    with sqlite3.connect(tmp_path / FILE) as connection:
        connection.execute("UPDATE totals SET body = json_set(body, '$.ledger_id', 'another')")
    connection.close()
    async with open_timed_log(tmp_path, time) as log, open_node(tmp_path, log, time) as node:
        report = await node.report()
        assert report.totals is not None
        assert (report.totals.since, report.totals.opt_outs, report.slow.count) == (time.now, 0, 0)


async def test_a_file_that_can_not_be_read_is_put_aside(
    tmp_path: Path, time: Time, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / FILE).write_bytes(b"not a database, and longer than a page's head" * 100)
    async with open_timed_log(tmp_path, time) as log, open_node(tmp_path, log, time) as node:
        await log.say(ANN, NO)
        await node.folded(log)
        assert (await node.totals()).opt_outs == 1
    assert (tmp_path / f"{FILE}.unreadable").exists()
    assert "put aside" in caplog.text


async def test_a_clock_that_can_not_keep_what_it_measures_vouches_for_nothing(tmp_path: Path, time: Time) -> None:
    async with open_timed_log(tmp_path, time) as log, open_node(tmp_path, log, time) as node:
        await node.report()
        lock = sqlite3.connect(tmp_path / FILE, isolation_level=None)
        lock.execute("BEGIN IMMEDIATE")
        node.clock._keeper._store._connection.execute("PRAGMA busy_timeout = 1")  # type: ignore[union-attr]
        await log.say(ANN, NO)
        await node.folded(log)
        with pytest.raises(NotReady, match="can't keep what it measures"):
            await node.report()
        assert not node.follower.task.done(), "measuring stops no projector"
        lock.execute("ROLLBACK")
        lock.close()
        assert (await node.totals()).opt_outs == 1, "what could not be kept was tried again"


async def test_who_gives_up_on_a_report_loses_no_measurement(tmp_path: Path, time: Time) -> None:
    async with open_timed_log(tmp_path, time) as log, open_node(tmp_path, log, time) as node:
        await log.say(ANN, NO)
        await node.folded(log)
        impatient = asyncio.create_task(node.report())
        await asyncio.sleep(0)
        impatient.cancel()
        assert (await node.totals()).opt_outs == 1
