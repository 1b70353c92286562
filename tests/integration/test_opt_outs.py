"""The opt-out clock as an auditor asks it: over HTTP and from the command line, over restarts of a real node."""

import sqlite3
from contextlib import closing
from pathlib import Path
from uuid import UUID

import msgspec

from projections.batch_state import OptOut
from services.opt_out_clock.clock import FILE
from services.opt_out_clock.measurement import SlowOptOut
from services.opt_out_clock.store import OptOutStore
from tests.integration.command_line import ask
from tests.integration.http.api import Api, Json, refused
from tests.server_process import ServerProcess

NO: Json = {"channel_types": {"email": False}}


def plant(path: Path, seconds: list[int]) -> None:
    """Late opt-outs, as if they had been measured before."""
    store = OptOutStore(path)
    assert store.totals is not None
    recorded_at = store.totals.since
    slow = [
        SlowOptOut(OptOut(offset, f"position-{offset}", offset.to_bytes(16), recorded_at), recorded_at + 1_000 * took)
        for offset, took in enumerate(seconds, start=1)
    ]
    store.save(msgspec.structs.replace(store.totals, opt_outs=store.totals.opt_outs + len(slow)), slow)
    store.close()


def test_a_clock_that_is_asked_over_restarts(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path / "data").start()
    with closing(Api(server)) as api:
        assert api.get("/opt-out-clock")["opt_outs"] == 0
        for number in range(3):
            api.put_set(f"user:{number}", NO)
        api.put_set("user:1", {"channel_types": {"email": True}})
        told = api.get("/opt-out-clock")
        assert (told["opt_outs"], told["took_longer"], told["took_longer_is_exact"]) == (3, 0, True)
        since = told["measured_since"]
        assert told["known_until"].startswith("20")
        server.kill()
        plant(tmp_path / "data" / "development" / FILE, [2, 200, 20, 2_000, 2])
        server.start()
        api.put_set("user:4", NO)
        told = api.get("/opt-out-clock")
        assert (told["opt_outs"], told["unmeasured"], told["measured_since"]) == (9, 0, since)
        check_late(api)
        check_command(server)
        assert "prefledger_optouts_unmeasured" in api.outside("/metrics")
    assert server.stop() == 0
    check_no_person_in(tmp_path / "data" / "development" / FILE)


def check_late(api: Api) -> None:
    told = api.get("/opt-out-clock")
    assert (told["opt_outs"], told["took_longer"], told["late"]) == (9, 0, [])
    told = api.get("/opt-out-clock", longer_than_seconds=10, limit=2)
    assert (told["took_longer"], [late["seconds"] for late in told["late"]]) == (3, [200.0, 20.0])
    assert told["late"][0]["event_id"] == str(UUID(int=2))
    rest = api.get("/opt-out-clock", longer_than_seconds=10, limit=2, cursor=told["next_cursor"])
    assert ([late["seconds"] for late in rest["late"]], rest["next_cursor"]) == ([2_000.0], None)
    other = {"longer_than_seconds": 11, "cursor": told["next_cursor"]}
    refused(api.request("GET", "/opt-out-clock", params=other), "bad-request")
    for bound in ("0.5", "-1", "nan", "inf", "x"):
        refused(api.request("GET", "/opt-out-clock", params={"longer_than_seconds": bound}), "invalid")


def check_command(server: ServerProcess) -> None:
    done = ask(server, "opt-outs", "--longer-than", "1.5")
    assert (done.status, done.value["took_longer"], len(done.value["late"]), done.err) == (0, 5, 5, "")
    done = ask(server, "opt-outs", "--all", "--json")
    assert (done.value["took_longer"], done.value["next_cursor"], done.out.count("\n")) == (0, None, 1)


def check_no_person_in(path: Path) -> None:
    assert path.stat().st_mode & 0o777 == 0o600
    with closing(sqlite3.connect(path)) as connection:
        assert b"user:" not in "\n".join(connection.iterdump()).encode()
