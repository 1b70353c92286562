"""What a follower gets without a read of the file: never a hole, never a record that may not be stored."""

from schemas.record import LogRecord, NewRecord
from services.log.append_queue import record_bytes
from services.log.newest_records import NewestRecords
from services.log.port import AppendOutcome, Refused, Stored, Unknown

SIZE = record_bytes(NewRecord(b"key", b"value 0"))


def added(newest: NewestRecords, *offsets: int) -> None:
    records = [NewRecord(b"key", b"value %d" % (offset % 10)) for offset in offsets]
    newest.add(records, [Stored(offset, 1_000 + offset) for offset in offsets])


def offsets(records: list[LogRecord]) -> list[int]:
    return [record.offset for record in records]


def test_nothing_is_known_at_first() -> None:
    assert NewestRecords(1_000).read(0, 10) == []


def test_records_are_given_from_any_offset_that_is_kept_up_to_the_limit() -> None:
    newest = NewestRecords(100 * SIZE)
    added(newest, 5, 6)
    added(newest, 7)
    assert newest.read(6, 10) == [
        LogRecord(6, 1_006, b"key", b"value 6"),
        LogRecord(7, 1_007, b"key", b"value 7"),
    ]
    assert offsets(newest.read(5, 2)) == [5, 6]
    assert newest.read(4, 10) == []
    assert newest.read(8, 10) == []


def test_no_more_bytes_are_kept_than_allowed_and_the_oldest_go_first() -> None:
    newest = NewestRecords(3 * SIZE)
    for offset in range(10):
        added(newest, offset)
    assert newest.read(6, 10) == []
    assert offsets(newest.read(7, 10)) == [7, 8, 9]
    added(newest, *range(10, 20))
    assert offsets(newest.read(17, 10)) == [17, 18, 19]
    newest.add([NewRecord(b"key", b"x" * 4 * SIZE)], [Stored(20, 1_020)])
    assert newest.read(20, 1) == newest.read(19, 1) == []


def test_records_that_do_not_follow_each_other_are_never_given_together() -> None:
    newest = NewestRecords(100 * SIZE)
    added(newest, 0, 1)
    added(newest, 3)
    assert newest.read(1, 10) == []
    assert offsets(newest.read(3, 10)) == [3]


def test_after_a_failure_nothing_is_given_that_may_not_be_in_the_log() -> None:
    for failure in (Unknown("?"), Refused("no")):
        newest = NewestRecords(100 * SIZE)
        added(newest, 0, 1)
        outcomes: list[AppendOutcome] = [Stored(2, 1_002), failure]
        newest.add([NewRecord(b"key", b"a"), NewRecord(b"key", b"b")], outcomes)
        assert newest.read(0, 10) == newest.read(2, 10) == []
