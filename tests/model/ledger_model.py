"""What a ledger comes to, in the plainest way there is: the specification that the tests hold the ledger against.

It imports nothing of ours, on purpose, and is written from the documentation: docs/preferences.md and docs/api.md. It is
told the records of a log in their order, each as its publisher meant it (an event as `POST /events` takes it), and says
what became of each, as the feed shows it, and what every holder's items are after any of them.
"""

import json
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.model.document_model import (
    changes_between,
    leaves,
    merged,
    spelled_out_entry,
    spelled_out_set,
    without_booleans,
)

Json = Any

REMEMBERED_MILLISECONDS = 7 * 24 * 3600 * 1000
REMEMBERED_RECORDS = 100
OF_ANY_HOLDER = ("PreferenceSet", "Holder", "SetsAdopted")
"""How the types begin that any holder may say; the rest is the environment's."""


@dataclass(frozen=True)
class Record:
    """A record of the log. `said` is None where no event can be read from it, or not one of the key's holder.

    `logged_at` is the log's own clock, in Unix milliseconds; it may go back.
    """

    holder: str | None
    logged_at: int
    event_id: str | None = None
    said: Json = None
    why: str = ""


@dataclass
class Item:
    """One of a holder's documents. `trail` has for each path the changes that it went through, the newest last."""

    document: Json = field(default_factory=dict)
    version: int = 0
    trail: dict[str, list[Json]] = field(default_factory=dict)

    def source(self, path: str) -> int:
        """The offset of the record that gave a path its present value."""
        return int(self.trail[path][-1]["offset"])


@dataclass(frozen=True)
class _Remembered:
    content: str
    recorded_at: int
    records: int


class Stream:
    """One holder, record by record."""

    def __init__(self) -> None:
        self.items: dict[str, Item] = {}
        self.records = 0
        self.forgotten_at = -1
        self._remembered: dict[str, _Remembered] = {}

    def document(self, item: str) -> Json:
        """An item's document; empty where there is none."""
        return self.items[item].document if item in self.items else {}

    def version(self, item: str) -> int:
        """How many applied events the item had. It never starts again."""
        return self.items[item].version if item in self.items else 0

    def take(self, offset: int, recorded_at: int, record: Record, *, is_sealed: bool) -> Json:
        """Fold one record; the entry that the feed shows of it."""
        self.records += 1
        if record.said is None:
            return entry_of(record, "Parked", None, "parked", record.why, None, [])
        said, item = record.said, item_of(record.said)
        outcome, why = self._outcome(record, recorded_at, is_sealed)
        if why != "event-id-reused":
            self._remembered[record.event_id or ""] = _Remembered(content_of(said), recorded_at, self.records)
        changes = list(self._apply(offset, said, item)) if outcome == "applied" else []
        version = self.version(item) if item is not None else None
        return entry_of(record, said["type"], item, outcome, why, version, changes)

    def _outcome(self, record: Record, recorded_at: int, is_sealed: bool) -> tuple[str, str | None]:
        said, earlier = record.said, self._remembered.get(record.event_id or "")
        if earlier is not None and (
            self.records - earlier.records <= REMEMBERED_RECORDS
            or recorded_at - earlier.recorded_at <= REMEMBERED_MILLISECONDS
        ):
            return ("duplicate", None) if earlier.content == content_of(said) else ("rejected", "event-id-reused")
        if is_sealed:
            return "rejected", "ledger-sealed"
        if said.get("expected_version") not in (None, self.version(item_of(said) or "")):
            return "rejected", "version-mismatch"
        if record.holder != "environment" and not said["type"].startswith(OF_ANY_HOLDER):
            return "parked", "not-this-holders-to-say"
        return "applied", None

    def _apply(self, offset: int, said: Json, named: str | None) -> Iterator[Json]:
        """What history shows of the changes. Where one event touches several items, each change names its own."""
        for name, after in self._after(said, named).items():
            item = self.items.setdefault(name, Item())
            changes = list(changes_between(leaves(name, item.document), leaves(name, after)))
            if not changes and name != named:
                continue
            item.document, item.version = after, item.version + 1
            for change in changes:
                version = item.version if name == named else None
                item.trail.setdefault(change["path"], []).append({"offset": offset, "version": version, **change})
            yield from (change if name == named else {"item": name, **change} for change in changes)
        if said["type"] == "HolderForgotten":
            # What stood before is shown no more, not even where it went.
            self.forgotten_at = offset
            for name in self.items.keys() - {"suppression"}:
                self.items[name].trail = {}

    def _after(self, said: Json, item: str | None) -> dict[str, Json]:
        """The documents that an event touches, as they are after it."""
        match said["type"]:
            case "HolderForgotten":
                stays = {} if said["suppress"] == "none" else {"suppress": said["suppress"]}
                return {**{name: {} for name in self.items}, "suppression": stays}
            case "SetsAdopted":
                adopted = {f"set:{name}": spelled_out_set(tree) for name, tree in said["sets"].items()}
                return {name: tree for name, tree in adopted.items() if not self.document(name)}
        if item is None:
            return {}
        before = self.document(item)
        match said["type"]:
            case "PreferenceSetReplaced":
                return {item: spelled_out_set(said["preferences"])}
            case "PreferenceSetMerged":
                patch = spelled_out_set(said["preferences"], is_patch=True)
                return {item: merged(item, without_booleans(before, patch), patch)}
            case "HolderDescribed":
                return {item: said["properties"] if said.get("replaces") else merged(item, before, said["properties"])}
            case "PolicySet":
                return {item: {"semantics": 1, **said["policy"]}}
            case type_ if type_.endswith("Defined"):
                return {item: spelled_out_entry(said["document"])}
        return {item: {}}  # PreferenceSetDeleted, WorkflowRemoved...


class Ledger:
    """All holders, record by record."""

    def __init__(self) -> None:
        self.recorded_at: list[int] = []
        self.streams: dict[str, Stream] = {}
        self._records: dict[str, list[tuple[int, Record, bool]]] = {}
        self._is_sealed = False

    def take(self, record: Record) -> Json:
        """Fold the next record; the entry that the feed shows of it."""
        offset, holder = len(self.recorded_at), record.holder
        self.recorded_at.append(max([record.logged_at, *self.recorded_at[-1:]]))
        if holder is not None and (record.said is not None or holder in self.streams):
            self._records.setdefault(holder, []).append((offset, record, self._is_sealed))
            stream = self.streams.setdefault(holder, Stream())
            entry = stream.take(offset, self.recorded_at[-1], record, is_sealed=self._is_sealed)
            self._is_sealed |= entry["type"] == "LedgerSealed" and entry["outcome"] == "applied"
        else:
            # The key belongs to nobody whom the ledger has heard of.
            entry = entry_of(record, "Parked", None, "parked", record.why, None, []) | {"holder": None}
        return entry | {"recorded_at": instant(self.recorded_at[-1])}

    def at(self, holder: str, offset: int) -> Stream:
        """A holder just after the record at an offset, as far as that may still be shown."""
        stream = Stream()
        if holder in self.streams and offset >= self.streams[holder].forgotten_at:
            for at, record, is_sealed in self._records[holder]:
                if at <= offset:
                    stream.take(at, self.recorded_at[at], record, is_sealed=is_sealed)
        return stream

    def offset_at(self, milliseconds: int) -> int:
        """The last record that the log had taken by then; -1 before the first."""
        return bisect_right(self.recorded_at, milliseconds) - 1

    def hidden(self) -> set[int]:
        """Offsets of which history shows only that something happened: the holder was forgotten since."""
        return {
            offset
            for holder, records in self._records.items()
            for offset, _, _ in records
            if offset < self.streams[holder].forgotten_at
        }


def entry_of(
    record: Record, type_: str, item: str | None, outcome: str, why: str | None, version: int | None, changes: list[Json]
) -> Json:
    """What the feed says of a record, but for its position and what its publisher said of itself."""
    if type_ == "HolderForgotten":
        changes = [change for change in changes if change["item"] == "suppression"]
    return {
        "event_id": record.event_id,
        "holder": record.holder,
        "type": type_,
        "set": item.removeprefix("set:") if item is not None and item.startswith("set:") else None,
        "item": item,
        "outcome": outcome,
        "version": version,
        "changes": changes,
        **({} if why is None else {"why": why}),
    }


def item_of(said: Json) -> str | None:
    """The one item that an event names, if it names one."""
    match said["type"]:
        case "PreferenceSetReplaced" | "PreferenceSetMerged" | "PreferenceSetDeleted":
            return f"set:{said.get('set', 'default')}"
        case "HolderDescribed":
            return "properties"
        case "PolicySet":
            return "policy"
        case type_ if type_.endswith(("Defined", "Removed")):
            return f"{type_[:-7].lower()}:{said['key']}"
    return None


def content_of(said: Json) -> str:
    """What tells an event's content from another's: not who said it, nor when. The order of members says nothing."""
    content = {name: said.get(name) for name in ("type", "expected_version", "suppress", "replaces", "policy", "properties")}
    content["item"] = item_of(said)
    if said.get("preferences") is not None:
        content["preferences"] = spelled_out_set(said["preferences"], is_patch=said["type"] == "PreferenceSetMerged")
    if said.get("document") is not None:
        content["document"] = spelled_out_entry(said["document"])
    return json.dumps(content | {"sets": said.get("sets")}, sort_keys=True)


def instant(milliseconds: int) -> str:
    """Unix milliseconds as the API writes them."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"
