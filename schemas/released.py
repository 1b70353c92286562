"""Every schema that was ever released, found by the fingerprint that leads each record.

The lock file pins each released file byte for byte: the Avro fingerprint ignores defaults, docs and logical types, so
it alone would let a released schema be edited.
"""

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from fastavro import parse_schema
from fastavro.schema import fingerprint, to_parsing_canonical_form

FOLDER = Path(__file__).parent / "avsc"
LOCK = Path(__file__).parent / "lock.json"
NEWEST = "event-1.avsc"


@dataclass(frozen=True, slots=True)
class Released:
    """One released schema, ready to read with. `fingerprint` is CRC-64-AVRO, little-endian, as the records carry it."""

    name: str
    fingerprint: bytes
    parsed: Any
    source: Any


def without_logical_types(schema: Any) -> Any:
    """Timestamps stay integers: turning each into an object of the standard library would cost more than the rest."""
    if isinstance(schema, list):
        return [without_logical_types(branch) for branch in schema]
    if isinstance(schema, dict):
        return {key: without_logical_types(value) for key, value in schema.items() if key != "logicalType"}
    return schema


def load(path: Path) -> Released:
    """One schema file."""
    source = json.loads(path.read_text())
    crc = fingerprint(to_parsing_canonical_form(source), "CRC-64-AVRO")
    return Released(path.name, bytes.fromhex(crc), parse_schema(without_logical_types(source)), source)


@cache
def released() -> dict[bytes, Released]:
    """All released schemas by fingerprint."""
    return {schema.fingerprint: schema for schema in map(load, sorted(FOLDER.glob("*.avsc")))}


@cache
def newest() -> Released:
    """The schema that this release writes."""
    return load(FOLDER / NEWEST)


def lock_of(paths: list[Path]) -> dict[str, dict[str, str]]:
    """What the lock file says of these files: the fingerprint, and the SHA-256 of the bytes."""
    return {
        path.name: {
            "fingerprint": load(path).fingerprint.hex(),
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        }
        for path in paths
    }
