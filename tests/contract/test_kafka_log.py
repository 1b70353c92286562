"""What only a Kafka log has to stand: brokers that go, hang, and come back."""

import asyncio
import socket

import pytest

from schemas.record import LogRecord, NewRecord
from services.log.kafka_log import KafkaEventLog
from services.log.port import AppendOutcome, LogUnavailable, Refused, Stored, Unknown
from tests.kafka_broker import Broker
from tests.kafka_tools import HANG_SECONDS, opened

TIMEOUT_SECONDS = 20.0


def record(number: int) -> NewRecord:
    return NewRecord(key=number.to_bytes(16), value=b"value %d" % number)


async def append(log: KafkaEventLog, number: int, timeout_seconds: float = TIMEOUT_SECONDS) -> AppendOutcome:
    async with asyncio.timeout(HANG_SECONDS):
        return (await log.append([record(number)], timeout_seconds=timeout_seconds))[0]


async def read_all(log: KafkaEventLog) -> list[LogRecord]:
    end = (await log.bounds(timeout_seconds=TIMEOUT_SECONDS)).end
    records: list[LogRecord] = []
    while len(records) < end:
        records += await log.read(len(records), limit=1_000, wait_seconds=TIMEOUT_SECONDS)
    return records


def check_outcomes(outcomes: list[AppendOutcome], records: list[LogRecord]) -> None:
    """`outcomes` has that of record(0), record(1) and so on."""
    assert [found.offset for found in records] == list(range(len(records)))
    values = [found.value for found in records]
    for number, outcome in enumerate(outcomes):
        if isinstance(outcome, Stored):
            assert values[outcome.offset] == record(number).value, f"acknowledged record {number} is lost"
        if isinstance(outcome, Refused):
            assert record(number).value not in values, f"record {number} was refused, and is there"
    assert len(set(values)) == len(values), "a record was sent again after its outcome was told"


async def test_no_broker_at_start_is_said_and_not_waited_for_for_ever() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        servers = f"127.0.0.1:{listener.getsockname()[1]}"
    log = KafkaEventLog(servers, "preferences.nowhere")
    async with asyncio.timeout(HANG_SECONDS):
        with pytest.raises(LogUnavailable, match=servers):
            await log.start()
        await log.stop()
        with pytest.raises(LogUnavailable, match=servers):
            await log.create_topic()


async def test_a_broker_that_accepts_and_never_answers_is_not_waited_for_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("services.log.kafka_settings.REQUEST_TIMEOUT_MILLISECONDS", 500)
    release = asyncio.Event()

    async def never_answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await release.wait()
        writer.close()

    server = await asyncio.start_server(never_answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, asyncio.timeout(HANG_SECONDS):
        with pytest.raises(LogUnavailable, match=str(port)):
            await KafkaEventLog(f"127.0.0.1:{port}", "preferences.silent").start()
        release.set()


async def test_appends_go_on_after_the_broker_was_killed_in_flight(kafka_broker: Broker) -> None:
    log = await opened(kafka_broker.bootstrap_servers)
    outcomes: list[AppendOutcome] = []

    async def write() -> None:
        while not (len(outcomes) > 50 and isinstance(outcomes[-1], Stored)):
            outcomes.append(await append(log, len(outcomes), timeout_seconds=5))

    writer = asyncio.create_task(write())
    try:
        while len(outcomes) < 20:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await asyncio.to_thread(kafka_broker.kill)
        while all(isinstance(outcome, Stored) for outcome in outcomes):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await asyncio.to_thread(kafka_broker.start)
        async with asyncio.timeout(HANG_SECONDS):
            await writer
        check_outcomes(outcomes, await read_all(log))
    finally:
        writer.cancel()
        await log.stop()


async def test_a_broker_that_hangs_in_flight_makes_the_outcome_unknown(kafka_broker: Broker) -> None:
    log = await opened(kafka_broker.bootstrap_servers)
    try:
        outcomes = [await append(log, 0)]
        kafka_broker.freeze()
        outcomes += [await append(log, 1, timeout_seconds=1), await append(log, 2, timeout_seconds=1)]
        kafka_broker.thaw()
        outcomes.append(await append(log, 3))
        assert isinstance(outcomes[1], Unknown)
        assert isinstance(outcomes[2], Unknown | Refused)
        assert isinstance(outcomes[3], Stored)
        check_outcomes(outcomes, await read_all(log))
    finally:
        kafka_broker.thaw()
        await log.stop()


async def test_a_broker_that_hangs_at_stop_does_not_hold_us(kafka_broker: Broker) -> None:
    log = await opened(kafka_broker.bootstrap_servers)
    assert isinstance(await append(log, 0), Stored)
    assert len(await log.read(0, limit=1, wait_seconds=TIMEOUT_SECONDS)) == 1
    reader = asyncio.create_task(log.read(1, limit=1, wait_seconds=10 * HANG_SECONDS))
    try:
        await asyncio.sleep(0.1)
        kafka_broker.freeze()
        writer = asyncio.create_task(append(log, 1, timeout_seconds=10 * HANG_SECONDS))
        await asyncio.sleep(0.1)
        async with asyncio.timeout(HANG_SECONDS):
            await log.stop()
            assert isinstance(await writer, Unknown)
            with pytest.raises(LogUnavailable):
                await reader
    finally:
        kafka_broker.thaw()
        await log.stop()


async def test_reading_says_that_the_broker_is_gone_and_goes_on_when_it_is_back(kafka_broker: Broker) -> None:
    log = await opened(kafka_broker.bootstrap_servers)
    try:
        assert isinstance(await append(log, 0), Stored)
        assert len(await log.read(0, limit=10, wait_seconds=TIMEOUT_SECONDS)) == 1
        await asyncio.to_thread(kafka_broker.stop)
        async with asyncio.timeout(HANG_SECONDS):
            with pytest.raises(LogUnavailable, match="can't be reached"):
                await log.read(1, limit=10, wait_seconds=0.5)
            with pytest.raises(LogUnavailable, match="can't be reached"):
                await log.bounds(timeout_seconds=1)
            refused = await append(log, 1, timeout_seconds=0.5)
        assert isinstance(refused, Refused | Unknown)
        await asyncio.to_thread(kafka_broker.start)
        assert isinstance(await append(log, 2), Stored)
        values = [found.value for found in await read_all(log)]
        assert values == [record(0).value, record(2).value], "a record was sent again after its outcome was told"
    finally:
        await log.stop()
