"""Records that an operator took out: which they are follows from the whole log, not from how far a node has come.

A `RecordSkipped` event takes one earlier record out, for every node. A node that can't fold that record looks for the
event ahead of its own fold; one that has folded it makes its views anew. A later event can take the first one out
again, so the last word on each record counts.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Final, Protocol

from domain.event import RecordSkipped
from domain.holder import HolderKind
from projections.batch_state import Decoded, Parked
from projections.record_source import Unreachable
from schemas.codec import decode
from schemas.record import LogRecord

SCAN_LIMIT = 5_000
READ_WAIT_SECONDS = 5.0
_TYPE_NAME = RecordSkipped.__name__.encode()

SkipSet = frozenset[int]
"""Offsets of records that are parked whatever they say."""

NOTHING_SKIPPED: Final = SkipSet()

SKIPPED: Final = Parked("skipped", "an operator said that this record does not count")
"""What such a record comes to. It names no event: another one that takes out the same record must change nothing."""


class Read(Protocol):
    """How records are read. Raises Unreachable."""

    async def __call__(self, offset: int, *, limit: int, wait_seconds: float) -> list[LogRecord]: ...


class Outdated(Exception):
    """The views hold what an operator took out since, or lack what was put back: they must be made anew."""

    def __init__(self, sentence: str, skips: SkipSet) -> None:
        super().__init__(sentence)
        self.skips = skips


def skipped_by(decoded: Decoded) -> int | None:
    """The record that this one takes out; None where it takes out none.

    Its place among the other records of its stream is not asked for: a node that looks ahead can't know it. The
    record that opens the ledger can't be taken out.
    """
    event, record = decoded.event, decoded.record
    if isinstance(event, Parked) or not isinstance(event.body, RecordSkipped):
        return None
    belongs = event.holder.kind is HolderKind.ENVIRONMENT and record.key == event.stream
    return event.body.offset if belongs and is_before(event.body.offset, record.offset) else None


def is_before(taken_out: int, offset: int) -> bool:
    """Whether the record at `offset` may take this one out."""
    return 0 < taken_out < offset


def in_force(said: Iterable[tuple[int, int]]) -> SkipSet:
    """What is taken out, from what each such record takes out: (its own offset, the other's). The last word counts."""
    skips: set[int] = set()
    for offset, taken_out in sorted(said, reverse=True):
        if offset not in skips:
            skips.add(taken_out)
    return frozenset(skips)


def said_by(records: Iterable[LogRecord]) -> list[tuple[int, int]]:
    """What these records take out. Costs next to nothing for records that are about something else."""
    said: list[tuple[int, int]] = []
    for record in records:
        if _TYPE_NAME not in record.value:
            continue
        try:
            taken_out = skipped_by(Decoded(record, decode(record.value)))
        except Exception:  # noqa: S112 - whatever is wrong with one record must not hide what others take out
            continue
        if taken_out is not None:
            said.append((record.offset, taken_out))
    return said


async def find_skips(read: Read, end: int) -> SkipSet:
    """What the log's records below `end` take out. Reads all of them. Raises Unreachable."""
    said: list[tuple[int, int]] = []
    offset = 0
    while offset < end:
        records = await read(offset, limit=min(SCAN_LIMIT, end - offset), wait_seconds=READ_WAIT_SECONDS)
        if not records:
            raise Unreachable(f"the log gave no record {offset} within {READ_WAIT_SECONDS:.0f} seconds")
        said += said_by(records)
        offset += len(records)
    return in_force(said)


def look_ahead(found: SkipSet, known: SkipSet, next_offset: int, halted: Exception) -> SkipSet:
    """With what to go on after `halted`, if the log now takes out `found` and the views were made with `known`.

    Raises Outdated where the views have folded records of which that says something else, and `halted` itself where
    it says nothing new.
    """
    if _below(found, next_offset) != _below(known, next_offset):
        raise Outdated(f"{halted}: the views are made anew without it", found)
    if found == known:
        raise halted
    return found


def _below(skips: SkipSet, offset: int) -> SkipSet:
    return frozenset(each for each in skips if each < offset)


def skipped_so_far(connection: sqlite3.Connection) -> SkipSet:
    """What was taken out when these views were made."""
    rows: Sequence[tuple[int]] = connection.execute(
        "SELECT offset FROM history WHERE outcome = 'parked' AND why = ?", (SKIPPED.why,)
    ).fetchall()
    return frozenset(offset for (offset,) in rows)
