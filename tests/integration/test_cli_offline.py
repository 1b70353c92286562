"""The commands that open files: `init`, `log backup`, `schemas check`, `settings`; and `serve` where it can't start."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path

import pytest

from services.settings import HIDDEN, Settings
from tests.integration.command_line import Done, answer, run, run_process
from tests.server_process import ServerProcess

PREFERENCES = '{"channel_types": {"sms": false}}'


def run_on(data: Path, *words: str, settings: Mapping[str, str] | None = None) -> Done:
    return run(*words, settings={"PREFLEDGER_DATA": str(data), **(settings or {})})


def ledger_id(done: Done) -> str:
    assert done.status == 0, done.err
    _, _, rest = done.out.partition("the ledger ")
    return rest.split()[0]


# init


def test_init_opens_each_environment_once(tmp_path: Path) -> None:
    data = tmp_path / "data"
    words = ("init", "--data", str(data), "--environments", "staging,production")
    first = run(*words)
    assert first.status == 0, first.err
    staging, production = first.out.splitlines()
    assert staging.startswith("staging: opened the ledger ")
    assert production.startswith("production: opened the ledger ")
    again = run(*words)
    assert [line.replace("is open already:", "opened") for line in again.out.splitlines()] == [staging, production]
    assert (again.status, again.err) == (0, "")


def test_a_ledger_that_init_opened_is_served(tmp_path: Path) -> None:
    data = tmp_path / "data"
    run_on(data, "init")
    with ServerProcess(data) as server:
        answer(server, "set", "user:x", PREFERENCES)
        assert "another process uses the data folder" in run_on(data, "init").sentence
    assert "is open already" in run_on(data, "init").out


def test_the_secret_that_init_makes_is_its_owners_alone(tmp_path: Path) -> None:
    run_on(tmp_path / "data", "init")
    secret = tmp_path / "data" / "secret"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert len(secret.read_text().strip()) >= 32


def test_init_with_another_secret_than_the_ledgers_says_so(tmp_path: Path) -> None:
    data = tmp_path / "data"
    run_on(data, "init", settings={"PREFLEDGER_SECRET": "a" * 40})
    assert "was opened with another secret" in run_on(data, "init", settings={"PREFLEDGER_SECRET": "b" * 40}).sentence


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"PREFLEDGER_ENVIRONMENTS": "a/b"}, "PREFLEDGER_ENVIRONMENTS is 'a/b'"),
        ({"PREFLEDGER_ENVIRONMENT": "production"}, "PREFLEDGER_ENVIRONMENT is not a setting"),
        ({"PREFLEDGER_KAFKA": "127.0.0.1:9092"}, "every node needs the same PREFLEDGER_SECRET"),
        ({"PREFLEDGER_DATA": "/dev/null/data"}, "can't be written"),
    ],
)
def test_init_refuses_settings_that_make_no_ledger(settings: dict[str, str], sentence: str, tmp_path: Path) -> None:
    done = run_on(tmp_path / "data", "init", settings=settings)
    assert done.status == 1
    assert sentence in done.sentence


def test_a_file_that_is_no_ledger_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "data" / "development" / "log.sqlite"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"my thesis, chapter one")
    done = run_on(tmp_path / "data", "init", settings={"PREFLEDGER_SECRET": "a" * 40})
    assert "is not a log file, or is damaged" in done.sentence
    assert file.read_bytes() == b"my thesis, chapter one"


# log backup


def test_a_backup_and_the_secret_are_the_whole_ledger(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data") as server:
        written = answer(server, "set", "user:x", PREFERENCES)
        key = answer(server, "keys", "issue", "reader", "--scope", "read")["key"]
    copy = tmp_path / "backup.sqlite"
    done = run_on(tmp_path / "data", "log", "backup", str(copy))
    assert (done.status, done.out) == (0, f"development: copied 3 records to {copy}.\n")
    assert f"Keep a copy of {tmp_path / 'data' / 'secret'} too" in done.err

    restored = tmp_path / "restored"
    (restored / "development").mkdir(parents=True)
    (restored / "secret").write_bytes((tmp_path / "data" / "secret").read_bytes())
    (restored / "development" / "log.sqlite").write_bytes(copy.read_bytes())
    with ServerProcess(restored) as server:
        server.admin_key = key
        read = answer(server, "get", "user:x", "--as-of", written["position"])
    assert (read["preferences"], read["version"]) == (written["preferences"], 1)


def test_no_backup_is_taken_under_a_running_node(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data"):
        done = run_on(tmp_path / "data", "log", "backup", str(tmp_path / "backup.sqlite"))
    assert "another process uses the data folder" in done.sentence
    assert not (tmp_path / "backup.sqlite").exists()


def test_a_backup_never_overwrites(tmp_path: Path) -> None:
    run_on(tmp_path / "data", "init")
    kept = tmp_path / "backup.sqlite"
    kept.write_text("yesterday's")
    assert "there is something at" in run_on(tmp_path / "data", "log", "backup", str(kept)).sentence
    assert kept.read_text() == "yesterday's"


def test_a_backup_of_nothing_makes_nothing(tmp_path: Path) -> None:
    data = tmp_path / "mistyped"
    assert "there is no log" in run_on(data, "log", "backup", str(tmp_path / "backup.sqlite")).sentence
    assert not data.exists()
    assert not (tmp_path / "backup.sqlite").exists()


def test_a_backup_that_cannot_be_written_says_where(tmp_path: Path) -> None:
    run_on(tmp_path / "data", "init")
    target = tmp_path / "no such folder" / "backup.sqlite"
    assert f"{target} can't be written" in run_on(tmp_path / "data", "log", "backup", str(target)).sentence


def test_the_environment_to_back_up_is_named(tmp_path: Path) -> None:
    data = tmp_path / "data"
    settings = {"PREFLEDGER_ENVIRONMENTS": "staging,production"}
    run_on(data, "init", settings=settings)
    for name in ("staging", "production"):
        done = run_on(data, "log", "backup", str(tmp_path / name), "--environment", name, settings=settings)
        assert done.out.startswith(f"{name}: copied 1 records")
    unknown = run_on(data, "log", "backup", str(tmp_path / "x"), "--environment", "live", settings=settings)
    assert "there is no environment 'live'" in unknown.sentence


def test_a_log_in_kafka_has_no_file_to_back_up(tmp_path: Path) -> None:
    settings = {"PREFLEDGER_KAFKA": "127.0.0.1:9092", "PREFLEDGER_SECRET": "s" * 40}
    assert "the log is in Kafka" in run_on(tmp_path, "log", "backup", str(tmp_path / "x"), settings=settings).sentence


# schemas


def test_the_released_schemas_are_as_they_were() -> None:
    done = run("schemas", "check")
    assert (done.status, done.err) == (0, "")
    assert "unchanged and compatible" in done.out


# settings


def test_settings_are_shown_with_secrets_hidden() -> None:
    done = run("settings", settings={"PREFLEDGER_KEY": "sk_1_open-sesame", "PREFLEDGER_PORT": "9999"})
    assert done.status == 0
    assert "PREFLEDGER_PORT=9999\n" in done.out
    assert f"PREFLEDGER_KEY={HIDDEN}\n" in done.out
    assert "sesame" not in done.out


def test_every_setting_is_described() -> None:
    described = run("settings", "--describe").out
    for name, description in Settings.variables().items():
        assert f"# {description}\n{name}=" in described


def test_whoever_mistypes_a_setting_is_shown_the_list() -> None:
    done = run("settings", settings={"PREFLEDGER_PROT": "9999"})
    assert done.status == 1
    assert "PREFLEDGER_PROT is not a setting" in done.err
    assert "PREFLEDGER_PORT=8080" in done.out


# serve


def test_a_signal_ends_a_node_with_its_log_closed(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path / "data").start()
    answer(server, "set", "user:x", PREFERENCES)
    assert server.stop() == 0
    assert not (tmp_path / "data" / "development" / "log.sqlite-wal").exists(), "the log was not closed"
    assert "Traceback" not in server.output()


def test_a_port_in_use_is_named_with_the_remedy(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "first") as first:
        done = run_process("serve", "--port", str(first.port), "--data", str(tmp_path / "second"))
    assert done.status == 1
    assert f"127.0.0.1:{first.port} can't be listened on (Address already in use)" in done.sentence
    assert "--port" in done.sentence


def test_two_nodes_do_not_share_a_folder(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data"):
        done = run_process("serve", "--port", "0", "--data", str(tmp_path / "data"))
    assert (done.status, "another process uses the data folder" in done.sentence) == (1, True)


@pytest.mark.parametrize("data", ["/dev/null/data", os.devnull])
def test_a_data_folder_that_cannot_be_is_named(data: str) -> None:
    done = run_process("serve", "--port", "0", "--data", data)
    assert done.status == 1
    assert data.rpartition("/")[0] in done.sentence
    assert "name another data folder with --data" in done.sentence
    assert "Traceback" not in done.err
