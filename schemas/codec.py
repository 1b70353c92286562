"""Events to bytes and back: Avro single-object encoding (C3 01, fingerprint, body), and nothing else.

A record explains itself without a registry, for as long as the released schemas are kept with the code.
"""

import hashlib
import io
from dataclasses import dataclass
from functools import cache
from typing import Any

from fastavro import parse_schema, schemaless_reader, schemaless_writer

from domain.document import unflatten
from domain.event import Body, Event, HolderDescribed, Notice, Provenance, item_of, set_item, type_of
from domain.holder import Holder, parse_set_id
from schemas.bodies import body_from_avro, body_to_avro, holder_from_avro, holder_to_avro
from schemas.free_json import from_avro, to_avro
from schemas.released import newest, released, without_logical_types

MARKER = b"\xc3\x01"
HEADER_LENGTH = 10


class Undecodable(ValueError):
    """The bytes are no event: not our framing, cut short, or not what they say they are. Such a record is parked."""


class UnknownSchema(Exception):
    """The record was written with a schema that this release does not have. It is not poison: upgrade this node."""


@dataclass(frozen=True, slots=True)
class Draft:
    """An event that is about to be written: everything but what follows from it."""

    event_id: bytes
    stream: bytes
    holder: Holder
    body: Body
    occurred_at_milliseconds: int
    provenance: Provenance = Provenance.NOBODY
    expected_version: int | None = None
    correlation_id: str | None = None
    causation_id: str | None = None


@cache
def _parts() -> tuple[Any, Any]:
    """The newest schema cut in two: a record of what stands before the body, and a record of the body.

    Avro writes a record as its fields one after the other, so the two halves make the whole; and the fingerprint, which
    stands in the first, can be taken from the bytes of the second.
    """
    source = newest().source
    head_fields = [field for field in source["fields"] if field["name"] != "body"]
    body_field = next(field for field in source["fields"] if field["name"] == "body")
    names: dict[str, Any] = {}
    head = parse_schema(without_logical_types({**source, "fields": head_fields}), named_schemas=names)
    body = {"type": "record", "name": "EventBody", "namespace": source["namespace"], "fields": [body_field]}
    return head, parse_schema(without_logical_types(body), named_schemas=names)


def _encode(schema: Any, value: Any) -> bytes:
    out = io.BytesIO()
    schemaless_writer(out, schema, value)
    return out.getvalue()


def _set_name(body: Body) -> str | None:
    item = item_of(body)
    return item.removeprefix("set:") if item is not None and item.startswith("set:") else None


def _personal(draft: Draft) -> dict[str, Any]:
    provenance = draft.provenance
    properties = unflatten(draft.body.patch.leaves) if isinstance(draft.body, HolderDescribed) else None
    return {
        "holder": holder_to_avro(draft.holder),
        "actor": provenance.actor,
        "method": provenance.method,
        "reason": provenance.reason,
        "evidence": {key: to_avro(value) for key, value in provenance.evidence.items()} or None,
        "properties": None if properties is None else {key: to_avro(value) for key, value in properties.items()},
    }


@dataclass(frozen=True, slots=True)
class Encoded:
    """An event's record, and what tells its content from another's."""

    value: bytes
    fingerprint: bytes


def encode(draft: Draft) -> Encoded:
    """The record of an event. Raises Invalid for a number that Avro can't hold."""
    head_schema, body_schema = _parts()
    body = _encode(body_schema, {"body": (f"prefledger.{type_of(draft.body)}", body_to_avro(draft.body))})
    personal = _personal(draft)
    provenance = draft.provenance
    fingerprint = _fingerprint(draft, body, personal["properties"])
    head = {
        "event_id": draft.event_id,
        "type": type_of(draft.body),
        "stream": draft.stream,
        "set": _set_name(draft.body),
        "expected_version": draft.expected_version,
        "fingerprint": fingerprint,
        "occurred_at": draft.occurred_at_milliseconds,
        "correlation_id": draft.correlation_id,
        "causation_id": draft.causation_id,
        "notice": None
        if provenance.notice is None
        else {"id": provenance.notice.id, "version": provenance.notice.version, "locale": provenance.notice.locale},
        "legal_basis": provenance.legal_basis,
        "personal": ("prefledger.Personal", personal),
    }
    return Encoded(MARKER + newest().fingerprint + _encode(head_schema, head) + body, fingerprint)


def _fingerprint(draft: Draft, body: bytes, properties: object) -> bytes:
    """What the event says, without when and by whom: sending it again must come out the same."""
    digest = hashlib.sha256(body)
    digest.update(f"\0{draft.holder}\0{_set_name(draft.body)}\0{draft.expected_version}\0{properties}".encode())
    return digest.digest()[:16]


def decode(value: bytes) -> Event:
    """The event of a record. Raises Undecodable or UnknownSchema."""
    if value[:2] != MARKER or len(value) < HEADER_LENGTH:
        raise Undecodable("the record does not begin as an Avro single object does")
    schema = released().get(value[2:HEADER_LENGTH])
    if schema is None:
        raise UnknownSchema(
            f"the record was written with schema {value[2:HEADER_LENGTH].hex()}, which this release does not know; "
            "upgrade this node"
        )
    stream = io.BytesIO(value)
    stream.seek(HEADER_LENGTH)
    try:
        record: Any = schemaless_reader(stream, schema.parsed, newest().parsed if schema.name != newest().name else None)
        if stream.tell() != len(value):
            raise Undecodable("the record goes on after its event")
        return _event(record)
    except Undecodable:
        raise
    except (ValueError, KeyError, TypeError, IndexError, EOFError, AttributeError, OverflowError, MemoryError) as error:
        raise Undecodable(f"the record can't be read: {type(error).__name__}") from error


def _event(record: dict[str, Any]) -> Event:
    personal = record["personal"]
    if "holder" not in personal:
        raise Undecodable("the record's personal part is sealed, which no release writes yet")
    set_id = parse_set_id(record["set"]) if record["set"] is not None else None
    properties = personal["properties"]
    if properties:
        properties = {key: from_avro(value) for key, value in properties.items()}
    evidence = personal["evidence"]
    notice = record["notice"]
    body = body_from_avro(record["type"], record["body"], set_id, properties or {})
    return Event(
        event_id=record["event_id"],
        stream=record["stream"],
        holder=holder_from_avro(personal["holder"]),
        body=body,
        occurred_at_milliseconds=record["occurred_at"],
        fingerprint=record["fingerprint"],
        provenance=Provenance(
            actor=personal["actor"],
            method=personal["method"],
            reason=personal["reason"],
            evidence={key: from_avro(value) for key, value in evidence.items()} if evidence else {},
            notice=None if notice is None else Notice(**notice),
            legal_basis=record["legal_basis"],
        ),
        item=set_item(set_id) if set_id is not None else item_of(body),
        expected_version=record["expected_version"],
        correlation_id=record["correlation_id"],
        causation_id=record["causation_id"],
    )
