"""Positions: a place in a ledger as opaque text.

A position names the ledger, its generation, the offset of one record, and the first bytes of that record's hash, so
that a position of another ledger, or of a log that was made anew, is never mistaken for one of this. It grants nothing.
"""

import hashlib
import re
import struct
from base64 import urlsafe_b64decode
from binascii import Error as Base64Error
from binascii import b2a_base64
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from domain.invalid import Invalid
from domain.timestamp import parse_timestamp

_LAYOUT = struct.Struct(">B8sHQ4s")
_FORMAT = 1
_TEXT_LENGTH = 31
_URL_SAFE = bytes.maketrans(b"+/", b"-_")

_EPOCH = datetime(1970, 1, 1)
_INSTANT_LENGTH_MAX = 40
_WITH_OFFSET = re.compile(r".+[Tt].+(?:[Zz]|[+-][0-9]{2}:?[0-9]{2})")
_FIRST_MILLISECOND, _LAST_MILLISECOND = -62_135_596_800_000, 253_402_300_799_999
"""What `instant_text` can write: 0001-01-01T00:00:00.000Z to 9999-12-31T23:59:59.999Z."""


@dataclass(frozen=True, slots=True)
class Position:
    """A decoded position. `ledger` is 8 bytes of the ledger's id, `tag` 4 bytes of the record's SHA-256."""

    ledger: bytes
    generation: int
    offset: int
    tag: bytes

    def __str__(self) -> str:
        return encode_position(self.ledger, self.generation, self.offset, self.tag)


def encode_position(ledger: bytes, generation: int, offset: int, tag: bytes) -> str:
    """The text of a position: 31 characters that are safe in a URL."""
    # What `urlsafe_b64encode` gives, at half its time: this runs once for every event of a replay.
    text = b2a_base64(_LAYOUT.pack(_FORMAT, ledger, generation, offset, tag), newline=False)
    return text.translate(_URL_SAFE)[:_TEXT_LENGTH].decode()


def parse_position(text: object, pointer: str = "") -> Position:
    """The position that a text stands for. Raises Invalid."""
    if isinstance(text, str) and len(text) == _TEXT_LENGTH:
        with suppress(Base64Error, struct.error, ValueError):
            layout, ledger, generation, offset, tag = _LAYOUT.unpack(urlsafe_b64decode(text + "="))
            if layout == _FORMAT:
                return Position(ledger, generation, offset, tag)
    raise Invalid(pointer, "this is not a position; send one back exactly as an answer of this ledger gave it")


def record_hash(key: bytes, value: bytes) -> bytes:
    """SHA-256 over a record's key and value, the key's length in front so that no two records share their bytes."""
    return hashlib.sha256(len(key).to_bytes(4) + key + value).digest()


@lru_cache(maxsize=1024)
def _second_text(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).isoformat()


def instant_text(milliseconds: int) -> str:
    """Unix milliseconds as RFC 3339 text in UTC."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{_second_text(seconds)}.{rest:03d}Z"


def is_instant(text: str) -> bool:
    """Whether a text that is a position or an instant is meant as an instant.

    An instant begins with a year, which no position does: theirs begin with a letter.
    """
    return text[:4].isdigit() and text[4:5] == "-"


def parse_instant(text: object, pointer: str = "") -> int:
    """RFC 3339 text with an offset, of the years 1 to 9999 in UTC, as Unix milliseconds; the rest is cut off.

    Raises Invalid.
    """
    if isinstance(text, str) and len(text) <= _INSTANT_LENGTH_MAX and _WITH_OFFSET.fullmatch(text):
        microseconds = parse_timestamp(text)
        if microseconds is not None and _FIRST_MILLISECOND <= microseconds // 1000 <= _LAST_MILLISECOND:
            return microseconds // 1000
    raise Invalid(pointer, "this is not an instant; write it like 2026-03-03T14:02:00Z")
