"""What folding a batch needs to know beforehand, and what it wants written. Plain values, no database."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from domain.event import Event
from projections.checkpoint import Checkpoint
from projections.stored_item import StoredItem
from schemas.record import LogRecord

SNAPSHOT_EVERY = 64
"""Records of one stream between snapshots: the most that any question about the past has to fold."""


@dataclass(frozen=True, slots=True)
class Parked:
    """A record that is no event: its class, and a sentence without personal data."""

    why: str
    sentence: str


class Decoded(NamedTuple):
    """A record and what its bytes came to."""

    record: LogRecord
    event: Event | Parked


@dataclass(slots=True)
class HolderRow:
    """A row of `holders` without its default set. `id` and `place` are given by the projector, the only writer."""

    place: int
    stream: bytes
    own_items: int
    id: int
    name: str
    kind: str
    sequence: int = 0
    snapshot_offset: int = -1
    forgotten_offset: int = -1

    def values(self) -> tuple[Any, ...]:
        """The row as `PUT_HOLDER` takes it, up to the default set."""
        return (
            self.place, self.stream, self.own_items, self.id, self.name, self.kind, self.sequence, self.snapshot_offset,
            self.forgotten_offset,
        )  # fmt: skip


@dataclass(slots=True)
class ItemRow:
    """A row of `items`, or the default set of one of `holders`, decoded."""

    version: int
    offset: int
    stored: StoredItem


@dataclass(slots=True)
class EarlierEvent:
    """An earlier record with the id of one in the batch."""

    fingerprint: bytes
    recorded_at_milliseconds: int
    sequence: int


@dataclass(frozen=True, slots=True)
class OptOut:
    """An applied event after which something may no longer be sent."""

    offset: int
    position: str
    event_id: bytes
    recorded_at_milliseconds: int


@dataclass(slots=True)
class BatchState:
    """Everything the fold of one batch reads. The fold changes it as it goes on, in memory only."""

    checkpoint: Checkpoint | None
    next_holder_id: int
    notes_opt_outs: bool = False
    """Whether somebody measures: a replay need not look at every change once more."""

    holders: dict[bytes, HolderRow] = field(default_factory=dict)
    places: set[int] = field(default_factory=set)
    """Those that are taken, of the blocks of all streams in the batch."""

    items: dict[int, dict[str, ItemRow]] = field(default_factory=dict)
    """Of each holder that has any, by name."""

    earlier: dict[tuple[int, bytes], EarlierEvent] = field(default_factory=dict)

    def put_holder(self, holder: HolderRow) -> None:
        """Note a holder, known beforehand or just heard of."""
        self.holders[holder.stream] = holder
        self.places.add(holder.place)

    def put_item(self, holder_id: int, item: str, row: ItemRow) -> None:
        """Note an item, known beforehand or just folded."""
        self.items.setdefault(holder_id, {})[item] = row

    def items_of(self, holder_id: int) -> Mapping[str, ItemRow]:
        """Those of its items that were looked for, or just folded."""
        return self.items.get(holder_id, {})


@dataclass(slots=True)
class Writes:
    """What one transaction writes, table by table."""

    checkpoint: Checkpoint
    expected_offset: int
    """What the checkpoint must stand at for these writes to count; 0 with no checkpoint row at all for the first."""
    holders: list[tuple[Any, ...]] = field(default_factory=list)
    items: list[tuple[Any, ...]] = field(default_factory=list)
    history: list[tuple[Any, ...]] = field(default_factory=list)
    snapshots: list[tuple[Any, ...]] = field(default_factory=list)
    choices_added: list[tuple[int, int, int]] = field(default_factory=list)
    choices_removed: list[tuple[int, int, int]] = field(default_factory=list)
    tenant_records: list[tuple[int, int]] = field(default_factory=list)
    outcomes: list[str] = field(default_factory=list)
    opt_outs: list[OptOut] = field(default_factory=list)
    """Not written: for those who measure."""
