"""Records made by hand: what no release of ours would write."""

import io
from collections.abc import Callable
from typing import Any

from fastavro import schemaless_reader, schemaless_writer

from schemas.codec import HEADER_LENGTH, MARKER, encode
from schemas.released import newest
from tests.golden.drafts import DRAFTS

Raw = dict[str, Any]


def raw_of(name: str) -> Raw:
    """The Avro record of one of the golden events, as plain values."""
    return raw_of_bytes(encode(DRAFTS[name]).value)


def raw_of_bytes(value: bytes) -> Raw:
    """The Avro record in a record's bytes, as plain values."""
    stream = io.BytesIO(value)
    stream.seek(HEADER_LENGTH)
    record = schemaless_reader(stream, newest().parsed, None)
    assert isinstance(record, dict)
    return record


def bytes_of(record: Raw) -> bytes:
    """The record's bytes, framed."""
    out = io.BytesIO()
    schemaless_writer(out, newest().parsed, record)
    return MARKER + newest().fingerprint + out.getvalue()


def edited(name: str, edit: Callable[[Raw], object]) -> bytes:
    """The bytes of a golden event after an edit of its Avro record."""
    record = raw_of(name)
    edit(record)
    return bytes_of(record)
