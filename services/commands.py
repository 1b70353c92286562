"""Commands: what may be said to the ledger, checked as strictly as can be, made into events."""

from dataclasses import dataclass

from domain.catalogue import EntryKind, parse_entry, parse_policy
from domain.document import Leaves, flatten, in_order, merge_patch
from domain.event import (
    SUPPRESS,
    ApiKeyIssued,
    ApiKeyRevoked,
    Body,
    EntryDefined,
    EntryRemoved,
    HolderDescribed,
    HolderForgotten,
    PolicySet,
    PreferenceSetDeleted,
    PreferenceSetMerged,
    PreferenceSetReplaced,
    Provenance,
)
from domain.holder import Holder, HolderKind, SetId, SetKind
from domain.identifier import check_text
from domain.invalid import Invalid
from domain.json_value import JsonValue
from domain.pointer import escape
from domain.preference_set import Patch, check_speaker, parse_preference_patch, parse_preference_set
from domain.rule import check_object
from schemas.codec import Draft
from schemas.free_json import LONG_MAX, LONG_MIN
from services.identifiers import new_event_id
from services.ledger import Ledger, now_milliseconds

PROPERTIES_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Request:
    """What every event of one request has in common."""

    provenance: Provenance
    event_id: bytes | None = None
    """Chosen by the asker, or derived from an Idempotency-Key; else each event gets a fresh one."""
    occurred_at_milliseconds: int | None = None
    expected_version: int | None = None
    correlation_id: str | None = None
    causation_id: str | None = None


def draft_of(ledger: Ledger, holder: Holder, body: Body, request: Request) -> Draft:
    """The event that a checked body becomes."""
    return Draft(
        event_id=request.event_id or new_event_id(),
        stream=ledger.secrets.stream_key(holder),
        content_key=ledger.secrets.content_key,
        holder=holder,
        body=body,
        occurred_at_milliseconds=(
            now_milliseconds() if request.occurred_at_milliseconds is None else request.occurred_at_milliseconds
        ),
        provenance=request.provenance,
        expected_version=request.expected_version,
        correlation_id=request.correlation_id,
        causation_id=request.causation_id,
    )


def replace_set(holder: Holder, set_id: SetId, tree: JsonValue) -> Body:
    """The whole set is now this. Raises Invalid."""
    check_set_of(holder, set_id)
    leaves = parse_preference_set(tree)
    check_speaker(leaves, holder.kind)
    check_numbers(tree)
    return PreferenceSetReplaced(set_id, leaves)


def merge_set(holder: Holder, set_id: SetId, tree: JsonValue) -> Body:
    """A JSON Merge Patch of the set. Raises Invalid."""
    check_set_of(holder, set_id)
    patch = parse_preference_patch(tree)
    check_speaker(patch.leaves, holder.kind)
    check_numbers(tree)
    return PreferenceSetMerged(set_id, patch)


def delete_set(holder: Holder, set_id: SetId) -> Body:
    """The set says nothing any more. Raises Invalid."""
    check_set_of(holder, set_id)
    return PreferenceSetDeleted(set_id)


def check_set_of(holder: Holder, set_id: SetId, pointer: str = "") -> None:
    """The environment and tenants speak for others by their default only. Raises Invalid."""
    if holder.kind in (HolderKind.ENVIRONMENT, HolderKind.TENANT) and set_id.kind is not SetKind.DEFAULT:
        raise Invalid(pointer, f"a {holder.kind.value} has one preference set, default")


def describe(tree: JsonValue) -> Body:
    """The holder's properties are now these. Raises Invalid."""
    return HolderDescribed(Patch(_properties(tree)), replaces=True)


def describe_more(tree: JsonValue) -> Body:
    """These properties are written over the holder's; null is a value among them. Raises Invalid.

    Free: a property called `parent` may be anything here.
    """
    return HolderDescribed(Patch(_free_properties(tree)))


def describe_partly(tree: JsonValue) -> Body:
    """A JSON Merge Patch of the holder's properties: null unsets. Raises Invalid."""
    _properties(tree)
    leaves, unsets = merge_patch(check_object(tree, "", "the properties"))
    return HolderDescribed(Patch(leaves, in_order(unsets)))


def _free_properties(tree: JsonValue) -> Leaves:
    leaves = flatten(check_object(tree, "", "the properties"))
    if len(leaves) > PROPERTIES_MAX:
        raise Invalid("", f"there are {len(leaves)} properties; at most {PROPERTIES_MAX} are allowed")
    check_numbers(tree)
    return leaves


def _properties(tree: JsonValue) -> Leaves:
    leaves = _free_properties(tree)
    parent = leaves.get("/parent")
    if parent is not None and not isinstance(parent, str):
        raise Invalid("/parent", "a parent is the id of another tenant")
    return leaves


def check_numbers(tree: JsonValue, pointer: str = "") -> None:
    """Raises Invalid for an integer that the log could not hold exactly."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            check_numbers(value, f"{pointer}/{escape(key)}")
    elif isinstance(tree, list):
        for at, item in enumerate(tree):
            check_numbers(item, f"{pointer}/{at}")
    elif isinstance(tree, int) and not LONG_MIN <= tree <= LONG_MAX:
        raise Invalid(pointer, "this number is too large: integers must fit into 64 bits")


def is_configuration(holder: Holder, body: Body) -> bool:
    """Whether the event decides for everybody, not for one holder: the environment's own, and every lock.

    A lock silences the opt-outs of all whom it reaches, so the key of a preference centre must not be able to set one.
    """
    if holder.kind is HolderKind.ENVIRONMENT:
        return True
    match body:
        case PreferenceSetReplaced(leaves=leaves) | PreferenceSetMerged(patch=Patch(leaves=leaves)):
            return any(path.endswith("/locked") for path in leaves)
    return False


def forget(suppress: object) -> Body:
    """The holder is forgotten; `suppress` is what must never be sent again. Raises Invalid."""
    for known in SUPPRESS:
        if suppress == known:
            return HolderForgotten(known)
    raise Invalid("/suppress", f"suppress is one of {', '.join(SUPPRESS)}")


def define_entry(kind: EntryKind, key: str, tree: JsonValue) -> Body:
    """A catalogue entry is now this. Raises Invalid."""
    check_numbers(tree)
    leaves = parse_entry(kind, key, tree)
    if not leaves:
        raise Invalid("", f"a {kind.value} in which nothing is said is none: give at least its name")
    return EntryDefined(kind, key, leaves)


def remove_entry(kind: EntryKind, key: str) -> Body:
    """A catalogue entry is gone. Raises Invalid."""
    check_text(key, "", f"the {kind.value}'s key")
    return EntryRemoved(kind, key)


def set_policy(tree: JsonValue) -> Body:
    """The environment's policy is now this. Raises Invalid."""
    return PolicySet(parse_policy(tree))


def issue_key(issued: ApiKeyIssued) -> Body:
    """A key made by `services.keys.new_key` becomes known."""
    return issued


def revoke_key(key_id: str) -> Body:
    """The key is never valid again. Raises Invalid."""
    return ApiKeyRevoked(check_text(key_id, "", "the key's id"))
