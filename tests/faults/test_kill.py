"""A node killed with -9 a hundred times while it is written to: what was acknowledged is there, once, on both logs."""

import random
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Final
from uuid import uuid4

import pytest

from tests.faults.nursery import Nursery
from tests.faults.whole_ledger import Told, tell
from tests.faults.writers import Account, Crowd
from tests.integration.command_line import run
from tests.integration.http.api import Api
from tests.server_process import SECRET, ServerProcess

KILLS: Final = 100
WRITERS: Final = 4
LIFE_SECONDS_MAX: Final = 0.15
SEED: Final = 20_260_303


@pytest.fixture(params=["embedded", "kafka"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> ServerProcess:
    if request.param == "embedded":
        return ServerProcess(tmp_path / "data")
    servers: str = request.getfixturevalue("kafka_servers")
    environment = f"killed-{uuid4().hex}"
    done = run("init", "--kafka", servers, "--environments", environment, settings={"PREFLEDGER_SECRET": SECRET})
    assert done.status == 0, done.err
    return ServerProcess(tmp_path / "data", kafka=servers, environment={"PREFLEDGER_ENVIRONMENTS": environment})


def test_a_node_killed_a_hundred_times_loses_and_doubles_nothing(server: ServerProcess) -> None:
    account = killed_again_and_again(server)
    with server, closing(Api(server)) as api:
        told = tell(api)
        check_account(account, told)
        check_versions(account, told)
        check_lookups(api, account)
    for path in server.data.glob("*/views*"):
        path.unlink()
    with server, closing(Api(server)) as api:
        afresh = tell(api)
    assert afresh == told, "views made anew from the log say something else than those that lived through the kills"


def killed_again_and_again(server: ServerProcess) -> Account:
    moments = random.Random(SEED)
    crowd = Crowd(server, WRITERS, SEED)
    crowd.start()
    with Nursery(server) as nursery:
        for _ in range(KILLS):
            nursery.start()
            time.sleep(moments.uniform(0, LIFE_SECONDS_MAX))
            nursery.kill()
    return crowd.end()


def check_account(account: Account, told: Told) -> None:
    assert not account.refusals, account.refusals[:3]
    # The lives were long enough to write in, and the kills cut requests off.
    assert len(account.acknowledged) > KILLS
    assert account.failures > KILLS
    rows = {row["event_id"]: row for row in told.applied()}
    lost = [event_id for event_id in account.acknowledged if event_id not in rows]
    assert not lost, f"{len(lost)} acknowledged events are gone, the first of them {lost[0]}"
    moved = [event_id for event_id, position in account.acknowledged.items() if position != rows[event_id]["position"]]
    assert not moved, f"{len(moved)} events are not where their publishers were told, the first of them {moved[0]}"
    renumbered = [event_id for event_id, version in account.versions.items() if version != rows[event_id]["version"]]
    assert not renumbered, f"{len(renumbered)} events have another version than was answered, the first {renumbered[0]}"
    times = Counter(row["event_id"] for row in told.applied())
    doubled = [event_id for event_id, count in times.items() if count > 1]
    assert not doubled, f"{len(doubled)} events were applied twice, the first of them {doubled[0]}"
    strange = {row["outcome"] for row in told.feed} - {"applied", "duplicate"}
    assert not strange, f"events that every writer may send came to {strange}"


def check_versions(account: Account, told: Told) -> None:
    """Each holder's versions count its applied events one by one, and its set is what the last of them said."""
    for holder, answer in told.sets.items():
        rows = [row for row in told.applied() if row["holder"] == holder]
        assert [row["version"] for row in rows] == list(range(1, len(rows) + 1)), holder
        assert answer["version"] == len(rows), holder
        (change,) = (change for change in rows[-1]["changes"] if "after" in change)
        workflow = change["path"].split("/")[2]
        assert answer["preferences"] == {"workflows": {workflow: {"enabled": change["after"]}}}, holder
        expected = account.sent.get(rows[-1]["event_id"])
        assert expected in (None, answer["preferences"]), f"{holder} has something else than its last writer wrote"


def check_lookups(api: Api, account: Account) -> None:
    """What a publisher asks after an answer that never came."""
    for event_id in random.Random(SEED).sample(sorted(account.acknowledged), 50):
        assert api.get(f"/events/{event_id}")["outcome"] == "applied"
