"""The shapes of request bodies, for the OpenAPI document. What is accepted is said by `domain` and `services`."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from domain.channel import CHANNEL_TYPES
from domain.policy import Decide, OwnDefaultInTenant
from services.keys import Scope

Json = Any
KeyKind = Literal["secret", "public"]
ChannelType = Literal["email", "sms", "push", "chat", "in_app_feed", "http", "tool"]


class Body(BaseModel):
    """An object with these members and no others; null stands for absent."""

    model_config = ConfigDict(extra="forbid")


class Condition(Body):
    """What must hold: `variable` is a path such as `data.amount`, a text `argument` may be one too."""

    variable: str
    operator: str
    argument: Json = None


class Conditions(Body):
    """All must hold."""

    conditions: list[Condition]


Choice = bool | Conditions


class Routing(Body):
    """A choice of channel types; remembered when it does not apply."""

    applies: bool
    channels: list[ChannelType]


class Rule(Body):
    """What is said about one scope. `true` and `false` in a rule's place are short for `enabled`."""

    enabled: bool | None = None
    condition: list[Condition] | dict[str, Json] | bool | None = Field(
        default=None, description="Conditions, or JSON logic."
    )
    conditions: list[Condition] | None = Field(default=None, description="Accepted for `condition`.")
    channel_types: dict[ChannelType, Choice | None] | None = None
    channels: dict[str, Choice | None] | None = Field(default=None, description="By channel id; beats the channel's type.")
    otherwise: bool | None = Field(default=None, description="Of a channel that no layer names.")
    locked: bool | None = Field(default=None, description="In a tenant's or the environment's set only.")
    routing: Routing | None = None
    digest: str | None = None
    layering: dict[Literal["self", "channel_types", "channels"], Literal["merge", "replace"] | None] | None = None
    kept: Json = Field(default=None, description="Free JSON: kept and shown, never evaluated.")


class Preferences(Rule):
    """A preference set. The members of a rule at its top are about everything."""

    categories: dict[str, bool | Rule | None] | None = None
    workflows: dict[str, bool | Rule | None] | None = None
    commercial: Choice | None = None
    schedule: dict[str, Json] | None = None


class Policy(Body):
    """How rules decide together, and what a recipient's own default counts for inside a tenant."""

    decide: Decide
    own_default_in_tenant: OwnDefaultInTenant
    semantics: Literal[1] | None = None


class EventBody(Body):
    """One event. Which members it has beside the common ones follows from its type."""

    type: str
    holder: str | None = Field(default=None, description="The environment for an event of the catalogue.")
    event_id: str | None = Field(default=None, description="A UUID: sending the same event again is safe then.")
    occurred_at: str | None = None
    expected_version: int | None = Field(default=None, ge=0)
    actor: str | None = None
    method: str | None = None
    reason: str | None = None
    evidence: dict[str, Json] | None = None
    notice: dict[Literal["id", "version", "locale"], str] | None = None
    legal_basis: str | None = None
    correlation_id: str | None = None
    causation_id: str | None = None
    set: str | None = "default"
    preferences: Preferences | None = None
    properties: dict[str, Json] | None = None
    replaces: bool | None = None
    key: str | None = None
    document: dict[str, Json] | None = None
    policy: Policy | None = None


class EventsBody(Body):
    """Up to 1,000 events, all checked before the first is appended."""

    events: list[EventBody] = Field(min_length=1, max_length=1_000)


class KeyBody(Body):
    """A key to issue."""

    name: str
    scopes: list[Scope] = Field(min_length=1)
    kind: KeyKind = "secret"


class SigningKeyBody(Body):
    """A client's public key."""

    name: str
    public_key_pem: str


class Subscription(Body):
    """One of the recipient's subscriptions to a topic."""

    topic: str
    id: str


class Channel(Body):
    """One concrete channel, or with its type alone the type."""

    type: ChannelType
    id: str | None = None


class Question(Body):
    """What every evaluation may ask."""

    workflow: str
    channels: list[ChannelType | Channel] | None = Field(
        default=None, min_length=1, max_length=100, examples=[list(CHANNEL_TYPES[:2])]
    )
    categories: list[str] | None = Field(default=None, max_length=100)
    tenant: str | None = None
    context: list[str] | None = None
    subscription: Subscription | None = None
    data: dict[str, Json] | None = None
    actor: dict[str, Json] | None = None
    policy: Literal["knock", "courier", "novu"] | Policy | None = None
    at: str | None = Field(default=None, description="The evaluated instant; now if not given.")
    as_of: str | None = Field(default=None, description="A position or an instant: answer as the ledger was then.")
    min_position: str | None = None
    max_staleness: float | None = Field(default=None, ge=0, description="Seconds.")
    explain: bool = False


Recipient = str | dict[Literal["user"], str] | dict[Literal["object"], dict[Literal["collection", "id"], str]]


class EvaluationBody(Question):
    """May this workflow reach this recipient, on which channels?"""

    recipient: Recipient = Field(examples=["user:jhammond"])


class BatchBody(Question):
    """The same question for up to 1,000 recipients. One that can't be understood fails alone."""

    recipients: list[Json] = Field(min_length=1, max_length=1_000, examples=[["user:jhammond", {"user": "zoe"}]])
