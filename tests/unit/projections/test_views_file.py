"""Views files on disk: which one serves, and which are refused."""

import sqlite3
from pathlib import Path

import pytest

from domain.fold import FOLD_VERSION
from projections.views_file import (
    POINTER,
    ViewsUnusable,
    current_number,
    is_current,
    open_reader,
    open_writer,
    path_of,
    point_to,
    remove,
    remove_others,
)
from projections.views_store import read_checkpoint
from tests.unit.projections.records import Records, folded


def test_the_pointer_names_the_file_that_serves(tmp_path: Path) -> None:
    assert current_number(tmp_path) == 1, "a folder without a pointer begins with the first file"
    point_to(tmp_path, 7)
    assert current_number(tmp_path) == 7
    assert path_of(tmp_path, 7) == tmp_path / "views-7.sqlite"
    point_to(tmp_path, 8)
    assert current_number(tmp_path) == 8
    assert [path.name for path in tmp_path.iterdir()] == [POINTER], "nothing is left lying about"
    (tmp_path / POINTER).write_text("garbage")
    assert current_number(tmp_path) == 1


def test_a_file_goes_with_all_that_sqlite_keeps_beside_it(tmp_path: Path) -> None:
    for number in (1, 2, 30):
        for suffix in ("", "-wal", "-shm"):
            Path(f"{path_of(tmp_path, number)}{suffix}").touch()
    (tmp_path / "views-mine.sqlite").touch()
    (tmp_path / "log.sqlite").touch()
    remove(tmp_path, 2)
    remove(tmp_path, 99)
    remove_others(tmp_path, keep=30)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "log.sqlite",
        "views-30.sqlite",
        "views-30.sqlite-shm",
        "views-30.sqlite-wal",
        "views-mine.sqlite",
    ]


@pytest.mark.parametrize("name", ["plain", "with space", "a#b", "50%", "what?", "ä"])
def test_a_folder_may_have_any_name(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    path = path_of(folder, 1)
    folded(path, Records().all).close()
    assert is_current(path)
    reader = open_reader(path)
    checkpoint = read_checkpoint(reader)
    assert checkpoint is not None
    assert checkpoint.next_offset == 1
    reader.close()
    assert [path.name for path in tmp_path.iterdir()] == [name], "no other file was made by mistake"


def test_the_writing_connection_is_as_the_design_says(tmp_path: Path) -> None:
    connection = open_writer(tmp_path / "views.sqlite")
    assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    assert connection.execute("PRAGMA synchronous").fetchone()[0] == 1, "NORMAL: what a power cut takes, the log still has"
    connection.close()


def test_a_reader_can_only_read(tmp_path: Path) -> None:
    folded(tmp_path / "views.sqlite", Records().all).close()
    reader = open_reader(tmp_path / "views.sqlite")
    with pytest.raises(sqlite3.OperationalError):
        reader.execute("DELETE FROM history")
    reader.close()
    with pytest.raises(sqlite3.OperationalError):
        open_reader(tmp_path / "nowhere.sqlite")
    assert not (tmp_path / "nowhere.sqlite").exists()


def test_a_strangers_database_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "views.sqlite"
    stranger = sqlite3.connect(path)
    stranger.execute("CREATE TABLE treasure (gold INTEGER)")
    stranger.close()
    with pytest.raises(ViewsUnusable, match="not views of a preference ledger; move it away"):
        open_writer(path)
    stranger = sqlite3.connect(path)
    assert stranger.execute("SELECT name FROM sqlite_master").fetchall() == [("treasure",)]
    stranger.close()


def test_views_of_another_fold_are_not_served(tmp_path: Path) -> None:
    """What they say may not be what this release would say."""
    path = tmp_path / "views.sqlite"
    assert not is_current(path)
    assert not path.exists(), "looking makes no file"
    connection = folded(path, Records().all)
    assert is_current(path)
    connection.execute(f"PRAGMA user_version = {FOLD_VERSION + 1}")
    assert not is_current(path)
    connection.execute(f"PRAGMA user_version = {FOLD_VERSION}")
    connection.execute("UPDATE checkpoint SET fold_version = ?", (FOLD_VERSION - 1,))
    assert not is_current(path)
    connection.close()
    path.write_bytes(b"not a database, but something else of some length" * 100)
    assert not is_current(path)


def test_a_new_file_is_current_before_its_first_record(tmp_path: Path) -> None:
    open_writer(tmp_path / "views.sqlite").close()
    assert is_current(tmp_path / "views.sqlite")
