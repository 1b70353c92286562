"""The shapes of answers and bodies, for the OpenAPI document. The routes write these shapes themselves."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from domain.channel import CHANNEL_TYPES
from domain.reason import Reason

Json = Any


class Shape(BaseModel):
    """An object with exactly these members."""

    model_config = ConfigDict(extra="forbid")


class ProblemShape(BaseModel):
    """A refusal (RFC 9457). More members say what it is about, such as `pointer` or `event_id`."""

    type: str
    title: str
    status: int
    detail: str


class Change(Shape):
    """One leaf before and after; a side on which there was nothing is absent."""

    path: str
    before: Json = None
    after: Json = None
    item: str | None = None


class HistoryEntry(BaseModel):
    """One record of a stream. A parked record may have no event id."""

    event_id: str | None
    position: str
    type: str
    holder: str | None
    set: str | None
    item: str | None
    actor: str | None
    method: str | None
    reason: str | None
    occurred_at: str
    recorded_at: str
    outcome: Literal["applied", "duplicate", "rejected", "parked"]
    version: int | None
    changes: list[Change]


class PreferenceSetAnswer(Shape):
    """A set as stored; resolved, it has `tenant` and `origins` and no version."""

    holder: str
    set: str
    preferences: dict[str, Json]
    version: int | None = None
    tenant: str | None = None
    origins: dict[str, dict[str, str]] | None = None
    position: str
    settled: bool | None = None
    stale_seconds: float | None = None


class WriteAnswer(Shape):
    """What a write came to, read back from the view after it."""

    holder: str
    set: str | None = None
    preferences: dict[str, Json] | None = None
    properties: dict[str, Json] | None = None
    suppress: str | None = None
    version: int
    position: str
    event_id: str
    outcome: str


class HolderAnswer(Shape):
    """A holder's properties."""

    holder: str
    properties: dict[str, Json]
    suppress: str
    sets: list[str]
    version: int
    position: str
    settled: bool | None = None
    stale_seconds: float | None = None


class ListAnswer(BaseModel):
    """A page of a listing."""

    position: str
    next_cursor: str | None = None


class HistoryAnswer(Shape):
    """A page of history, pinned to one position."""

    holder: str
    entries: list[HistoryEntry]
    position: str
    next_cursor: str | None


class DecidedBy(BaseModel):
    """The leaf that decided, and the event that gave it its value."""

    holder: str
    set: str
    path: str
    event_id: str
    position: str
    recorded_at: str
    actor: str | None = Field(default=None, description="With explain.")
    method: str | None = Field(default=None, description="With explain.")


class DecisionShape(BaseModel):
    """One channel's decision."""

    channel_type: str
    channel: str | None = None
    deliver: bool
    reason: Reason
    decided_by: DecidedBy | None
    digest: str | None = None
    trace: list[dict[str, Json]] | None = Field(default=None, description="With explain.")


class EvaluationAnswer(BaseModel):
    """An evaluation's answer."""

    recipient: str
    workflow: str
    workflow_known: bool
    decisions: list[DecisionShape]
    position: str
    evaluated_at: str
    decision_id: str
    stale_seconds: float | None = None


class EvaluationBody(Shape):
    """A question: may this workflow reach this recipient, on which channels?"""

    recipient: str | dict[str, Json] = Field(examples=["user:jhammond"])
    workflow: str
    channels: list[str | dict[str, str]] | None = Field(default=None, examples=[list(CHANNEL_TYPES[:2])])
    categories: list[str] | None = None
    tenant: str | None = None
    context: list[str] | None = None
    subscription: dict[str, str] | None = Field(default=None, examples=[{"topic": "t", "id": "s"}])
    data: dict[str, Json] | None = None
    actor: dict[str, Json] | None = None
    policy: str | dict[str, str] | None = None
    at: str | None = None
    as_of: str | None = None
    min_position: str | None = None
    max_staleness: float | None = Field(default=None, ge=0, description="Seconds.")
    explain: bool = False


class BatchBody(EvaluationBody):
    """The same question for up to 1,000 recipients; `recipients` stands in for `recipient`."""

    recipient: None = None  # type: ignore[assignment]
    recipients: list[str | dict[str, Json]]


class BatchAnswer(BaseModel):
    """One result a recipient, in order; one that can't be understood has a `problem` and no decisions."""

    results: list[dict[str, Json]]
    workflow: str
    workflow_known: bool
    position: str
    evaluated_at: str
    decision_id: str


class Answer(BaseModel):
    """An answer with the members that its description names."""

    model_config = ConfigDict(extra="allow")


Responses = dict[int | str, dict[str, Any]]

_REFUSED: Responses = {
    "default": {
        "description": "A refusal",
        "content": {"application/problem+json": {"schema": ProblemShape.model_json_schema()}},
    }
}


def _with(model: type[BaseModel]) -> Responses:
    return {200: {"model": model}, **_REFUSED}


SET_ANSWER = _with(PreferenceSetAnswer)
EVENT_ANSWER = _with(WriteAnswer)
HOLDER_ANSWER = _with(HolderAnswer)
HISTORY_ANSWER = _with(HistoryAnswer)
LIST_ANSWER = _with(ListAnswer)
ANSWER = _with(Answer)


def body_of(schema: dict[str, Any], example: Any, content_type: str = "application/json") -> dict[str, Any]:
    """The OpenAPI description of a body that a route reads itself."""
    return {"requestBody": {"required": True, "content": {content_type: {"schema": schema, "example": example}}}}


PREFERENCE_BODY = body_of(
    {"type": "object"},
    {
        "channel_types": {"email": True, "sms": False},
        "workflows": {"dinosaurs-loose": {"channel_types": {"email": False, "in_app_feed": True, "sms": True}}},
    },
)
OBJECT_BODY = body_of({"type": "object"}, {})
EVENTS_BODY = body_of(
    {"type": "object"},
    {
        "events": [
            {
                "type": "PreferenceSetMerged",
                "holder": "user:jhammond",
                "set": "default",
                "preferences": {"channel_types": {"email": False}},
                "actor": "user:jhammond",
                "method": "preference-centre",
            }
        ]
    },
)
