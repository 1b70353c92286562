"""A node's whole log and its metrics through all that a node goes through: complete, machine-readable, and about nobody."""

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from tests.faults.whole_ledger import HANG_SECONDS, POLL_SECONDS
from tests.integration.command_line import run
from tests.integration.http.api import Api, Json
from tests.server_process import ADMIN_KEY, SECRET, ServerProcess

TELLTALE: Final = "telltale-jhammond"
MEMBERS: Final = {"time", "level", "logger", "message", "environment", "request_id", "exception"}
NOISY: Final = {"PREFLEDGER_LOG_FORMAT": "json", "PREFLEDGER_LOG_LEVEL": "debug"}


def live_a_life(api: Api) -> Iterator[str]:
    """Everything that can be said of one person, the wrong and the refused too. Gives the secrets that it came by."""
    holder = f"user:{TELLTALE}"
    told: Json = {"channel_types": {"email": False}, "kept": {"note": TELLTALE}, "workflows": {TELLTALE: False}}
    for _ in range(2):
        api.put_set(holder, told, Prefledger_Actor=holder, Prefledger_Reason=TELLTALE, Idempotency_Key=TELLTALE)
    api.request("PUT", f"/holders/{holder}/preferences/default", json={TELLTALE: 1})
    api.request("PUT", f"/holders/{holder}/preferences/default", json={}, headers={"If-Match": '"77"'})
    api.request("PUT", f"/holders/{holder}", json={"email": f"{TELLTALE}@example.com"})
    api.request("POST", "/events", json={"events": [{"type": TELLTALE, "holder": holder}]})
    api.request("POST", "/evaluate", json={"recipient": holder, "workflow": TELLTALE, "data": {"x": TELLTALE}})
    api.request("POST", "/evaluate", json={"recipient": TELLTALE, "workflow": "w"})
    api.request("POST", "/evaluate/batch", json={"recipients": [holder, TELLTALE], "workflow": "w"})
    api.request("GET", f"/holders/{holder}/history", params={"path": f"/{TELLTALE}"})
    api.request("GET", f"/holders/{TELLTALE}")
    api.request("GET", f"/holders/{holder}", params={TELLTALE: "1"})
    yield str(api.issue_key("read")["key"])
    with closing(Api(api.server, TELLTALE)) as stranger:
        stranger.request("GET", f"/holders/{holder}")
    root = api.server.url
    api.client.put(f"{root}/v1/users/{TELLTALE}/preferences/default", json={"channel_types": {"email": True}})
    api.client.put(f"{root}/v1/users/{TELLTALE}", json={"name": TELLTALE})
    api.client.post(f"{root}/v1/users/bulk/identify", json={"users": [{"id": TELLTALE, "name": TELLTALE}]})
    api.client.get(f"{root}/v1/users/{TELLTALE}/nothing/here")
    api.request("POST", "/verify")
    api.request("DELETE", f"/holders/{holder}", params={"suppress": "all"})


def lines_of(server: ServerProcess) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = [json.loads(line) for line in server.output().splitlines()]
    for line in lines:
        assert set(line) <= MEMBERS, line
        assert set(line) >= {"time", "level", "logger", "message"}, line
    return lines


def check_nobody_is_named(server: ServerProcess, *secrets: str) -> None:
    with closing(Api(server)) as api:
        shown = server.output() + api.outside("/metrics") + api.outside("/readyz")
    for secret in (TELLTALE, ADMIN_KEY, SECRET, *secrets):
        assert secret not in shown, next(line for line in shown.splitlines() if secret in line)


def test_a_life_in_the_log_of_a_node(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path / "data", environment=NOISY).start()
    with closing(Api(server)) as api:
        secrets = [*live_a_life(api)]
        break_views(tmp_path / "data" / "development")
        question = {"recipient": f"user:{TELLTALE}", "workflow": TELLTALE}
        failed = api.request("POST", "/evaluate", json=question, headers={"x-request-id": "evaluate-1"})
        assert failed.status_code == 500
        read = f"/holders/user:{TELLTALE}/preferences/default"
        assert api.request("GET", read, headers={"x-request-id": "read-1"}).status_code == 500
        check_nobody_is_named(server, *secrets)
    server.kill()
    lines = lines_of(server)
    told = {line["request_id"]: line for line in lines if "request_id" in line}
    for request_id in ("evaluate-1", "read-1"):
        (failure, *_) = told[request_id]["exception"]
        assert (failure["type"], failure["message"]) == ("sqlite3.OperationalError", "no such table: holders")
    assert told["read-1"]["environment"] == "development"
    assert {"uvicorn.error", "services.cli.serve"} <= {line["logger"] for line in lines}


def break_views(folder: Path) -> None:
    number = (folder / "views").read_text().strip()
    with closing(sqlite3.connect(folder / f"views-{number}.sqlite", isolation_level=None)) as connection:
        connection.execute("DROP TABLE holders")


def test_a_life_in_the_log_of_a_node_on_kafka(tmp_path: Path, kafka_servers: str) -> None:
    """Kafka's client would print each request whole, with the events in it."""
    environment = f"test-{uuid4().hex}"
    done = run("init", "--kafka", kafka_servers, "--environments", environment, settings={"PREFLEDGER_SECRET": SECRET})
    assert done.status == 0, done.err
    variables = {**NOISY, "PREFLEDGER_ENVIRONMENTS": environment}
    server = ServerProcess(tmp_path / "data", kafka=kafka_servers, environment=variables).start()
    with closing(Api(server)) as api:
        secrets = [*live_a_life(api)]
        check_nobody_is_named(server, *secrets)
    server.stop()
    lines = lines_of(server)
    assert "aiokafka" in {line["logger"].partition(".")[0] for line in lines}, "the client's own lines are there"
    assert all(line["environment"] == environment for line in lines if line["logger"].startswith("services.ledger"))


def test_machines_are_shown_a_first_key_beside_the_log(tmp_path: Path) -> None:
    variables = {"PREFLEDGER_LOG_FORMAT": "json", "PREFLEDGER_ADMIN_KEY": ""}
    with ServerProcess(tmp_path / "data", environment=variables) as server:
        deadline = time.monotonic() + HANG_SECONDS
        while not (others := [line for line in server.output().splitlines() if not line.startswith("{")]):
            assert time.monotonic() < deadline, "nobody will ever know the first key"
            time.sleep(POLL_SECONDS)
    (line,) = others
    key = line.rpartition(" ")[2]
    assert line == f"Admin key of development, shown this once: {key}"
    assert server.output().count(key) == 1
