"""What lies on the disk: views are a cache that comes back, and one process has a data folder and a port to itself."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from domain.fold import FOLD_VERSION
from tests.faults.whole_ledger import Told, feed_of, tell
from tests.integration.command_line import run_process
from tests.integration.http.api import Api, set_path
from tests.server_process import ServerProcess

CHANNELS: Final = ["email", "sms"]
USERS: Final = ("user:ann", "user:bob")
ENVIRONMENT: Final = "development"
BOB: Final = {"channel_types": {"sms": False}}

Json = Any


@dataclass(frozen=True)
class Filled:
    """A data folder that a node has written and left, and what the node said of it."""

    data: Path
    told: tuple[Told, list[Json]]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Filled:
    process = ServerProcess(tmp_path_factory.mktemp("filled") / "data")
    with process:
        fill(process)
    return Filled(process.data, everything(process))


@pytest.fixture
def server(filled: Filled, tmp_path: Path) -> Iterator[ServerProcess]:
    """A node that has not started yet, with a copy of the folder."""
    process = ServerProcess(Path(shutil.copytree(filled.data, tmp_path / "data")))
    yield process
    process.kill()


def fill(server: ServerProcess) -> None:
    with closing(Api(server)) as api:
        api.define("workflows", "w", name="W")
        api.put_set("user:ann", {"channel_types": {"email": False, "sms": True}})
        api.put_set("user:bob", BOB)
        api.put_set("user:ann", {"channel_types": {"email": True}})
        api.patch_set("user:ann", {"channel_types": {"sms": False}})


def answers(api: Api, positions: list[str]) -> list[Json]:
    """What is told of each user now and at every position of the past."""
    told: list[Json] = []
    for position in positions:
        for user in USERS:
            shown = api.get(set_path(user), as_of=position)
            decided = api.evaluate(user, channels=CHANNELS, as_of=position, at="2026-03-03T14:02:00Z", explain=True)
            told += [without_moment(shown), without_moment(decided)]
    return told


def without_moment(answer: Json) -> Json:
    """An answer without what may differ between two that say the same."""
    return {name: value for name, value in answer.items() if name not in ("stale_seconds", "decision_id")}


def everything(server: ServerProcess) -> tuple[Told, list[Json]]:
    """Start, ask, stop."""
    with server, closing(Api(server)) as api:
        past = answers(api, [row["position"] for row in feed_of(api)])
        return tell(api), past


def views_of(server: ServerProcess) -> Path:
    """The one views file that there is."""
    (path,) = (server.data / ENVIRONMENT).glob("views-*.sqlite")
    return path


def test_deleted_views_come_back_with_the_same_answers_at_the_same_positions(filled: Filled, server: ServerProcess) -> None:
    for path in (server.data / ENVIRONMENT).glob("views*"):
        path.unlink()
    assert everything(server) == filled.told


def set_fold_version(path: Path, version: int) -> None:
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {version}")
    connection.close()


def spoil(path: Path) -> None:
    """Another release's views, whose rows would be answered if they were served."""
    connection = sqlite3.connect(path)
    for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        if table not in ("checkpoint", "sqlite_sequence"):
            connection.execute(f"DELETE FROM {table}")
    connection.commit()
    connection.close()


@pytest.mark.parametrize("version", [FOLD_VERSION - 1, FOLD_VERSION + 1, 0])
def test_views_of_another_fold_are_made_anew_before_they_are_served(
    filled: Filled, server: ServerProcess, version: int
) -> None:
    path = views_of(server)
    spoil(path)
    set_fold_version(path, version)
    assert everything(server) == filled.told
    assert "made anew from the log" in server.output()
    assert not path.exists(), "the other release's views take their room for ever"


def overwrite_with_noise(path: Path) -> None:
    path.write_bytes(b"\xa5" * 10_000)


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5_000])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def tear_pages(path: Path) -> None:
    """The header and the schema are whole, the pages of the tables are not."""
    whole = path.read_bytes()
    page_bytes = int.from_bytes(whole[16:18], "big")
    path.write_bytes(whole[:page_bytes] + b"\xa5" * (len(whole) - page_bytes))


@pytest.mark.parametrize("damage", [overwrite_with_noise, cut_short, empty, tear_pages])
def test_damaged_views_are_made_anew(filled: Filled, server: ServerProcess, damage: Callable[[Path], None]) -> None:
    damage(views_of(server))
    assert everything(server) == filled.told
    assert "Traceback" not in server.output()


@pytest.mark.parametrize("pointer", [b"", b"not a number\n", b"7\n", b"\xff\xfe"])
def test_a_damaged_pointer_costs_a_fold_and_nothing_else(filled: Filled, server: ServerProcess, pointer: bytes) -> None:
    (server.data / ENVIRONMENT / "views").write_bytes(pointer)
    assert everything(server) == filled.told
    assert "Traceback" not in server.output()


def test_a_second_process_on_the_same_data_folder_is_refused(server: ServerProcess) -> None:
    with server:
        second = run_process("serve", "--data", str(server.data), "--port", "0")
        assert second.status == 1
        assert second.sentence == (
            f"another process uses the data folder {server.data}: stop it, or give this one a folder of its own with --data"
        )
        assert "Traceback" not in second.err
        with closing(Api(server)) as api:
            assert api.stored("user:bob") == BOB, "the one that was there first must not notice"


def test_a_data_folder_is_free_again_after_a_kill(server: ServerProcess) -> None:
    server.start()
    server.kill()
    with server, closing(Api(server)) as api:
        assert api.stored("user:bob") == BOB


def test_a_port_in_use_is_told_in_one_sentence(server: ServerProcess, tmp_path: Path) -> None:
    with server:
        second = run_process("serve", "--data", str(tmp_path / "other"), "--port", str(server.port))
        assert second.status == 1
        assert second.sentence == (
            f"127.0.0.1:{server.port} can't be listened on (Address already in use): stop what uses the port, "
            "or choose another with --port or PREFLEDGER_PORT"
        )
        assert "Traceback" not in second.err
