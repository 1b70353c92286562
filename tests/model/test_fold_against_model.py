"""The fold against the model, in one process: tangled logs, folded in batches of any size, told as the model says."""

import ast
import random
import sqlite3
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Final
from uuid import UUID

import pytest

from domain.holder import parse_holder
from projections.folding import apply_batch
from projections.history import feed
from projections.state import PastState
from projections.stored_item import source_of
from projections.views_file import open_writer
from schemas.record import LogRecord, NewRecord
from services.secrets import Secrets
from tests.model.comparing import check_entry, check_hidden, text_of
from tests.model.document_model import leaves
from tests.model.ledger_model import Ledger, Record
from tests.model.publishers import Publisher
from tests.model.records import opening, record_of
from tests.model.tangle import Tangle

FOLDER: Final = Path(__file__).parent
MODELS: Final = ("ledger_model", "document_model", "history_model", "folded")
SECRETS: Final = Secrets("a-secret-of-the-model-tests-that-is-long-enough", "development")
HOLDERS: Final = [*(f"user:{number}" for number in range(6)), "tenant:acme", "object:a%3Ab:x", "environment"]
RECORDS: Final = 1_500
MOMENTS: Final = 100
DAY_MILLISECONDS: Final = 24 * 3600 * 1000
SEAL: Final = {"type": "LedgerSealed", "holder": "environment", "event_id": str(UUID(int=2))}
OPENED: Final = {"type": "LedgerOpened", "holder": "environment", "event_id": str(UUID(int=1))}

Told = tuple[NewRecord, Record]


def tangled(seed: int) -> list[Told]:
    """A log, its clock running, standing, going back and leaping; the last tenth of every other one is after its seal."""
    chance = random.Random(seed)
    tangle = Tangle(chance, Publisher(chance, HOLDERS), SECRETS)
    told: list[Told] = [(opening(str(UUID(int=3)), SECRETS), Record("environment", 0, OPENED["event_id"], OPENED))]
    told += [tangle.next() for _ in range(RECORDS)]
    if seed % 2:
        told.insert(RECORDS * 9 // 10, (record_of(SEAL, SECRETS), Record("environment", 0, SEAL["event_id"], SEAL)))
    logged_at = 1_772_000_000_000
    for at, (record, meant) in enumerate(told):
        logged_at += chance.choice([1_000, 1_000, 0, -5_000, chance.choice([0] * 20 + [8 * DAY_MILLISECONDS])])
        told[at] = record, replace(meant, logged_at=logged_at)
    return told


@pytest.mark.parametrize("seed", range(4))
def test_a_tangled_log_is_told_as_the_model_says(seed: int, tmp_path: Path) -> None:
    told = tangled(seed)
    records = [LogRecord(at, meant.logged_at, one.key, one.value) for at, (one, meant) in enumerate(told)]
    connection, checkpoint, at, chance = open_writer(tmp_path / "views.sqlite"), None, 0, random.Random(seed)
    while at < len(records):
        batch = records[at : at + chance.choice([1, 5, 100, 1_000])]
        checkpoint, unknown = apply_batch(connection, checkpoint, batch)
        assert unknown is None
        at += len(batch)
    model = Ledger()
    entries = [model.take(meant) for _, meant in told]
    shown = feed(connection, 0, len(told) + 1)
    assert len(shown) == len(told)
    for line, entry, (_, meant) in zip(shown, entries, told, strict=True):
        check_entry(line, entry, meant.said)
    check_hidden((at for at, line in enumerate(shown) if line.get("forgotten")), model)
    positions = [line["position"] for line in shown]
    moments = [(chance.choice(HOLDERS), chance.randrange(len(told))) for _ in range(MOMENTS)]
    moments += [(holder, stream.forgotten_at + at) for holder, stream in model.streams.items() for at in (-1, 0, 1)]
    for holder, offset in moments:
        check_moment(connection, model, positions, holder, min(max(offset, 0), RECORDS))
    connection.close()


def check_moment(connection: sqlite3.Connection, model: Ledger, positions: list[str], holder: str, offset: int) -> None:
    """What a holder had at an offset: versions, values, and for each value the record that gave it."""
    items = PastState(connection, offset).items(SECRETS.stream_key(parse_holder(holder)))
    expected = model.at(holder, offset).items
    told = {
        name: (row.version, row.stored.leaves, {path: source_of(row.stored, path)[1] for path in row.stored.leaves})
        for name, row in items.items()
    }
    wanted = {
        name: (item.version, values := leaves(name, item.document), {path: positions[item.source(path)] for path in values})
        for name, item in expected.items()
        if item.version
    }
    assert text_of(told) == text_of(wanted), f"{holder} at record {offset}"


def test_the_tangled_logs_hold_what_they_are_meant_to_hold() -> None:
    """A comparison that never meets a duplicate proves nothing about them."""
    seen: Counter[tuple[str, str | None]] = Counter()
    for seed in (0, 1):
        model = Ledger()
        for _, meant in tangled(seed):
            entry = model.take(meant)
            seen[entry["outcome"], entry.get("why")] += 1
            seen[entry["type"], None] += 1
    assert min(seen[wanted] for wanted in WANTED) >= 3, {wanted: seen[wanted] for wanted in WANTED}


WANTED: Final = [
    ("applied", None), ("duplicate", None), ("rejected", "event-id-reused"), ("rejected", "version-mismatch"),
    ("rejected", "ledger-sealed"), ("parked", "undecodable"), ("parked", "invalid"), ("parked", "not-this-holders-to-say"),
    ("PreferenceSetMerged", None), ("PreferenceSetReplaced", None), ("PreferenceSetDeleted", None),
    ("HolderDescribed", None), ("HolderForgotten", None), ("SetsAdopted", None), ("WorkflowDefined", None),
    ("CategoryRemoved", None), ("PolicySet", None),
]  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_the_models_import_nothing_of_ours(name: str) -> None:
    """A specification that used the code it judges would share its mistakes."""
    for node in ast.walk(ast.parse((FOLDER / f"{name}.py").read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for imported in names:
            own = imported.removeprefix("tests.model.")
            assert own in MODELS or imported.partition(".")[0] in sys.stdlib_module_names, f"{name} imports {imported}"
