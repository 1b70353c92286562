"""What a node may do just now, for every way in which its projector may be doing."""

from dataclasses import replace
from typing import Any

import pytest

from projections.checkpoint import Checkpoint
from projections.projector import Progress, State
from services.errors import NotReady, TooStale
from services.readiness import CONFIRMED_SECONDS_MAX, Readiness

LAG_RECORDS_MAX = 100
CHECKPOINT = Checkpoint(50, "p", b"", 0, 0, "00000000-0000-4000-8000-000000000000", 1, b"", False, 1)
LIVE = Progress(State.LIVE, CHECKPOINT, log_end=50, start_end=50, confirmed_at_seconds=1_000.0)


class Node:
    """A node's progress and clock, as a test sets them."""

    def __init__(self, progress: Progress) -> None:
        self.progress, self.now_seconds = progress, 1_000.0
        self.readiness = Readiness(lambda: self.progress, LAG_RECORDS_MAX, monotonic=lambda: self.now_seconds)

    def becomes(self, **changed: Any) -> None:
        self.progress = replace(self.progress, **changed)


def test_a_live_node_may_do_everything() -> None:
    readiness = Node(LIVE).readiness
    readiness.check_answer()
    readiness.check_append()
    readiness.check_trust()
    readiness.check_staleness(0)
    assert readiness.checks()["ready"] is True
    assert readiness.checks()["records"] == 50


@pytest.mark.parametrize(
    ("progress", "told"),
    [
        (Progress(), "the log has not been reached yet: connecting"),
        (Progress(trouble="no broker answers"), "no broker answers"),
        (Progress(log_end=0), "prefledger init"),
        (Progress(State.CATCHING_UP, CHECKPOINT, log_end=80), "catching up: 30 records to go"),
        (Progress(State.STOPPED, CHECKPOINT, log_end=50, trouble="the disk is full"), "stopped: the disk is full"),
        (Progress(State.STOPPED, CHECKPOINT, log_end=50), "shutting down"),
    ],
)
def test_a_node_that_was_never_live_answers_nothing_and_says_why(progress: Progress, told: str) -> None:
    readiness = Node(progress).readiness
    for check in (readiness.check_answer, readiness.check_append):
        with pytest.raises(NotReady, match=told):
            check()
    assert readiness.checks()["ready"] is False


def test_a_node_that_was_live_goes_on_answering_and_stops_appending() -> None:
    node = Node(LIVE)
    node.readiness.check_answer()
    node.becomes(state=State.STOPPED, trouble="the disk is full")
    node.readiness.check_answer()
    assert node.readiness.checks()["ready"] is True
    with pytest.raises(NotReady, match=r"nothing was appended: .* the disk is full"):
        node.readiness.check_append()


def test_nothing_is_appended_while_the_log_is_in_trouble() -> None:
    node = Node(LIVE)
    node.becomes(trouble="the broker is gone")
    node.readiness.check_answer()
    with pytest.raises(NotReady, match="nothing was appended: the broker is gone"):
        node.readiness.check_append()


def test_nothing_is_appended_far_behind_the_log() -> None:
    node = Node(LIVE)
    node.becomes(log_end=50 + LAG_RECORDS_MAX)
    node.readiness.check_append()
    node.becomes(log_end=51 + LAG_RECORDS_MAX)
    with pytest.raises(NotReady, match=f"{LAG_RECORDS_MAX + 1} records behind"):
        node.readiness.check_append()


def test_keys_are_not_trusted_when_the_log_was_not_heard_of_for_long() -> None:
    node = Node(LIVE)
    node.now_seconds += CONFIRMED_SECONDS_MAX
    node.readiness.check_trust()
    node.now_seconds += 0.01
    with pytest.raises(NotReady, match="revoked"):
        node.readiness.check_trust()
    node.readiness.check_answer()
    with pytest.raises(NotReady):
        Node(Progress()).readiness.check_trust()


def test_staleness_counts_from_the_last_moment_of_which_everything_is_known() -> None:
    node = Node(LIVE)
    node.now_seconds += 2.5
    assert node.readiness.stale_seconds() == 2.5
    node.readiness.check_staleness(2.5)
    with pytest.raises(TooStale, match=r"at most 2\.4 "):
        node.readiness.check_staleness(2.4)
    node.becomes(confirmed_at_seconds=None)
    assert node.readiness.stale_seconds() is None
    with pytest.raises(TooStale):
        node.readiness.check_staleness(3_600)


def test_a_strict_node_is_not_ready_with_old_views_and_answers_all_the_same() -> None:
    node = Node(LIVE)
    node.readiness = Readiness(
        lambda: node.progress, LAG_RECORDS_MAX, monotonic=lambda: node.now_seconds, ready_stale_seconds_max=10
    )
    node.now_seconds += 10
    assert node.readiness.is_ready()
    node.now_seconds += 0.1
    checks = node.readiness.checks()
    assert (checks["ready"], node.readiness.is_answering()) == (False, True)
    assert checks["trouble"], "a node that is not ready says why"
    node.becomes(confirmed_at_seconds=node.now_seconds)
    assert node.readiness.checks()["ready"] is True


def test_the_lag_in_seconds_is_the_age_of_what_was_folded_last() -> None:
    node = Node(replace(LIVE, checkpoint=replace(CHECKPOINT, recorded_at_milliseconds=7_000)))
    node.readiness = Readiness(lambda: node.progress, LAG_RECORDS_MAX, now=lambda: 9.5)
    assert node.readiness.lag_seconds() == 0, "a quiet log is no lag"
    node.becomes(log_end=51)
    assert node.readiness.lag_seconds() == 2.5
    assert Node(Progress(log_end=5)).readiness.lag_seconds() is None
