import sqlite3

import pytest

from services.log.port import Refused, Unknown
from services.log.sqlite_outcome import Stage, outcome_of_failure

IOERR_FSYNC = sqlite3.SQLITE_IOERR | 4 << 8
FULL, BUSY, CONSTRAINT = sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_CONSTRAINT


def failure(code: int) -> sqlite3.Error:
    error = sqlite3.OperationalError("it failed")
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize("code", [FULL, BUSY, CONSTRAINT, IOERR_FSYNC, sqlite3.SQLITE_CORRUPT])
def test_nothing_is_stored_before_the_commit(code: int) -> None:
    assert isinstance(outcome_of_failure(Stage.WRITING, failure(code)), Refused)


@pytest.mark.parametrize("code", [FULL, BUSY])
def test_a_commit_that_could_not_be_written_is_refused(code: int) -> None:
    assert isinstance(outcome_of_failure(Stage.COMMITTING, failure(code)), Refused)


@pytest.mark.parametrize("code", [IOERR_FSYNC, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT])
def test_a_commit_that_may_have_been_written_is_unknown(code: int) -> None:
    assert isinstance(outcome_of_failure(Stage.COMMITTING, failure(code)), Unknown)


def test_an_error_without_a_code_is_taken_at_its_worst() -> None:
    assert isinstance(outcome_of_failure(Stage.COMMITTING, sqlite3.Error("?")), Unknown)


def test_the_remedy_is_named() -> None:
    assert "Free some space" in outcome_of_failure(Stage.WRITING, failure(FULL)).reason
