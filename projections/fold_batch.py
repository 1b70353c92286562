"""Folding a batch of records over the state that was read for it. Pure: same records, same state, same writes."""

from collections.abc import Sequence
from dataclasses import replace

from msgspec import UNSET

from domain.document import Change, Leaves, changes_between
from domain.event import (
    Body,
    Event,
    HolderForgotten,
    LedgerOpened,
    LedgerSealed,
    RecordSkipped,
    is_set_item,
    type_of,
)
from domain.fold import EVENT_ID_REUSED, FOLD_VERSION, Outcome, Remembered, Verdict, fold, judge, touches_every_item
from domain.holder import HolderKind
from domain.opt_out import is_opt_out
from projections.batch_state import (
    SNAPSHOT_EVERY,
    BatchState,
    Decoded,
    EarlierEvent,
    HolderRow,
    ItemRow,
    OptOut,
    Parked,
    Writes,
)
from projections.checkpoint import Checkpoint
from projections.choices import rule_number
from projections.history_detail import ShownChange, detail_of, detail_of_parked, shown_change
from projections.own_items import own_items_bit
from projections.places import free_place
from projections.position import encode_position, record_hash
from projections.skips import is_before
from projections.stored_item import EMPTY, EventReference, StoredItem, after_event, encode_item, event_reference
from projections.tenant_records import tenant_records
from schemas.record import LogRecord

_NOT_TOGETHER = Parked("invalid", "the record's key, stream and holder do not belong together")
_MADE_UP = Parked("invalid", "the record's stream begins like too many others: it was made up, not derived from a secret")


class LogDisagrees(Exception):
    """The log is not the one that the views were made from. The text says which and what to do."""


def opening_checkpoint(opened: LedgerOpened) -> Checkpoint:
    """Where a new views file stands: before the ledger's first record."""
    return Checkpoint(0, "", b"", 0, -1, opened.ledger_id, opened.generation, opened.secret_check, False, FOLD_VERSION)


def fold_batch(state: BatchState, records: Sequence[Decoded]) -> Writes:
    """The writes of one transaction. Raises LogDisagrees when a record is not the next one of this ledger."""
    return _BatchFold(state, records[0]).run(records)


class _BatchFold:
    """One batch being folded: the state so far, and the rows it adds up to."""

    def __init__(self, state: BatchState, first: Decoded) -> None:
        self.state = state
        self.opens = state.checkpoint is None
        self.checkpoint = state.checkpoint or _checkpoint_of_first(first)
        self.ledger = self.checkpoint.ledger_tag
        self.generation = self.checkpoint.generation
        self.next_offset = self.checkpoint.next_offset
        self.recorded_at = self.checkpoint.recorded_at_milliseconds
        self.environment_offset = self.checkpoint.environment_offset
        self.sealed = self.checkpoint.sealed
        self.position = self.checkpoint.position
        self.writes = Writes(self.checkpoint, self.next_offset)
        self.touched_holders: dict[int, HolderRow] = {}
        self.touched_items: dict[tuple[int, str], ItemRow] = {}
        self.choices: dict[tuple[int, int], tuple[int | None, int | None]] = {}

    def run(self, records: Sequence[Decoded]) -> Writes:
        hashed = b""
        for decoded in records:
            record = decoded.record
            if record.offset != self.next_offset:
                raise LogDisagrees(
                    f"the log went from record {self.next_offset - 1} to {record.offset}; records are missing, "
                    "so the projector stops: restore the log, or point this node at the ledger it belongs to"
                )
            hashed = record_hash(record.key, record.value)
            self.recorded_at = max(self.recorded_at, record.timestamp_milliseconds)
            self.position = encode_position(self.ledger, self.generation, record.offset, hashed[:4])
            self.next_offset += 1
            if isinstance(decoded.event, Parked):
                self._park(record, decoded.event)
            else:
                self._event(record, decoded.event)
        return self._finished(hashed)

    def _event(self, record: LogRecord, event: Event) -> None:
        # Only streams that some record has for its key are loaded: any other must not be touched.
        holder = self._holder(event) if record.key == event.stream else _NOT_TOGETHER
        if isinstance(holder, Parked):
            self._park(record, holder)
            return
        holder.sequence += 1
        item = event.item
        row = self.state.items_of(holder.id).get(item) if item is not None else None
        verdict = self._judge(event, holder, row)
        changes: list[ShownChange] = []
        version: int | None = row.version if row is not None else 0
        if verdict.outcome is Outcome.APPLIED:
            changes, version = self._apply(record.offset, event, holder, row)
        if item is None:
            version = None
        self._add_history(record, event, holder, verdict, version, changes)
        self.writes.tenant_records += tenant_records(record.offset, item, changes)
        if verdict.reason != EVENT_ID_REUSED:
            earlier = EarlierEvent(event.fingerprint, self.recorded_at, holder.sequence)
            self.state.earlier[holder.id, event.event_id] = earlier
        if holder.sequence % SNAPSHOT_EVERY == 0:
            self._snapshot(holder, record.offset)

    def _judge(self, event: Event, holder: HolderRow, row: ItemRow | None) -> Verdict:
        earlier = self.state.earlier.get((holder.id, event.event_id))
        verdict = judge(
            event,
            recorded_at_milliseconds=self.recorded_at,
            remembered=None
            if earlier is None
            else Remembered(earlier.fingerprint, earlier.recorded_at_milliseconds, holder.sequence - earlier.sequence),
            sealed=self.sealed,
            version=row.version if row is not None else 0,
        )
        why = _misplaced(event.body, self.next_offset - 1) if verdict.outcome is Outcome.APPLIED else None
        return verdict if why is None else Verdict(Outcome.REJECTED, why)

    def _apply(
        self, offset: int, event: Event, holder: HolderRow, row_before: ItemRow | None
    ) -> tuple[list[ShownChange], int | None]:
        if isinstance(event.body, LedgerSealed):
            self.sealed = True
        if holder.kind == HolderKind.ENVIRONMENT:
            self.environment_offset = offset
        reference = event_reference(event.event_id, self.position, self.recorded_at)
        before = self._items_before(event, holder, row_before)
        after = fold(event.body, event.item, {item: row.stored.leaves for item, row in before.items()} if before else {})
        shown: list[ShownChange] = []
        version: int | None = None
        opts_out = False
        for item, leaves in after.items():
            row = before.get(item)
            stored = row.stored if row is not None else EMPTY
            changes = changes_between(stored.leaves, leaves)
            if not changes and item != event.item:
                continue
            version = (row.version if row is not None else 0) + 1
            folded = ItemRow(version, offset, _stored_after(stored, leaves, changes, reference))
            self.state.put_item(holder.id, item, folded)
            self.touched_items[holder.id, item] = folded
            holder.own_items |= own_items_bit(item, changes)
            named = UNSET if item == event.item else item
            shown += [shown_change(named, change) for change in changes]
            if is_set_item(item):
                self._note_choices(holder.id, item, changes)
            if self.state.notes_opt_outs and not opts_out:
                opts_out = any(is_opt_out(item, change) for change in changes)
        if opts_out:
            self.writes.opt_outs.append(OptOut(offset, self.position, event.event_id, self.recorded_at))
        if isinstance(event.body, HolderForgotten):
            holder.forgotten_offset = offset
        return shown, version

    def _items_before(self, event: Event, holder: HolderRow, row: ItemRow | None) -> dict[str, ItemRow]:
        if event.item is not None:
            return {} if row is None else {event.item: row}
        if not touches_every_item(event.body):
            return {}
        return dict(sorted(self.state.items_of(holder.id).items()))

    def _note_choices(self, holder_id: int, item: str, changes: Sequence[Change]) -> None:
        for path, before, after in changes:
            was = 1 if before is True else 0 if before is False else None
            now = 1 if after is True else 0 if after is False else None
            if was is not None or now is not None:
                key = rule_number(item, path), holder_id
                known = self.choices.get(key)
                self.choices[key] = (was if known is None else known[0]), now

    def _holder(self, event: Event) -> HolderRow | Parked:
        """The event's holder, or why it can't be one."""
        holder = self.state.holders.get(event.stream)
        if holder is None:
            place = free_place(event.stream, self.state.places)
            if place is None:
                return _MADE_UP
            holder = HolderRow(place, event.stream, 0, self.state.next_holder_id, str(event.holder), event.holder.kind.value)
            self.state.next_holder_id += 1
            self.state.put_holder(holder)
        self.touched_holders[holder.id] = holder
        return holder if holder.name == str(event.holder) else _NOT_TOGETHER

    def _snapshot(self, holder: HolderRow, offset: int) -> None:
        for item, row in sorted(self.state.items_of(holder.id).items()):
            if row.offset > holder.snapshot_offset:
                self.writes.snapshots.append((holder.id, item, offset, row.version, encode_item(row.stored)))
        holder.snapshot_offset = offset

    def _park(self, record: LogRecord, parked: Parked) -> None:
        holder = self.state.holders.get(record.key)
        sequence = 0
        if holder is not None:
            holder.sequence += 1
            sequence = holder.sequence
            self.touched_holders[holder.id] = holder
        self.writes.outcomes.append(Outcome.PARKED)
        self.writes.history.append(
            (
                record.offset,
                holder.id if holder else None,
                sequence,
                None,
                "Parked",
                None,
                None,
                self.recorded_at,
                self.recorded_at,
                Outcome.PARKED.value,
                parked.why,
                None,
                self.position,
                detail_of_parked(parked.sentence),
            )
        )
        if holder is not None and sequence % SNAPSHOT_EVERY == 0:
            self._snapshot(holder, record.offset)

    def _add_history(
        self,
        record: LogRecord,
        event: Event,
        holder: HolderRow,
        verdict: Verdict,
        version: int | None,
        changes: list[ShownChange],
    ) -> None:
        self.writes.outcomes.append(verdict.outcome.value)
        self.writes.history.append(
            (
                record.offset,
                holder.id,
                holder.sequence,
                event.item,
                type_of(event.body),
                event.event_id,
                event.fingerprint,
                event.occurred_at_milliseconds,
                self.recorded_at,
                verdict.outcome.value,
                verdict.reason,
                version,
                self.position,
                detail_of(event, changes),
            )
        )

    def _finished(self, last_hash: bytes) -> Writes:
        writes = self.writes
        writes.checkpoint = replace(
            self.checkpoint,
            next_offset=self.next_offset,
            position=self.position,
            record_hash=last_hash,
            recorded_at_milliseconds=self.recorded_at,
            environment_offset=self.environment_offset,
            sealed=self.sealed,
        )
        writes.holders = [holder.values() for holder in self.touched_holders.values()]
        for (holder_id, item), row in sorted(self.touched_items.items()):  # In the order in which they stand in the file.
            writes.items.append((holder_id, item, row.version, row.offset, encode_item(row.stored)))
        for (rule, holder_id), (before, after) in self.choices.items():
            if before != after:
                if before is not None:
                    writes.choices_removed.append((rule, before, holder_id))
                if after is not None:
                    writes.choices_added.append((rule, after, holder_id))
        return writes


def _checkpoint_of_first(first: Decoded) -> Checkpoint:
    if first.record.offset == 0 and not isinstance(first.event, Parked) and isinstance(first.event.body, LedgerOpened):
        return opening_checkpoint(first.event.body)
    raise LogDisagrees(
        "the log's first record does not open a ledger, so this is no preference ledger; "
        "point the node at the right log, or make a new one with `prefledger init`"
    )


def _misplaced(body: Body, offset: int) -> str | None:
    """Why a record at this offset can't say this, in one word."""
    match body:
        case LedgerOpened() if offset > 0:
            return "ledger-already-open"
        case RecordSkipped() if not is_before(body.offset, offset):
            return "takes-nothing-out"
    return None


def _stored_after(stored: StoredItem, leaves: Leaves, changes: Sequence[Change], reference: EventReference) -> StoredItem:
    return after_event(stored, leaves, changes, reference) if changes else stored
