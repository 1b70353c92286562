"""Event bodies between the domain and the branches of the Avro body union."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from domain.catalogue import EntryKind
from domain.document import Leaves, Unset, flatten, unflatten
from domain.event import (
    SUPPRESS,
    ApiKeyIssued,
    ApiKeyRevoked,
    Body,
    BulkFinished,
    BulkRequested,
    BulkRow,
    EntryDefined,
    EntryRemoved,
    HolderDescribed,
    HolderForgotten,
    LedgerOpened,
    LedgerSealed,
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
    Suppress,
)
from domain.holder import Holder, HolderKind, SetId, parse_set_id
from domain.json_value import JsonValue
from domain.pointer import keys_of
from domain.preference_set import Patch
from schemas.free_json import from_avro, to_avro
from schemas.preference_set import Record, rule_from_avro, rule_to_avro, set_from_avro, set_to_avro

GENERATION_MAX = 65_535
"""What a position has room for."""

_KINDS = {kind.name: kind for kind in HolderKind}


def holder_to_avro(holder: Holder) -> Record:
    """The `Holder` record."""
    return {"kind": holder.kind.name, "id": holder.id, "collection": holder.collection}


def holder_from_avro(record: Record) -> Holder:
    """The holder. Raises KeyError for a kind that this release does not know."""
    return Holder(_KINDS[record["kind"]], record["id"], record["collection"])


def _unsets_to_avro(unsets: tuple[Unset, ...]) -> list[Record]:
    return [{"path": list(rule.pattern)} for rule in unsets]


def _unsets_from_avro(records: list[Record]) -> tuple[Unset, ...]:
    return tuple(Unset(tuple(record["path"])) for record in records)


_DOCUMENT_RULES = {"resource_default": "/defaults/resource", "user_default": "/defaults/user", "default": "/default"}
_DOCUMENT_FREE = ("data", "digest")


def _entry_to_avro(body: EntryDefined) -> Record:
    """A catalogue entry: default rules and free data have their own types, the other members are as they are."""
    record: Record = {"key": body.key}
    free: dict[str, Leaves] = {}
    rules: dict[str, Leaves] = {}
    for path, value in body.leaves.items():
        name = keys_of(path)[0]
        field = next((field for field, prefix in _DOCUMENT_RULES.items() if path.startswith(prefix + "/")), None)
        if field is not None:
            rules.setdefault(field, {})[path.removeprefix(_DOCUMENT_RULES[field])] = value
        elif name in _DOCUMENT_FREE:
            free.setdefault(name, {})[path.removeprefix(f"/{name}")] = value
        else:
            record[name] = value
    record.update({field: ("prefledger.Rule", rule_to_avro(leaves)) for field, leaves in rules.items()})
    record.update({name: to_avro({} if "" in leaves else unflatten(leaves)) for name, leaves in free.items()})
    return record


def _entry_from_avro(kind: EntryKind, record: Record) -> EntryDefined:
    leaves: Leaves = {}
    for name, value in record.items():
        if value is None or name == "key":
            continue
        if name in _DOCUMENT_RULES:
            rule_from_avro(value, _DOCUMENT_RULES[name], leaves)
        elif name in _DOCUMENT_FREE:
            free = from_avro(value)
            leaves.update(flatten(free, f"/{name}") if isinstance(free, dict) and free else {f"/{name}": {}})
        elif name == "channels":
            steps: list[JsonValue] = [{part: step[part] for part in step if step[part] is not None} for step in value]
            leaves["/channels"] = steps
        else:
            leaves[f"/{name}"] = value
    return EntryDefined(kind, record["key"], leaves)


def _policy_to_avro(body: PolicySet) -> Record:
    return {path.removeprefix("/"): value for path, value in body.leaves.items()}


def _fields(body: Any) -> Record:
    """The members of a body whose Avro record has the same names and values."""
    return {name: getattr(body, name) for name in body.__dataclass_fields__}


_ENCODERS: dict[type, Callable[[Any], Record]] = {
    PreferenceSetReplaced: lambda body: {"set": set_to_avro(body.leaves)},
    PreferenceSetMerged: lambda body: {
        "set": set_to_avro(body.patch.leaves),
        "unset": _unsets_to_avro(body.patch.unsets),
        "spell_out": list(body.patch.spell_out),
    },
    PreferenceSetDeleted: lambda _: {},
    HolderDescribed: lambda body: {"replaces": body.replaces, "unset": _unsets_to_avro(body.patch.unsets)},
    HolderForgotten: lambda body: {"suppress": body.suppress.upper()},
    SetsAdopted: lambda body: {"sets": {str(set_id): set_to_avro(leaves) for set_id, leaves in body.sets}},
    BulkRequested: lambda body: {
        "bulk_id": body.bulk_id,
        "operation": body.operation,
        "set_id": str(body.set_id),
        "set": set_to_avro(body.leaves),
        "unset": _unsets_to_avro(body.unsets),
        "spell_out": list(body.spell_out),
        "rows": [_row_to_avro(row) for row in body.rows],
    },
    EntryDefined: _entry_to_avro,
    EntryRemoved: lambda body: {"key": body.key},
    PolicySet: _policy_to_avro,
    LedgerOpened: lambda body: {
        "ledger_id": body.ledger_id,
        "generation": body.generation,
        "created_at": body.created_at_milliseconds,
        "secret_check": body.secret_check,
    },
}


def body_to_avro(body: Body) -> Record:
    """The record of a body, without the name of its branch, and without what is personal in it."""
    return _ENCODERS.get(type(body), _fields)(body)


def personal_to_avro(body: Body) -> Record:
    """What is personal in a body: members of the `Personal` record."""
    match body:
        case HolderDescribed():
            return {"properties": {key: to_avro(value) for key, value in unflatten(body.patch.leaves).items()}}
        case SetsAdopted():
            return {"others": [holder_to_avro(body.source)]}
        case BulkRequested():
            return {"others": [holder_to_avro(holder) for holder in body.holders], "properties": _row_properties(body)}
        case _:
            return {}


def _row_to_avro(row: BulkRow) -> Record:
    return {
        "described": row.properties is not None,
        "sets": [
            {
                "set_id": str(set_id),
                "set": set_to_avro(patch.leaves),
                "unset": _unsets_to_avro(patch.unsets),
                "spell_out": list(patch.spell_out),
            }
            for set_id, patch in row.sets
        ],
        "forgotten": None if row.forgotten is None else row.forgotten.upper(),
    }


def _row_properties(body: BulkRequested) -> Record | None:
    described = {str(at): row.properties for at, row in enumerate(body.rows) if row.properties is not None}
    return {at: to_avro(unflatten(leaves)) for at, leaves in described.items()} or None


def _row_from_avro(record: Record, at: str, properties: Record) -> BulkRow:
    described = from_avro(properties[at]) if record["described"] else None
    return BulkRow(
        flatten(described) if isinstance(described, dict) else None,
        tuple(
            (
                parse_set_id(one["set_id"]),
                Patch(set_from_avro(one["set"]), _unsets_from_avro(one["unset"]), tuple(one["spell_out"])),
            )
            for one in record["sets"]
        ),
        None if record["forgotten"] is None else _suppress(record["forgotten"]),
    )


def _suppress(symbol: str) -> Suppress:
    """Raises KeyError for a symbol that this release does not know."""
    return {known.upper(): known for known in SUPPRESS}[symbol]


def _merged(record: Record, set_id: SetId | None, _: Record) -> Body:
    patch = Patch(set_from_avro(record["set"]), _unsets_from_avro(record["unset"]), tuple(record["spell_out"]))
    return PreferenceSetMerged(_known(set_id), patch)


def _known(set_id: SetId | None) -> SetId:
    if set_id is None:
        raise ValueError("the event names no preference set")
    return set_id


def _described(record: Record, _: SetId | None, personal: Record) -> Body:
    properties = {key: from_avro(value) for key, value in (personal["properties"] or {}).items()}
    return HolderDescribed(Patch(flatten(properties), _unsets_from_avro(record["unset"])), record["replaces"])


def _adopted(record: Record, _: SetId | None, personal: Record) -> Body:
    (source,) = personal["others"] or []
    return SetsAdopted(
        holder_from_avro(source),
        tuple((parse_set_id(set_id), set_from_avro(leaves)) for set_id, leaves in record["sets"].items()),
    )


def _bulk_requested(record: Record, _: SetId | None, personal: Record) -> Body:
    return BulkRequested(
        record["bulk_id"],
        record["operation"],
        tuple(map(holder_from_avro, personal["others"] or [])),
        parse_set_id(record["set_id"]),
        set_from_avro(record["set"]),
        _unsets_from_avro(record["unset"]),
        tuple(record["spell_out"]),
        tuple(_row_from_avro(row, str(at), personal["properties"] or {}) for at, row in enumerate(record["rows"])),
    )


def _ledger_opened(record: Record) -> Body:
    if not 0 < record["generation"] <= GENERATION_MAX:
        raise ValueError(f"a ledger's generation is 1 to {GENERATION_MAX}")
    ledger_id = str(UUID(record["ledger_id"]))
    return LedgerOpened(ledger_id, record["generation"], record["created_at"], record["secret_check"])


_Decoder = Callable[[Record, SetId | None, Record], Body]
"""Takes the body's record, the set that the event names, and the `Personal` record."""

_POLICY_MEMBERS = ("decide", "own_default_in_tenant", "semantics")


def _as_it_is(body: Any) -> _Decoder:
    """For a body whose Avro record has the same names and values. What a later schema adds to it is left alone."""
    names = tuple(body.__dataclass_fields__)
    return lambda record, _, __: body(**{name: record[name] for name in names})


_DECODERS: dict[str, _Decoder] = {
    "PreferenceSetMerged": _merged,
    "PreferenceSetReplaced": lambda record, set_id, _: PreferenceSetReplaced(_known(set_id), set_from_avro(record["set"])),
    "PreferenceSetDeleted": lambda _, set_id, __: PreferenceSetDeleted(_known(set_id)),
    "HolderDescribed": _described,
    "HolderForgotten": lambda record, _, __: HolderForgotten(record["suppress"].lower()),
    "SetsAdopted": _adopted,
    "BulkRequested": _bulk_requested,
    "BulkFinished": _as_it_is(BulkFinished),
    "PolicySet": lambda record, _, __: PolicySet({f"/{name}": record[name] for name in _POLICY_MEMBERS}),
    "ApiKeyIssued": lambda record, _, __: ApiKeyIssued(
        record["key_id"],
        record["name"],
        record["kind"],
        tuple(record["scopes"]),
        record["secret_hash"],
        record["sealed_secret"],
    ),
    "ApiKeyRevoked": _as_it_is(ApiKeyRevoked),
    "SigningKeyAdded": _as_it_is(SigningKeyAdded),
    "SigningKeyRemoved": _as_it_is(SigningKeyRemoved),
    "ParkedReplayed": lambda record, _, __: ParkedReplayed(
        record["offset"], record["event_id"], tuple(record["superseded"])
    ),
    "ParkedDiscarded": _as_it_is(ParkedDiscarded),
    "RecordSkipped": _as_it_is(RecordSkipped),
    "LedgerOpened": lambda record, _, __: _ledger_opened(record),
    "LedgerSealed": _as_it_is(LedgerSealed),
}


def _entry_decoders(kind: EntryKind) -> dict[str, _Decoder]:
    name = kind.value.capitalize()
    return {
        f"{name}Defined": lambda record, _, __: _entry_from_avro(kind, record),
        f"{name}Removed": lambda record, _, __: EntryRemoved(kind, record["key"]),
    }


for _kind in EntryKind:
    _DECODERS.update(_entry_decoders(_kind))

BODY_TYPES: frozenset[str] = frozenset(_DECODERS)
"""The names of every body that this release reads."""

BODIES_OF_A_SET: frozenset[str] = frozenset({"PreferenceSetReplaced", "PreferenceSetMerged", "PreferenceSetDeleted"})
"""Those that are about the preference set that their event names."""


def body_from_avro(type_: str, record: Record, set_id: SetId | None, personal: Record) -> Body:
    """The body of the branch named `type_`. Raises LookupError or ValueError when it is not what it says."""
    return _DECODERS[type_](record, set_id, personal)
