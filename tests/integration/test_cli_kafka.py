"""The command line with the log in Kafka."""

import asyncio
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from services.intake.topics import IntakeTopics, fetch_intake
from services.log.kafka_settings import KafkaOptions, connection_settings
from tests.integration.command_line import COMMAND, HANG_SECONDS, Done, answer, connection, run
from tests.kafka_broker import Broker
from tests.kafka_tools import delete_topic, make_topic
from tests.server_process import ROOT, SECRET, ServerProcess, command_environment, free_port

POLL_SECONDS = 0.05


@pytest.fixture
def environment() -> str:
    """An environment, and so a topic, of the test's own."""
    return f"test-{uuid4().hex}"


def init(servers: str, *environments: str, secret: str = SECRET) -> Done:
    return run("init", "--kafka", servers, "--environments", ",".join(environments), settings={"PREFLEDGER_SECRET": secret})


def test_init_makes_the_topic_and_opens_the_ledger_once(kafka_servers: str, environment: str) -> None:
    first = init(kafka_servers, environment)
    assert first.status == 0, first.err
    made, opened = first.out.splitlines()
    assert made == f"{environment}: made the topic preferences.{environment} at {kafka_servers}."
    assert opened.startswith(f"{environment}: opened the ledger ")
    again = init(kafka_servers, environment)
    assert again.out.splitlines() == [opened.replace("opened the ledger", "is open already: the ledger")]
    assert again.status == 0


def test_init_warns_of_what_may_lose_records_one_day(kafka_servers: str, environment: str) -> None:
    settings = {"PREFLEDGER_SECRET": SECRET, "PREFLEDGER_KAFKA_REPLICATION": "1"}
    done = run("init", "--kafka", kafka_servers, "--environments", environment, settings=settings)
    assert f"Warning: The topic preferences.{environment} has 1 replica(s): losing brokers can lose the ledger" in done.err
    assert "min.insync.replicas=1" in done.err
    assert (done.status, "Warning" in done.out) == (0, False)


def test_init_makes_the_topics_of_the_intake_once_where_it_is_on(kafka_servers: str, environment: str) -> None:
    intake = {"PREFLEDGER_SECRET": SECRET, "PREFLEDGER_INTAKE": "on", "PREFLEDGER_INTAKE_PARTITIONS": "3"}
    init(kafka_servers, environment)
    done = run("init", "--kafka", kafka_servers, "--environments", environment, settings=intake)
    assert done.status == 0, done.err
    assert done.out.splitlines()[1:] == [
        f"{environment}: made the topic preferences.{environment}.intake at {kafka_servers}.",
        f"{environment}: made the topic preferences.{environment}.intake.refused at {kafka_servers}.",
    ]
    again = run("init", "--kafka", kafka_servers, "--environments", environment, settings=intake)
    assert (again.status, len(again.out.splitlines())) == (0, 1)
    facts = asyncio.run(fetch_intake(connection_settings(kafka_servers, KafkaOptions()), IntakeTopics(environment)))
    assert (facts.intake.partitions, facts.refused.partitions) == (3, 3), "a refusal has no partition of its record's number"


def test_init_tells_of_an_intake_that_loses_events(kafka_servers: str, environment: str) -> None:
    intake = {"PREFLEDGER_SECRET": SECRET, "PREFLEDGER_INTAKE": "on"}
    topic = IntakeTopics(environment).intake
    asyncio.run(make_topic(kafka_servers, topic, 1, {"compression.type": "uncompressed", "retention.ms": "60000"}))
    warned = run("init", "--kafka", kafka_servers, "--environments", environment, settings=intake)
    assert (warned.status, f"Warning: The topic {topic} keeps events for 1 minutes only" in warned.err) == (0, True)
    asyncio.run(delete_topic(kafka_servers, topic))
    asyncio.run(make_topic(kafka_servers, topic, 1, {"compression.type": "gzip"}))
    refused = run("init", "--kafka", kafka_servers, "--environments", environment, settings=intake)
    assert refused.status == 1
    assert refused.sentence.startswith(f"The topic {topic} could lose events or hide them: it has compression.type=gzip.")


def test_init_with_another_secret_is_refused(kafka_servers: str, environment: str) -> None:
    init(kafka_servers, environment)
    refused = init(kafka_servers, environment, secret="z" * 40)
    assert refused.status == 1
    assert "was opened with another secret" in refused.sentence


def test_init_beside_a_running_node_leaves_its_views_alone(kafka_servers: str, environment: str, tmp_path: Path) -> None:
    settings = {"PREFLEDGER_ENVIRONMENTS": environment, "PREFLEDGER_ADMIN_KEY": ""}
    with ServerProcess(tmp_path / "data", kafka=kafka_servers, environment=settings).start(wait_ready=False) as server:
        assert init(kafka_servers, environment).status == 0
        # The sentence of the node's readiness told the operator to run `init`; after it, the node goes on by itself.
        server.wait_for("/readyz")


def test_a_cluster_that_is_not_there_is_told_in_time_and_in_a_sentence() -> None:
    done = init(f"127.0.0.1:{free_port()}", "development")
    assert done.status == 1
    assert "can't be reached" in done.sentence
    assert "Traceback" not in done.err


@pytest.fixture
def server(kafka_broker: Broker, environment: str, tmp_path: Path) -> Iterator[ServerProcess]:
    settings = {"PREFLEDGER_ENVIRONMENTS": environment}
    assert init(kafka_broker.bootstrap_servers, environment).status == 0
    with ServerProcess(tmp_path / "data", kafka=kafka_broker.bootstrap_servers, environment=settings) as started:
        yield started


def test_ctrl_c_gives_a_rebuild_up(kafka_broker: Broker, server: ServerProcess) -> None:
    written = answer(server, "set", "user:x", '{"channel_types": {"sms": false}}')
    kafka_broker.freeze()
    try:
        with subprocess.Popen(
            [*COMMAND, "rebuild"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=command_environment(connection(server)),
            cwd=ROOT,
        ) as process:
            wait_for_phase(server, "folding")
            os.kill(process.pid, signal.SIGINT)
            out, err = process.communicate(timeout=HANG_SECONDS)
    finally:
        kafka_broker.thaw()
    assert (process.returncode, out) == (130, b"")
    assert b"Given up. The live views were never touched." in err
    wait_for_phase(server, "cancelled")
    assert answer(server, "get", "user:x")["preferences"] == written["preferences"]
    assert answer(server, "rebuild")["phase"] == "done", "a rebuild that was given up stands in the way of the next"


def test_a_rebuild_under_way_is_told_and_can_be_cancelled_from_elsewhere(
    kafka_broker: Broker, server: ServerProcess
) -> None:
    kafka_broker.freeze()
    try:
        httpx.post(f"{server.url}/ledger/v1/rebuild", headers=server.headers).raise_for_status()
        busy = run("rebuild", settings=connection(server))
        assert "already under way" in busy.sentence
        cancelled = run("rebuild", "--cancel", "--json", settings=connection(server))
        assert json.loads(cancelled.out)["phase"] == "cancelled"
    finally:
        kafka_broker.thaw()


def wait_for_phase(server: ServerProcess, phase: str) -> None:
    deadline = time.monotonic() + HANG_SECONDS
    while (found := phase_of(server)) != phase:
        assert time.monotonic() < deadline, f"the rebuild never came to {phase!r}: it is {found!r}"
        time.sleep(POLL_SECONDS)


def phase_of(server: ServerProcess) -> str:
    phase: str = httpx.get(f"{server.url}/ledger/v1/rebuild", headers=server.headers).json()["phase"]
    return phase
