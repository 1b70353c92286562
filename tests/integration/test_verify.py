"""`verify` on a whole node: true views pass, tampered ones are found and named, and nothing is ever swapped."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from projections.position import parse_position
from projections.stored_item import StoredItem, decode_item, encode_item
from projections.views_file import current_number, path_of
from tests.integration.command_line import answer, ask
from tests.server_process import ServerProcess

OPT_OUT = {"channel_types": {"email": False}}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path / "data") as started:
        for name in ("ann", "bob"):
            answer(started, "set", f"user:{name}", json.dumps(OPT_OUT))
        yield started


def views_of(server: ServerProcess) -> Path:
    folder = server.data / "development"
    return path_of(folder, current_number(folder))


def turn_over(server: ServerProcess) -> None:
    """Make Bob's opt-out a yes in the views, as somebody with the file in hand would."""
    with closing(sqlite3.connect(views_of(server), isolation_level=None)) as views:
        (body,) = views.execute("SELECT set_body FROM holders WHERE name = 'user:bob'").fetchone()
        stored = decode_item(body)
        tampered = StoredItem({"/channel_types/email": True}, stored.sources, stored.events)
        views.execute("UPDATE holders SET set_body = ? WHERE name = 'user:bob'", (encode_item(tampered),))


def test_true_views_pass_and_are_left_alone(server: ServerProcess) -> None:
    before = views_of(server)
    done = answer(server, "verify")
    assert (done["phase"], done["same"], done["difference"], done["trouble"]) == ("done", True, None, None)
    assert done["records_folded"] == done["records_total"] > 2
    assert done["position"] == answer(server, "get", "user:ann")["position"]
    assert views_of(server) == before
    assert [path.name for path in before.parent.glob("views-*.sqlite")] == [before.name], "the scratch file was left behind"
    assert answer(server, "verify", "--cancel")["phase"] == "done", "there was nothing to give up"


def test_an_opt_out_turned_over_in_the_views_is_found_and_named(server: ServerProcess) -> None:
    turn_over(server)
    assert answer(server, "get", "user:bob")["preferences"] == {"channel_types": {"email": True}}, "the views were not hit"
    done = ask(server, "verify", "--json")
    assert done.status == 1, "a script would go on with views that lie"
    difference = done.value["difference"]
    assert (difference["view"], difference["holder"], difference["item"], difference["path"]) == (
        "items", "user:bob", "set:default", "/channel_types/email",
    )  # fmt: skip
    assert (difference["live"]["value"], difference["log"]["value"]) == (True, False)
    (entry,) = ask(server, "history", "user:bob", "--json").lines
    assert (difference["position"], difference["recorded_at"]) == (entry["position"], entry["recorded_at"])
    assert "user:bob" in done.sentence
    assert answer(server, "get", "user:bob")["preferences"] == {"channel_types": {"email": True}}, "verify swapped something"
    assert "user:bob" not in server.output(), "a person's id got into the node's log"
    refused = ask(server, "rebuild")
    assert (refused.status, "nothing was swapped" in refused.sentence) == (1, True)


def test_what_the_sentence_says_mends_the_views(server: ServerProcess) -> None:
    turn_over(server)
    assert "delete its views and start it again" in ask(server, "verify").sentence
    server.stop()
    for path in (server.data / "development").glob("views*"):
        path.unlink()
    server.start()
    assert answer(server, "verify")["same"] is True
    assert answer(server, "get", "user:bob")["preferences"] == OPT_OUT


def test_a_history_that_was_edited_is_found(server: ServerProcess) -> None:
    with closing(sqlite3.connect(views_of(server), isolation_level=None)) as views:
        views.execute("UPDATE history SET outcome = 'rejected' WHERE offset = 2")
    difference = ask(server, "verify").value["difference"]
    assert (difference["view"], difference["column"], difference["live"], difference["log"]) == (
        "history", "outcome", "rejected", "applied",
    )  # fmt: skip


def test_a_log_that_lost_an_opt_out_just_now_is_found(server: ServerProcess) -> None:
    """The node still has the newest records in memory; what counts is what the file has kept."""
    with closing(sqlite3.connect(server.data / "development" / "log.sqlite", isolation_level=None)) as log:
        log.execute("DROP TRIGGER no_update")
        (last,) = log.execute('SELECT max("offset") FROM record').fetchone()
        log.execute('UPDATE record SET value = zeroblob(length(value)) WHERE "offset" = ?', (last,))
    done = ask(server, "verify", "--json")
    assert done.status == 1, "the log no longer says what the views say"
    difference = done.value["difference"]
    assert (difference["view"], parse_position(difference["position"]).offset) == ("history", last)


def test_only_one_job_runs_beside_the_live_views(server: ServerProcess) -> None:
    """Both would write the same file. Whoever comes second is told so, and what runs ends well."""
    api = f"{server.url}/ledger/v1"
    with httpx.Client(headers=server.headers, trust_env=False) as client:
        statuses = [client.post(f"{api}/{job}").status_code for job in ("verify", "rebuild", "verify", "rebuild")]
        assert statuses[0] == 202
        assert set(statuses) <= {202, 409}
        for job in ("verify", "rebuild"):
            while client.get(f"{api}/{job}").json()["phase"] not in ("none", "done", "failed"):
                pass
            assert client.get(f"{api}/{job}").json()["phase"] in ("none", "done")
        assert client.post(f"{api}/verify").status_code == 202
        assert client.delete(f"{api}/verify").json()["phase"] in ("cancelled", "done")
    assert answer(server, "verify")["same"] is True, "one that was given up stands in the way of the next"
    assert [path.name for path in views_of(server).parent.glob("views-*.sqlite")] == [views_of(server).name]
