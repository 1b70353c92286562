"""The fold: what an event does to its stream. The same on every node and in every replay.

It reads the stream it folds and nothing else. It accepts whatever any release has accepted: only commands get stricter.
"""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from domain.document import Leaves, merged
from domain.event import (
    SUPPRESSION,
    ApiKeyIssued,
    ApiKeyRevoked,
    Body,
    BulkFinished,
    BulkRequested,
    EntryDefined,
    EntryRemoved,
    Event,
    HolderDescribed,
    HolderForgotten,
    ParkedDiscarded,
    ParkedReplayed,
    PolicySet,
    PreferenceSetDeleted,
    PreferenceSetMerged,
    PreferenceSetReplaced,
    RecordSkipped,
    SetsAdopted,
    SigningKeyAdded,
    SigningKeyRemoved,
    set_item,
)
from domain.holder import HolderKind
from domain.preference_set import Patch
from domain.rule import spell_out

FOLD_VERSION = 6
"""Goes up with every change that could make a view differ. Views of another version are rebuilt before they serve."""

REMEMBERED_MILLISECONDS = 7 * 24 * 3600 * 1000
REMEMBERED_EVENTS = 100

EVENT_ID_REUSED = "event-id-reused"
"""Why an event is rejected whose id stands for something else. It is not remembered: the id keeps its first meaning."""


class Outcome(StrEnum):
    """What became of a record."""

    APPLIED = "applied"
    DUPLICATE = "duplicate"
    REJECTED = "rejected"
    PARKED = "parked"


@dataclass(frozen=True, slots=True)
class Remembered:
    """An earlier record of the same stream with the same event id."""

    fingerprint: bytes
    recorded_at_milliseconds: int
    events_since: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """An outcome, and in one word why it is not `applied`."""

    outcome: Outcome
    reason: str | None = None


APPLIED = Verdict(Outcome.APPLIED)


def judge(
    event: Event,
    *,
    recorded_at_milliseconds: int,
    remembered: Remembered | None,
    sealed: bool,
    version: int,
) -> Verdict:
    """Whether an event counts. `version` is the present one of the item that the event touches."""
    if isinstance(event.body, RecordSkipped) and may_speak(event):
        # It is about the log: nodes obey it before they have folded what stands between, so nothing there may matter.
        return APPLIED
    if remembered is not None and still_remembered(remembered, recorded_at_milliseconds):
        if remembered.fingerprint == event.fingerprint:
            return Verdict(Outcome.DUPLICATE)
        return Verdict(Outcome.REJECTED, EVENT_ID_REUSED)
    if sealed:
        return Verdict(Outcome.REJECTED, "ledger-sealed")
    if event.expected_version is not None and event.expected_version != version:
        return Verdict(Outcome.REJECTED, "version-mismatch")
    if not may_speak(event):
        return Verdict(Outcome.PARKED, "not-this-holders-to-say")
    return APPLIED


def still_remembered(remembered: Remembered, recorded_at_milliseconds: int) -> bool:
    """A stream remembers its event ids for seven days, and at least the last hundred."""
    return (
        remembered.events_since <= REMEMBERED_EVENTS
        or recorded_at_milliseconds - remembered.recorded_at_milliseconds <= REMEMBERED_MILLISECONDS
    )


_OF_A_HOLDER = (
    PreferenceSetReplaced,
    PreferenceSetMerged,
    PreferenceSetDeleted,
    HolderDescribed,
    HolderForgotten,
    SetsAdopted,
)


def may_speak(event: Event) -> bool:
    """The catalogue, keys and the ledger's own events belong to the environment; the rest to any holder."""
    return isinstance(event.body, _OF_A_HOLDER) or event.holder.kind is HolderKind.ENVIRONMENT


def touches_every_item(body: Body) -> bool:
    """Whether the fold needs the whole stream, not one item of it."""
    return isinstance(body, HolderForgotten | SetsAdopted)


def patched(before: Mapping[str, object], patch: Patch) -> Leaves:
    """A set after a merge: rules are spelled out first, then unsets, then what is written."""
    leaves: Leaves = dict(before)  # type: ignore[arg-type]
    if patch.spell_out:
        spell_out(leaves, patch.spell_out, patch.leaves)
    return merged(leaves, patch.leaves, patch.unsets) if patch.unsets or patch.leaves else leaves


def fold(body: Body, item: str | None, items: Mapping[str, Leaves]) -> dict[str, Leaves]:
    """The items that the event touches, as they are after it. An item with no leaves does not exist (any more).

    `item` is the one that the event names, if it names one; `items` holds what is there of those that it touches.
    """
    match body:
        case HolderForgotten():
            return _forgotten(body, items)
        case SetsAdopted():
            return {set_item(set_id): leaves for set_id, leaves in body.sets if not items.get(set_item(set_id))}
    if item is None:
        return {}
    return {item: _fold_one(body, items.get(item, {}))}


def _fold_one(body: Body, before: Leaves) -> Leaves:
    match body:
        case PreferenceSetMerged():
            return patched(before, body.patch)
        case PreferenceSetReplaced() | EntryDefined() | PolicySet():
            return dict(body.leaves)
        case HolderDescribed():
            return dict(body.patch.leaves) if body.replaces else patched(before, body.patch)
        case PreferenceSetDeleted() | EntryRemoved() | SigningKeyRemoved():
            return {}
        case ApiKeyRevoked():
            return {**before, "/revoked": True}
        case ApiKeyIssued():
            return _issued_key(body, before)
        case SigningKeyAdded():
            return {"/name": body.name, "/algorithm": body.algorithm, "/public_key_pem": body.public_key_pem}
        case BulkRequested():
            return {"/operation": body.operation, "/set": str(body.set_id), "/requested": len(body.holders)}
        case BulkFinished():
            return {**before, "/finished": True, "/succeeded": body.succeeded, "/failed": body.failed}
        case ParkedReplayed():
            return {"/state": "replayed", "/event_id": str(UUID(bytes=body.event_id)), "/superseded": [*body.superseded]}
        case ParkedDiscarded():
            return {"/state": "discarded", "/reason": body.reason}
        case RecordSkipped():
            return {"/reason": body.reason}
        case _:
            return before


def _issued_key(body: ApiKeyIssued, before: Leaves) -> Leaves:
    if before.get("/revoked"):
        return before  # A revoked id is never valid again, whoever issues it anew.
    return {
        "/name": body.name,
        "/kind": body.kind,
        "/scopes": list(body.scopes),
        "/secret_hash": b64encode(body.secret_hash).decode(),
        "/sealed_secret": b64encode(body.sealed_secret).decode(),
    }


def _forgotten(body: HolderForgotten, items: Mapping[str, Leaves]) -> dict[str, Leaves]:
    after: dict[str, Leaves] = {item: {} for item, leaves in items.items() if leaves}
    after[SUPPRESSION] = {} if body.suppress == "none" else {"/suppress": body.suppress}
    return after
