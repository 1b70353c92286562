# mypy: allow-untyped-calls
"""The intake while nodes are killed, frozen, stopped and added: every event counts once, every refusal is answered once."""

import asyncio
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from domain.event import PreferenceSetReplaced
from domain.holder import DEFAULT_SET, user
from services.intake.topics import IntakeTopics
from services.log.kafka_topic import ledger_topic
from tests.faults.nursery import Nursery
from tests.faults.whole_ledger import HANG_SECONDS, POLL_SECONDS, feed_of, rebuilt_digest
from tests.integration.command_line import run
from tests.integration.http.api import Api
from tests.integration.intake_client import event, headers_of, id_of, publisher, refusals_of
from tests.kafka_broker import find_servers
from tests.server_process import SECRET, ServerProcess

SEED: Final = 20_260_303
SESSION_SECONDS: Final = "6" if find_servers() else "1"
"""Brokers of others take no less than 6 by themselves."""
KILLS: Final = 5
PARTITIONS: Final = 3
HOLDERS: Final = 5
BATCH: Final = 10
PAUSE_SECONDS: Final = 0.1

Json = Any


@dataclass
class Published:
    """What was published, in the order of each partition."""

    events: dict[int, list[bytes]] = field(default_factory=lambda: {number: [] for number in range(PARTITIONS)})
    poison: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Partition and offset of each record that must be refused."""

    def count(self) -> int:
        return sum(map(len, self.events.values()))


class Service(threading.Thread):
    """Publishes without a pause, whatever happens to the nodes: new events, old ones again, and poison."""

    def __init__(self, servers: str, topics: IntakeTopics) -> None:
        super().__init__(daemon=True)
        self.published = Published()
        self._servers = servers
        self._topics = topics
        self._random = random.Random(SEED)
        self._ending = threading.Event()

    def run(self) -> None:
        asyncio.run(self._publish())

    def end(self) -> Published:
        self._ending.set()
        self.join(HANG_SECONDS)
        assert not self.is_alive()
        return self.published

    async def _publish(self) -> None:
        async with publisher(self._servers) as producer:
            while not self._ending.is_set():
                for _ in range(BATCH):
                    partition = self._random.randrange(PARTITIONS)
                    value = self._value(partition)
                    stored = await producer.send_and_wait(self._topics.intake, value, b"key", partition=partition)
                    if value == b"poison":
                        self.published.poison[str(partition), str(stored.offset)] += 1
                await asyncio.sleep(PAUSE_SECONDS)

    def _value(self, partition: int) -> bytes:
        sent = self.published.events[partition]
        chance = self._random.random()
        if chance < 0.1:
            return b"poison"
        if chance < 0.2 and sent:
            return self._random.choice(sent)
        # A holder's events are all in one partition, so that their order is known.
        holder = user(f"{partition}-{self._random.randrange(HOLDERS)}")
        value = event(PreferenceSetReplaced(DEFAULT_SET, {f"/workflows/{uuid4().hex}/enabled": False}), holder)
        sent.append(value)
        return value


@pytest.fixture
def topics() -> IntakeTopics:
    return IntakeTopics(f"intake-{uuid4().hex}")


def variables_of(topics: IntakeTopics) -> dict[str, str]:
    return {
        "PREFLEDGER_ENVIRONMENTS": topics.environment,
        "PREFLEDGER_INTAKE": "on",
        "PREFLEDGER_INTAKE_PARTITIONS": str(PARTITIONS),
        "PREFLEDGER_INTAKE_SESSION_SECONDS": SESSION_SECONDS,
        "PREFLEDGER_APPEND_TIMEOUT_SECONDS": "3",
    }


def make(servers: str, topics: IntakeTopics) -> Mapping[str, str]:
    """Make the ledger and its intake; the variables of its nodes."""
    variables = variables_of(topics)
    done = run("init", "--kafka", servers, settings={**variables, "PREFLEDGER_SECRET": SECRET})
    assert done.status == 0, done.err
    return variables


def end_of(servers: str, topic: str) -> int:
    async def ask() -> int:
        consumer = AIOKafkaConsumer(bootstrap_servers=servers)
        await consumer.start()
        try:
            (end,) = (await consumer.end_offsets([TopicPartition(topic, 0)])).values()
        finally:
            await consumer.stop()
        return int(end)

    return asyncio.run(ask())


def until(reached: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + HANG_SECONDS
    while not reached():
        assert time.monotonic() < deadline, f"never {what}"
        time.sleep(POLL_SECONDS)


def check_taken(servers: str, topics: IntakeTopics, published: Published, api: Api) -> None:
    """Wait until all of it is in the ledger, then count."""
    wanted = {id_of(value) for values in published.events.values() for value in values}

    def applied() -> list[Json]:
        return [row for row in feed_of(api) if row["outcome"] == "applied"]

    until(lambda: wanted <= {row["event_id"] for row in applied()}, "all in the ledger: a published choice is lost")
    refusals = refusals_of(servers, topics, published.poison.total())
    rows = applied()
    doubled = [event_id for event_id, count in Counter(row["event_id"] for row in rows).items() if count > 1]
    assert not doubled, f"{len(doubled)} events were applied twice, the first of them {doubled[0]}"
    strange = {row["outcome"] for row in feed_of(api)} - {"applied", "duplicate"}
    assert not strange, f"good events came to {strange}"
    answered = Counter((headers_of(one)["partition"], headers_of(one)["offset"]) for one in refusals)
    assert answered == published.poison, "a refusal is missing, or was answered twice"
    for partition, values in published.events.items():
        taken = [row["event_id"] for row in rows if row["holder"].startswith(f"user:{partition}-")]
        assert taken == [id_of(value) for value in values], f"partition {partition} lost its order"
    assert rebuilt_digest(api)


def test_a_node_killed_again_and_again_takes_in_everything_once(
    kafka_servers: str, topics: IntakeTopics, tmp_path: Path
) -> None:
    server = ServerProcess(tmp_path / "data", kafka=kafka_servers, environment=make(kafka_servers, topics))
    moments = random.Random(SEED)
    service = Service(kafka_servers, topics)
    service.start()
    ends = [0]
    with Nursery(server) as nursery:
        for _ in range(KILLS):
            nursery.start()
            # Long enough for the last one's session to end, and then for a part of the work.
            time.sleep(float(SESSION_SECONDS) + moments.uniform(0, 0.7))
            nursery.kill()
            ends.append(end_of(kafka_servers, ledger_topic(topics.environment)))
    published = service.end()
    lives = sum(after > before for before, after in pairwise(ends))
    assert lives >= 2, f"the lives were too short to take anything in, so the kills showed nothing: {ends}"
    with server, closing(Api(server)) as api:
        check_taken(kafka_servers, topics, published, api)


def test_nodes_that_come_and_go_share_the_intake_and_double_nothing(
    kafka_servers: str, topics: IntakeTopics, tmp_path: Path
) -> None:
    variables = make(kafka_servers, topics)
    one, other = (ServerProcess(tmp_path / name, kafka=kafka_servers, environment=variables) for name in ("a", "b"))
    service = Service(kafka_servers, topics)
    service.start()
    with one, closing(Api(one)) as api:
        with other:
            until(lambda: shares(one) and shares(other), "shared")
            # Frozen for longer than its session, it is replaced in the middle of its work, and then goes on.
            os.kill(one.pid, signal.SIGSTOP)
            until(lambda: len(partitions_of(other)) == PARTITIONS, "taken over from a node that is frozen")
            os.kill(one.pid, signal.SIGCONT)
            until(lambda: shares(one) and shares(other), "shared again")
            assert other.stop() == 0
            until(lambda: len(partitions_of(one)) == PARTITIONS, "taken over from a node that was stopped")
        published = service.end()
        assert published.count() > 100
        check_taken(kafka_servers, topics, published, api)


def partitions_of(server: ServerProcess) -> set[str]:
    """The partitions of which the node says how far behind it is: those that it takes in."""
    with closing(Api(server)) as api:
        lines = api.outside("/metrics").splitlines()
    return {line for line in lines if line.startswith("prefledger_intake_lag_records{")}


def shares(server: ServerProcess) -> bool:
    return 0 < len(partitions_of(server)) < PARTITIONS
