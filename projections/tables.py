"""The tables of a views file. Statements are constants; nothing else in the project writes DDL for views."""

from typing import Final

from domain.event import set_item
from domain.holder import DEFAULT_SET

VIEWS_APPLICATION_ID = 0x50464C56
"""`PFLV`: marks a SQLite file as views of this project."""

DEFAULT_ITEM: Final = set_item(DEFAULT_SET)
"""What every evaluation reads: it is kept in its holder's row, every other item in `items`."""

CREATE = f"""
CREATE TABLE checkpoint (
    id INTEGER PRIMARY KEY CHECK (id = 0),
    next_offset INTEGER NOT NULL,          -- the next record to fold
    position TEXT NOT NULL,                -- of the last folded record, as answers show it
    record_hash BLOB NOT NULL,             -- SHA-256 of the last folded record
    recorded_at INTEGER NOT NULL,          -- Unix milliseconds, never below the record before
    environment_offset INTEGER NOT NULL,   -- the last record that changed the environment's stream
    ledger_id TEXT NOT NULL,
    generation INTEGER NOT NULL,
    secret_check BLOB NOT NULL,
    sealed INTEGER NOT NULL DEFAULT 0,
    fold_version INTEGER NOT NULL
);
-- All that most evaluations read of a recipient is in one row, found by one number.
CREATE TABLE holders (
    place INTEGER PRIMARY KEY,             -- told by the stream: see places.py
    stream BLOB NOT NULL,                  -- pseudonym
    own_items INTEGER NOT NULL,            -- what to look for beside the default set: see own_items.py
    id INTEGER NOT NULL,                   -- counts holders in the order in which the ledger first heard of them
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    sequence INTEGER NOT NULL,             -- records of this stream so far, whatever became of them
    snapshot_offset INTEGER NOT NULL,
    forgotten_offset INTEGER NOT NULL,     -- -1: never forgotten
    set_version INTEGER,                   -- of the default set, as in `items`; null: it never had one
    set_offset INTEGER,
    set_body BLOB                          -- last: where it is long it goes on in further pages, which few reads need
);
CREATE UNIQUE INDEX holders_by_id ON holders (id);
CREATE INDEX holders_of_kind ON holders (kind, id);
CREATE INDEX objects_by_name ON holders (name) WHERE kind = 'object';
CREATE TABLE items (                       -- all but default sets
    id INTEGER PRIMARY KEY,
    holder_id INTEGER NOT NULL,
    item TEXT NOT NULL,
    version INTEGER NOT NULL,              -- applied events since the stream began
    offset INTEGER NOT NULL,               -- the last record that was applied
    body BLOB NOT NULL
);
CREATE UNIQUE INDEX items_of_holder ON items (holder_id, item);
CREATE VIEW every_item (holder_id, item, version, offset, body) AS
    SELECT id, '{DEFAULT_ITEM}', set_version, set_offset, set_body FROM holders WHERE set_body IS NOT NULL
    UNION ALL SELECT holder_id, item, version, offset, body FROM items;
CREATE TABLE history (
    offset INTEGER PRIMARY KEY,
    holder_id INTEGER,                     -- null: a parked record that names no known stream
    sequence INTEGER NOT NULL,
    item TEXT,
    type TEXT NOT NULL,
    event_id BLOB,                         -- null: a parked record whose id can't be read or trusted
    fingerprint BLOB,
    occurred_at INTEGER NOT NULL,
    recorded_at INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    why TEXT,                              -- why the outcome is not `applied`
    version INTEGER,
    position TEXT NOT NULL,
    detail BLOB NOT NULL                   -- changes, actor, method...
);
CREATE INDEX history_of_holder ON history (holder_id, offset);
CREATE INDEX history_of_event ON history (event_id);
CREATE INDEX history_parked ON history (offset, why) WHERE outcome = 'parked';
CREATE TABLE snapshots (
    holder_id INTEGER NOT NULL,
    item TEXT NOT NULL,
    offset INTEGER NOT NULL,
    version INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (holder_id, item, offset)
) WITHOUT ROWID;
CREATE TABLE choices (
    rule INTEGER NOT NULL,                 -- a hash of item and path
    value INTEGER NOT NULL,                -- 0 or 1: only plain choices can be asked for
    holder_id INTEGER NOT NULL,
    PRIMARY KEY (rule, value, holder_id)
) WITHOUT ROWID;
CREATE TABLE tenant_records (
    tenant INTEGER NOT NULL,               -- a hash of the tenant's name
    offset INTEGER NOT NULL,               -- a record about what some holder wants inside that tenant
    PRIMARY KEY (tenant, offset)
) WITHOUT ROWID;
"""  # noqa: S608 - a constant

# A row is one holder's for ever: another stream at its place would be another person's choices, and is refused.
# A default set that was not touched is null here, and stays as it is.
PUT_HOLDER = """
INSERT INTO holders (place, stream, own_items, id, name, kind, sequence, snapshot_offset, forgotten_offset,
    set_version, set_offset, set_body)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (place) DO UPDATE SET stream = CASE WHEN stream = excluded.stream THEN stream END,
    own_items = excluded.own_items, sequence = excluded.sequence, snapshot_offset = excluded.snapshot_offset,
    forgotten_offset = excluded.forgotten_offset, set_version = coalesce(excluded.set_version, set_version),
    set_offset = coalesce(excluded.set_offset, set_offset), set_body = coalesce(excluded.set_body, set_body)
"""
PUT_ITEM = """
INSERT INTO items (holder_id, item, version, offset, body) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (holder_id, item) DO UPDATE SET version = excluded.version, offset = excluded.offset, body = excluded.body
"""
ADD_HISTORY = "INSERT INTO history VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
ADD_SNAPSHOT = "INSERT INTO snapshots VALUES (?, ?, ?, ?, ?)"
ADD_CHOICE = "INSERT OR IGNORE INTO choices VALUES (?, ?, ?)"  # Two rules may share a number; one row is enough.
REMOVE_CHOICE = "DELETE FROM choices WHERE rule = ? AND value = ? AND holder_id = ?"
ADD_TENANT_RECORD = "INSERT OR IGNORE INTO tenant_records VALUES (?, ?)"
OPEN_CHECKPOINT = "INSERT OR IGNORE INTO checkpoint VALUES (0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
MOVE_CHECKPOINT = """
UPDATE checkpoint SET next_offset = ?, position = ?, record_hash = ?, recorded_at = ?, environment_offset = ?,
    sealed = ?
WHERE id = 0 AND next_offset = ?
"""
READ_CHECKPOINT = (
    "SELECT next_offset, position, record_hash, recorded_at, environment_offset, ledger_id, generation, secret_check, "
    "sealed, fold_version FROM checkpoint"
)
