"""Events to bytes and back: Avro single-object encoding (C3 01, fingerprint, body), and nothing else.

A record explains itself without a registry, for as long as the released schemas are kept with the code.
"""

import hmac
import io
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec
from fastavro import schemaless_reader, schemaless_writer
from fastavro._read_common import SchemaResolutionError
from fastavro._read_py import schemaless_reader as careful_reader

from domain.event import NOBODY, Body, Event, Notice, Provenance, item_of, set_item, type_of
from domain.holder import Holder, parse_set_id
from schemas.bodies import (
    BODIES_OF_A_SET,
    body_from_avro,
    body_to_avro,
    holder_from_avro,
    holder_to_avro,
    personal_to_avro,
)
from schemas.free_json import from_avro, to_avro
from schemas.released import Released, newest, released

MARKER = b"\xc3\x01"
HEADER_LENGTH = 10
FINGERPRINT_LENGTH = 16
OCCURRED_AT_MIN, OCCURRED_AT_MAX = -62_135_596_800_000, 253_402_300_799_999
"""Unix milliseconds of the years 1 and 9999, the first and the last that RFC 3339 can write."""
MARKS_MAX = 1_000
_LIST_MARK, _MAP_MARK = b"\x0a", b"\x0c"

_UNREADABLE = (ValueError, LookupError, EOFError, OverflowError, RecursionError, SchemaResolutionError)
_content = msgspec.json.Encoder(order="sorted").encode


class Undecodable(ValueError):
    """The bytes are no event: not our framing, cut short, or not what they say they are. Such a record is parked."""


class UnknownSchema(Exception):
    """The record was written with a schema that this release does not have. It is not poison: upgrade this node."""


@dataclass(frozen=True, slots=True)
class Draft:
    """An event that is about to be written: everything but what follows from it."""

    event_id: bytes
    stream: bytes
    content_key: bytes
    """A secret of the ledger: with it, what an event says is told from what another one says."""

    holder: Holder
    body: Body
    occurred_at_milliseconds: int
    provenance: Provenance = NOBODY
    expected_version: int | None = None
    correlation_id: str | None = None
    causation_id: str | None = None


def _set_name(body: Body) -> str | None:
    item = item_of(body)
    return item.removeprefix("set:") if item is not None and item.startswith("set:") else None


@dataclass(frozen=True, slots=True)
class Encoded:
    """An event's record, and what tells its content from another's."""

    value: bytes
    fingerprint: bytes


def encode(draft: Draft) -> Encoded:
    """The record of an event. Raises Invalid for free JSON that the log does not take."""
    type_, set_name = type_of(draft.body), _set_name(draft.body)
    body, of_body = body_to_avro(draft.body), personal_to_avro(draft.body)
    provenance = draft.provenance
    notice = provenance.notice
    said = [type_, set_name, draft.expected_version, body, of_body]
    fingerprint = hmac.digest(draft.content_key, _content(said), "sha256")[:FINGERPRINT_LENGTH]
    record = {
        "event_id": draft.event_id,
        "type": type_,
        "stream": draft.stream,
        "set": set_name,
        "expected_version": draft.expected_version,
        "fingerprint": fingerprint,
        "occurred_at": draft.occurred_at_milliseconds,
        "correlation_id": draft.correlation_id,
        "causation_id": draft.causation_id,
        "notice": None if notice is None else {"id": notice.id, "version": notice.version, "locale": notice.locale},
        "legal_basis": provenance.legal_basis,
        "personal": (
            "prefledger.Personal",
            {
                "holder": holder_to_avro(draft.holder),
                "actor": provenance.actor,
                "method": provenance.method,
                "reason": provenance.reason,
                "evidence": {key: to_avro(value) for key, value in provenance.evidence.items()} or None,
                **of_body,
            },
        ),
        "body": (f"prefledger.{type_}", body),
    }
    out = io.BytesIO()
    out.write(MARKER + newest().fingerprint)
    schemaless_writer(out, newest().parsed, record)
    return Encoded(out.getvalue(), fingerprint)


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
    try:
        record = _read(value, schema)
    except _UNREADABLE as error:
        raise Undecodable(f"the record can't be read: {type(error).__name__}") from error
    if "holder" not in record["personal"]:
        raise UnknownSchema("the record's personal part is sealed, which this release can't read; upgrade this node")
    try:
        return _event(record)
    except (ValueError, LookupError) as error:
        raise Undecodable(f"the record is not what it says it is: {type(error).__name__}") from error


def _read(value: bytes, schema: Released) -> Any:
    stream = io.BytesIO(value)
    stream.seek(HEADER_LENGTH)
    # Every level of free JSON has its list's or map's mark. Few marks can't nest deep; where there are many, the reader
    # is the slower one that stops at a depth: the compiled one would overflow the stack and take the process with it.
    marks = value.count(_LIST_MARK) + value.count(_MAP_MARK) if len(value) > 2 * MARKS_MAX else 0
    read = schemaless_reader if marks <= MARKS_MAX else careful_reader
    record = read(stream, schema.parsed, newest().parsed if schema.name != newest().name else None)
    if stream.tell() != len(value):
        raise ValueError("the record goes on after its event")
    return record


def _event(record: dict[str, Any]) -> Event:
    type_, personal, notice = record["type"], record["personal"], record["notice"]
    if record["body"].keys() != _members()[type_]:
        raise ValueError("the body is not of the type that the record names")
    if not OCCURRED_AT_MIN <= record["occurred_at"] <= OCCURRED_AT_MAX:
        raise ValueError("no calendar has the instant at which the event is said to have occurred")
    set_id = parse_set_id(record["set"]) if record["set"] is not None else None
    if set_id is not None and type_ not in BODIES_OF_A_SET:
        raise ValueError("the record names a set, and its body is about none")
    body = body_from_avro(type_, record["body"], set_id, personal)
    evidence = personal["evidence"]
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
            notice=None if notice is None else Notice(notice["id"], notice["version"], notice["locale"]),
            legal_basis=record["legal_basis"],
        ),
        item=set_item(set_id) if set_id is not None else item_of(body),
        expected_version=record["expected_version"],
        correlation_id=record["correlation_id"],
        causation_id=record["causation_id"],
    )


@cache
def _members() -> dict[str, frozenset[str]]:
    """The members of each body's record, by its type."""
    (body,) = (field for field in newest().source["fields"] if field["name"] == "body")
    return {branch["name"]: frozenset(field["name"] for field in branch["fields"]) for branch in body["type"]}
