"""Where the opt-out clock keeps what it measured: a small file of this node's own, beside the views and never in them.

Views are the same on every node and after every rebuild; when this node honoured what is known to nobody else.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from projections.batch_state import OptOut
from services.opt_out_clock.measurement import SlowOptOut, Totals

LISTED_MAX: Final = 100_000
"""Slow opt-outs that are kept by themselves; beyond it the slowest are."""
LISTED_AFTER_CUT: Final = 90_000
BUSY_SECONDS: Final = 5.0

_APPLICATION_ID: Final = 0x706C6F63
_TABLES: Final = """
CREATE TABLE totals (id INTEGER PRIMARY KEY CHECK (id = 1), body TEXT NOT NULL);
CREATE TABLE slow (
    offset INTEGER PRIMARY KEY, position TEXT NOT NULL, event_id BLOB NOT NULL, recorded_at INTEGER NOT NULL,
    honoured_at INTEGER NOT NULL, took INTEGER NOT NULL, at_most INTEGER NOT NULL
);
CREATE INDEX slow_took ON slow (took);
"""

_decoder = msgspec.json.Decoder(Totals)


class StoreUnusable(Exception):
    """The file can't be read as what it should be."""


@dataclass(frozen=True, slots=True)
class SlowPage:
    """How many took longer than asked, and some of them in the order of the log."""

    count: int
    rows: list[SlowOptOut]


class OptOutStore:
    """The file. For use on one thread at a time. Raises sqlite3.Error for what the disk does."""

    def __init__(self, path: Path) -> None:
        """Opens the file, or makes it. Raises StoreUnusable for what the file is, sqlite3.Error for what the disk does."""
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=BUSY_SECONDS)
        try:
            self._prepare(path)
            self.totals = self._read_totals()
            self._listed: int = self._connection.execute("SELECT count(*) FROM slow").fetchone()[0]
        except sqlite3.OperationalError:
            # Locked, full, gone: the file itself may be sound.
            self._connection.close()
            raise
        except (sqlite3.DatabaseError, msgspec.MsgspecError) as error:
            self._connection.close()
            raise StoreUnusable(f"{path} can't be used: {error}") from error

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def save(self, totals: Totals, slow: Sequence[SlowOptOut], *, anew: bool = False) -> Totals:
        """All in one transaction, or nothing; `anew` drops what was there. Returns the totals as they were saved."""
        listed = self._listed
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            if anew:
                listed = 0
                self._connection.execute("DELETE FROM slow")
            if slow:
                self._connection.executemany("INSERT OR REPLACE INTO slow VALUES (?,?,?,?,?,?,?)", map(_row_of, slow))
                listed = self._connection.execute("SELECT count(*) FROM slow").fetchone()[0]
            if listed > LISTED_MAX:
                totals = self._cut(totals, listed - LISTED_AFTER_CUT)
                listed = LISTED_AFTER_CUT
            self._connection.execute("INSERT OR REPLACE INTO totals VALUES (1, ?)", (msgspec.json.encode(totals).decode(),))
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        self._listed = listed
        return totals

    def slower_than(self, milliseconds: int, *, above: int, limit: int) -> SlowPage:
        """Those that took longer, and the first of them above an offset."""
        count = self._connection.execute("SELECT count(*) FROM slow WHERE took > ?", (milliseconds,)).fetchone()[0]
        rows = self._connection.execute(
            "SELECT offset, position, event_id, recorded_at, honoured_at, at_most FROM slow "
            "WHERE offset > ? AND took > ? ORDER BY offset LIMIT ?",
            (above, milliseconds, limit),
        )
        return SlowPage(count, [SlowOptOut(OptOut(*row[:4]), row[4], bool(row[5])) for row in rows])

    def _prepare(self, path: Path) -> None:
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        application_id = self._connection.execute("PRAGMA application_id").fetchone()[0]
        if self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:
            self._connection.executescript(f"BEGIN; PRAGMA application_id = {_APPLICATION_ID}; {_TABLES} COMMIT;")
        elif application_id != _APPLICATION_ID:
            raise StoreUnusable(f"{path} is a SQLite file, but not of an opt-out clock")

    def _read_totals(self) -> Totals | None:
        row = self._connection.execute("SELECT body FROM totals").fetchone()
        return None if row is None else _decoder.decode(row[0])

    def _cut(self, totals: Totals, cut: int) -> Totals:
        """Drop the fastest."""
        fastest = "SELECT offset, took FROM slow ORDER BY took, offset LIMIT ?"
        longest = self._connection.execute(f"SELECT max(took) FROM ({fastest})", (cut,)).fetchone()[0]  # noqa: S608
        self._connection.execute(f"DELETE FROM slow WHERE offset IN (SELECT offset FROM ({fastest}))", (cut,))  # noqa: S608
        return msgspec.structs.replace(
            totals,
            listed_from_milliseconds=max(totals.listed_from_milliseconds, longest),
            not_listed=totals.not_listed + cut,
        )


def _row_of(one: SlowOptOut) -> tuple[object, ...]:
    opt_out = one.opt_out
    return (
        opt_out.offset,
        opt_out.position,
        opt_out.event_id,
        opt_out.recorded_at_milliseconds,
        one.honoured_at_milliseconds,
        one.took_milliseconds,
        one.at_most,
    )
