"""Records that an operator took out: what is taken out follows from the log alone, and all nodes come to the same."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.event import LedgerSealed, RecordSkipped
from domain.fold import fold
from domain.holder import ENVIRONMENT, user
from projections.digest import ViewsDigest, views_digest
from projections.folding import Halted, SkipFound, Unfoldable, apply_batch, apply_records
from projections.history import event_at
from projections.projector import State
from projections.skips import NOTHING_SKIPPED, Outdated, in_force, look_ahead, said_by, skipped_so_far
from projections.state import PresentState
from projections.views_file import open_writer
from projections.views_store import read_checkpoint
from schemas.record import LogRecord
from tests.unit.projections.following import Gate, following, open_log, until
from tests.unit.projections.random_logs import LINES, TAKEN_OUT, RandomLog
from tests.unit.projections.records import Records, folded, merge_of, stream_of

ANN = user("ann")
NEWER = b"\xc3\x01" + b"newer..." + b"body"


def take_out(records: Records, offset: int) -> LogRecord:
    return records.add(ENVIRONMENT, RecordSkipped(offset, "it does not count"))


# What is taken out.


def test_the_last_word_on_each_record_counts() -> None:
    assert in_force([]) == frozenset()
    assert in_force([(5, 2)]) == {2}
    assert in_force([(5, 2), (7, 5)]) == {5}, "the word was taken back, so record 2 counts again"
    assert in_force([(5, 2), (6, 2), (7, 5)]) == {2, 5}, "two words on one record, and only one was taken back"
    assert in_force([(5, 2), (7, 5), (9, 7)]) == {2, 7}, "and the taking back was taken back"


@settings(max_examples=50)
@given(
    st.lists(
        st.tuples(st.integers(2, 30), st.integers(1, 29)).filter(lambda pair: pair[1] < pair[0]), unique_by=lambda p: p[0]
    )
)
def test_a_record_is_taken_out_just_if_a_word_that_stands_says_so(said: list[tuple[int, int]]) -> None:
    skips = in_force(said)
    assert skips == {taken_out for offset, taken_out in said if offset not in skips}


def test_only_the_environments_own_word_about_an_earlier_record_takes_it_out() -> None:
    records = Records()
    records.add(ANN, merge_of({"enabled": True}))
    records.add(ANN, RecordSkipped(1, "by somebody else"))
    records.add(ENVIRONMENT, RecordSkipped(1, "under another's key"), key=stream_of(ANN))
    for offset in (0, -1, 6, 99):
        take_out(records, offset)
    records.add_bytes(b"RecordSkipped")
    records.add_bytes(records.all[2].value[:-1], records.all[2].key)
    assert said_by(records.all) == []
    take_out(records, 1)
    assert said_by(records.all) == [(len(records.all) - 1, 1)]


# What becomes of it.


class Node:
    """What a projector does, on records that come in little by little. It is started anew each time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.connection = open_writer(path)
        self.made_anew = 0

    def follow(self, records: Sequence[LogRecord]) -> None:
        """Fold what the file has not seen yet of the log as it is now."""
        known = skipped_so_far(self.connection)
        while (next_offset := self._next_offset()) < len(records):
            checkpoint = read_checkpoint(self.connection)
            _, halted = apply_batch(self.connection, checkpoint, records[next_offset:], known)
            if halted is None:
                return
            try:
                known = look_ahead(in_force(said_by(records)), known, self._next_offset(), halted)
            except Outdated as outdated:
                self._begin_anew()
                known = outdated.skips

    def _next_offset(self) -> int:
        checkpoint = read_checkpoint(self.connection)
        return checkpoint.next_offset if checkpoint is not None else 0

    def _begin_anew(self) -> None:
        self.connection.close()
        for path in self.path.parent.glob(f"{self.path.name}*"):
            path.unlink()
        self.connection = open_writer(self.path)
        self.made_anew += 1

    def digest(self) -> ViewsDigest:
        digest = views_digest(self.connection)
        self.connection.close()
        return digest


def digest_of(path: Path, records: Sequence[LogRecord]) -> ViewsDigest:
    """The views of a node that knew from its start what is taken out."""
    connection = folded(path, records)
    digest = views_digest(connection)
    connection.close()
    return digest


def small_log(*taken_out: int) -> Records:
    records = Records()
    for number in range(4):
        records.add(ANN, merge_of({"channel_types": {"email": bool(number % 2)}}))
    for offset in taken_out:
        take_out(records, offset)
    return records


LOGS = st.builds(
    RandomLog, st.sampled_from([0, 0, 60]), st.lists(st.one_of(LINES, TAKEN_OUT, TAKEN_OUT), min_size=3, max_size=12)
)


@settings(max_examples=20, deadline=None)
@given(log=LOGS, cuts=st.lists(st.integers(1, 75), max_size=5))
def test_nodes_that_learn_of_it_at_any_time_come_to_the_same(log: RandomLog, cuts: list[int]) -> None:
    records = log.records
    ends = [*sorted(cut for cut in cuts if cut < len(records)), len(records)]
    with TemporaryDirectory() as folder:
        node = Node(Path(folder) / "live.sqlite")
        for end in ends:
            node.follow(records[:end])
        assert node.digest() == digest_of(Path(folder) / "fresh.sqlite", records)


@pytest.mark.parametrize(("cuts", "made_anew"), [(range(1, 10), 3), ((8, 9), 1), ((5,), 1)])
def test_a_word_that_is_taken_back_and_given_again_leaves_the_same_views_everywhere(
    tmp_path: Path, cuts: Iterable[int], made_anew: int
) -> None:
    records = small_log(2, 5, 6, 2)
    records.add(ANN, merge_of({"channel_types": {"sms": False}}))
    node = Node(tmp_path / "live.sqlite")
    for end in (*cuts, len(records.all)):
        node.follow(records.all[:end])
    rows = dict(node.connection.execute("SELECT offset, outcome || coalesce(why, '') FROM history"))
    assert {offset for offset, outcome in rows.items() if outcome == "parkedskipped"} == {2, 6}
    assert node.made_anew == made_anew, "once each time that the log says something new, and no more often"
    assert node.digest() == digest_of(tmp_path / "fresh.sqlite", records.all)


def test_a_record_that_is_taken_out_is_parked_and_moves_nothing(tmp_path: Path) -> None:
    records = small_log(4)
    connection = folded(tmp_path / "views.sqlite", records.all)
    entry = event_at(connection, 4)
    assert entry is not None
    assert (entry["outcome"], entry["why"], entry["type"], entry["holder"]) == ("parked", "skipped", "Parked", "user:ann")
    assert entry["sentence"] == "an operator said that this record does not count"
    row = PresentState(connection).item(stream_of(ANN), "set:default")
    assert row is not None
    assert (row.version, row.stored.leaves) == (3, {"/channel_types/email": False}), "the opt-in of record 4 still counts"
    said = event_at(connection, 5)
    assert said is not None
    assert (said["item"], said["changes"]) == ("skipped:4", [{"path": "/reason", "after": "it does not count"}])
    assert skipped_so_far(connection) == {4}
    connection.close()


def test_even_the_seal_can_be_taken_out(tmp_path: Path) -> None:
    """A ledger that was sealed by mistake would be lost otherwise: the seal refuses whatever comes after it."""
    records = small_log()
    records.add(ENVIRONMENT, LedgerSealed("a mistake"))
    take_out(records, 5)
    records.add(ANN, merge_of({"channel_types": {"sms": False}}))
    connection = folded(tmp_path / "views.sqlite", records.all)
    assert [row for (row,) in connection.execute("SELECT outcome FROM history WHERE offset > 4")] == [
        "parked", "applied", "applied",
    ]  # fmt: skip
    connection.close()


def test_a_record_of_a_newer_release_is_passed_just_if_it_was_taken_out(tmp_path: Path) -> None:
    records = small_log()
    newer = records.add_bytes(NEWER, stream_of(ANN))
    records.add(ANN, merge_of({"channel_types": {"sms": False}}))
    node = Node(tmp_path / "live.sqlite")
    with pytest.raises(Halted, match=r"record 5 stops this node: the record was written with schema .*; upgrade this node"):
        node.follow(records.all)
    take_out(records, newer.offset)
    node.follow(records.all)
    assert node.made_anew == 0, "nothing had been counted that does not count"
    assert node.digest() == digest_of(tmp_path / "fresh.sqlite", records.all)


# Bugs.


def fails_on(monkeypatch: pytest.MonkeyPatch, digest: str) -> None:
    """This release has a bug: it can't fold what says this digest schedule."""

    def buggy(body: object, *rest: object) -> object:
        if digest in str(body):
            raise ZeroDivisionError("user:ann")
        return fold(body, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr("projections.fold_batch.fold", buggy)


def test_a_bug_names_the_record_that_meets_it_and_loses_nothing_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = small_log()
    records.add(ANN, merge_of({"digest": "buggy"}))
    records.add(ANN, merge_of({"channel_types": {"sms": False}}))
    fails_on(monkeypatch, "buggy")
    connection = open_writer(tmp_path / "views.sqlite")
    checkpoint, halted = apply_records(connection, None, records.all, NOTHING_SKIPPED)
    assert isinstance(halted, Unfoldable)
    assert checkpoint is not None
    assert (halted.offset, checkpoint.next_offset) == (5, 5)
    assert "record 5 can't be folded (ZeroDivisionError)" in str(halted)
    assert "prefledger log skip 5" in str(halted)
    assert "ann" not in str(halted), "the words of an error may be about a person"
    connection.close()


async def test_a_projector_that_met_a_bug_goes_on_once_its_record_was_taken_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = small_log()
    records.add(ANN, merge_of({"digest": "buggy"}))
    records.add(ANN, merge_of({"channel_types": {"sms": False}}))
    fails_on(monkeypatch, "buggy")
    views = tmp_path / "views.sqlite"
    async with open_log(tmp_path / "log.sqlite", records.all) as log:
        for _ in range(2):
            async with following(views, Gate(log)) as follower:
                await until(follower.task.done, "the projector stops")
                assert "record 5 can't be folded" in str(follower.trouble())
                assert follower.watcher.next_offset == 5
        await log.append([take_out(records, 5)])
        async with following(views, Gate(log, limit=2)) as follower:
            await until(lambda: follower.is_in(State.LIVE), "it goes on")
            assert follower.watcher.next_offset == 8
    connection = open_writer(views)
    assert skipped_so_far(connection) == {5}
    connection.close()


async def test_a_log_out_of_reach_while_it_looks_ahead_is_waited_out(tmp_path: Path) -> None:
    records = small_log()
    records.add_bytes(NEWER, stream_of(ANN))
    take_out(records, 5)
    async with open_log(tmp_path / "log.sqlite", records.all) as log:
        gate = Gate(log)
        gate.readable_below = 5
        async with following(tmp_path / "views.sqlite", gate) as follower:
            await until(lambda: follower.watcher.next_offset == 5, "all before it is folded")
            gate.tells_end.clear()
            gate.readable_below = 100
            asked = gate.ends
            await until(lambda: gate.ends > asked, "it asks how far to look")
            gate.unreachable = "the broker is down; start it"
            gate.tells_end.set()
            await until(lambda: follower.trouble() is not None, "the trouble is told")
            assert follower.trouble() == "the broker is down; start it"
            gate.unreachable = None
            await until(lambda: follower.is_in(State.LIVE), "it goes on when the log is back")


async def test_views_that_count_what_was_taken_out_are_handed_over_and_go_on_answering(tmp_path: Path) -> None:
    records = small_log()
    handed_over: list[frozenset[int]] = []
    async with open_log(tmp_path / "log.sqlite", records.all) as log:
        async with following(tmp_path / "views.sqlite", Gate(log), outdated=handed_over.append) as follower:
            await until(lambda: follower.is_in(State.LIVE), "live")
            await log.append([take_out(records, 4)])
            await until(lambda: bool(handed_over), "handed over")
            await until(follower.task.done, "the projector stops")
            assert handed_over == [frozenset({4})]
            assert follower.is_in(State.CATCHING_UP), "a node must take no writes on views that are to be thrown away"
            assert follower.watcher.next_offset == 5, "the word itself is not folded into views that do not obey it"
        async with following(tmp_path / "views.sqlite", Gate(log)) as follower:
            await until(follower.task.done, "with nobody to make others, it stops")
            assert "record 5 takes out record 4" in str(follower.trouble())


def test_what_halted_is_raised_where_the_log_says_nothing_new() -> None:
    halted = SkipFound(3, "record 3 takes out record 1")
    with pytest.raises(SkipFound):
        look_ahead(frozenset({1}), frozenset({1}), 3, halted)
    assert look_ahead(frozenset({1, 3}), frozenset({1}), 3, halted) == {1, 3}
    with pytest.raises(Outdated):
        look_ahead(frozenset({1, 2}), frozenset({1}), 3, halted)
    with pytest.raises(Outdated):
        look_ahead(frozenset(), frozenset({1}), 3, halted)
