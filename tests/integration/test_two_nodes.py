"""Two nodes and one broker, started with the commands of compose.yaml: what one is told, the other knows."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import httpx
import pytest
import yaml

from tests.faults.whole_ledger import HANG_SECONDS, feed_of, rebuilt_digest
from tests.integration.command_line import run_process
from tests.integration.http.api import Api, fresh, refused, set_path
from tests.server_process import ADMIN_KEY, ROOT, SECRET, ServerProcess

COMPOSE: Final = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
NODES: Final = ("node-a", "node-b")
WAIT_SECONDS: Final = "2"
OPT_OUT: Final = {"channel_types": {"email": False}}
EVENTS: Final = 12_000
BATCH: Final = 1_000
FIRST, LAST = "user:0", f"user:{EVENTS - 1}"

Json = Any


@pytest.fixture(scope="module")
def variables(kafka_servers: str) -> dict[str, str]:
    """What compose.yaml gives to all of its processes, and how long a node waits for a position."""
    values = {
        "PREFLEDGER_KAFKA": kafka_servers,
        "PREFLEDGER_ENVIRONMENTS": f"test-{uuid4().hex}",
        "PREFLEDGER_INTAKE": "off",
        "PREFLEDGER_SECRET": SECRET,
        "PREFLEDGER_ADMIN_KEY": ADMIN_KEY,
    }
    for name in ("init", *NODES):
        assert set(COMPOSE[name]["environment"]) == set(values), name
    return {**values, "PREFLEDGER_WAIT_SECONDS": WAIT_SECONDS}


@pytest.fixture(scope="module")
def nodes(variables: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Api]]:
    """A client of each node, after `init`."""
    # ServerProcess runs the nodes' own command.
    assert [COMPOSE[name]["command"] for name in NODES] == [["serve"], ["serve"]]
    done = run_process(*COMPOSE["init"]["command"], settings=variables)
    assert done.status == 0, done.err
    folder = tmp_path_factory.mktemp("nodes")
    with (
        ServerProcess(folder / "a", environment=variables) as one,
        ServerProcess(folder / "b", environment=variables) as other,
        closing(Api(one)) as first,
        closing(Api(other)) as second,
    ):
        yield [first, second]


def test_a_write_through_one_is_read_through_the_other(nodes: list[Api]) -> None:
    for writer, reader in (nodes, nodes[::-1]):
        for _ in range(10):
            holder = f"user:{fresh()}"
            position = writer.put_set(holder, OPT_OUT)["position"]
            # Not within WAIT_SECONDS would be a 503.
            assert reader.stored(holder, min_position=position) == OPT_OUT
            (decision,) = reader.evaluate(holder, channels=["email"], min_position=position)["decisions"]
            assert decision["reason"] == "channel_type_opt_out"
            assert decision["decided_by"]["position"] == position


def test_both_race_for_a_set_and_agree_on_who_won(nodes: list[Api]) -> None:
    holder = f"user:{fresh()}"
    for version in range(20):
        path = set_path(holder)
        headers = {"If-Match": f'"{version}"'} if version else {"If-None-Match": "*"}
        answers = [node.request("PUT", path, json={"channel_types": {"sms": bool(number)}}, headers=headers)
                   for number, node in enumerate(nodes)]  # fmt: skip
        assert sorted(answer.status_code for answer in answers) == [200, 412], "one version was given to two writers"
    told = [node.get(set_path(holder), min_position=nodes[0].position()) for node in nodes]
    assert [one["version"] for one in told] == [20, 20]
    assert told[0]["preferences"] == told[1]["preferences"]


def test_both_tell_the_same_of_everything(nodes: list[Api]) -> None:
    holder = f"user:{fresh()}"
    for number in range(20):
        nodes[number % 2].patch_set(holder, {"channel_types": {"email": bool(number % 3), "sms": bool(number % 2)}})
    position = nodes[1].position()
    told = []
    for node in nodes:
        node.get("/catalogue", min_position=position)
        asked: dict[str, Json] = {
            "channels": ["email", "sms"],
            "as_of": position,
            "at": "2026-03-03T14:02:00Z",
            "explain": True,
        }
        decided = node.evaluate(holder, **asked)
        told.append((feed_of(node), node.history(holder), decided["decisions"], decided["position"], rebuilt_digest(node)))
    assert told[0] == told[1]


def test_both_replay_the_log_to_the_same(nodes: list[Api]) -> None:
    """What an auditor writes out on one node can be checked on the other, long after."""
    *_, position = [nodes[0].put_set(f"user:{fresh()}", OPT_OUT)["position"] for _ in range(5)]
    nodes[1].put_set(f"user:{fresh()}", OPT_OUT)
    told = []
    for node in nodes:
        progress = node.ok("POST", "/replay", status=202, params={"until": position})
        deadline = time.monotonic() + HANG_SECONDS
        while progress["phase"] != "done":
            assert time.monotonic() < deadline, f"the replay never came to its end: {progress}"
            progress = node.get("/replay")
        holders = node.request("GET", "/replay/holders", params={"position": position}).text
        told.append((progress["manifest"], holders, node.get("/replay/environment", position=position)))
    assert told[0] == told[1]
    assert told[0][1].count("\n") == sum(told[0][0]["counts"]["holders"].values()) > 5


def test_a_key_of_one_is_a_key_of_the_other_until_it_is_revoked(nodes: list[Api]) -> None:
    one, other = nodes
    issued = one.issue_key("read")
    other.get("/catalogue", min_position=one.position())
    holder = other.with_key(issued["key"])
    assert holder.stored("user:x") == {}
    one.ok("DELETE", f"/keys/{issued['id']}")
    other.get("/catalogue", min_position=one.position())
    refused(holder.request("GET", set_path("user:x")), "unauthorized")


def test_a_node_with_another_secret_serves_nothing(variables: dict[str, str], nodes: list[Api], tmp_path: Path) -> None:
    other = ServerProcess(tmp_path / "data", environment={**variables, "PREFLEDGER_SECRET": "z" * 40})
    other.start(wait_ready=False)
    try:
        with closing(Api(other)) as api:
            sentence = stopped_because(api)
            assert "was opened with another secret: give this node the PREFLEDGER_SECRET" in sentence
            problem = refused(api.request("GET", set_path("user:x")), "not-ready")
            assert "another secret" in problem["detail"]
            refused(api.request("PUT", set_path("user:x"), json=OPT_OUT), "not-ready")
            refused(api.request("POST", "/evaluate", json={"recipient": "user:x", "workflow": "w"}), "not-ready")
    finally:
        other.stop()


def stopped_because(api: Api) -> str:
    deadline = time.monotonic() + HANG_SECONDS
    while True:
        response = api.client.get(f"{api.server.url}/readyz")
        (check,) = response.json()["environments"].values()
        assert response.status_code == 503, "a node with another secret says that it is ready"
        if check["projector"] == "stopped":
            return api.server.output()  # Readiness is open to anybody, so the sentence stands in the node's own log.
        assert time.monotonic() < deadline, f"the node never said what is wrong: {check}"
        time.sleep(0.02)


def test_a_node_that_catches_up_answers_503_and_never_a_default(
    variables: dict[str, str], nodes: list[Api], tmp_path: Path
) -> None:
    for start in range(0, EVENTS, BATCH):
        events = [
            {"type": "PreferenceSetReplaced", "holder": f"user:{number}", "preferences": OPT_OUT}
            for number in range(start, start + BATCH)
        ]
        results = nodes[0].ok("POST", "/events", json={"events": events})["results"]
        assert {result["outcome"] for result in results} == {"applied"}
    key = nodes[0].issue_key("read", "evaluate")["key"]
    late = ServerProcess(tmp_path / "data", environment=variables)
    with closing(Api(late, key)) as api:
        late.start(wait_ready=False)
        try:
            refusals = ask_until_answered(api)
        finally:
            late.stop()
    # Without these the node was never seen while it caught up, and the test has shown nothing.
    # Each was a 503 of the type not-ready. Its own log aside, a node tells why only to a key that it knows already.
    assert refusals, "the node was never asked while it caught up"


def ask_until_answered(api: Api) -> list[str]:
    """Ask for the first and the last holder's opt-outs from a node's first moment on; why it refused, until it answered."""
    deadline = time.monotonic() + HANG_SECONDS
    refusals: list[str] = []
    answered = False
    while not answered:
        assert time.monotonic() < deadline, f"the node never came to answer: {refusals[-1:]}"
        for holder in (FIRST, LAST):
            read = api.request("GET", set_path(holder))
            evaluated = api.request("POST", "/evaluate", json={"recipient": holder, "workflow": "w", "channels": ["email"]})
            refusals += [refused(response, "not-ready")["detail"] for response in (read, evaluated) if is_refusal(response)]
            if not is_refusal(read):
                assert read.json()["preferences"] == OPT_OUT, f"{holder} was told a default by a node that catches up"
            if not is_refusal(evaluated):
                (decision,) = evaluated.json()["decisions"]
                assert decision["deliver"] is False, f"{holder} would have got a message in spite of the opt-out"
                answered = True
    return refusals


def is_refusal(response: httpx.Response) -> bool:
    return response.status_code != 200
