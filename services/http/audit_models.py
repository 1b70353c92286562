"""The shapes of the answers that an auditor asks for, for the OpenAPI document."""

from typing import Any, Literal

from pydantic import Field

from services.http.evaluation_models import BatchResult, Decision
from services.http.models import Answer, HistoryEntry, Json, Shape, absent


class LeafEvent(Shape):
    """An event that changed a leaf, with the leaf before and after it."""

    event_id: str
    position: str
    type: str
    actor: str | None
    method: str | None
    reason: str | None
    occurred_at: str = Field(description="What the publisher claims.")
    recorded_at: str = Field(description="The log's own time.")
    version: int | None
    decides: bool = Field(description="Whether this event gave the leaf the value that it has at `position`.")
    before: Json = absent("Absent where there was nothing.")
    after: Json = absent("Absent where the leaf was taken away.")
    evidence: dict[str, Json] = absent()
    notice: dict[str, str] = absent()
    legal_basis: str = absent()
    correlation_id: str = absent()
    causation_id: str = absent()


class LeafProvenance(Shape):
    """One leaf. Without a value it was taken away."""

    path: str
    value: Json = absent()
    events: list[LeafEvent]


class ProvenanceAnswer(Answer):
    """A page of where leaves come from."""

    holder: str
    set: str
    leaves: list[LeafProvenance]
    next_cursor: str | None


class LedgerHistoryAnswer(Shape):
    """A page of the history of every holder, newest first. All pages belong to one position."""

    entries: list[HistoryEntry]
    position: str
    next_cursor: str | None


class LoggedRow(BatchResult):
    """One recipient's decisions; or that a holder of whom they tell was forgotten since."""

    recipient: Json = absent()
    forgotten: bool = absent()


class LoggedOutcome(Shape):
    """What was decided: for one recipient as `decisions`, for many as `results`."""

    workflow: str
    workflow_known: bool
    recipient: str = absent()
    decisions: list[Decision] = absent()
    results: list[LoggedRow] = absent()
    forgotten: bool = absent("In place of the recipient: a holder of whom the decisions tell was forgotten since.")


class DecisionDifference(Shape):
    """The first difference, by its place in `logged` and `present`. A side that has nothing there is absent."""

    pointer: str = Field(description="A JSON Pointer (RFC 6901).")
    logged: Json = absent()
    present: Json = absent()


class DecisionAnswer(Shape):
    """A logged decision beside what its question comes to today, at the same position and instant."""

    decision_id: str
    position: str
    evaluated_at: str
    asked_by: str = Field(description="The credential that asked.")
    release: str = Field(description="The release of the node that answered.")
    same: bool | None = Field(description="Null where all of it was forgotten since, so that it can't be told.")
    difference: DecisionDifference | None
    question: dict[str, Json] = Field(description="As it was asked.")
    logged: LoggedOutcome
    present: LoggedOutcome


class Difference(Shape):
    """The first thing that live views and log say differently."""

    view: Literal["history", "holders", "items", "snapshots", "choices", "tenant_records", "checkpoint"]
    holder: str | None
    item: str | None
    position: str | None
    recorded_at: str | None
    path: str | None
    column: str | None
    live: Any = absent("What the live views say; absent where they say nothing.")
    log: Any = absent("What the log says.")
    sentence: str


class VerifyAnswer(Shape):
    """How a verification is doing, or how the last one ended."""

    phase: str
    records_folded: int
    records_total: int
    position: str | None
    same: bool | None
    difference: Difference | None
    trouble: str | None


class LateOptOut(Shape):
    """An opt-out that took longer than the bound."""

    position: str
    event_id: str
    recorded_at: str = Field(description="By the log's clock.")
    honoured_at: str = Field(description="By this node's clock: from then on it answered with it.")
    seconds: float
    at_most: bool = Field(description="The node ended before it could note the moment: it was then at the latest.")


class OptOutClockAnswer(Shape):
    """How long this node took to honour opt-outs. Late ones are in the order of the log."""

    longer_than_seconds: float
    known_until: str | None = Field(
        description="Up to here the node knows of every opt-out; one that was recorded later may be running still."
    )
    measured_since: str | None = Field(description="The clock's first moment on this node; null before it.")
    opt_outs: int = Field(description="How many were measured, over all restarts.")
    took_longer: int = Field(description="How many of them took longer than the bound.")
    took_longer_is_exact: bool = Field(
        description="False where so many were slow that not all are kept by themselves: then it is at most so many."
    )
    unmeasured: int = Field(description="At most so many were honoured at a moment that was never noted.")
    recorded_while_away: int = Field(description="Recorded while the node answered nothing, so they never waited.")
    longest_seconds: float
    clock_behind_seconds: float = Field(description="By how much the log's clock was ahead of the node's, at worst.")
    late: list[LateOptOut]
    next_cursor: str | None
