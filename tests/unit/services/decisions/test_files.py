"""The files of a decision log: what their names tell, and in which order they go."""

from pathlib import Path

import pytest

from services.decisions.files import (
    DAY_MILLISECONDS,
    LogFile,
    closed_path,
    files_in,
    open_path,
    remove_surplus,
    surplus,
)
from tests.unit.services.decisions.lines import NOON

EVER = 10**12


def closed(number: int, first: int, last: int) -> LogFile:
    return LogFile(Path(f"{number}"), number, first, last)


def test_a_name_tells_what_the_file_holds(tmp_path: Path) -> None:
    paths = [
        closed_path(tmp_path, 1, NOON, NOON + 999),
        closed_path(tmp_path, 99_999_999, NOON - DAY_MILLISECONDS, NOON),
        open_path(tmp_path, 100_000_000, NOON + 1),
    ]
    assert paths[0].name == "decisions-00000001-20260303T120200000Z-20260303T120200999Z.ndjson"
    for path in reversed(paths):
        path.touch()
    assert files_in(tmp_path) == [
        LogFile(paths[0], 1, NOON, NOON + 999),
        LogFile(paths[1], 99_999_999, NOON - DAY_MILLISECONDS, NOON),
        LogFile(paths[2], 100_000_000, NOON + 1, None),
    ]


def test_what_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    for name in (
        "notes.txt", "decisions.ndjson", "decisions-1-20260303T120200000Z.ndjson",
        "decisions-00000001-20261399T120200000Z.ndjson", "decisions-00000001-20260303T120200000Z.ndjson.gz",
    ):  # fmt: skip
        (tmp_path / name).touch()
    assert files_in(tmp_path) == []
    remove_surplus(tmp_path, closed_bytes_max=0, days=1, now_milliseconds=NOON + 10 * DAY_MILLISECONDS)
    assert len(list(tmp_path.iterdir())) == 5


def test_a_folder_that_is_not_there_has_no_files(tmp_path: Path) -> None:
    assert files_in(tmp_path / "none") == []


@pytest.mark.parametrize(("at", "held"), [(99, False), (100, True), (150, True), (200, True), (201, False)])
def test_a_closed_file_holds_what_lies_between_its_ids(at: int, held: bool) -> None:
    assert closed(1, 100, 200).may_hold(at) is held


def test_an_open_file_may_hold_anything() -> None:
    """The clock may have been set back since it was begun."""
    assert LogFile(Path("x"), 1, 100, None).may_hold(5)


def test_the_oldest_go_until_the_rest_fits() -> None:
    sized = [(closed(number, number * 10, number * 10 + 5), 100) for number in range(1, 6)]
    going = surplus(sized, closed_bytes_max=250, oldest_milliseconds=0)
    assert [file.number for file in going] == [1, 2, 3]


def test_a_file_goes_when_its_last_line_is_too_old() -> None:
    sized = [(closed(1, 10, 20), 1), (closed(2, 15, 30), 1), (LogFile(Path("3"), 3, 1, None), 1)]
    assert [file.number for file in surplus(sized, closed_bytes_max=EVER, oldest_milliseconds=20)] == []
    assert [file.number for file in surplus(sized, closed_bytes_max=EVER, oldest_milliseconds=21)] == [1]
    assert [file.number for file in surplus(sized, closed_bytes_max=EVER, oldest_milliseconds=99)] == [1, 2]


def test_what_goes_is_gone(tmp_path: Path) -> None:
    old, young = closed_path(tmp_path, 1, NOON, NOON), closed_path(tmp_path, 2, NOON, NOON + 2 * DAY_MILLISECONDS)
    for path in (old, young):
        path.write_bytes(b"x" * 100)
    remove_surplus(tmp_path, closed_bytes_max=EVER, days=1, now_milliseconds=NOON + 2 * DAY_MILLISECONDS)
    assert list(tmp_path.iterdir()) == [young]
    remove_surplus(tmp_path, closed_bytes_max=99, days=1, now_milliseconds=NOON + 2 * DAY_MILLISECONDS)
    assert list(tmp_path.iterdir()) == []
