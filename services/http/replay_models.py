"""The shapes of a replay and of a report, for the OpenAPI document."""

from typing import Any

from pydantic import Field

from services.http.body_models import Preferences
from services.http.models import Answer, HistoryEntry, Json, Shape, absent


class ReplayCounts(Shape):
    """How much there was."""

    holders: dict[str, int] = Field(description="By kind.")
    sets: int = Field(description="Those that say something.")
    records: dict[str, int] = Field(description="By outcome.")


class ReplayManifest(Shape):
    """What was replayed."""

    environment: str
    ledger_id: str
    generation: int
    until: str = Field(description="As it was asked.")
    position: str = Field(description="The last record that was folded.")
    recorded_at: str = Field(description="When that record was recorded.")
    settled: bool = Field(description="Whether no later record can still count as recorded by then.")
    records: int
    sealed: bool
    digest: str = Field(description="The same for everything that stands at this position, on any node.")
    counts: ReplayCounts
    fold_version: int
    release: str


class ReplayAnswer(Shape):
    """How a replay is doing, or how the last one ended."""

    phase: str
    records_folded: int
    records_total: int
    until: str | None
    manifest: ReplayManifest | None = Field(description="Null until it is done.")
    trouble: str | None


class SourceEvent(Shape):
    """An event that values come from."""

    event_id: str
    position: str
    type: str
    actor: str | None
    method: str | None
    reason: str | None
    occurred_at: str = Field(description="What the publisher claims.")
    recorded_at: str = Field(description="The log's own time.")
    version: int | None
    evidence: dict[str, Json] = absent()
    notice: dict[str, str] = absent()
    legal_basis: str = absent()
    correlation_id: str = absent()
    causation_id: str = absent()


class SourcedSet(Shape):
    """One of a holder's sets."""

    set: str
    version: int
    preferences: Preferences
    sources: dict[str, str] = Field(description="For the JSON Pointer of each value, the event's position in `events`.")


class SourcedDocument(Shape):
    """Anything else that is kept of a holder or of the environment."""

    version: int
    value: dict[str, Any]
    sources: dict[str, str]


class HolderState(Shape):
    """A holder as it stood: a line of the answer."""

    holder: str
    sets: list[SourcedSet]
    properties: SourcedDocument = absent()
    suppression: SourcedDocument = absent("What must not be sent to a holder that was forgotten.")
    events: dict[str, SourceEvent] = Field(description="By position.")


class ReplayedCatalogue(Shape):
    """The catalogue and the policy as they stood."""

    workflows: dict[str, SourcedDocument]
    categories: dict[str, SourcedDocument]
    channels: dict[str, SourcedDocument]
    sections: dict[str, SourcedDocument]
    policy: SourcedDocument = absent("Absent where none was ever set.")
    events: dict[str, SourceEvent]


class ReplayedKeys(Shape):
    """The keys as they stood, without anything of their secrets."""

    keys: dict[str, SourcedDocument]
    signing_keys: dict[str, SourcedDocument]
    events: dict[str, SourceEvent]


class ReplayedBulk(Shape):
    """Bulk operations, under way or done."""

    bulk_operations: dict[str, SourcedDocument]
    events: dict[str, SourceEvent]


class ReplayedEnvironment(Shape):
    """What belongs to the environment and to no holder."""

    catalogue: ReplayedCatalogue
    keys: ReplayedKeys
    bulk: ReplayedBulk


class ReportedSet(SourcedSet):
    """One of the sets of a holder that is reported on."""

    events: dict[str, SourceEvent]
    names: dict[str, str] = Field(description="What the catalogue calls the workflows and categories, by JSON Pointer.")


class ReportedEntry(HistoryEntry):
    """One record about the holder."""

    names: dict[str, str]


class ReportSource(Shape):
    """Somebody who said something of the holder, by one way."""

    actor: str | None
    method: str | None
    events: int
    first_recorded_at: str
    last_recorded_at: str


class ReportAnswer(Answer):
    """Everything that is kept of a holder."""

    holder: str
    environment: str
    ledger_id: str
    recorded_at: str = Field(description="When the record at `position` was recorded.")
    made_at: str
    properties: SourcedDocument = absent()
    suppression: SourcedDocument = absent()
    events: dict[str, SourceEvent] = Field(description="Where properties and suppression come from.")
    sets: list[ReportedSet]
    history: list[ReportedEntry] = Field(description="The newest first, whatever became of it.")
    sources: list[ReportSource]
