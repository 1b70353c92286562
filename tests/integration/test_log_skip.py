"""`log skip`: an operator takes a record out, and every node comes to the same, whether or not it could read it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest

from domain.holder import user
from schemas.record import NewRecord
from services.bootstrap import lock_data
from tests.faults.whole_ledger import Told, tell
from tests.integration.command_line import Done, answer, run
from tests.integration.http.api import Api
from tests.log_writing import NEWER_RELEASE, append_to_file, append_to_topic
from tests.poisoned_log import Poison
from tests.server_process import SECRET, ServerProcess
from tests.unit.projections.records import merge_of

YES, NO = '{"channel_types": {"email": true}}', '{"channel_types": {"email": false}}'


def skip(data: Path, *words: str, **settings: str) -> Done:
    return run("log", "skip", *words, settings={"PREFLEDGER_DATA": str(data), **settings})


def everything(server: ServerProcess) -> Told:
    """What the node tells of its ledger; a rebuild that came to something else would fail."""
    with closing(Api(server)) as api:
        return tell(api)


def stopped_at(server: ServerProcess, record: int) -> None:
    """Start the node, and see it stop at the record."""
    server.start(wait_ready=False)
    while f"record {record} stops this node" not in server.output():
        assert server.is_running()
    server.stop()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    server = ServerProcess(tmp_path / "data")
    with server:
        answer(server, "set", "user:ann", NO)
    yield server
    server.kill()


def test_a_node_goes_on_past_a_record_that_it_will_never_read(server: ServerProcess) -> None:
    (newer,) = append_to_file(server.data, [NewRecord(b"k" * 16, NEWER_RELEASE)])
    stopped_at(server, newer)
    done = skip(server.data, str(newer), "--reason", "a trial of the next release")
    assert done.status == 0, done.err
    assert done.out == f"development: record {newer} (an event of a newer release) is taken out by record {newer + 1}.\n"
    with server:
        written = answer(server, "set", "user:ann", YES)
        assert written["outcome"] == "applied", "the node takes no writes"
        feed = everything(server).feed
        assert [row["why"] for row in feed if row["outcome"] == "parked"] == ["skipped"]
        (said,) = (row for row in feed if row["type"] == "RecordSkipped")
        assert (said["actor"], said["method"], said["reason"]) == ("operator", "log-skip", "a trial of the next release")
        assert said["item"] == f"skipped:{newer}"


def test_what_a_node_had_counted_is_gone_and_comes_back_when_the_word_is_taken_out_itself(server: ServerProcess) -> None:
    with server:
        taken_out = answer(server, "set", "user:ann", YES)["position"]
    done = skip(server.data, taken_out, "--reason", "not hers")
    assert done.out == "development: record 2 (PreferenceSetReplaced) is taken out by record 3.\n", done.err
    with server:
        assert answer(server, "get", "user:ann")["preferences"] == {"channel_types": {"email": False}}
    assert skip(server.data, "3", "--reason", "it was hers").status == 0
    with server:
        assert answer(server, "get", "user:ann")["preferences"] == {"channel_types": {"email": True}}
        assert [row["outcome"] for row in everything(server).feed] == ["applied", "applied", "applied", "parked", "applied"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The folder of a ledger with one record beside its first."""
    data = tmp_path / "data"
    assert run("init", settings={"PREFLEDGER_DATA": str(data)}).status == 0
    append_to_file(data, [NewRecord(b"k" * 16, b"poison")])
    return data


def test_a_record_that_there_is_not_is_refused(data: Path) -> None:
    for record, sentence in {
        "0": "has records 1 to 1 that can be taken out, and 0 is none of them",
        "2": "and 2 is none of them",
        "9" * 30: "this is not a position",
        "-1": "No such option",
        "x": "this is not a position",
        "AZ7bUD9xVn7oAAEAAAAAAAAAAX0mvo4": "it belongs to another ledger",
    }.items():
        assert sentence in skip(data, record, "--reason", "why").sentence
    assert b"RecordSkipped" not in (data / "development" / "log.sqlite").read_bytes()


def test_it_needs_a_reason_the_folder_and_the_secret(data: Path, tmp_path: Path) -> None:
    assert "Missing option '--reason'" in skip(data, "1").sentence
    assert "the reason is empty" in skip(data, "1", "--reason", " ").sentence
    assert "there is no log" in skip(tmp_path / "mistyped", "1", "--reason", "why").sentence
    assert not (tmp_path / "mistyped").exists()
    assert "there is no environment 'live'" in skip(data, "1", "--reason", "why", "--environment", "live").sentence
    assert "opened with another secret" in skip(data, "1", "--reason", "why", PREFLEDGER_SECRET="x" * 40).sentence
    with lock_data(data):
        assert "another process uses the data folder" in skip(data, "1", "--reason", "why").sentence
    done = skip(data, "1", "--reason", "why")
    assert done.out == "development: record 1 (bytes that are no event) is taken out by record 2.\n", done.err


def settle_on_both(node: ServerProcess, other: ServerProcess, offset: int) -> None:
    """Replay a record on two nodes at once: the fold lets one count, on both."""
    with closing(Api(node)) as one, closing(Api(other)) as two, ThreadPoolExecutor(2) as threads:
        replays = [threads.submit(api.request, "POST", f"/parked/{offset}/replay", json={}) for api in (one, two)]
        statuses = sorted(replay.result().status_code for replay in replays)
        assert statuses == [200, 409], [replay.result().text for replay in replays]
        for api in (one, two):
            assert api.stored("user:bob", min_position=one.position()) == {"channel_types": {"email": True}}
            assert api.get(f"/parked/{offset}")["state"] == "replayed"


def test_on_kafka_a_node_that_had_counted_it_and_one_that_begins_come_to_the_same(
    kafka_servers: str, tmp_path: Path
) -> None:
    environment = f"test-{uuid4().hex}"
    settings = {"PREFLEDGER_ENVIRONMENTS": environment, "PREFLEDGER_SECRET": SECRET, "PREFLEDGER_KAFKA": kafka_servers}
    assert run("init", settings=settings).status == 0
    with ServerProcess(tmp_path / "a", kafka=kafka_servers, environment=settings) as node:
        answer(node, "set", "user:ann", NO)
        position = answer(node, "set", "user:ann", YES)["position"]
        done = skip(tmp_path / "offline", position, "--reason", "not hers", **settings)
        assert done.status == 0, done.err
        while answer(node, "get", "user:ann")["preferences"] != {"channel_types": {"email": False}}:
            assert node.is_running()
        node.wait_for("/readyz")
        poison = Poison(SECRET, environment).misplaced(user("bob"), merge_of({"channel_types": {"email": True}}))
        parked, newer = append_to_topic(kafka_servers, environment, [poison, NewRecord(b"k" * 16, NEWER_RELEASE)])
        while f"record {newer} stops this node" not in node.output():
            assert node.is_running()
        assert skip(tmp_path / "offline", str(newer), "--reason", "a trial", **settings).status == 0
        node.stop()
        with node.start(), ServerProcess(tmp_path / "b", kafka=kafka_servers, environment=settings) as other:
            settle_on_both(node, other, parked)
            live, fresh = everything(node), everything(other)
    assert live == fresh
    assert [row["why"] for row in live.feed if row["outcome"] == "parked"] == ["skipped", "invalid", "skipped"]
    assert len([row for row in live.feed if row["holder"] == "user:bob"]) == 1
    assert not (tmp_path / "offline").exists()
