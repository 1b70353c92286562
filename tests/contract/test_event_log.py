"""What every event log promises (`services/log/port.py`), on each of them."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

import pytest

from schemas.record import LogRecord, NewRecord
from services.log.kafka_log import KafkaEventLog
from services.log.port import EventLog, LogBounds, LogUnavailable, LogUnfit, Refused, Stored, Unknown
from services.log.sqlite_log import SqliteEventLog

TIMEOUT_SECONDS = 20.0
# Only a hang reaches it.
HANG_SECONDS = 60.0


class Place(Protocol):
    """Where one log is kept, so that it can be opened again."""

    async def open(self) -> EventLog: ...


class SqlitePlace:
    def __init__(self, folder: Path) -> None:
        self._path = folder / "log.sqlite"

    async def open(self) -> EventLog:
        log = SqliteEventLog(self._path)
        await log.start()
        return log


class KafkaPlace:
    def __init__(self, servers: str) -> None:
        self._servers = servers
        self._topic = f"preferences.{uuid.uuid4().hex}"

    async def open(self) -> EventLog:
        log = KafkaEventLog(self._servers, self._topic)
        await log.create_topic(replicas=1)
        await log.start()
        return log


@pytest.fixture(params=["sqlite", "kafka"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "sqlite":
        return SqlitePlace(tmp_path)
    return KafkaPlace(request.getfixturevalue("kafka_servers"))


@pytest.fixture
async def log(place: Place) -> AsyncIterator[EventLog]:
    log = await place.open()
    try:
        yield log
    finally:
        await log.stop()


def record(number: int, size: int = 20) -> NewRecord:
    headers = (("ce_id", str(number).encode()), ("content-type", b"application/avro"), ("empty", b""))
    return NewRecord(key=number.to_bytes(16), value=f"value {number} ".encode().ljust(size, b"."), headers=headers)


async def append(log: EventLog, *numbers: int) -> list[Stored]:
    return all_stored(await log.append([record(number) for number in numbers], timeout_seconds=TIMEOUT_SECONDS))


def all_stored(outcomes: list[Stored | Refused | Unknown]) -> list[Stored]:
    stored = [outcome for outcome in outcomes if isinstance(outcome, Stored)]
    assert len(stored) == len(outcomes), f"a healthy log did not store everything: {outcomes}"
    return stored


async def read_all(log: EventLog, offset: int = 0) -> list[LogRecord]:
    end = (await log.bounds(timeout_seconds=TIMEOUT_SECONDS)).end
    records: list[LogRecord] = []
    while offset + len(records) < end:
        records += await log.read(offset + len(records), limit=1_000, wait_seconds=TIMEOUT_SECONDS)
    return records


def as_appended(found: LogRecord) -> NewRecord:
    return NewRecord(found.key, found.value, found.headers)


async def test_a_new_log_is_empty(log: EventLog) -> None:
    assert await log.bounds(timeout_seconds=TIMEOUT_SECONDS) == LogBounds(earliest=0, end=0)
    assert await log.read(0, limit=10, wait_seconds=0) == []


async def test_records_come_back_unchanged_in_order_and_without_holes(log: EventLog) -> None:
    numbers = list(range(50))
    stored = await append(log, *numbers)
    records = await read_all(log)
    assert [as_appended(found) for found in records] == [record(number) for number in numbers]
    assert [found.offset for found in records] == numbers
    assert [(found.offset, found.timestamp_milliseconds) for found in records] == [
        (outcome.offset, outcome.timestamp_milliseconds) for outcome in stored
    ]
    assert await log.bounds(timeout_seconds=TIMEOUT_SECONDS) == LogBounds(earliest=0, end=50)


async def test_empty_and_binary_parts_come_back_unchanged(log: EventLog) -> None:
    odd = [
        NewRecord(key=b"", value=b""),
        NewRecord(key=b"\x00\xff", value=bytes(range(256)), headers=(("näme", b"\x00"), ("again", b"1"), ("again", b"2"))),
    ]
    all_stored(await log.append(odd, timeout_seconds=TIMEOUT_SECONDS))
    assert [as_appended(found) for found in await read_all(log)] == odd


async def test_timestamps_never_go_back(log: EventLog) -> None:
    for number in range(20):
        await append(log, number)
    timestamps = [found.timestamp_milliseconds for found in await read_all(log)]
    assert timestamps == sorted(timestamps)


async def test_the_same_record_again_gets_an_offset_of_its_own(log: EventLog) -> None:
    first = await append(log, 7)
    second = await append(log, 7)
    assert [outcome.offset for outcome in first + second] == [0, 1]
    assert [as_appended(found) for found in await read_all(log)] == [record(7), record(7)]


async def test_nothing_to_append_is_no_outcome(log: EventLog) -> None:
    assert await log.append([], timeout_seconds=TIMEOUT_SECONDS) == []


async def test_reading_starts_at_any_offset(log: EventLog) -> None:
    await append(log, *range(12))
    for offset in (11, 0, 5, 4, 10, 1):
        records = await log.read(offset, limit=100, wait_seconds=TIMEOUT_SECONDS)
        assert [found.offset for found in records] == list(range(offset, 12))


async def test_no_read_gives_more_than_its_limit(log: EventLog) -> None:
    await append(log, *range(10))
    for limit in (1, 3, 10):
        records = await log.read(2, limit=limit, wait_seconds=TIMEOUT_SECONDS)
        assert [found.offset for found in records] == list(range(2, min(2 + limit, 10)))


async def test_what_is_there_is_read_without_waiting_for_more(log: EventLog) -> None:
    await append(log, 0, 1)
    records = await log.read(0, limit=100, wait_seconds=0)
    assert [found.offset for found in records] == [0, 1]


async def test_a_follower_wakes_up_when_something_is_appended(log: EventLog) -> None:
    await append(log, 0)
    follower = asyncio.create_task(log.read(1, limit=10, wait_seconds=10 * HANG_SECONDS))
    await asyncio.sleep(0.2)
    assert not follower.done(), "a follower must wait for the next record"
    await append(log, 1)
    async with asyncio.timeout(HANG_SECONDS):
        assert [as_appended(found) for found in await follower] == [record(1)]


async def test_readers_at_different_offsets_do_not_disturb_each_other(log: EventLog) -> None:
    await append(log, *range(30))

    async def walk(offset: int) -> list[int]:
        found: list[int] = []
        while offset < 30:
            records = await log.read(offset, limit=4, wait_seconds=TIMEOUT_SECONDS)
            found += [one.offset for one in records]
            offset += len(records)
        return found

    starts = range(0, 30, 2)
    walks = await asyncio.gather(*(walk(offset) for offset in starts))
    assert walks == [list(range(offset, 30)) for offset in starts]


async def test_an_offset_beyond_the_end_is_another_log(log: EventLog) -> None:
    await append(log, 0)
    with pytest.raises(LogUnfit, match="2"):
        await log.read(2, limit=1, wait_seconds=0.2)


async def test_a_call_bigger_than_one_commit_keeps_its_order(log: EventLog) -> None:
    big = [record(number, size=1_000) for number in range(3_000)]
    stored = all_stored(await log.append(big, timeout_seconds=TIMEOUT_SECONDS))
    assert [outcome.offset for outcome in stored] == list(range(3_000))
    assert [as_appended(found) for found in await read_all(log)] == big


async def test_writers_at_the_same_time_share_one_order(log: EventLog) -> None:
    async def write(writer: int) -> list[tuple[int, bytes]]:
        places = []
        for turn in range(0, 20, 2):
            numbers = [writer * 100 + turn, writer * 100 + turn + 1]
            for number, outcome in zip(numbers, await append(log, *numbers), strict=True):
                places.append((outcome.offset, record(number).value))
        return places

    by_writer = await asyncio.gather(*(write(writer) for writer in range(32)))
    for places in by_writer:
        assert places == sorted(places), "a writer's own records must keep the order in which it appended them"
    told = sorted(place for places in by_writer for place in places)
    assert told == [(found.offset, found.value) for found in await read_all(log)]
    assert [offset for offset, _ in told] == list(range(640))


async def test_a_record_that_is_too_big_is_refused_and_harms_nothing(log: EventLog) -> None:
    outcomes = await log.append([record(0), record(1, size=3_000_000)], timeout_seconds=TIMEOUT_SECONDS)
    assert all(isinstance(outcome, Refused) for outcome in outcomes)
    assert [outcome.offset for outcome in await append(log, 2)] == [0]


async def test_a_deadline_that_is_over_is_never_reported_as_stored_in_vain(log: EventLog) -> None:
    """Refused must mean that it is not in the log; stored that it is; unknown may be either."""
    outcomes = []
    for number in range(40):
        outcomes += await log.append([record(number)], timeout_seconds=number / 20_000)
    await append(log, 1_000)
    values = [found.value for found in await read_all(log)]
    for number, outcome in enumerate(outcomes):
        if isinstance(outcome, Stored):
            assert values[outcome.offset] == record(number).value
        if isinstance(outcome, Refused):
            assert record(number).value not in values
    assert len(set(values)) == len(values), "a record was sent twice"


async def test_opening_again_finds_everything_and_goes_on(place: Place) -> None:
    log = await place.open()
    first = await append(log, *range(5))
    await log.stop()
    log = await place.open()
    second = await append(log, 5)
    records = await read_all(log)
    await log.stop()
    assert [as_appended(found) for found in records] == [record(number) for number in range(6)]
    assert [outcome.offset for outcome in first + second] == list(range(6))
    assert second[0].timestamp_milliseconds >= first[-1].timestamp_milliseconds


async def test_stopping_twice_is_clean_and_says_so_to_every_caller(place: Place) -> None:
    log = await place.open()
    await append(log, 0)
    await log.stop()
    await log.stop()
    assert [type(outcome) for outcome in await log.append([record(1)], timeout_seconds=1)] == [Refused]
    with pytest.raises(LogUnavailable):
        await log.read(0, limit=1, wait_seconds=1)
    with pytest.raises(LogUnavailable):
        await log.bounds(timeout_seconds=1)


async def test_stopping_answers_those_who_wait(place: Place) -> None:
    log = await place.open()
    follower = asyncio.create_task(log.read(0, limit=1, wait_seconds=10 * HANG_SECONDS))
    await asyncio.sleep(0.1)
    async with asyncio.timeout(HANG_SECONDS):
        await log.stop()
        with pytest.raises(LogUnavailable):
            await follower


async def test_stopping_amid_appends_loses_nothing_that_was_acknowledged(place: Place) -> None:
    log = await place.open()
    writers = [asyncio.create_task(log.append([record(number)], timeout_seconds=TIMEOUT_SECONDS)) for number in range(200)]
    await asyncio.wait(writers, return_when=asyncio.FIRST_COMPLETED)
    async with asyncio.timeout(HANG_SECONDS):
        await log.stop()
        outcomes = [(await writer)[0] for writer in writers]
    log = await place.open()
    values = {found.offset: found.value for found in await read_all(log)}
    await log.stop()
    for number, outcome in enumerate(outcomes):
        if isinstance(outcome, Stored):
            assert values[outcome.offset] == record(number).value
        if isinstance(outcome, Refused):
            assert record(number).value not in values.values()


async def test_starting_twice_is_a_mistake_in_the_program(log: EventLog) -> None:
    with pytest.raises(ValueError, match="started already"):
        await log.start()
