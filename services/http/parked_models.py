"""The shapes of what is said about parked records, for the OpenAPI document."""

from typing import Literal

from pydantic import Field

from services.http.body_models import Body, EventBody
from services.http.models import Change, Shape, absent

State = Literal["open", "replayed", "discarded"]


class DiscardBody(Body):
    """Why a parked record will not be mended."""

    reason: str


class ReplayBody(Body):
    """What the record should have said, where its bytes can't be read or were wrong."""

    event: EventBody | None = None


class ParkedAct(Shape):
    """The event by which a record was settled."""

    position: str
    recorded_at: str
    actor: str | None = absent("Told where one record is asked for.")
    reason: str = absent("Of a record that was discarded.")
    event_id: str = absent("Of the event that took the record's place.")
    superseded: list[str] = absent("JSON Pointers to what later events had overtaken, so that it was not said again.")


class BegunReplay(Shape):
    """A replay that has not come to its end, or was cut off."""

    position: str
    recorded_at: str


class ParkedEntry(Shape):
    """A record that the ledger has and that counts for nothing."""

    offset: int
    position: str
    recorded_at: str
    why: str = Field(description="undecodable, invalid, not-this-holders-to-say or skipped.")
    sentence: str
    holder: str | None = Field(description="Whose stream its key names, if that is known.")
    state: State
    settled: ParkedAct = absent()
    replay_begun: BegunReplay = absent()


class ParkedAnswer(Shape):
    """A page of parked records, as they are at this position."""

    entries: list[ParkedEntry]
    position: str
    next_cursor: str | None


class RecordHeader(Shape):
    """A header of a record, its value in base64."""

    name: str
    value: str


class RecordBytes(Shape):
    """A record as the log has it, in base64 (RFC 4648, section 4)."""

    key: str
    value: str
    headers: list[RecordHeader]


class ReadAs(Shape):
    """The event that this release reads in a record's bytes."""

    event_id: str
    type: str
    holder: str
    set: str | None
    actor: str | None
    occurred_at: str


class ParkedRecordAnswer(ParkedEntry):
    """One parked record with its bytes, and what this release makes of them now."""

    record: RecordBytes = absent()
    reads_as: ReadAs = absent("Absent where this release can't read it.")
    unreadable: str = absent("Why this release can't read it.")
    forgotten: bool = absent("The holder was forgotten since: what the record said is not shown any more.")


class ReplayedAnswer(Shape):
    """What a replay came to."""

    offset: int
    state: State
    event_id: str = Field(description="Of the event that took the record's place.")
    holder: str
    position: str
    changes: list[Change]
    superseded: list[str] = Field(description="JSON Pointers to what later events had overtaken.")
