"""A bulk operation on Kafka, taken over by another node when the one that was asked dies in the middle."""

import time
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from tests.integration.knock.test_bulk import events, finished
from tests.integration.test_cli_kafka import init
from tests.server_process import ServerProcess

ROWS = 1_000


@pytest.fixture
def environment() -> dict[str, str]:
    """An environment, and so a topic, that no other test has."""
    return {"PREFLEDGER_ENVIRONMENTS": f"bulk-{uuid4().hex[:8]}"}


def client(server: ServerProcess) -> httpx.Client:
    return httpx.Client(base_url=server.url, headers=server.headers, timeout=30, trust_env=False)


def test_another_node_finishes_what_a_dead_one_began(
    tmp_path: Path, kafka_servers: str, environment: dict[str, str]
) -> None:
    made = init(kafka_servers, environment["PREFLEDGER_ENVIRONMENTS"])
    assert made.status == 0, made.err
    first = ServerProcess(tmp_path / "first", kafka=kafka_servers, environment=environment).start()
    second = ServerProcess(tmp_path / "second", kafka=kafka_servers, environment=environment)
    users = [f"user-{number}" for number in range(ROWS)]
    with second, client(first) as to_first, client(second) as to_second:
        body = {"user_ids": users, "preferences": {"workflows": {"w": False}}}
        bulk_id = to_first.post("/v1/users/bulk/preferences", json=body).json()["id"]
        while to_first.get(f"/v1/bulk_operations/{bulk_id}").json()["processed_rows"] == 0:
            time.sleep(0.005)
        first.kill()
        shown = finished(to_second, bulk_id)
        assert (shown["processed_rows"], shown["success_count"], shown["error_count"]) == (ROWS, ROWS, 0)
        caused = [event for event in events(to_second, "") if event.get("causation_id") == bulk_id]
        rows = [event for event in caused if event["type"] == "PreferenceSetMerged" and event["outcome"] == "applied"]
        assert sorted(event["holder"] for event in rows) == sorted(f"user:{user}" for user in users)
        moved = shown["processed_rows"]
        with first.start(), client(first) as again:
            assert finished(again, bulk_id)["processed_rows"] == moved
