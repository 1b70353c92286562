"""An event made ready to be appended: all that can be said against it before anything is stored."""

import sqlite3
from dataclasses import dataclass, replace
from typing import Any

from domain.event import HolderDescribed, PreferenceSetMerged, item_of
from domain.fold import patched
from domain.preference_set import LEAVES_MAX
from projections.history import earlier_event
from projections.state import PresentState
from schemas.codec import Draft, encode
from schemas.record import NewRecord
from services.cloud_events import headers_of
from services.errors import TooLarge, Unprocessable

RECORD_BYTES_MAX = 1_000_000
"""Fits a batch of a Kafka topic with Kafka's own limit, so that both logs take the same events."""
LEAF_BYTES_MIN = 6
"""What the smallest leaf takes in a view: `"/":1,`."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """An event ready to be appended, or with what became of it when it was sent before."""

    draft: Draft
    record: NewRecord
    fingerprint: bytes
    earlier: tuple[dict[str, Any], bytes] | None = None


def encoded(draft: Draft, source: str) -> Prepared:
    """The event's record, before the views were asked about it. Raises TooLarge, Invalid."""
    made = encode(draft)
    if len(made.value) > RECORD_BYTES_MAX:
        raise TooLarge(
            f"nothing was appended: an event takes {len(made.value)} bytes in the log, "
            f"and {RECORD_BYTES_MAX} are the most allowed; make it smaller, or several"
        )
    return Prepared(draft, NewRecord(draft.stream, made.value, headers_of(draft, source)), made.fingerprint)


def checked(connection: sqlite3.Connection, event: Prepared, *, may_repeat: bool) -> Prepared:
    """The event with what the views have to say of it before it is appended. Raises Unprocessable."""
    draft = event.draft
    earlier = earlier_event(connection, draft.stream, draft.event_id) if may_repeat else None
    if earlier is None:
        # What was applied once is answered so, however much the document has grown since.
        _check_growth(connection, draft)
        return event
    return replace(event, earlier=earlier)


def _check_growth(connection: sqlite3.Connection, draft: Draft) -> None:
    """Raises Unprocessable where a merge would make a document too large. A courtesy: the log could hold it.

    A set that only ever grew would make every event and every answer of its holder dearer.
    """
    body = draft.body
    if not isinstance(body, PreferenceSetMerged | HolderDescribed) or not body.patch.leaves:
        return
    item = item_of(body) or ""
    state = PresentState(connection)
    if state.bytes_of(draft.stream, item) // LEAF_BYTES_MIN + len(body.patch.leaves) <= LEAVES_MAX:
        return
    row = state.item(draft.stream, item)
    after = len(patched(row.stored.leaves if row is not None else {}, body.patch))
    if after > LEAVES_MAX:
        raise Unprocessable(
            f"nothing was appended: {item} of {str(draft.holder)[:60]!r} would have {after} values, and {LEAVES_MAX} are "
            "the most allowed; take some away first"
        )
