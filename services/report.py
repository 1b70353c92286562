"""The report on one holder: everything that the ledger keeps of it and where that comes from, as of one position.

It is made in pieces. Each is read and written out on a reader's thread, in a transaction of its own, and all are of the
same position; between them nothing is held, however slowly somebody takes them and however long the history is.
"""

import sqlite3
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, Protocol

from domain.catalogue import EntryKind
from domain.event import PROPERTIES, SUPPRESSION, is_set_item
from domain.fold import Outcome
from domain.holder import Holder
from domain.pointer import keys_of, pointer
from projections.history import HistoryQuery, page
from projections.position import instant_text
from projections.sourced import SourceEvents, sourced_document, sourced_set
from projections.views_store import read_checkpoint
from services.queries import Moment, Queries, When

SETS_AT_ONCE = 16
CHANGES_AT_ONCE = 16
"""Each may change thousands of values, so a piece has few."""
SOURCES_MAX = 1_000
NAMES_MAX = 1_000

_OTHERS = ("(others)", "(others)")
_NAMED = {"workflows": EntryKind.WORKFLOW, "categories": EntryKind.CATEGORY}


class Writer(Protocol):
    """What makes a document of the parts, which come in this order. Every part is one piece of the document's text."""

    def head(self, head: Mapping[str, Any]) -> str:
        """Of whom and of when it is, and what is known besides sets."""

    def preference_set(self, one: Mapping[str, Any]) -> str:
        """One set."""

    def changes(self) -> str:
        """What stands between the sets and the changes."""

    def change(self, entry: Mapping[str, Any]) -> str:
        """One entry of the history, the newest first."""

    def end(self, sources: Iterable[Mapping[str, Any]]) -> str:
        """Who said it all, and the document's end."""


@dataclass(slots=True)
class _Source:
    """One way in which something was said of the holder."""

    events: int = 0
    first_recorded_at: str = ""
    last_recorded_at: str = ""


@dataclass(slots=True)
class Report:
    """One report in the making. The made-at instant is this node's own clock, in Unix milliseconds."""

    queries: Queries
    holder: Holder
    writer: Writer
    made_at_milliseconds: int
    _sets: list[str] = field(default_factory=list)
    _sources: dict[tuple[str | None, str | None], _Source] = field(default_factory=dict)
    _names: dict[str, str | None] = field(default_factory=dict)

    async def begin(self, when: When) -> AsyncIterator[bytes]:
        """The pieces of the document. What can be refused is refused before the first: raises what a question raises."""
        pinned, head = await self.queries.ask(when, self._head)
        return self._pieces(pinned, head)

    async def _pieces(self, pinned: Moment, head: str) -> AsyncIterator[bytes]:
        then = When(as_of=pinned.position)
        yield head.encode()
        for start in range(0, len(self._sets), SETS_AT_ONCE):
            names = self._sets[start : start + SETS_AT_ONCE]
            yield (await self.queries.ask(then, partial(self._some_sets, names=names))).encode()
        yield self.writer.changes().encode()
        below: int | None = pinned.offset
        while below is not None and below >= 0:
            piece, below = await self.queries.ask(then, partial(self._some_changes, below=below))
            yield piece.encode()
        yield self.writer.end(self._told_sources()).encode()

    @property
    def _stream(self) -> bytes:
        return self.queries.ledger.secrets.stream_key(self.holder)

    def _head(self, connection: sqlite3.Connection, moment: Moment) -> tuple[Moment, str]:
        items = {item: row for item, row in moment.state.items(self._stream).items() if row.stored.leaves}
        self._sets = [item for item in items if is_set_item(item)]
        events = SourceEvents(connection)
        known = {
            item: sourced_document(items[item].version, items[item].stored, events)
            for item in (PROPERTIES, SUPPRESSION)
            if item in items
        }
        checkpoint = read_checkpoint(connection)
        head = {
            "holder": str(self.holder),
            "environment": self.queries.ledger.environment,
            "ledger_id": checkpoint.ledger_id if checkpoint is not None else None,
            **moment.told(),
            "recorded_at": instant_text(moment.recorded_at_milliseconds),
            "made_at": instant_text(self.made_at_milliseconds),
            **known,
            "events": events.shown,
        }
        return moment, self.writer.head(head)

    def _some_sets(self, connection: sqlite3.Connection, moment: Moment, *, names: Iterable[str]) -> str:
        written = []
        for name in names:
            row = moment.state.item(self._stream, name)
            if row is not None and row.stored.leaves:
                events = SourceEvents(connection)
                shown = sourced_set(name, row.version, row.stored, events)
                names_of_scopes = self._scope_names(moment, row.stored.leaves)
                written.append(self.writer.preference_set({**shown, "events": events.shown, "names": names_of_scopes}))
        return "".join(written)

    def _some_changes(self, connection: sqlite3.Connection, moment: Moment, *, below: int) -> tuple[str, int | None]:
        query = HistoryQuery(self._stream, below, outcomes=tuple(Outcome), limit=CHANGES_AT_ONCE)
        found = page(connection, query)
        written = []
        for entry in found.entries:
            self._note_source(entry)
            changed = [change["path"] for change in entry["changes"] if is_set_item(change.get("item", entry["item"]) or "")]
            names = self._scope_names(moment, changed)
            written.append(self.writer.change({**entry, "names": names}))
        return "".join(written), found.next_below

    def _scope_names(self, moment: Moment, paths: Iterable[str]) -> dict[str, str]:
        """What the catalogue of that position calls the workflows and categories that the paths lie in."""
        scopes = {tuple(keys[:2]) for keys in map(keys_of, paths) if len(keys) > 1 and keys[0] in _NAMED}
        named: dict[str, str] = {}
        for collection, key in scopes:
            item = f"{_NAMED[collection].value}:{key}"
            if item not in self._names and len(self._names) < NAMES_MAX:
                row = moment.state.item(self.queries.ledger.environment_stream, item)
                name = row.stored.leaves.get("/name") if row is not None else None
                self._names[item] = name if isinstance(name, str) else None
            name = self._names.get(item)
            if name is not None:
                named[pointer(collection, key)] = name
        return dict(sorted(named.items()))

    def _note_source(self, entry: Mapping[str, Any]) -> None:
        who = (entry["actor"], entry["method"])
        if who not in self._sources and len(self._sources) == SOURCES_MAX:
            who = _OTHERS
        source = self._sources.setdefault(who, _Source(last_recorded_at=entry["recorded_at"]))
        source.events += 1
        source.first_recorded_at = entry["recorded_at"]

    def _told_sources(self) -> list[dict[str, Any]]:
        return [{"actor": actor, "method": method, **asdict(source)} for (actor, method), source in self._sources.items()]
