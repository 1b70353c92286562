"""What a failed SQLite commit means for the records in it. Pure: values in, outcome out."""

import sqlite3
from enum import Enum, auto
from typing import Final

from services.log.port import Refused, Unknown


class Stage(Enum):
    """How far the transaction had come when SQLite failed."""

    WRITING = auto()
    COMMITTING = auto()


# At COMMIT these say that the commit frame was not written (sqlite.org/rescode.html).
_NOT_COMMITTED: Final = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_READONLY})
_PRIMARY_CODE_MASK: Final = 0xFF

_REMEDIES: Final = {
    sqlite3.SQLITE_FULL: "Free some space on its disk, and try again.",
    sqlite3.SQLITE_BUSY: "Another process has it open. Stop that one, and try again.",
    sqlite3.SQLITE_READONLY: "Make it writable, and try again.",
    sqlite3.SQLITE_CONSTRAINT: "Another process wrote to it. Stop that one, and try again.",
}


def outcome_of_failure(stage: Stage, error: sqlite3.Error) -> Refused | Unknown:
    """Before COMMIT nothing can have been stored. At COMMIT an I/O error may hide a frame that reached the disk."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & _PRIMARY_CODE_MASK
    remedy = _REMEDIES.get(code, "Check the disk.")
    if stage is Stage.WRITING or code in _NOT_COMMITTED:
        return Refused(f"The log file did not take the records ({error}). {remedy}")
    return Unknown(f"The log file failed while it was committing ({error}). {remedy}")
