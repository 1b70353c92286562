"""Shared by the tests of projections: a log in the making, and views files made from it."""

import hashlib
import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path

from domain.event import Body, LedgerOpened, PreferenceSetMerged, Provenance
from domain.holder import DEFAULT_SET, ENVIRONMENT, Holder, SetId
from domain.json_value import JsonValue
from domain.preference_set import parse_preference_patch
from projections.checkpoint import Checkpoint
from projections.folding import apply_batch
from projections.skips import in_force, said_by
from projections.tables import DEFAULT_ITEM
from projections.views_file import open_writer
from projections.views_store import read_checkpoint
from schemas.codec import Draft, encode
from schemas.record import LogRecord

LEDGER_ID = "00000000-0000-4000-8000-000000000001"
OPENED = LedgerOpened(LEDGER_ID, 1, 0, b"check")
START_MILLISECONDS = 1_772_000_000_000
SECOND_MILLISECONDS = 1_000
DAY_MILLISECONDS = 24 * 3600 * SECOND_MILLISECONDS


def stream_of(holder: Holder) -> bytes:
    """A stand-in for the pseudonym, which needs the ledger's secret."""
    return hashlib.sha256(str(holder).encode()).digest()[:16]


def merge_of(tree: JsonValue, set_id: SetId = DEFAULT_SET) -> PreferenceSetMerged:
    """A merge of a holder's set."""
    return PreferenceSetMerged(set_id, parse_preference_patch(tree))


def put_body(connection: sqlite3.Connection, name: str, item: str, body: bytes) -> None:
    """Write over what is stored of a holder's item, as somebody with the file in hand would."""
    if item == DEFAULT_ITEM:
        cursor = connection.execute("UPDATE holders SET set_body = ? WHERE name = ?", (body, name))
    else:
        of_holder = "holder_id = (SELECT id FROM holders WHERE name = ?)"
        cursor = connection.execute(f"UPDATE items SET body = ? WHERE item = ? AND {of_holder}", (body, item, name))
    assert cursor.rowcount == 1


class Records:
    """A log in the making. Times go on by a second a record unless a test says otherwise."""

    def __init__(self, opened: Body | None = OPENED) -> None:
        self.all: list[LogRecord] = []
        self._ids = 0
        self._milliseconds = START_MILLISECONDS
        if opened is not None:
            self.add(ENVIRONMENT, opened)

    def fresh_id(self) -> bytes:
        self._ids += 1
        return self._ids.to_bytes(16)

    def add(
        self,
        holder: Holder,
        body: Body,
        *,
        event_id: bytes | None = None,
        expected_version: int | None = None,
        key: bytes | None = None,
        stream: bytes | None = None,
        after_milliseconds: int = SECOND_MILLISECONDS,
    ) -> LogRecord:
        """Append one event, as a node would write it unless `key` or `stream` says otherwise."""
        draft = Draft(
            event_id=event_id if event_id is not None else self.fresh_id(),
            stream=stream if stream is not None else stream_of(holder),
            content_key=b"key",
            holder=holder,
            body=body,
            occurred_at_milliseconds=self._milliseconds,
            provenance=Provenance(actor=f"key:{self._ids % 3}", method="api"),
            expected_version=expected_version,
        )
        return self.add_bytes(encode(draft).value, draft.stream if key is None else key, after_milliseconds)

    def add_bytes(self, value: bytes, key: bytes = b"", after_milliseconds: int = SECOND_MILLISECONDS) -> LogRecord:
        """Append bytes, whatever they are."""
        self._milliseconds += after_milliseconds
        record = LogRecord(len(self.all), self._milliseconds, key, value)
        self.all.append(record)
        return record


def folded(path: Path, records: Sequence[LogRecord], cuts: Iterable[int] = ()) -> sqlite3.Connection:
    """A new views file with these records folded, in batches that end at the cuts."""
    connection = open_writer(path)
    fold_on(connection, records, cuts)
    return connection


def fold_on(connection: sqlite3.Connection, records: Sequence[LogRecord], cuts: Iterable[int] = ()) -> Checkpoint | None:
    """Fold those of the records that the file has not seen yet, in batches that end at the cuts.

    What the whole log takes out is known from the start, as to a node that comes to the same in the end.
    """
    skips = in_force(said_by(records))
    checkpoint = read_checkpoint(connection)
    start = checkpoint.next_offset if checkpoint is not None else 0
    ends = sorted({cut for cut in cuts if start < cut < len(records)} | {len(records)})
    for end in ends:
        if start < end:
            checkpoint, halted = apply_batch(connection, checkpoint, records[start:end], skips)
            assert halted is None, halted
            start = end
    return checkpoint


def rows_of(connection: sqlite3.Connection) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table, to see that nothing was written."""
    names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
    return {name: sorted(connection.execute(f"SELECT * FROM {name}").fetchall(), key=repr) for name in names}
