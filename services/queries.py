"""Questions to one ledger's views: at the present, or at any past position, always from one read transaction."""

import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from projections.history import offset_at, position_at
from projections.position import instant_text, is_instant, parse_instant, parse_position
from projections.state import PastState, PresentState, State
from projections.views_store import read_checkpoint
from services.errors import NotReady, OtherLedger, PositionNotReached, Unprocessable
from services.ledger import Ledger
from services.log.port import LogUnavailable, LogUnfit
from services.settled import is_settled

END_TIMEOUT_SECONDS = 5.0

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class When:
    """Which moment a question is about, as it was asked. None and None: the present."""

    as_of: str | None = None
    min_position: str | None = None
    max_staleness_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Moment:
    """The moment that an answer is about. `settled` is told for questions about an instant only."""

    state: State
    position: str
    offset: int
    recorded_at_milliseconds: int
    environment_offset: int
    settled: bool | None = None

    def told(self) -> dict[str, Any]:
        """What every answer says of its moment."""
        told: dict[str, Any] = {"position": self.position}
        if self.settled is not None:
            told["settled"] = self.settled
        return told


class Queries:
    """Reads one ledger."""

    def __init__(self, ledger: Ledger, wait_seconds: float) -> None:
        self.ledger = ledger
        self._wait_seconds = wait_seconds

    async def ask_now(self, when: When, function: Callable[[sqlite3.Connection, Moment], Answer]) -> Answer:
        """The same for a few point reads about the present: on this thread, without a hop to another."""
        await self._check(when)
        return self.ledger.views.reader.read_now(lambda connection: function(connection, self.now(connection)))

    async def ask(self, when: When, function: Callable[[sqlite3.Connection, Moment], Answer]) -> Answer:
        """What the function makes of the moment asked for. Raises ServiceError or Invalid."""
        await self._check(when)
        asked_at_milliseconds = None
        if when.as_of is not None and is_instant(when.as_of):
            asked_at_milliseconds = await self._fold_to_end(when.as_of)
        elif when.as_of is not None:
            await self._wait_for(when.as_of, "as_of")

        def run(connection: sqlite3.Connection) -> Answer:
            return function(connection, self._moment(connection, when.as_of, asked_at_milliseconds))

        return await self.ledger.views.reader.read(run)

    def now(self, connection: sqlite3.Connection) -> Moment:
        """The present moment of a connection's read transaction."""
        return self._moment(connection, None, None)

    async def _check(self, when: When) -> None:
        self.ledger.readiness.check_answer()
        if when.max_staleness_seconds is not None:
            self.ledger.readiness.check_staleness(when.max_staleness_seconds)
        if when.min_position is not None:
            await self._wait_for(when.min_position, "min_position")

    async def _wait_for(self, text: str, name: str) -> None:
        position = parse_position(text, f"/{name}")
        checkpoint = self.ledger.views.progress.checkpoint
        if checkpoint is None:
            raise NotReady("the node has not folded anything yet")
        if (position.ledger, position.generation) != (checkpoint.ledger_tag, checkpoint.generation):
            raise OtherLedger(f"{name} is a position of another ledger or of another generation of this one")
        if not await self.ledger.views.watcher.wait_past(position.offset, self._wait_seconds):
            raise PositionNotReached(
                f"this node has not come to {name} within {self._wait_seconds} seconds; try again shortly",
                current_position=(self.ledger.views.progress.checkpoint or checkpoint).position,
            )

    async def _fold_to_end(self, as_of: str) -> int:
        """For an instant: everything that the log has now must be folded first. Returns when that was asked."""
        parse_instant(as_of, "/as_of")
        asked_at_milliseconds = time.time_ns() // 1_000_000
        try:
            end = (await self.ledger.log.bounds(timeout_seconds=END_TIMEOUT_SECONDS)).end
        except (LogUnavailable, LogUnfit) as error:
            raise NotReady(f"what the log had taken by then can't be told: {error}") from error
        if not await self.ledger.views.watcher.wait_past(end - 1, self._wait_seconds):
            raise PositionNotReached("this node is still folding what the log has; try again shortly")
        return asked_at_milliseconds

    def _moment(self, connection: sqlite3.Connection, as_of: str | None, asked_at_milliseconds: int | None) -> Moment:
        checkpoint = read_checkpoint(connection)
        if checkpoint is None:
            raise NotReady("the node has not folded anything yet")
        if as_of is None:
            return Moment(
                PresentState(connection),
                checkpoint.position,
                checkpoint.next_offset - 1,
                checkpoint.recorded_at_milliseconds,
                checkpoint.environment_offset,
            )
        settled = None
        if asked_at_milliseconds is not None:
            instant = parse_instant(as_of, "/as_of")
            offset = offset_at(connection, instant)
            settled = is_settled(
                instant,
                seen_milliseconds=checkpoint.recorded_at_milliseconds,
                asked_at_milliseconds=asked_at_milliseconds,
            )
            if offset < 0:
                raise Unprocessable(f"the ledger had no record yet at {instant_text(instant)}")
        else:
            offset = parse_position(as_of, "/as_of").offset
        position = position_at(connection, offset)
        if asked_at_milliseconds is None and position != as_of:
            raise OtherLedger("as_of is a position of a log that was made anew; this ledger has another record there")
        return Moment(PastState(connection, offset), str(position), offset, _recorded_at(connection, offset), -1, settled)


def _recorded_at(connection: sqlite3.Connection, offset: int) -> int:
    row = connection.execute("SELECT recorded_at FROM history WHERE offset = ?", (offset,)).fetchone()
    return int(row[0])
