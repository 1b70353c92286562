"""Bulk operations: carried out row by row after they were asked for, by whichever node is there to do it.

The request, one event with all its holders and what is said of each, comes before any of its rows. Each row's events have
ids that follow from the operation and the row, so a node that takes over an operation half done repeats nothing, and two
that work on the same one at a time make no row count twice.
"""

import asyncio
import logging
import sqlite3
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from domain.bulk import bodies_of
from domain.event import Body, BulkFinished, BulkRequested, Event, item_of
from domain.holder import ENVIRONMENT, Holder
from domain.identifier import event_id_text
from domain.invalid import Invalid
from projections.bulk import requested_since, results_of
from projections.position import parse_instant, parse_position
from projections.state import PresentState
from projections.stored_item import StoredItem, source_of
from projections.views_store import read_checkpoint
from schemas.codec import Draft, decode
from services.errors import EventIdReused, NotReady, ServiceError, Unprocessable
from services.identifiers import derived_event_id
from services.log.port import EventLog, LogUnavailable, LogUnfit
from services.publisher import Publisher
from services.secrets import Secrets
from services.views import Views

ROWS_AT_ONCE = 50
REQUESTS_REMEMBERED = 32
POLL_SECONDS = 1.0
READ_SECONDS = 5.0

_FOR_GOOD = (EventIdReused, Unprocessable, Invalid)
"""What a row fails by. Everything else passes, and the row is tried again."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Known:
    """A request as the log has it, with the ids of each row's events."""

    event: Event
    body: BulkRequested
    rows: tuple[tuple[bytes, ...], ...]


@dataclass(frozen=True, slots=True)
class BulkProgress:
    """How far an operation is at one position. Times in Unix milliseconds."""

    bulk_id: str
    operation: str
    requested: int
    succeeded: int
    failed: tuple[Holder, ...]
    failed_count: int
    requested_at_milliseconds: int
    changed_at_milliseconds: int
    finished_at_milliseconds: int | None
    position: str

    @property
    def processed(self) -> int:
        """Rows of which all events were folded, whatever became of them."""
        return self.succeeded + self.failed_count


def row_event_id(environment: str, bulk_id: str, at: int, holder: Holder, body: Body) -> bytes:
    """The id of one event of one row: the same on every node."""
    return derived_event_id(environment, "bulk", bulk_id, str(at), str(holder), item_of(body) or type(body).__name__)


class BulkRunner:
    """Carries out one ledger's bulk operations, one at a time, in the order in which they were asked for."""

    def __init__(
        self,
        environment: str,
        secrets: Secrets,
        event_log: EventLog,
        views: Views,
        publisher: Publisher,
        *,
        takeover_seconds: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`takeover_seconds`: how long another node's operation must stand still before this one goes on with it."""
        self._environment = environment
        self._secrets = secrets
        self._log = event_log
        self._views = views
        self._publisher = publisher
        self._takeover_seconds = takeover_seconds
        self._monotonic = monotonic
        self._stream = secrets.stream_key(ENVIRONMENT)
        self._known: OrderedDict[str, Known] = OrderedDict()
        self._own: set[str] = set()
        self._open: dict[str, tuple[int, float]] = {}
        self._seen_offset = -1
        self._environment_offset = -2
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look for operations."""
        self._task = asyncio.create_task(self._run(), name=f"bulk {self._environment}")

    async def stop(self) -> None:
        """Stop where it is; whoever starts next goes on from there."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def take_on(self, bulk_id: str) -> None:
        """Carry out an operation that was asked for at this node, without waiting whether another one does."""
        self._own.add(bulk_id)
        self._wake.set()

    async def progress(self, bulk_id: str) -> BulkProgress | None:
        """How far an operation is; None where there is none by that id. Raises NotReady."""
        stored = self._views.reader.read_now(lambda connection: self._stored(connection, bulk_id))
        if stored is None:
            return None
        known = await self._request(bulk_id, stored)
        return await self._views.reader.read(lambda connection: self._progress(connection, bulk_id, known))

    def _stored(self, connection: sqlite3.Connection, bulk_id: str) -> StoredItem | None:
        row = PresentState(connection).item(self._stream, f"bulk:{bulk_id}")
        return row.stored if row is not None and "/operation" in row.stored.leaves else None

    def _progress(self, connection: sqlite3.Connection, bulk_id: str, known: Known) -> BulkProgress | None:
        stored, checkpoint = self._stored(connection, bulk_id), read_checkpoint(connection)
        if stored is None or checkpoint is None:
            return None
        results = results_of(connection, [event_id for row in known.rows for event_id in row])
        succeeded, failed, changed_at = 0, [], parse_instant(source_of(stored, "/operation")[2], "")
        requested_at = changed_at
        finished = "/finished" in stored.leaves
        for holder, row in zip(known.body.holders, known.rows, strict=True):
            found = [results[event_id] for event_id in row if event_id in results]
            changed_at = max([changed_at, *(result.recorded_at_milliseconds for result in found)])
            if len(found) == len(row) and all(result.outcome == "applied" for result in found):
                succeeded += 1
            elif finished or (len(found) == len(row) and row):
                failed.append(holder)
        finished_at = parse_instant(source_of(stored, "/finished")[2], "") if finished else None
        return BulkProgress(
            bulk_id,
            known.body.operation,
            len(known.body.holders),
            succeeded,
            tuple(failed),
            len(failed),
            requested_at,
            finished_at or changed_at,
            finished_at,
            checkpoint.position,
        )

    async def _request(self, bulk_id: str, stored: StoredItem) -> Known:
        """The request as it was appended: views keep that it was, the log keeps what it said."""
        known = self._known.get(bulk_id)
        if known is None:
            offset = parse_position(source_of(stored, "/operation")[1]).offset
            try:
                records = await self._log.read(offset, limit=1, wait_seconds=READ_SECONDS)
            except (LogUnavailable, LogUnfit) as error:
                raise NotReady(f"what the bulk operation asked for can't be read: {error}") from error
            if not records:
                raise NotReady("what the bulk operation asked for can't be read: the log did not answer in time")
            known = self._known[bulk_id] = self._described(decode(records[0].value))
            if len(self._known) > REQUESTS_REMEMBERED:
                self._known.popitem(last=False)
        return known

    def _described(self, event: Event) -> Known:
        body = event.body
        if not isinstance(body, BulkRequested):
            raise NotReady("the record of the bulk operation is not what it should be: rebuild the views")
        rows = tuple(
            tuple(row_event_id(self._environment, body.bulk_id, at, holder, one) for one in bodies_of(body, at))
            for at, holder in enumerate(body.holders)
        )
        return Known(event, body, rows)

    async def _run(self) -> None:
        trouble = None
        while True:
            try:
                for bulk_id in self._due():
                    await self._carry_out(bulk_id)
                trouble = None
            except ServiceError as error:
                if str(error) != trouble:
                    log.warning("environment %s: a bulk operation waits: %s", self._environment, error)
                trouble = str(error)
            except Exception:
                log.exception("environment %s: a bulk operation failed and is tried again", self._environment)
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await self._wake.wait()
            self._wake.clear()

    def _due(self) -> list[str]:
        """The operations that this node should go on with, oldest first."""
        checkpoint = self._views.progress.checkpoint
        if checkpoint is None:
            return []
        if checkpoint.environment_offset != self._environment_offset:
            self._environment_offset = checkpoint.environment_offset
            self._views.reader.read_now(self._look)
        now = self._monotonic()
        due = []
        for bulk_id, (count, since) in list(self._open.items()):
            moved = self._views.reader.read_now(lambda connection, at=bulk_id: self._count(connection, at))  # type: ignore[misc]
            if moved != count:
                self._open[bulk_id] = (moved, now)
            elif bulk_id in self._own or now - since >= self._takeover_seconds:
                due.append(bulk_id)
        return due

    def _look(self, connection: sqlite3.Connection) -> None:
        for offset, item in requested_since(connection, self._stream, self._seen_offset):
            self._open[item.removeprefix("bulk:")] = (0, self._monotonic())
            self._seen_offset = offset
        for bulk_id in list(self._open):
            stored = self._stored(connection, bulk_id)
            if stored is None or "/finished" in stored.leaves:
                del self._open[bulk_id]
                self._own.discard(bulk_id)

    def _count(self, connection: sqlite3.Connection, bulk_id: str) -> int:
        """How many of the operation's events were folded, as far as this node has read what they are."""
        known = self._known.get(bulk_id)
        return 0 if known is None else len(results_of(connection, [event_id for row in known.rows for event_id in row]))

    async def _carry_out(self, bulk_id: str) -> None:
        stored = self._views.reader.read_now(lambda connection: self._stored(connection, bulk_id))
        if stored is None or "/finished" in stored.leaves:
            return
        known = await self._request(bulk_id, stored)
        failed = 0
        for start in range(0, len(known.rows), ROWS_AT_ONCE):
            drafts = [self._drafts(known, at) for at in range(start, min(start + ROWS_AT_ONCE, len(known.rows)))]
            failed += await self._publish(drafts)
        body = BulkFinished(bulk_id, len(known.rows) - failed, failed)
        event_id = derived_event_id(self._environment, "bulk", bulk_id, "finished")
        await self._publisher.publish_one(self._draft(known, ENVIRONMENT, body, event_id), may_repeat=True)

    async def _publish(self, rows: list[list[Draft]]) -> int:
        """Publish some rows; how many failed for good. Raises ServiceError where it is worth trying again."""
        drafts = [draft for row in rows for draft in row]
        try:
            results = await self._publisher.publish(drafts, may_repeat=True) if drafts else []
        except _FOR_GOOD as error:
            if len(rows) == 1:
                log.warning("environment %s: a row of a bulk operation failed: %s", self._environment, type(error).__name__)
                return 1
            return sum([await self._publish([row]) for row in rows])
        for result in results:
            if isinstance(result, ServiceError) and not isinstance(result, _FOR_GOOD):
                raise result
        refused = {draft.event_id for draft, result in zip(drafts, results, strict=True) if isinstance(result, ServiceError)}
        return sum(any(draft.event_id in refused for draft in row) for row in rows)

    def _drafts(self, known: Known, at: int) -> list[Draft]:
        holder, event_ids = known.body.holders[at], known.rows[at]
        bodies = bodies_of(known.body, at)
        return [self._draft(known, holder, body, event_id) for body, event_id in zip(bodies, event_ids, strict=True)]

    def _draft(self, known: Known, holder: Holder, body: Body, event_id: bytes) -> Draft:
        request = known.event
        return Draft(
            event_id=event_id,
            stream=self._secrets.stream_key(holder),
            content_key=self._secrets.content_key,
            holder=holder,
            body=body,
            occurred_at_milliseconds=request.occurred_at_milliseconds,
            provenance=request.provenance,
            correlation_id=request.correlation_id,
            causation_id=event_id_text(request.event_id),
        )
