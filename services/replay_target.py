"""How far a replay is to go: a position, or an instant, made into a place in the log."""

import time
from dataclasses import dataclass
from functools import partial

from projections.fold_batch import LogDisagrees
from projections.history import offset_at
from projections.position import encode_position, instant_text, is_instant, parse_instant, parse_position, record_hash
from projections.record_source import RecordSource, Unreachable
from schemas.record import LogRecord
from services.errors import NotReady, OtherLedger, PositionNotReached, Unprocessable
from services.views import Views

ASK_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Target:
    """How far to fold: to `end`, or where there is an instant, to the first record after it if that comes before."""

    until: str
    end: int
    expected: int
    """How many records that will be, as far as the live views know: for the progress bar only."""
    asked_at_milliseconds: int
    instant_milliseconds: int | None = None


async def target_of(until: str, source: RecordSource, views: Views) -> Target:
    """The target that a position or an instant stands for.

    Raises Invalid, OtherLedger, PositionNotReached, Unprocessable, NotReady.
    """
    instant = parse_instant(until, "/until") if is_instant(until) else None
    asked_at = time.time_ns() // 1_000_000
    try:
        end = await source.end(timeout_seconds=ASK_SECONDS)
        if instant is None:
            return await _of_position(until, source, views, end, asked_at)
        first = await _record(source, 0)
    except (Unreachable, LogDisagrees) as error:
        raise NotReady(f"the log can't be replayed just now: {error}") from error
    if first.timestamp_milliseconds > instant:
        raise Unprocessable(f"the ledger had no record yet at {instant_text(instant)}")
    likely = await views.reader.read(partial(offset_at, recorded_at_milliseconds=instant))
    return Target(until, end, min(end, likely + 1), asked_at, instant)


async def _of_position(until: str, source: RecordSource, views: Views, end: int, asked_at: int) -> Target:
    position = parse_position(until, "/until")
    checkpoint = views.progress.checkpoint
    if checkpoint is None:
        raise NotReady("the node has not folded anything yet")
    if (position.ledger, position.generation) != (checkpoint.ledger_tag, checkpoint.generation):
        raise OtherLedger("until is a position of another ledger or of another generation of this one")
    if position.offset >= end:
        raise PositionNotReached("the log has not come to this position; try again shortly")
    record = await _record(source, position.offset)
    tag = record_hash(record.key, record.value)[:4]
    if encode_position(position.ledger, position.generation, position.offset, tag) != until:
        raise OtherLedger("until is a position of a log that was made anew; this ledger has another record there")
    return Target(until, position.offset + 1, position.offset + 1, asked_at)


async def _record(source: RecordSource, offset: int) -> LogRecord:
    records = await source.read(offset, limit=1, wait_seconds=ASK_SECONDS)
    if not records:
        raise NotReady(f"the log gave no record {offset} within {ASK_SECONDS:.0f} seconds; try again")
    return records[0]
