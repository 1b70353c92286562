"""The events: what can be said to the ledger. Each states an intent; what it changed is found out in the fold."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from domain.catalogue import EntryKind
from domain.document import Leaves, Unset
from domain.holder import Holder, SetId
from domain.json_value import JsonValue
from domain.preference_set import Patch

Suppress = Literal["none", "commercial", "all"]
SUPPRESS: tuple[Suppress, ...] = ("none", "commercial", "all")

PROPERTIES = "properties"
SUPPRESSION = "suppression"
POLICY = "policy"


def set_item(set_id: SetId) -> str:
    """The item of a stream that keeps this preference set."""
    return f"set:{set_id}"


def parked_item(offset: int) -> str:
    """The item of the environment's stream that keeps what became of a parked record."""
    return f"parked:{offset}"


def is_set_item(item: str) -> bool:
    """Whether the item keeps a preference set."""
    return item.startswith("set:")


@dataclass(frozen=True, slots=True)
class PreferenceSetReplaced:
    """The whole set is now this."""

    set_id: SetId
    leaves: Leaves


@dataclass(frozen=True, slots=True)
class PreferenceSetMerged:
    """Parts of the set are now this, others are gone, the rest stays."""

    set_id: SetId
    patch: Patch


@dataclass(frozen=True, slots=True)
class PreferenceSetDeleted:
    """The set says nothing any more."""

    set_id: SetId


@dataclass(frozen=True, slots=True)
class HolderDescribed:
    """The holder's properties: merged (null is a value, unsets take away), or replaced as a whole."""

    patch: Patch
    replaces: bool = False


@dataclass(frozen=True, slots=True)
class HolderForgotten:
    """Everything the ledger shows of the holder goes; what must never be sent again stays known."""

    suppress: Suppress


@dataclass(frozen=True, slots=True)
class SetsAdopted:
    """Another holder was merged into this one: its sets come along where this one has none of that name."""

    source: Holder
    sets: tuple[tuple[SetId, Leaves], ...]


@dataclass(frozen=True, slots=True)
class BulkRow:
    """What a bulk operation says of one holder. Properties are written over those it has; None: none are."""

    properties: Leaves | None = None
    sets: tuple[tuple[SetId, Patch], ...] = ()
    forgotten: Suppress | None = None


@dataclass(frozen=True, slots=True)
class BulkRequested:
    """One operation on many holders, all named before the first of them is touched.

    Without rows the same merge of the same set is meant for each holder; else there is a row for each.
    """

    bulk_id: str
    operation: str
    holders: tuple[Holder, ...]
    set_id: SetId
    leaves: Leaves
    unsets: tuple[Unset, ...] = ()
    spell_out: tuple[str, ...] = ()
    rows: tuple[BulkRow, ...] = ()


@dataclass(frozen=True, slots=True)
class BulkFinished:
    """A bulk operation came to its end."""

    bulk_id: str
    succeeded: int
    failed: int


@dataclass(frozen=True, slots=True)
class EntryDefined:
    """A workflow, category, channel or section is now this document."""

    kind: EntryKind
    key: str
    leaves: Leaves


@dataclass(frozen=True, slots=True)
class EntryRemoved:
    """A catalogue entry is gone; choices about it stay."""

    kind: EntryKind
    key: str


@dataclass(frozen=True, slots=True)
class PolicySet:
    """The environment's policy."""

    leaves: Leaves


@dataclass(frozen=True, slots=True)
class ApiKeyIssued:
    """A key to the API: its hash, and its secret sealed (some signatures need it)."""

    key_id: str
    name: str
    kind: Literal["secret", "public"]
    scopes: tuple[str, ...]
    secret_hash: bytes
    sealed_secret: bytes


@dataclass(frozen=True, slots=True)
class ApiKeyRevoked:
    """The key is never valid again."""

    key_id: str


@dataclass(frozen=True, slots=True)
class SigningKeyAdded:
    """A client's public key, with which user tokens are checked."""

    key_id: str
    name: str
    algorithm: str
    public_key_pem: str


@dataclass(frozen=True, slots=True)
class SigningKeyRemoved:
    """Tokens signed with this key are refused from now on."""

    key_id: str


@dataclass(frozen=True, slots=True)
class ParkedReplayed:
    """A parked record was mended: which event took its place, and what of it later writes had overtaken."""

    offset: int
    event_id: bytes
    superseded: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ParkedDiscarded:
    """A parked record was looked at and will not be mended."""

    offset: int
    reason: str


@dataclass(frozen=True, slots=True)
class RecordSkipped:
    """An operator's word that the record at an offset is parked, on every node."""

    offset: int
    reason: str


@dataclass(frozen=True, slots=True)
class LedgerOpened:
    """The first record of a ledger. `secret_check` tells a node with another secret that it must not serve here."""

    ledger_id: str
    generation: int
    created_at_milliseconds: int
    secret_check: bytes


@dataclass(frozen=True, slots=True)
class LedgerSealed:
    """The last record that counts in this generation of a ledger."""

    reason: str


Body = (
    PreferenceSetReplaced
    | PreferenceSetMerged
    | PreferenceSetDeleted
    | HolderDescribed
    | HolderForgotten
    | SetsAdopted
    | BulkRequested
    | BulkFinished
    | EntryDefined
    | EntryRemoved
    | PolicySet
    | ApiKeyIssued
    | ApiKeyRevoked
    | SigningKeyAdded
    | SigningKeyRemoved
    | ParkedReplayed
    | ParkedDiscarded
    | RecordSkipped
    | LedgerOpened
    | LedgerSealed
)


@dataclass(frozen=True, slots=True)
class Notice:
    """The wording that a person saw when the choice was made."""

    id: str
    version: str
    locale: str


class Provenance(NamedTuple):
    """Who said it, how, and on what ground. Every member is optional but the way it came. A tuple, as `Event` is."""

    actor: str | None = None
    method: str | None = None
    reason: str | None = None
    evidence: Mapping[str, JsonValue] = {}  # One for all, and a plain one: what measures a command can't encode others.
    notice: Notice | None = None
    legal_basis: str | None = None


NOBODY: Final = Provenance()


class Event(NamedTuple):
    """One event, decoded. `stream` is the holder's pseudonym, `fingerprint` tells contents apart.

    A tuple, not a dataclass: a replay makes one for each record, and a frozen dataclass takes five times as long.
    """

    event_id: bytes
    stream: bytes
    holder: Holder
    body: Body
    occurred_at_milliseconds: int
    fingerprint: bytes
    provenance: Provenance
    item: str | None
    """The one item of the stream that the event touches, as `item_of` tells it; None for more than one or none."""

    expected_version: int | None = None
    correlation_id: str | None = None
    causation_id: str | None = None


def type_of(body: Body) -> str:
    """The body's name in the log, in history and in the API."""
    if isinstance(body, EntryDefined):
        return f"{body.kind.value.capitalize()}Defined"
    if isinstance(body, EntryRemoved):
        return f"{body.kind.value.capitalize()}Removed"
    return type(body).__name__


def item_of(body: Body) -> str | None:
    """The one item of the stream that the event touches; None for more than one or none."""
    match body:
        case PreferenceSetReplaced() | PreferenceSetMerged() | PreferenceSetDeleted():
            return set_item(body.set_id)
        case HolderDescribed():
            return PROPERTIES
        case EntryDefined() | EntryRemoved():
            return f"{body.kind.value}:{body.key}"
        case PolicySet():
            return POLICY
        case ApiKeyIssued() | ApiKeyRevoked():
            return f"key:{body.key_id}"
        case SigningKeyAdded() | SigningKeyRemoved():
            return f"signing_key:{body.key_id}"
        case BulkRequested() | BulkFinished():
            return f"bulk:{body.bulk_id}"
        case ParkedReplayed() | ParkedDiscarded():
            return parked_item(body.offset)
        case RecordSkipped():
            return f"skipped:{body.offset}"
        case _:
            return None
