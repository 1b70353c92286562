"""The shapes of answers, for the OpenAPI document. The routes write these shapes themselves; a test compares the two."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.http.body_models import KeyKind, Policy, Preferences
from services.http.problems import BASE, PROBLEMS
from services.keys import Scope

Json = Any
Outcome = Literal["applied", "duplicate", "rejected", "parked"]


class Shape(BaseModel):
    """An object with exactly these members."""

    model_config = ConfigDict(extra="forbid")


def absent(description: str | None = None) -> Any:
    """A member that an answer leaves out where it has nothing to say. Its absence is not null."""

    def without_default(schema: dict[str, Any]) -> None:
        del schema["default"]

    return Field(default=None, description=description, json_schema_extra=without_default)


class Problem(BaseModel):
    """A refusal (RFC 9457). More members say what it is about, such as `pointer`, `event_id` or `position`."""

    type: str = Field(json_schema_extra={"enum": [BASE + name for name in PROBLEMS]})
    title: str
    status: int
    detail: str


class Answer(Shape):
    """What every answer about a moment says of it."""

    position: str = Field(description="Where the ledger was: opaque, to be sent back as it is.")
    settled: bool = absent("As of an instant: whether no later record can still count as recorded by then.")


class FreshAnswer(Answer):
    """An answer that says how old it may be."""

    stale_seconds: float = absent("Since when this node can't vouch that it has everything.")


class Change(Shape):
    """One leaf before and after. A side on which there was nothing is absent; null is a value."""

    path: str = Field(description="A JSON Pointer (RFC 6901).")
    before: Json = absent()
    after: Json = absent()
    item: str = absent("What of the holder, where a record changed more than one thing.")


class HistoryEntry(Shape):
    """One record of the ledger."""

    event_id: str | None = Field(description="Null of a parked record: there is none, or none to be trusted.")
    position: str
    type: str
    holder: str | None
    set: str | None
    item: str | None
    actor: str | None
    method: str | None
    reason: str | None
    occurred_at: str = Field(description="What the publisher claims.")
    recorded_at: str = Field(description="The log's own time, never below that of the record before.")
    outcome: Outcome
    version: int | None
    changes: list[Change]
    why: str = absent("Why the outcome is not `applied`.")
    forgotten: bool = absent("The holder was forgotten since: what the record said is not shown any more.")
    sentence: str = absent("Of a parked record: what is wrong with it.")
    evidence: dict[str, Json] = absent()
    legal_basis: str = absent()
    notice: dict[str, str] = absent("The wording that the person saw: id, version, locale.")
    correlation_id: str = absent()
    causation_id: str = absent()
    expected_version: int = absent()


class Origin(Shape):
    """Where a leaf of a resolved view was said."""

    holder: str
    set: str
    path: str


class PreferenceSetAnswer(FreshAnswer):
    """A set as stored; resolved, it has `tenant` and `origins`, and no version."""

    holder: str
    set: str
    preferences: Preferences
    version: int = absent()
    tenant: str | None = absent()
    origins: dict[str, Origin] = absent()


class NamedSet(Shape):
    """One of a holder's sets."""

    set: str
    preferences: Preferences
    version: int


class SetsAnswer(Answer):
    """All of a holder's sets that say something."""

    holder: str
    sets: list[NamedSet]


class HolderAnswer(FreshAnswer):
    """A holder's properties and the names of its sets."""

    holder: str
    properties: dict[str, Json]
    suppress: Literal["none", "commercial", "all"]
    sets: list[str]
    version: int


class FoundHolder(Shape):
    """A holder of a page; with a question, the set that answers it."""

    holder: str
    set: str = absent()
    version: int = absent()


class HoldersAnswer(Answer):
    """A page of holders."""

    entries: list[FoundHolder]
    next_cursor: str | None


class HistoryAnswer(Shape):
    """A page of history, newest first. All pages belong to one position."""

    holder: str
    entries: list[HistoryEntry]
    position: str
    next_cursor: str | None


class Entry(Shape):
    """A catalogue entry under its kind's name."""

    workflow: dict[str, Json] = absent()
    category: dict[str, Json] = absent()
    channel: dict[str, Json] = absent()
    section: dict[str, Json] = absent()
    policy: Policy = absent()


class WriteAnswer(Entry):
    """What a write came to, and what it wrote to as that stands after it."""

    holder: str
    set: str = absent()
    preferences: Preferences = absent()
    properties: dict[str, Json] = absent()
    suppress: Literal["none", "commercial", "all"] = absent()
    version: int
    position: str
    event_id: str
    outcome: Outcome


class CatalogueAnswer(Answer):
    """The whole catalogue, entries by their keys."""

    workflows: dict[str, dict[str, Json]]
    categories: dict[str, dict[str, Json]]
    channels: dict[str, dict[str, Json]]
    sections: dict[str, dict[str, Json]]
    policy: Policy


class EntryAnswer(Entry, Answer):
    """One catalogue entry."""

    kind: Literal["workflow", "category", "channel", "section"]
    key: str
    version: int


class PolicyAnswer(Answer):
    """The environment's policy. Version 0: nobody has set one."""

    policy: Policy
    version: int


class EventResult(Shape):
    """What became of one event of a request."""

    event_id: str
    outcome: Outcome | Literal["failed"]
    position: str = absent()
    version: int | None = absent()
    why: str = absent()
    problem: Problem = absent("Of an event that failed: why.")


class EventsAnswer(Shape):
    """One result an event, in order."""

    results: list[EventResult]


class Key(Shape):
    """An API key. A public one names a client and opens nothing here."""

    id: str
    name: str
    kind: KeyKind
    scopes: list[Scope]
    revoked: bool


class IssuedKey(Key):
    """A key at the only moment at which it is shown."""

    key: str
    position: str


class RevokedKey(Key):
    """A key that is not valid any more."""

    position: str


class KeysAnswer(Shape):
    """All keys that were ever issued."""

    keys: list[Key]


class SigningKey(Shape):
    """A client's public key, in force."""

    id: str
    algorithm: str
    public_key_pem: str


class AddedSigningKey(SigningKey):
    """A public key that was added."""

    name: str
    position: str


class SigningKeysAnswer(Shape):
    """The keys that check user tokens now."""

    signing_keys: list[SigningKey]
    user_tokens_required: bool


class RemovedSigningKey(Shape):
    """A public key that checks no token any more."""

    id: str
    removed: bool
    position: str


class RebuildAnswer(Shape):
    """How a rebuild of the views is doing, or how the last one ended."""

    phase: str
    records_folded: int
    records_total: int | None
    digest: str | None
    trouble: str | None


class ProblemTypes(Shape):
    """Every type that a problem may have."""

    problems: dict[str, dict[str, str | int]]
