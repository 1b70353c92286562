"""Opt-outs among records that are folded already, read from their history rows."""

import sqlite3
from typing import Any

import msgspec

from domain.fold import Outcome
from domain.opt_out import is_opt_out
from projections.batch_state import OptOut
from projections.history_detail import change_of


def opt_outs_between(connection: sqlite3.Connection, start: int, end: int) -> list[OptOut]:
    """The opt-outs of the records from the offset `start` to before `end`, in the order of the log."""
    rows = connection.execute(
        "SELECT offset, position, event_id, recorded_at, item, detail FROM history "
        "WHERE offset >= ? AND offset < ? AND outcome = ? ORDER BY offset",
        (start, end, Outcome.APPLIED.value),
    )
    return [OptOut(*row[:4]) for row in rows if _opts_out(row[4], msgspec.json.decode(row[5])["changes"])]


def _opts_out(item: str | None, shown: list[dict[str, Any]]) -> bool:
    return any(is_opt_out(change.get("item", item) or "", change_of(change)) for change in shown)
