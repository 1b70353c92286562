"""One batch of records read byte by byte, for those that aiokafka can't read: it fails on a header name that is not UTF-8.

Kafka stores such a record, and aiokafka would fail on its batch again and again, and hold the partition up for ever. The
intake looks at no header, so their bytes need no reading. Message format 2 (KIP-98), uncompressed, as the topic has it.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from aiokafka.errors import CorruptRecordException

# Base offset, length, leader epoch, magic, checksum, attributes, last offset delta, first and last timestamp, producer id
# and epoch, base sequence, count.
_HEAD: Final = struct.Struct(">qiibIhiqqqhii")
_LENGTH_IS_AFTER: Final = 12
_MAGIC: Final = 2
_COMPRESSION: Final = 0x07
_TRANSACTIONAL: Final = 0x10
_CONTROL: Final = 0x20


@dataclass(frozen=True, slots=True)
class RawRecord:
    """A record without its headers."""

    offset: int
    key: bytes | None
    value: bytes | None


@dataclass(frozen=True, slots=True)
class RawBatch:
    """The records of one batch, and where the next batch begins. None of a batch that is not for consumers."""

    next_offset: int
    records: list[RawRecord]


class _Reader:
    def __init__(self, data: bytes, at: int) -> None:
        self._data = data
        self._at = at

    def integer(self) -> int:
        """A zigzag varint, as Protocol Buffers have it."""
        value = shift = 0
        while True:
            byte = self._data[self._at]
            self._at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                return (value >> 1) ^ -(value & 1)

    def text(self) -> bytes | None:
        """Bytes after their length; a length below zero is null."""
        length = self.integer()
        if length < 0:
            return None
        self._at += length
        if self._at > len(self._data):
            raise IndexError
        return self._data[self._at - length : self._at]

    def record(self, base_offset: int) -> RawRecord:
        length = self.integer()
        end = self._at + length
        self._at += 1  # Attributes, of which there are none yet.
        self.integer()  # The timestamp.
        offset = base_offset + self.integer()
        read = RawRecord(offset, self.text(), self.text())
        self._at = end
        return read


def first_batch(data: bytes, aborted: Iterable[tuple[int, int]]) -> RawBatch | None:
    """The first batch of a fetched message set; None where there is none.

    `aborted` are the producer ids of transactions that were given up, each with its first offset, as the broker tells
    them beside the records. Raises CorruptRecordException.
    """
    if len(data) < _HEAD.size:
        return None
    base, length, _, magic, _, attributes, last_delta, _, _, producer, _, _, count = _HEAD.unpack_from(data)
    if magic != _MAGIC or attributes & _COMPRESSION or len(data) < _LENGTH_IS_AFTER + length:
        raise CorruptRecordException(f"the batch at offset {base} is not one that an intake can have")
    next_offset = base + last_delta + 1
    given_up = attributes & _TRANSACTIONAL and any(id_ == producer and first <= base for id_, first in aborted)
    if attributes & _CONTROL or given_up:
        return RawBatch(next_offset, [])
    reader = _Reader(data[: _LENGTH_IS_AFTER + length], _HEAD.size)
    try:
        return RawBatch(next_offset, [reader.record(base) for _ in range(count)])
    except IndexError:
        raise CorruptRecordException(f"the batch at offset {base} ends in the middle of a record") from None
