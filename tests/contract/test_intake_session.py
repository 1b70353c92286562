# mypy: allow-untyped-calls
"""The intake's Kafka half on a real cluster: who may move a partition's progress, and where reading begins."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin.records_to_delete import RecordsToDelete
from aiokafka.errors import ProducerFenced
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.util import calc_crc32c_py as crc32c

from domain.holder import user
from projections.history import feed
from services.bootstrap import build_embedded_log
from services.intake.committer import PartitionCommitter
from services.intake.intake import Intake
from services.intake.refusal import IntakeRecord, Refusal
from services.intake.session import IntakeCluster
from services.intake.topics import IntakeTopics, create_intake, fetch_intake
from services.ledger import Ledger
from services.log.kafka_settings import KafkaOptions
from services.log.port import EventLog, LogBounds, LogUnfit
from services.log.sqlite_log import SqliteEventLog
from services.secrets import Secrets
from services.settings import Settings
from tests.integration.intake_client import OPT_OUT, event
from tests.kafka_tools import admin_of, delete_topic, make_topic

HANG_SECONDS: Final = 60.0
SECRET: Final = "a secret of the tests, long enough to be one"
SESSION_SECONDS: Final = 6.0
"""The least that brokers take by themselves."""


@pytest.fixture
async def topics(kafka_servers: str) -> IntakeTopics:
    """The topics of a new environment, made."""
    made = IntakeTopics(f"test-{uuid4().hex}")
    async with asyncio.timeout(HANG_SECONDS):
        assert await create_intake(connection(kafka_servers), made, partitions=1, replicas=1) == [made.intake, made.refused]
    return made


def cluster(servers: str, session_seconds: float = SESSION_SECONDS) -> IntakeCluster:
    return IntakeCluster(servers, KafkaOptions(), session_seconds)


def connection(servers: str) -> dict[str, Any]:
    return cluster(servers).connection()


def committer(servers: str, topics: IntakeTopics) -> PartitionCommitter:
    settings = cluster(servers).transactions(topics.transactional_id(0), 1_000_000)
    return PartitionCommitter(topics, 0, settings, refused_partitions=1)


def refusal(topics: IntakeTopics, offset: int, value: bytes | None = b"bytes") -> tuple[IntakeRecord, Refusal]:
    return IntakeRecord(topics.intake, 0, offset, None, value), Refusal("invalid", "so")


async def refused(servers: str, topics: IntakeTopics, isolation: str = "read_committed") -> list[bytes | None]:
    """The values that a reader of the refusals gets now."""
    consumer = AIOKafkaConsumer(bootstrap_servers=servers, isolation_level=isolation, auto_offset_reset="earliest")
    await consumer.start()
    try:
        partition = TopicPartition(topics.refused, 0)
        consumer.assign([partition])
        (end,) = (await consumer.end_offsets([partition])).values()
        values: list[bytes | None] = []
        async with asyncio.timeout(HANG_SECONDS):
            while await consumer.position(partition) < end:
                fetched = await consumer.getmany(timeout_ms=100)
                values += [record.value for records in fetched.values() for record in records]
        return values
    finally:
        await consumer.stop()


async def committed(servers: str, topics: IntakeTopics) -> int | None:
    consumer = AIOKafkaConsumer(bootstrap_servers=servers, group_id=topics.group, enable_auto_commit=False)
    await consumer.start()
    try:
        offset: int | None = await consumer.committed(TopicPartition(topics.intake, 0))
        return offset
    finally:
        await consumer.stop()


async def publish(servers: str, topics: IntakeTopics, *values: bytes) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=servers, acks="all")
    await producer.start()
    for value in values:
        await producer.send_and_wait(topics.intake, value, b"key")
    await producer.stop()


async def test_progress_and_refusals_move_together(kafka_servers: str, topics: IntakeTopics) -> None:
    owner = committer(kafka_servers, topics)
    await owner.open()
    large = b"x" * 600_000
    await owner.commit(
        5, [refusal(topics, 3), refusal(topics, 4, None), refusal(topics, 4, large), refusal(topics, 4, large)]
    )
    await owner.commit(9, [])
    await owner.close()
    await owner.close()
    successor = committer(kafka_servers, topics)
    await successor.open()
    assert await committed(kafka_servers, topics) == 9
    assert await refused(kafka_servers, topics) == [b"bytes", None, large, large]
    await successor.close()


async def test_a_node_that_was_replaced_moves_nothing_any_more(
    kafka_servers: str, topics: IntakeTopics, caplog: pytest.LogCaptureFixture
) -> None:
    zombie, successor = committer(kafka_servers, topics), committer(kafka_servers, topics)
    await zombie.open()
    await zombie.commit(3, [refusal(topics, 0, b"first")])
    await successor.open()
    await successor.commit(5, [refusal(topics, 3, b"second")])
    with pytest.raises(ProducerFenced):
        await zombie.commit(4, [refusal(topics, 3, b"second, again")])
    await zombie.close()
    await successor.close()
    last = committer(kafka_servers, topics)
    await last.open()
    await last.close()
    assert await committed(kafka_servers, topics) == 5, "the progress went back, so events would be taken in again"
    assert await refused(kafka_servers, topics) == [b"first", b"second"], "a refusal was answered twice"
    assert not [record for record in caplog.records if record.name == "asyncio"]


async def test_what_was_under_way_when_a_node_died_is_given_up(kafka_servers: str, topics: IntakeTopics) -> None:
    dying, successor = committer(kafka_servers, topics), committer(kafka_servers, topics)
    await dying.open()
    producer: Any = dying._producer
    await producer.begin_transaction()
    await dying._send(producer, [refusal(topics, 0, b"half")])
    await producer.send_offsets_to_transaction({TopicPartition(topics.intake, 0): 1}, topics.group)
    await dying.close()
    await successor.open()
    assert await committed(kafka_servers, topics) is None
    await successor.commit(1, [refusal(topics, 0, b"whole")])
    await successor.close()
    assert await refused(kafka_servers, topics) == [b"whole"]
    assert await refused(kafka_servers, topics, "read_uncommitted") == [b"half", b"whole"]


@asynccontextmanager
async def living(topics: IntakeTopics, folder: Path, log: EventLog | None = None) -> AsyncIterator[Ledger]:
    """A ledger on a file that takes in nothing yet."""
    settings = Settings(data=folder)
    (folder / topics.environment).mkdir(exist_ok=True)
    ledger = Ledger(
        topics.environment,
        log or build_embedded_log(settings, topics.environment),
        Secrets(SECRET, topics.environment),
        folder / topics.environment,
        settings,
    )
    ledger.start()
    try:
        yield ledger
    finally:
        await ledger.stop()


@asynccontextmanager
async def taking(
    servers: str, topics: IntakeTopics, folder: Path, session_seconds: float = SESSION_SECONDS
) -> AsyncIterator[Ledger]:
    """A ledger on a file, and an intake for it."""
    async with living(topics, folder) as ledger:
        intake = Intake(ledger, cluster(servers, session_seconds))
        intake.start()
        try:
            yield ledger
        finally:
            await intake.stop()
            await intake.stop()


async def until(condition: Callable[[], bool], lost: str) -> None:
    try:
        async with asyncio.timeout(HANG_SECONDS):
            while not condition():  # noqa: ASYNC110
                await asyncio.sleep(0.02)
    except TimeoutError:
        pytest.fail(lost)


def accepted(ledger: Ledger) -> int:
    assert ledger.counts.intake is not None
    return ledger.counts.intake.accepted


def lost(ledger: Ledger) -> int:
    assert ledger.counts.intake is not None
    return ledger.counts.intake.lost


async def test_it_begins_at_the_beginning_and_goes_on_where_it_was(
    kafka_servers: str, topics: IntakeTopics, tmp_path: Path
) -> None:
    await publish(kafka_servers, topics, *[event(holder=user(f"u{number}")) for number in range(3)])
    async with taking(kafka_servers, topics, tmp_path) as ledger:
        await until(lambda: accepted(ledger) == 3, "what was published before the first node started is lost")
    await publish(kafka_servers, topics, event())
    async with taking(kafka_servers, topics, tmp_path) as ledger:
        await until(lambda: accepted(ledger) == 1, "what was published while no node ran is lost")


async def test_what_retention_took_is_counted_and_told(
    kafka_servers: str, topics: IntakeTopics, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    owner = committer(kafka_servers, topics)
    await owner.open()
    await owner.commit(1, [])
    await owner.close()
    await publish(kafka_servers, topics, *[event(holder=user(f"u{number}")) for number in range(5)])
    async with admin_of(kafka_servers) as admin:
        await admin.delete_records({TopicPartition(topics.intake, 0): RecordsToDelete(before_offset=4)})
    async with taking(kafka_servers, topics, tmp_path) as ledger:
        await until(lambda: accepted(ledger) == 1, "the intake does not go on after a loss")
        assert lost(ledger) == 3
    assert "3 records were deleted before any node had taken them" in caplog.text


async def test_a_topic_that_was_made_anew_is_taken_in_from_its_beginning(
    kafka_servers: str, topics: IntakeTopics, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    owner = committer(kafka_servers, topics)
    await owner.open()
    await owner.commit(7, [])
    await owner.close()
    await publish(kafka_servers, topics, event())
    async with taking(kafka_servers, topics, tmp_path) as ledger:
        await until(lambda: accepted(ledger) == 1, "events wait for an offset that the new topic may never reach")
    assert "was made anew" in caplog.text


async def test_what_a_publisher_gave_up_is_not_taken_in(kafka_servers: str, topics: IntakeTopics, tmp_path: Path) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=kafka_servers, transactional_id=uuid4().hex)
    await producer.start()
    for number, keeps in enumerate((True, False, True)):
        await producer.begin_transaction()
        await (await producer.send(topics.intake, event(holder=user(f"u{number}"))))
        await (producer.commit_transaction() if keeps else producer.abort_transaction())
    await producer.stop()
    async with taking(kafka_servers, topics, tmp_path) as ledger:
        counts = ledger.counts.intake
        assert counts is not None
        await until(lambda: accepted(ledger) == 2, "committed events are not taken in")
        await until(lambda: counts.lag_records == {0: 0}, "an operator sees a lag where nothing waits")
        assert sum(counts.refused.values()) == 0


async def test_topics_that_lose_events_are_not_used_until_they_are_mended(
    kafka_servers: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    topics = IntakeTopics(f"test-{uuid4().hex}")
    await make_topic(kafka_servers, topics.refused, 1, {})
    with pytest.raises(LogUnfit, match="run `prefledger init`"):
        await fetch_intake(connection(kafka_servers), topics)
    await make_topic(kafka_servers, topics.intake, 1, {"cleanup.policy": "compact"})
    async with taking(kafka_servers, topics, tmp_path) as ledger:
        await until(lambda: "could lose events or hide them" in caplog.text, "nobody is told that the topic loses events")
        assert caplog.text.count("the intake waits") == 1, "the same sentence again and again"
        assert ledger.readiness.is_ready(), "trouble with the intake takes the node out of service"
        await delete_topic(kafka_servers, topics.intake)
        await delete_topic(kafka_servers, topics.refused)
        await create_intake(connection(kafka_servers), topics, partitions=1, replicas=1)
        await publish(kafka_servers, topics, event(OPT_OUT))
        await until(lambda: accepted(ledger) == 1, "a mended topic is not taken in")


async def test_a_session_that_kafka_does_not_take_is_told_with_the_setting(
    kafka_servers: str, topics: IntakeTopics, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with taking(kafka_servers, topics, tmp_path, session_seconds=3_600):
        await until(lambda: "PREFLEDGER_INTAKE_SESSION_SECONDS lies between" in caplog.text, "nobody is told what to set")


@pytest.fixture(autouse=True)
def logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


def with_latin_1_header(values: list[bytes]) -> bytes:
    """A batch in which the last record has a header whose name is not UTF-8, as other clients can send it."""
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 1_000_000)
    for at, value in enumerate(values):
        builder.append(at, None, b"key", value, [("gruesse", b"x")] if at == len(values) - 1 else [])
    batch = bytearray(builder.build())
    at = bytes(batch).index(b"gruesse")
    batch[at : at + 7] = "gr\xfc\xdf \xe4\xf6".encode("latin-1")
    # The checksum stands before the attributes, and covers all from there on.
    batch[17:21] = crc32c(bytes(batch[21:])).to_bytes(4)
    return bytes(batch)


async def produce_raw(servers: str, topics: IntakeTopics, batch: bytes) -> None:
    producer: Any = AIOKafkaProducer(bootstrap_servers=servers)
    await producer.start()
    await producer.partitions_for(topics.intake)
    leader = producer.client.cluster.leader_for_partition(TopicPartition(topics.intake, 0))
    request = ProduceRequest(transactional_id=None, required_acks=-1, timeout=10_000, topics=[(topics.intake, [(0, batch)])])
    answer = await producer.client.send(leader, request)
    await producer.stop()
    ((_, ((_, code, *_),)),) = answer.topics
    assert code == 0


async def test_a_header_that_is_not_utf_8_holds_nobody_up(kafka_servers: str, topics: IntakeTopics, tmp_path: Path) -> None:
    values = [event(holder=user(f"u{number}")) for number in range(6)]
    await publish(kafka_servers, topics, values[0])
    await produce_raw(kafka_servers, topics, with_latin_1_header([values[1], b"poison", values[2]]))
    await publish(kafka_servers, topics, values[3])
    await produce_raw(kafka_servers, topics, with_latin_1_header([values[4]]))
    await publish(kafka_servers, topics, values[5])
    async with taking(kafka_servers, topics, tmp_path) as ledger:
        await until(lambda: accepted(ledger) == len(values), "one publisher's headers hold up everybody's opt-outs")
        rows = await ledger.views.reader.read(lambda connection: feed(connection, 1, 100))
    assert [row["holder"] for row in rows] == [f"user:u{number}" for number in range(6)]
    assert await refused(kafka_servers, topics) == [b"poison"]


class AheadLog(SqliteEventLog):
    """A log whose end can be said to be further than this node has folded."""

    ahead = 0

    async def bounds(self, *, timeout_seconds: float) -> LogBounds:
        bounds = await super().bounds(timeout_seconds=timeout_seconds)
        return LogBounds(bounds.earliest, bounds.end + self.ahead)


async def test_a_new_owner_first_folds_what_the_last_one_may_have_appended(
    kafka_servers: str,
    topics: IntakeTopics,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("services.intake.acceptance.CATCH_UP_SECONDS_MAX", 0.1)
    await publish(kafka_servers, topics, event())
    (tmp_path / topics.environment).mkdir()
    log = AheadLog(tmp_path / topics.environment / "log.sqlite")
    async with living(topics, tmp_path, log) as ledger:
        await until(ledger.readiness.is_ready, "the ledger does not start")
        log.ahead = 1
        intake = Intake(ledger, cluster(kafka_servers))
        intake.start()
        await until(lambda: "has not folded the log up to record" in caplog.text, "an old owner's events are not waited for")
        assert accepted(ledger) == 0
        log.ahead = 0
        await until(lambda: accepted(ledger) == 1, "the intake does not go on")
        await intake.stop()
