"""Writing the decision log on a real disk: rotation, restarts, a kill, a full disk, files that are taken away."""

import os
import resource
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from services.decisions.files import DAY_MILLISECONDS, files_in
from services.decisions.writer import DecisionWriter, Limits
from tests.unit.services.decisions.lines import NOON, a_line, ids_in, new_id

LARGE = Limits(file_bytes_max=10**6, bytes_max=10**8, days=100_000)
LINE_BYTES = len(a_line(new_id())[1])


def limits(lines_a_file: int, files: int = 1_000) -> Limits:
    """Room for so many lines in a file, and so many files."""
    file_bytes_max = LINE_BYTES * lines_a_file
    return Limits(file_bytes_max, file_bytes_max * files, days=100_000)


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> int:
        return self.now


def a_writer(folder: Path, limits: Limits) -> DecisionWriter:
    return DecisionWriter(folder, limits, Clock())


@contextmanager
def disk_of(size_bytes: int) -> Iterator[None]:
    """No file grows beyond this size inside: the kernel writes what fits and refuses the rest, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_lines_lie_in_one_file_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "decisions"
    writer = a_writer(folder, LARGE)
    ids = [new_id() for _ in range(5)]
    before = os.umask(0)
    try:
        writer.write([a_line(one) for one in ids[:2]])
        writer.write([a_line(one) for one in ids[2:]])
    finally:
        os.umask(before)
    writer.stop()
    (file,) = files_in(folder)
    assert ids_in(folder) == ids
    assert (stat.S_IMODE(folder.stat().st_mode), stat.S_IMODE(file.path.stat().st_mode)) == (0o700, 0o600)
    assert (file.is_open, file.first_milliseconds) == (True, NOON)
    assert writer.lines_written == 5


@pytest.mark.parametrize("at_once", [1, 2, 7, 20])
def test_no_file_grows_beyond_its_limit_and_no_line_is_lost(tmp_path: Path, at_once: int) -> None:
    writer = a_writer(tmp_path, limits(3))
    ids = [new_id(NOON + at) for at in range(20)]
    for at in range(0, 20, at_once):
        writer.write([a_line(one) for one in ids[at : at + at_once]])
    files = files_in(tmp_path)
    assert ids_in(tmp_path) == ids
    assert [file.path.stat().st_size for file in files] == [3 * LINE_BYTES] * 6 + [2 * LINE_BYTES]
    assert [(file.first_milliseconds - NOON, file.last_milliseconds) for file in files] == [
        *((at, NOON + at + 2) for at in range(0, 18, 3)),
        (18, None),
    ]


def test_a_file_is_named_for_its_earliest_and_latest_id_whatever_the_order(tmp_path: Path) -> None:
    """A batch is decided before, and written after, an answer that took less time; and clocks are set back."""
    writer = a_writer(tmp_path, limits(3))
    writer.write([a_line(new_id(NOON + at)) for at in (5, -7, 3, 0)])
    closed = files_in(tmp_path)[0]
    assert (closed.first_milliseconds, closed.last_milliseconds) == (NOON - 7, NOON + 5)


def test_a_line_as_large_as_a_file_gets_one_to_itself(tmp_path: Path) -> None:
    writer = a_writer(tmp_path, limits(1))
    writer.write([a_line(new_id()) for _ in range(3)])
    assert [file.path.stat().st_size for file in files_in(tmp_path)] == [LINE_BYTES] * 3


def test_the_oldest_files_make_room(tmp_path: Path) -> None:
    writer = a_writer(tmp_path, limits(2, files=3))
    ids = [new_id() for _ in range(20)]
    for one in ids:
        writer.write([a_line(one)])
        assert sum(file.path.stat().st_size for file in files_in(tmp_path)) <= 6 * LINE_BYTES
    assert ids_in(tmp_path) == ids[-6:]


def test_a_file_is_closed_after_a_day_and_removed_when_its_last_line_is_too_old(tmp_path: Path) -> None:
    clock = Clock()
    writer = DecisionWriter(tmp_path, Limits(10**6, 10**8, days=2), clock)
    writer.write([a_line(new_id(clock.now))])
    clock.now += DAY_MILLISECONDS - 1
    writer.write([a_line(new_id(clock.now))])
    writer.tidy()
    assert [file.is_open for file in files_in(tmp_path)] == [True]
    clock.now += 1
    writer.tidy()
    assert [file.is_open for file in files_in(tmp_path)] == [False]
    clock.now += 2 * DAY_MILLISECONDS - 1
    writer.tidy()
    assert len(ids_in(tmp_path)) == 2, "a line was removed before its days were over"
    clock.now += 1
    writer.tidy()
    assert ids_in(tmp_path) == []


def test_a_restart_goes_on_with_the_same_file(tmp_path: Path) -> None:
    ids = [new_id(NOON + at) for at in range(6)]
    for at in range(0, 6, 2):
        writer = a_writer(tmp_path, limits(4))
        writer.resume()
        writer.write([a_line(one) for one in ids[at : at + 2]])
        writer.stop()
    files = files_in(tmp_path)
    assert ids_in(tmp_path) == ids
    assert [file.last_milliseconds for file in files] == [NOON + 3, None], "a restart lost what the file is named for"


@pytest.mark.parametrize("torn_bytes", [1, 20, LINE_BYTES - 1])
def test_a_line_that_a_kill_has_torn_spoils_no_other(tmp_path: Path, torn_bytes: int) -> None:
    writer = a_writer(tmp_path, LARGE)
    ids = [new_id() for _ in range(3)]
    writer.write([a_line(one) for one in ids[:2]])
    writer.stop()
    (file,) = files_in(tmp_path)
    with file.path.open("ab") as opened:
        opened.write(a_line(new_id())[1][:torn_bytes])
    again = a_writer(tmp_path, LARGE)
    again.resume()
    again.write([a_line(ids[2])])
    again.stop()
    assert [one for one in ids_in(tmp_path) if one in ids] == ids


def test_files_left_unfinished_are_closed_but_for_the_last(tmp_path: Path) -> None:
    for at in range(3):
        writer = a_writer(tmp_path, LARGE)
        writer.write([a_line(new_id(NOON + at)), a_line(new_id(NOON + 10 + at))])
        writer.stop()
    writer = a_writer(tmp_path, LARGE)
    writer.resume()
    writer.stop()
    assert [file.last_milliseconds for file in files_in(tmp_path)] == [NOON + 10, NOON + 11, None]


def test_a_full_disk_leaves_whole_lines_and_the_log_goes_on_when_there_is_room(tmp_path: Path) -> None:
    writer = a_writer(tmp_path, LARGE)
    kept, lost, later = ([new_id() for _ in range(3)] for _ in range(3))
    writer.write([a_line(one) for one in kept])
    with disk_of(5 * LINE_BYTES - 10), pytest.raises(OSError, match="large"):
        writer.write([a_line(one) for one in lost])
    assert writer.lines_written == 3
    assert ids_in(tmp_path) == kept
    (file,) = files_in(tmp_path)
    assert file.path.read_bytes().endswith(b"}\n"), "half a line was left in the file"
    writer.write([a_line(one) for one in later])
    writer.stop()
    assert ids_in(tmp_path) == kept + later


def test_lines_before_the_disk_was_full_are_counted(tmp_path: Path) -> None:
    writer = a_writer(tmp_path, limits(2))
    writer.write([a_line(new_id())])
    with disk_of(LINE_BYTES + LINE_BYTES // 2), pytest.raises(OSError, match="large"):
        writer.write([a_line(new_id()) for _ in range(5)])
    assert writer.lines_written == len(ids_in(tmp_path)) == 1


@pytest.mark.parametrize("whole_folder", [False, True])
def test_files_that_are_taken_away_are_begun_anew(tmp_path: Path, whole_folder: bool) -> None:
    """An operator may delete what tells of somebody while the node runs; what comes after must not go to nowhere."""
    folder = tmp_path / "decisions"
    writer = a_writer(folder, LARGE)
    writer.write([a_line(new_id())])
    for file in files_in(folder):
        file.path.unlink()
    if whole_folder:
        folder.rmdir()
    later = new_id()
    writer.write([a_line(later)])
    writer.stop()
    assert ids_in(folder) == [later]


def test_a_folder_that_can_not_be_made_is_told_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "decisions").write_text("in the way")
    with pytest.raises(OSError, match="decisions"):
        DecisionWriter(tmp_path / "decisions", LARGE).write([a_line(new_id())])
