# mypy: allow-untyped-calls
"""Topics that are not what a ledger needs, as a real cluster makes them."""

import asyncio
import uuid
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin.records_to_delete import RecordsToDelete
from aiokafka.cluster import ClusterMetadata

from schemas.record import LogRecord, NewRecord
from services.log.kafka_log import KafkaEventLog
from services.log.kafka_topic import settings_of_new_topic
from services.log.port import AppendOutcome, LogUnfit, Refused, Unknown
from tests.kafka_tools import HANG_SECONDS, admin_of, delete_topic, make_topic, new_topic_name, opened

TIMEOUT_SECONDS = 20.0


def record(number: int) -> NewRecord:
    return NewRecord(key=number.to_bytes(16), value=b"value %d" % number)


async def append(log: KafkaEventLog, number: int) -> AppendOutcome:
    return (await log.append([record(number)], timeout_seconds=TIMEOUT_SECONDS))[0]


async def test_a_missing_topic_is_not_made_by_asking_for_it(kafka_servers: str) -> None:
    topic = new_topic_name()
    for _ in range(2):
        with pytest.raises(LogUnfit, match="run `prefledger init`"):
            await KafkaEventLog(kafka_servers, topic).start()


async def test_a_topic_is_made_once(kafka_servers: str) -> None:
    log = KafkaEventLog(kafka_servers, new_topic_name())
    assert await log.create_topic() is True
    assert await log.create_topic() is False
    await log.start()
    await log.stop()


async def test_a_cluster_that_has_just_come_up_is_waited_for(kafka_servers: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its first answers name no brokers: the first who runs `prefledger init` would be shown a Python error."""
    update, answers = ClusterMetadata.update_metadata, iter(range(4))

    def late(cluster: ClusterMetadata, metadata: Any) -> None:
        if next(answers, None) is not None:
            metadata.brokers = []
        update(cluster, metadata)

    monkeypatch.setattr(ClusterMetadata, "update_metadata", late)
    assert await KafkaEventLog(kafka_servers, new_topic_name()).create_topic() is True
    assert next(answers, None) is None


async def test_more_replicas_than_brokers_is_said(kafka_servers: str) -> None:
    with pytest.raises(LogUnfit, match="InvalidReplicationFactor"):
        await KafkaEventLog(kafka_servers, new_topic_name()).create_topic(replicas=30)


async def test_two_partitions_are_refused(kafka_servers: str) -> None:
    topic = new_topic_name()
    await make_topic(kafka_servers, topic, 2, settings_of_new_topic(1))
    with pytest.raises(LogUnfit, match="2 partitions"):
        await KafkaEventLog(kafka_servers, topic).start()


@pytest.mark.parametrize(
    ("name", "value", "right"),
    [
        ("cleanup.policy", "compact", "delete"),
        ("cleanup.policy", "compact,delete", "delete"),
        ("retention.ms", "604800000", "-1"),
        ("retention.bytes", "1000000", "-1"),
        ("message.timestamp.type", "CreateTime", "LogAppendTime"),
    ],
)
async def test_settings_that_lose_or_misdate_history_are_refused(
    kafka_servers: str, name: str, value: str, right: str
) -> None:
    topic = new_topic_name()
    await make_topic(kafka_servers, topic, 1, settings_of_new_topic(1) | {name: value})
    with pytest.raises(LogUnfit) as refusal:
        await KafkaEventLog(kafka_servers, topic).start()
    assert f"{name}={value}" in str(refusal.value)
    assert str(refusal.value).endswith(f"--entity-name {topic} --add-config {name}={right}")


async def test_settings_that_risk_history_are_warned_of(kafka_servers: str) -> None:
    topic = new_topic_name()
    await make_topic(kafka_servers, topic, 1, settings_of_new_topic(1) | {"unclean.leader.election.enable": "true"})
    log = KafkaEventLog(kafka_servers, topic)
    await log.start()
    await log.stop()
    replicas, in_sync, unclean = log.warnings
    assert "1 replica(s)" in replicas
    assert "min.insync.replicas=2" in in_sync
    assert "unclean.leader.election.enable=false" in unclean


async def test_a_topic_that_was_cut_is_refused_at_start_and_while_reading(kafka_servers: str) -> None:
    topic = new_topic_name()
    log = await opened(kafka_servers, topic)
    try:
        for number in range(3):
            await append(log, number)
        async with admin_of(kafka_servers) as admin:
            await admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(2)})
        with pytest.raises(LogUnfit, match="cut or made anew"):
            await log.read(0, limit=10, wait_seconds=TIMEOUT_SECONDS)
        with pytest.raises(LogUnfit, match="first 2 records"):
            await KafkaEventLog(kafka_servers, topic).start()
    finally:
        await log.stop()


async def test_a_topic_made_anew_under_a_node_is_neither_read_nor_written(kafka_servers: str) -> None:
    topic = new_topic_name()
    log = await opened(kafka_servers, topic)
    try:
        for number in range(3):
            await append(log, number)
        await delete_topic(kafka_servers, topic)
        await make_topic(kafka_servers, topic, 1, settings_of_new_topic(1))
        with pytest.raises(LogUnfit, match="cut or made anew"):
            await log.read(3, limit=10, wait_seconds=1)
        first = await append(log, 3)
        assert isinstance(first, Unknown), "a write to another log must not look like one to ours"
        second = await append(log, 4)
        assert isinstance(second, Refused)
        assert "cut or made anew" in second.reason
    finally:
        await log.stop()


async def test_holes_left_by_transactions_are_not_read_over(kafka_servers: str) -> None:
    topic = new_topic_name()
    log = await opened(kafka_servers, topic)
    stranger = AIOKafkaProducer(bootstrap_servers=kafka_servers, transactional_id=uuid.uuid4().hex)
    try:
        async with asyncio.timeout(HANG_SECONDS):
            await stranger.start()
            for number in range(2):
                async with stranger.transaction():
                    await stranger.send_and_wait(topic, b"stranger %d" % number, partition=0)
        assert [found.value for found in await log.read(0, limit=1, wait_seconds=TIMEOUT_SECONDS)] == [b"stranger 0"]
        with pytest.raises(LogUnfit, match="written to in transactions"):
            await log.read(1, limit=10, wait_seconds=TIMEOUT_SECONDS)
    finally:
        await stranger.stop()
        await log.stop()


async def test_a_strangers_record_without_key_and_value_takes_its_place(kafka_servers: str) -> None:
    """Were it dropped, every later position would be wrong; what it means is for the codec to say."""
    topic = new_topic_name()
    log = await opened(kafka_servers, topic)
    stranger = AIOKafkaProducer(bootstrap_servers=kafka_servers)
    await stranger.start()
    try:
        await stranger.send_and_wait(topic, value=None, key=b"key", partition=0)
        await stranger.send_and_wait(topic, value=b"value", key=None, partition=0)
        await append(log, 2)
        records: list[LogRecord] = []
        while len(records) < 3:
            records += await log.read(len(records), limit=10, wait_seconds=TIMEOUT_SECONDS)
        assert [(found.key, found.value) for found in records] == [
            (b"key", b""),
            (b"", b"value"),
            (record(2).key, record(2).value),
        ]
    finally:
        await stranger.stop()
        await log.stop()
