"""Nodes that a test starts, kills and talks to, and what publishers do at them."""

import contextlib
import json
import time
from collections.abc import Iterator
from typing import Any, Final

import httpx

from tests.faults.nursery import Nursery
from tests.integration.http.api import PREFIX, Api
from tests.server_process import ServerProcess

HANG_SECONDS: Final = 120.0
POLL_SECONDS: Final = 0.01
PAGE: Final = 20_000
PATIENCE: Final = {"PREFLEDGER_WAIT_SECONDS": "60", "PREFLEDGER_APPEND_TIMEOUT_SECONDS": "60"}
"""Settings of a node on a machine that does other things too: slow is no failure."""
ANSWER_SECONDS_MAX: Final = 120.0

Json = Any


class Node:
    """One node: its folder, its process, a client."""

    def __init__(self, server: ServerProcess, nursery: Nursery) -> None:
        self.server, self.nursery, self.is_up = server, nursery, False
        self.api = Api(server)
        self.api.client.timeout = httpx.Timeout(ANSWER_SECONDS_MAX)

    def start(self) -> None:
        self.nursery.server = self.server
        self.nursery.start()
        self.is_up = True

    def kill(self) -> None:
        self.nursery.kill()
        self.is_up = False

    def close(self) -> None:
        if self.is_up:
            self.kill()
        self.api.close()


def publish(api: Api, events: list[Json]) -> list[Json]:
    """What each event of a request came to."""
    results: list[Json] = api.ok("POST", "/events", json={"events": events})["results"]
    return results


def published(api: Api, events: list[Json]) -> list[Json]:
    """The same of events that nothing is wrong with, but for the version that some expect."""
    results = publish(api, events)
    problems = [result["problem"]["type"] for result in results if "problem" in result]
    assert all(type_.endswith("version-mismatch") for type_ in problems), problems
    return results


def position_of(result: Json) -> str:
    """Where the ledger put an event, applied or rejected."""
    position: str = result["position"] if "position" in result else result["problem"]["position"]
    return position


def try_to_publish(api: Api, events: list[Json]) -> None:
    """Send a request on a connection of its own, and hear no answer."""
    with contextlib.suppress(httpx.TransportError):
        httpx.post(f"{api.server.url}{PREFIX}/events", json={"events": events}, headers=api.headers, timeout=HANG_SECONDS)


def read_on(api: Api, after: str | None) -> Iterator[Json]:
    """The feed after a position, as far as it goes now."""
    while True:
        response = api.request("GET", "/events", params={"limit": PAGE, **({} if after is None else {"after": after})})
        assert response.status_code == 200, response.text[:1000]
        lines = [json.loads(line) for line in response.text.split("\n") if line]
        yield from lines
        if len(lines) < PAGE:
            return
        after = lines[-1]["position"]


def verify(api: Api, timeout_seconds: float = HANG_SECONDS) -> None:
    """Compare the live views with the log. Fails where they differ."""
    api.ok("POST", "/verify", status=202)
    deadline = time.monotonic() + timeout_seconds
    while (found := api.get("/verify"))["phase"] not in ("done", "failed", "cancelled"):
        assert time.monotonic() < deadline, f"the verification does not end: {found}"
        time.sleep(POLL_SECONDS)
    assert found["same"], f"the views are not what the log says: {found}"
