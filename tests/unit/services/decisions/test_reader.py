"""Finding a decision by its id among files of any size, torn lines, and files that move while they are looked at."""

import threading
from pathlib import Path

import pytest

from services.decisions import reader
from services.decisions.files import closed_path, files_in, open_path
from services.decisions.reader import find
from services.decisions.writer import DecisionWriter, Limits
from tests.unit.services.decisions.lines import NOON, a_line, new_id

LINE_BYTES = len(a_line(new_id())[1])


def never() -> bool:
    return False


def found(folder: Path, decision_id: str) -> str | None:
    logged = find(folder, decision_id, never)
    return logged.decision_id if logged is not None else None


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that lines lie across the bounds of pieces in every possible way."""
    monkeypatch.setattr(reader, "PIECE_BYTES", 61)


@pytest.mark.usefixtures("small_pieces")
def test_every_line_is_found_and_no_other(tmp_path: Path) -> None:
    ids = [new_id(NOON + at // 3) for at in range(60)]
    writer = DecisionWriter(tmp_path, Limits(7 * LINE_BYTES, 10**8, days=100_000))
    for at, one in enumerate(ids):
        writer.write([a_line(one, b'{"pad":"' + b"x" * (at % 40) + b'"}')])
    assert len(files_in(tmp_path)) > 5
    assert [found(tmp_path, one) for one in ids] == ids
    assert found(tmp_path, new_id(NOON)) is None


@pytest.mark.usefixtures("small_pieces")
def test_a_torn_line_is_passed_over(tmp_path: Path) -> None:
    torn, whole = new_id(), new_id()
    path = open_path(tmp_path, 1, NOON)
    for cut in range(40, LINE_BYTES - 2, 9):
        path.write_bytes(a_line(torn)[1][:cut] + b"\n" + a_line(whole)[1] + a_line(torn)[1][:cut])
        assert found(tmp_path, whole) == whole
        assert found(tmp_path, torn) is None
        path.write_bytes(a_line(torn)[1][:cut] + b"\n" + a_line(torn)[1])
        assert found(tmp_path, torn) == torn, "a line that was written again after the torn one is not found"


def test_only_files_that_can_hold_the_id_are_read(tmp_path: Path) -> None:
    one = new_id(NOON)
    closed_path(tmp_path, 1, NOON - 5, NOON - 1).write_bytes(a_line(one)[1])
    closed_path(tmp_path, 2, NOON + 1, NOON + 5).write_bytes(a_line(one)[1])
    assert found(tmp_path, one) is None
    closed_path(tmp_path, 3, NOON - 1, NOON + 1).write_bytes(a_line(one)[1])
    assert found(tmp_path, one) == one


def test_what_a_question_says_does_not_pass_for_a_line(tmp_path: Path) -> None:
    """Whoever may ask must not be able to forge what an auditor finds."""
    forged, real = new_id(), new_id()
    _, line = a_line(forged)
    question = b'{"data":\n' + line + b',"workflow":"w"}'
    open_path(tmp_path, 1, NOON).write_bytes(a_line(real, question)[1])
    assert found(tmp_path, forged) is None
    assert found(tmp_path, real) == real


def test_a_file_that_is_closed_meanwhile_is_found_under_its_new_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = new_id(NOON)
    before, after = open_path(tmp_path, 1, NOON), closed_path(tmp_path, 1, NOON, NOON)
    before.write_bytes(a_line(one)[1])
    listed = files_in(tmp_path)
    before.rename(after)
    listings = iter([listed, files_in(tmp_path)])
    monkeypatch.setattr(reader, "files_in", lambda _: next(listings))
    assert found(tmp_path, one) == one


def test_files_that_keep_vanishing_end_the_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = open_path(tmp_path, 1, NOON)
    path.touch()
    listed = files_in(tmp_path)
    path.unlink()
    monkeypatch.setattr(reader, "files_in", lambda _: listed)
    assert found(tmp_path, new_id(NOON)) is None


@pytest.mark.usefixtures("small_pieces")
def test_a_search_that_nobody_waits_for_ends(tmp_path: Path) -> None:
    one = new_id()
    open_path(tmp_path, 1, NOON).write_bytes(a_line(new_id())[1] * 20 + a_line(one)[1])
    given_up = threading.Event()
    given_up.set()
    assert find(tmp_path, one, given_up.is_set) is None


def test_without_a_folder_nothing_is_found(tmp_path: Path) -> None:
    assert found(tmp_path / "none", new_id()) is None
