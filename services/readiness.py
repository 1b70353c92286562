"""What a node may do just now: read off the projector's progress, in one place."""

import time
from collections.abc import Callable, Iterable

from domain.fold import FOLD_VERSION
from projections.projector import Progress, State
from services.errors import NotReady, TooStale

CONFIRMED_SECONDS_MAX = 30.0
"""After so long without word from the log's end, a key may have been revoked without this node knowing."""

EMPTY_LOG = "the log is empty: make the ledger with `prefledger init`"


class Readiness:
    """Says of one ledger whether it may answer, append, and trust its keys."""

    def __init__(
        self,
        progress: Callable[[], Progress],
        lag_records_max: int,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
        ready_stale_seconds_max: float | None = None,
    ) -> None:
        """`now` gives Unix seconds. Beyond `ready_stale_seconds_max` the node shows itself not ready; None: never."""
        self._progress = progress
        self._lag_records_max = lag_records_max
        self._monotonic = monotonic
        self._now = now
        self._ready_stale_seconds_max = ready_stale_seconds_max
        self._was_live = False

    def check_answer(self) -> None:
        """Raises NotReady until the node has once folded everything that it saw at its start: never a default before."""
        if self._was_live:
            return
        progress = self._progress()
        self._was_live = progress.state is State.LIVE
        if not self._was_live:
            raise NotReady(self._why_not_ready(progress))

    def check_append(self) -> None:
        """Raises NotReady unless an event appended now would soon be folded here."""
        self.check_answer()
        progress = self._progress()
        if progress.state is not State.LIVE:
            raise NotReady(f"nothing was appended: {self._why_not_ready(progress)}")
        if progress.trouble is not None:
            raise NotReady(f"nothing was appended: {progress.trouble}")
        if self.lag_records() > self._lag_records_max:
            raise NotReady(
                f"nothing was appended: this node is {self.lag_records()} records behind the log; try again shortly"
            )

    def check_trust(self) -> None:
        """Raises NotReady when the node has not heard of the log's end for so long that a key may be revoked."""
        stale = self.stale_seconds()
        if stale is None or stale > CONFIRMED_SECONDS_MAX:
            raise NotReady(
                "this node has not reached the log for over 30 seconds, so it can't tell whether your key was revoked; "
                "evaluating and reading go on, try again when the log is back"
            )

    def check_staleness(self, seconds_max: float) -> None:
        """Raises TooStale when the views may be older than asked."""
        stale = self.stale_seconds()
        if stale is None or stale > seconds_max:
            raise TooStale(f"the views may be {stale} seconds old; at most {seconds_max} were asked for")

    def stale_seconds(self) -> float | None:
        """Since when this node can't vouch that it has everything; None when it never could."""
        confirmed = self._progress().confirmed_at_seconds
        if confirmed is None:
            return None
        stale = self._monotonic() - confirmed
        return round(stale, 3) if stale > 0.0 else 0.0

    def lag_records(self) -> int:
        """How many records the log is known to be ahead."""
        progress = self._progress()
        folded = progress.checkpoint.next_offset if progress.checkpoint is not None else 0
        return max(0, (progress.log_end or 0) - folded)

    def lag_seconds(self) -> float | None:
        """How old the last folded record is while the log is known to be ahead; 0 when it is not, None at the start."""
        progress = self._progress()
        if progress.checkpoint is None or progress.log_end is None:
            return None
        if self.lag_records() == 0:
            return 0.0
        return round(max(0.0, self._now() - progress.checkpoint.recorded_at_milliseconds / 1000), 3)

    def is_answering(self) -> bool:
        """Whether `check_answer` passes."""
        try:
            self.check_answer()
        except NotReady:
            return False
        return True

    def is_ready(self) -> bool:
        """Whether traffic should come here. A node that was ready once goes on being so while the log is away.

        Else all nodes would go at once when the log does, and nobody would answer.
        """
        return self.is_answering() and not self._is_too_stale()

    def _is_too_stale(self) -> bool:
        stale, seconds_max = self.stale_seconds(), self._ready_stale_seconds_max
        return seconds_max is not None and stale is not None and stale > seconds_max

    def trouble(self) -> str | None:
        """What stands in the way, in full: for the operator's eyes, since it may name files and hosts."""
        progress = self._progress()
        if progress.trouble is None and progress.log_end == 0:
            return EMPTY_LOG
        return progress.trouble

    def checks(self) -> dict[str, object]:
        """What `/readyz` shows to anybody. Names no holder, no secret, no file and no host."""
        progress = self._progress()
        return {
            "ready": self.is_ready(),
            "projector": progress.state.value,
            "records": progress.checkpoint.next_offset if progress.checkpoint is not None else 0,
            "lag_records": self.lag_records(),
            "lag_seconds": self.lag_seconds(),
            "stale_seconds": self.stale_seconds(),
            "trouble": self._public_trouble(progress.state),
            "fold_version": FOLD_VERSION,
        }

    def _public_trouble(self, state: State) -> str | None:
        trouble = self.trouble()
        if trouble is None and self._is_too_stale():
            return "the views are older than this node is allowed to be ready with"
        if trouble is None or trouble == EMPTY_LOG:
            return trouble
        if state is State.STOPPED:
            return "the projector has stopped; the node's own log says why"
        return "the node waits for the event log; the node's own log says why"

    def _why_not_ready(self, progress: Progress) -> str:
        if progress.state is State.STOPPED:
            return f"the projector has stopped: {progress.trouble or 'the node is shutting down'}"
        if progress.log_end is None:
            return f"the log has not been reached yet: {progress.trouble or 'connecting'}"
        if progress.log_end == 0:
            return EMPTY_LOG
        return f"the node is catching up: {self.lag_records()} records to go"


def serves(environments: Iterable[Readiness]) -> bool:
    """Whether a node with these environments is up: one is ready, and each other is, or has a trouble of its own.

    One environment's trouble must not take the others' traffic away; one that is merely starting is worth waiting for.
    """
    ready = False
    for environment in environments:
        if environment.is_ready():
            ready = True
        elif environment.trouble() is None:
            return False
    return ready
