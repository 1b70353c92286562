"""Kafka's broker is down: at a node's start, under way, and at its end. All ends in bounded time and in a sentence."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import httpx
import pytest

from domain.holder import user
from services.http.problems import BASE
from services.intake.topics import IntakeTopics
from tests.faults.whole_ledger import HANG_SECONDS, POLL_SECONDS, feed_of, rebuilt_digest
from tests.integration import intake_client
from tests.integration.command_line import run
from tests.integration.http.api import Api, refused, set_path
from tests.integration.intake_client import Sent, event, id_of, refusals_of
from tests.kafka_broker import Broker
from tests.server_process import SECRET, STOP_SECONDS_MAX, ServerProcess

PUBLISH_REFUSALS: Final = ("not-ready", "not-appended", "outcome-unknown")
"""How docs/api.md says that a write can be answered while the log is away."""
APPEND_SECONDS: Final = 2
FROZEN_SECONDS: Final = 5
STRICT_SECONDS: Final = 3
SETTLED_SECONDS: Final = 2
OPT_OUT: Final = {"channel_types": {"email": False}}

Json = Any


@pytest.fixture
def broker(kafka_broker: Broker) -> Iterator[Broker]:
    """The broker, running, before and after each test."""
    yield kafka_broker
    kafka_broker.thaw()
    kafka_broker.kill()
    kafka_broker.start()


@pytest.fixture
def node(broker: Broker, tmp_path: Path) -> Iterator[ServerProcess]:
    """A node of a ledger that is made, not started yet."""
    variables = {
        "PREFLEDGER_ENVIRONMENTS": f"test-{uuid4().hex}",
        "PREFLEDGER_APPEND_TIMEOUT_SECONDS": str(APPEND_SECONDS),
        "PREFLEDGER_INTAKE": "on",
        "PREFLEDGER_INTAKE_SESSION_SECONDS": "1",
    }
    servers = broker.bootstrap_servers
    done = run("init", "--kafka", servers, settings={**variables, "PREFLEDGER_SECRET": SECRET})
    assert done.status == 0, done.err
    server = ServerProcess(tmp_path / "data", kafka=servers, environment=variables)
    yield server
    server.kill()


def readiness(api: Api) -> tuple[int, Json]:
    """The status of `/readyz`, and what it says of the only environment."""
    response = api.client.get(f"{api.server.url}/readyz")
    (check,) = response.json()["environments"].values()
    return response.status_code, check


def until(reached: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + HANG_SECONDS
    while not reached():
        assert time.monotonic() < deadline, f"never {what}"
        time.sleep(POLL_SECONDS)


def replaced(event_id: str, holder: str = "user:ann") -> Json:
    return {"type": "PreferenceSetReplaced", "event_id": event_id, "holder": holder, "preferences": OPT_OUT}


def publish(api: Api, event: Json) -> Json:
    """The one result of publishing, or the problem that the whole request came to."""
    response = api.request("POST", "/events", json={"events": [event]})
    if response.status_code == 200:
        return response.json()["results"][0]
    return {"outcome": "failed", "problem": refused(response, response.json()["type"].removeprefix(BASE))}


def check_refused(result: Json) -> None:
    """Not acknowledged, in one of the ways that are documented, and with a sentence."""
    assert result["outcome"] == "failed", "a write was acknowledged while the log was away"
    problem = result["problem"]
    assert problem["type"] in [BASE + name for name in PUBLISH_REFUSALS], problem
    assert (problem["status"], bool(problem["detail"])) == (503, True)


def test_a_node_starts_without_its_broker_and_becomes_ready_with_it(node: ServerProcess, broker: Broker) -> None:
    broker.kill()
    node.start(wait_ready=False)
    with closing(Api(node)) as api:
        until(lambda: readiness(api)[1]["trouble"] is not None, "said what is wrong")
        status, check = readiness(api)
        assert (status, check["ready"]) == (503, False)
        # Readiness is open to anybody, so the whole sentence stands in the node's own log.
        assert f"Kafka at {broker.bootstrap_servers} can't be reached" in node.output()
        question = {"recipient": "user:ann", "workflow": "w"}
        for response in (api.request("POST", "/evaluate", json=question), api.request("GET", set_path("user:ann"))):
            assert "can't be reached" in refused(response, "not-ready")["detail"]
        check_refused(publish(api, replaced(str(uuid4()))))
        broker.start()
        node.wait_for("/readyz", HANG_SECONDS)
        assert publish(api, replaced(str(uuid4())))["outcome"] == "applied"
        assert api.stored("user:ann") == OPT_OUT
    assert node.stop() == 0


@pytest.mark.parametrize("trouble", ["killed", "frozen"])
def test_questions_go_on_without_the_broker_and_writes_are_refused(
    node: ServerProcess, broker: Broker, trouble: str
) -> None:
    node.start()
    with closing(Api(node)) as api:
        acknowledged = [publish(api, replaced(str(uuid4()), f"user:{number}")) for number in range(20)]
        assert {result["outcome"] for result in acknowledged} == {"applied"}
        if trouble == "killed":
            broker.kill()
        else:
            broker.freeze()
        # The client's own deadline bounds the answer.
        event = replaced(str(uuid4()))
        check_refused(publish(api, event))
        check_questions_go_on(api)
        until(lambda: readiness(api)[1]["trouble"] is not None, "said that the broker is away")
        assert readiness(api)[0] == 200, "a node that was ready once goes on answering"
        later = publish(api, replaced(str(uuid4()), "user:later"))
        check_refused(later)
        assert "nothing was appended" in later["problem"]["detail"]
        if trouble == "killed":
            broker.start()
        else:
            broker.thaw()
        until(lambda: publish(api, event)["outcome"] == "applied", "took the event again after the broker was back")
        rows = feed_of(api)
        assert [row["outcome"] for row in rows if row["event_id"] == event["event_id"]].count("applied") == 1
        kept = {row["event_id"]: row["position"] for row in rows if row["outcome"] == "applied"}
        assert {result["event_id"]: result["position"] for result in acknowledged}.items() <= kept.items()
        check_the_intake_goes_on(api, broker)
        assert rebuilt_digest(api)
    assert node.stop() == 0
    assert "Traceback" not in node.output()


def check_the_intake_goes_on(api: Api, broker: Broker) -> None:
    """What is published once the broker is back is taken in by the node that was there all the time."""
    value = event(holder=user("published"))
    topics = IntakeTopics(api.server.environment["PREFLEDGER_ENVIRONMENTS"])
    intake_client.publish(broker.bootstrap_servers, topics, [Sent(b"poison"), Sent(value)])
    until(lambda: api.request("GET", f"/events/{id_of(value)}").status_code == 200, "took in what was published")
    assert [one.value for one in refusals_of(broker.bootstrap_servers, topics, 1)] == [b"poison"]


def test_readiness_does_not_flap_while_the_broker_is_frozen(node: ServerProcess, broker: Broker, tmp_path: Path) -> None:
    strict = ServerProcess(
        tmp_path / "strict",
        kafka=broker.bootstrap_servers,
        environment={**node.environment, "PREFLEDGER_READY_STALE_SECONDS_MAX": str(STRICT_SECONDS)},
    )
    node.start()
    strict.start()
    try:
        with closing(Api(node)) as api, closing(Api(strict)) as other:
            broker.freeze()
            seen = [readiness(api)]
            while (seen[-1][1]["stale_seconds"] or 0) < FROZEN_SECONDS or seen[-1][1]["trouble"] is None:
                seen.append(readiness(api))
                time.sleep(POLL_SECONDS)
            assert readiness(other)[0] == 503, "the switch for those to whom no answer is better than an old one"
            assert other.evaluate("user:7", channels=["email"])["decisions"], "who asks is answered"
            broker.thaw()
            until(lambda: readiness(api)[1]["stale_seconds"] < STRICT_SECONDS, "heard of the log again")
            until(lambda: readiness(other)[0] == 200, "became ready again")
            seen.append(readiness(api))
    finally:
        strict.kill()
    assert {(status, check["ready"]) for status, check in seen} == {(200, True)}, "traffic went away for a passing trouble"
    # An answer that was under way when the broker froze may still confirm the views once.
    stale = [check["stale_seconds"] for _, check in seen[:-1] if check["stale_seconds"] > SETTLED_SECONDS]
    assert stale == sorted(stale), "while nothing is heard of the log, the views only grow older"
    troubles = [check["trouble"] is not None for _, check in seen[:-1]]
    assert troubles == sorted(troubles), "the reason, once told, stays as long as the trouble does"


def check_questions_go_on(api: Api) -> None:
    """Answered from the views, and the answers say that these grow old."""
    before = api.evaluate("user:7", channels=["email"])
    assert [decision["reason"] for decision in before["decisions"]] == ["channel_type_opt_out"]
    assert api.stored("user:7") == OPT_OUT
    time.sleep(POLL_SECONDS)
    stale_seconds = api.evaluate("user:7", channels=["email"])["stale_seconds"]
    assert stale_seconds > before["stale_seconds"], "nobody can tell that the views grow old"
    assert readiness(api)[1]["stale_seconds"] >= stale_seconds
    question = {"recipient": "user:7", "workflow": "w", "max_staleness": before["stale_seconds"] / 2}
    refused(api.request("POST", "/evaluate", json=question), "too-stale")


@pytest.mark.parametrize("trouble", ["killed", "frozen"])
def test_a_node_stops_without_its_broker(node: ServerProcess, broker: Broker, trouble: str) -> None:
    node.start()
    with closing(Api(node)) as api, ThreadPoolExecutor(1) as pool:
        assert publish(api, replaced(str(uuid4())))["outcome"] == "applied"
        if trouble == "killed":
            broker.kill()
        else:
            broker.freeze()
        under_way = pool.submit(publish, api, replaced(str(uuid4()), "user:bob"))
        until(lambda: under_way.running() or under_way.done(), "sent")
        assert node.stop(STOP_SECONDS_MAX) == 0
        with suppress(httpx.TransportError):
            check_refused(under_way.result(HANG_SECONDS))


def test_a_node_that_never_reached_its_broker_stops(node: ServerProcess, broker: Broker) -> None:
    broker.freeze()
    node.start(wait_ready=False)
    assert node.stop(STOP_SECONDS_MAX) == 0
