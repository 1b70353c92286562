"""The intake with a real broker and a real node: what is published is in the ledger once, in order; the rest comes back."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import pytest

from domain.event import Body, HolderDescribed, HolderForgotten, PreferenceSetMerged, PreferenceSetReplaced, Provenance
from domain.holder import DEFAULT_SET, ENVIRONMENT, tenant, user
from domain.preference_set import LEAVES_MAX, Patch
from schemas.codec import MARKER
from services.identifiers import new_event_id
from services.intake.refusal import REASONS
from services.intake.topics import IntakeTopics
from services.preparing import RECORD_BYTES_MAX
from tests.faults.whole_ledger import feed_of
from tests.integration.command_line import run
from tests.integration.http.api import Api
from tests.integration.intake_client import (
    HANG_SECONDS,
    OPT_OUT,
    POLL_SECONDS,
    Sent,
    event,
    headers_of,
    id_of,
    publish,
    refusals_of,
)
from tests.server_process import ROOT, SECRET, ServerProcess, command_environment

PARTITIONS: Final = 2
INTAKE_PAGE: Final = ROOT / "docs" / "intake.md"

Json = Any


@pytest.fixture(scope="module")
def topics() -> IntakeTopics:
    return IntakeTopics(f"test-{uuid4().hex}")


@pytest.fixture(scope="module")
def server(kafka_servers: str, topics: IntakeTopics, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    variables = {
        "PREFLEDGER_ENVIRONMENTS": topics.environment,
        "PREFLEDGER_INTAKE": "on",
        "PREFLEDGER_INTAKE_PARTITIONS": str(PARTITIONS),
    }
    done = run("init", "--kafka", kafka_servers, settings={**variables, "PREFLEDGER_SECRET": SECRET})
    assert done.status == 0, done.err
    data = tmp_path_factory.mktemp("intake") / "data"
    with ServerProcess(data, kafka=kafka_servers, environment=variables) as started:
        yield started


@pytest.fixture(scope="module")
def api(server: ServerProcess) -> Iterator[Api]:
    with closing(Api(server)) as client:
        yield client


@pytest.fixture
def somebody() -> str:
    """A user's id that no other test writes."""
    return f"u{uuid4().hex}"


def until(reached: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + HANG_SECONDS
    while not reached():
        assert time.monotonic() < deadline, f"never {what}"
        time.sleep(POLL_SECONDS)


def wait_for(api: Api, value: bytes) -> Json:
    """The ledger's row of a published event, once it has it."""
    path = f"/events/{id_of(value)}"
    until(lambda: api.request("GET", path).status_code == 200, "in the ledger, so a published choice is lost")
    return api.get(path)


def test_a_published_event_is_in_force_and_says_where_it_came_from(
    kafka_servers: str, topics: IntakeTopics, api: Api, somebody: str
) -> None:
    claims = Provenance(
        actor="user:ann", method="checkout", reason="asked to", evidence={"form": 7, "credential": "operator"}
    )
    value = event(holder=user(somebody), provenance=claims)
    (offset,) = publish(kafka_servers, topics, [Sent(value, key=None, partition=1)])
    row = wait_for(api, value)
    assert (row["outcome"], row["holder"], row["actor"], row["method"]) == (
        "applied", f"user:{somebody}", "user:ann", "checkout",
    )  # fmt: skip
    assert (row["reason"], row["occurred_at"]) == ("asked to", "2026-02-25T06:13:20.000Z")
    assert row["evidence"] == {"form": 7, "intake": {"topic": topics.intake, "partition": 1, "offset": offset}}
    assert api.delivered(f"user:{somebody}", channels=["email", "sms"]) == {"email": False, "sms": True}


def test_a_partition_keeps_its_order(kafka_servers: str, topics: IntakeTopics, api: Api, somebody: str) -> None:
    choices = [PreferenceSetMerged(DEFAULT_SET, Patch({"/channel_types/sms": bool(n % 3)})) for n in range(100)]
    values = [event(body, user(somebody)) for body in choices]
    publish(kafka_servers, topics, [Sent(value) for value in values], compression="gzip")
    wait_for(api, values[-1])
    rows = [row for row in feed_of(api) if row["holder"] == f"user:{somebody}"]
    assert [row["event_id"] for row in rows] == [id_of(value) for value in values]


def test_an_event_counts_once_however_often_and_wherever_it_is_published(
    kafka_servers: str, topics: IntakeTopics, api: Api, somebody: str
) -> None:
    chosen = new_event_id()
    value, last = event(holder=user(somebody), event_id=chosen), event(holder=user(somebody))
    over_http = {
        "type": "PreferenceSetReplaced",
        "event_id": str(UUID(bytes=chosen)),
        "holder": f"user:{somebody}",
        "preferences": {"channel_types": {"email": False}},
    }
    publish(kafka_servers, topics, [Sent(value)] * 3)
    wait_for(api, value)
    (result,) = api.ok("POST", "/events", json={"events": [over_http]})["results"]
    publish(kafka_servers, topics, [Sent(value), Sent(last)])
    wait_for(api, last)
    rows = [row for row in feed_of(api) if row["event_id"] == id_of(value)]
    assert [row["outcome"] for row in rows] == ["applied"], "an event that was published again has a second record"
    assert result["position"] == rows[0]["position"]


def workflows(count: int) -> Body:
    return PreferenceSetMerged(DEFAULT_SET, Patch({f"/workflows/{uuid4().hex}/enabled": False for _ in range(count)}))


def records_to_refuse(somebody: str) -> list[tuple[Sent, str]]:
    """A record for every reason, with the reason."""
    holder, used = user(somebody), new_event_id()
    large: Body = PreferenceSetReplaced(DEFAULT_SET, {"/kept": ["x" * RECORD_BYTES_MAX]})
    return [
        (Sent(b"poison \xff\x00", key=b"\xfe key"), "undecodable"),
        (Sent(None), "undecodable"),
        (Sent(MARKER + b"\x07" * 8 + b"rest"), "unknown-schema"),
        (Sent(event(HolderForgotten("all"), holder)), "not-taken"),
        (Sent(event(OPT_OUT, ENVIRONMENT)), "forbidden"),
        (Sent(event(PreferenceSetReplaced(DEFAULT_SET, {"/locked": True}), tenant(somebody))), "forbidden"),
        (Sent(event(PreferenceSetReplaced(DEFAULT_SET, {"/channel_types/fax": False}), holder)), "invalid"),
        (Sent(event(HolderDescribed(Patch({"/parent": 7})), holder), key=b""), "invalid"),
        (Sent(event(holder=holder, expected_version=77)), "version-mismatch"),
        (Sent(event(holder=holder, event_id=used)), ""),
        (Sent(event(HolderDescribed(Patch({"/a": 1})), holder, event_id=used)), "event-id-reused"),
        (Sent(event(holder=user(f"{somebody}-other"), event_id=used)), "event-id-reused"),
        (Sent(event(large, holder)), "too-large"),
        (Sent(event(workflows(1), user(f"{somebody}-full"))), "unprocessable"),
    ]


def test_every_refusal_hands_back_the_bytes_and_says_why(
    kafka_servers: str, topics: IntakeTopics, api: Api, server: ServerProcess, somebody: str
) -> None:
    full = event(workflows(LEAVES_MAX), user(f"{somebody}-full"))
    publish(kafka_servers, topics, [Sent(full)])
    wait_for(api, full)
    records = records_to_refuse(somebody)
    last = event(holder=user(f"{somebody}-last"))
    offsets = publish(kafka_servers, topics, [record for record, _ in records] + [Sent(last)])
    wait_for(api, last)
    refused = [(record, reason, offset) for (record, reason), offset in zip(records, offsets, strict=False) if reason]
    assert {reason for _, reason, _ in refused} == set(REASONS) - {"internal"}
    found = refusals_of(kafka_servers, topics, len(refused))
    assert [(one.key, one.value) for one in found] == [(record.key, record.value) for record, _, _ in refused]
    told = [headers_of(one) for one in found]
    assert [(one["exception"], one["topic"], one["partition"], one["offset"]) for one in told] == [
        (reason, topics.intake, "0", str(offset)) for _, reason, offset in refused
    ]
    for headers in told:
        assert set(headers) == {"exception", "message", "topic", "partition", "offset"}
        assert len(headers["message"]) > 20
        assert somebody not in json.dumps(headers), "a header names a person"
    rows = feed_of(api)
    applied = {row["event_id"] for row in rows if row["outcome"] == "applied"}
    assert {id_of(record.value) in applied for record, reason in records if not reason and record.value} == {True}
    check_metrics(api, {reason: sum(reason == one for _, one, _ in refused) for _, reason, _ in refused}, topics)
    assert somebody not in server.output(), "the node's log names a person"


def check_metrics(api: Api, refused: dict[str, int], topics: IntakeTopics) -> None:
    metrics = api.outside("/metrics")
    for reason, count in refused.items():
        sample = f'prefledger_intake_refused_total{{environment="{topics.environment}",reason="{reason}"}} {count:.1f}'
        assert sample in metrics, f"an operator does not see what is refused: {sample}"
    for partition in range(PARTITIONS):
        sample = f'prefledger_intake_lag_records{{environment="{topics.environment}",partition="{partition}"}} 0.0'
        until(lambda wanted=sample: wanted in api.outside("/metrics"), f"said that nothing waits: {sample}")  # type: ignore[misc]
    assert f'prefledger_intake_taking{{environment="{topics.environment}"}} 1.0' in metrics
    assert f'prefledger_intake_lost_total{{environment="{topics.environment}"}} 0.0' in metrics


def test_the_publisher_of_the_documentation_works(
    kafka_servers: str, topics: IntakeTopics, api: Api, somebody: str, tmp_path: Path
) -> None:
    (script,) = re.findall(r"^```python\n(.*?)^```", INTAKE_PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    publisher = tmp_path / "publish.py"
    publisher.write_text(script)
    done = subprocess.run(
        [sys.executable, publisher, kafka_servers, topics.intake, somebody],
        capture_output=True,
        cwd=ROOT,
        env=command_environment(),
        timeout=HANG_SECONDS,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    until(lambda: api.stored(f"user:{somebody}") != {}, "in force")
    assert api.delivered(f"user:{somebody}", channels=["email", "sms"]) == {"email": False, "sms": True}
    (entry,) = api.history(f"user:{somebody}")
    assert (entry["method"], entry["type"]) == ("checkout", "PreferenceSetMerged")


def test_without_kafka_there_is_no_intake_and_the_setting_says_so(tmp_path: Path) -> None:
    done = run("serve", "--data", str(tmp_path / "data"), settings={"PREFLEDGER_INTAKE": "on"})
    assert done.status == 1
    assert done.sentence == (
        "PREFLEDGER_INTAKE is on, and the intake is a Kafka topic, but the log is embedded: "
        "set PREFLEDGER_KAFKA, or take PREFLEDGER_INTAKE away and publish over HTTP"
    )
    assert not (tmp_path / "data").exists()
