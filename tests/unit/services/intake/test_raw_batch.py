"""A batch read byte by byte says what aiokafka's own reading of it says, and nothing of one that is not for consumers."""

from typing import Final

import pytest
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from hypothesis import given
from hypothesis import strategies as st

from services.intake.raw_batch import RawBatch, RawRecord, first_batch

TEXTS: Final = st.none() | st.binary(max_size=200)
HEADERS: Final = st.lists(st.tuples(st.text(max_size=5), TEXTS), max_size=3)
RECORDS: Final = st.lists(st.tuples(TEXTS, TEXTS, HEADERS), min_size=1, max_size=10)
PRODUCER: Final = 77
BASE: Final = 40
ATTRIBUTES: Final = 21
"""Where the attributes stand; the low byte is the second one."""

Given = list[tuple[bytes | None, bytes | None, list[tuple[str, bytes | None]]]]


def batch_of(records: Given, *, transactional: bool = False) -> bytes:
    builder = DefaultRecordBatchBuilder(2, 0, int(transactional), PRODUCER, 0, 0, 1_000_000)
    for at, (key, value, headers) in enumerate(records):
        assert builder.append(at, 1_772_000_000_000 + at, key, value, headers) is not None
    batch = bytearray(builder.build())
    batch[:8] = BASE.to_bytes(8)
    return bytes(batch)


ONE: Final = batch_of([(b"key", b"value", [])])


@given(records=RECORDS)
def test_it_reads_what_aiokafka_reads(records: Given) -> None:
    data = batch_of(records)
    batch = MemoryRecords(data).next_batch()
    assert batch is not None
    expected = [RawRecord(record.offset, record.key, record.value) for record in batch]
    assert first_batch(data + ONE, []) == RawBatch(BASE + len(records), expected)


def test_where_there_is_no_batch_there_is_none() -> None:
    assert first_batch(b"", []) is None
    assert first_batch(ONE[:60], []) is None


@pytest.mark.parametrize(("first_offset", "given_up"), [(BASE - 1, True), (BASE, True), (BASE + 1, False)])
def test_what_a_transaction_gave_up_is_left_out(first_offset: int, given_up: bool) -> None:
    data = batch_of([(None, b"value", [])], transactional=True)
    assert first_batch(data, [(PRODUCER + 1, 0)]) != RawBatch(BASE + 1, [])
    read = first_batch(data, [(PRODUCER, first_offset)])
    assert (read == RawBatch(BASE + 1, [])) == given_up
    assert first_batch(ONE, [(PRODUCER, 0)]) == RawBatch(BASE + 1, [RawRecord(BASE, b"key", b"value")])


def with_attributes(value: int) -> bytes:
    return ONE[: ATTRIBUTES + 1] + bytes([value]) + ONE[ATTRIBUTES + 2 :]


def test_a_marker_of_a_transaction_is_no_record() -> None:
    assert first_batch(with_attributes(0x20), []) == RawBatch(BASE + 1, [])


@pytest.mark.parametrize("data", [ONE[:-1], with_attributes(1), ONE[:16] + b"\x01" + ONE[17:]])
def test_what_is_cut_short_or_packed_or_old_is_said(data: bytes) -> None:
    with pytest.raises(CorruptRecordException, match="offset 40"):
        first_batch(data, [])


def test_a_record_that_goes_beyond_its_batch_is_said() -> None:
    batch = bytearray(batch_of([(b"key", b"value", [])]))
    at = bytes(batch).index(b"\x0avalue")
    batch[at] = 100
    with pytest.raises(CorruptRecordException, match="in the middle of a record"):
        first_batch(bytes(batch), [])
