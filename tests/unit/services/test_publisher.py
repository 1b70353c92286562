"""What became of an event, with the real log file and the real views: stored, refused, and not known."""

import asyncio
import sqlite3
import string
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from domain.document import Leaves, Unset
from domain.event import NOBODY, Body, HolderDescribed, LedgerSealed, PreferenceSetMerged, PreferenceSetReplaced, Provenance
from domain.holder import DEFAULT_SET, ENVIRONMENT, Holder, user
from domain.preference_set import LEAVES_MAX, Patch
from projections import projector
from projections.history import event_at, event_by_id
from projections.position import parse_position
from projections.projector import State
from schemas.codec import Draft
from schemas.record import LogRecord, NewRecord
from services import publisher
from services.bootstrap import build_embedded_log
from services.commands import Request, draft_of
from services.errors import (
    EventIdReused,
    LedgerIsSealed,
    NotAppended,
    NotReady,
    OutcomeUnknown,
    PositionNotReached,
    ServiceError,
    TooLarge,
    Unprocessable,
    VersionMismatch,
)
from services.identifiers import new_event_id
from services.ledger import Ledger
from services.log.port import AppendOutcome, EventLog, LogBounds, Unknown
from services.preparing import Prepared, encoded
from services.secrets import Secrets
from services.settings import Settings

ZOE = user("zoe")
READY_SECONDS_MAX = 30.0


class ForgetfulLog:
    """The real log, whose answers can get lost on their way back; with or without the records having got there."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self.loses_answers = False
        self.loses_records = False

    async def append(self, records: Sequence[NewRecord], *, timeout_seconds: float) -> list[AppendOutcome]:
        lost: list[AppendOutcome] = [Unknown("the answer was lost")] * len(records)
        if self.loses_records:
            return lost
        outcomes = await self._log.append(records, timeout_seconds=timeout_seconds)
        return lost if self.loses_answers else outcomes

    async def start(self) -> None:
        await self._log.start()

    async def stop(self) -> None:
        await self._log.stop()

    async def read(self, offset: int, *, limit: int, wait_seconds: float) -> list[LogRecord]:
        return await self._log.read(offset, limit=limit, wait_seconds=wait_seconds)

    async def follow(self, offset: int, *, limit: int, wait_seconds: float) -> list[LogRecord]:
        return await self._log.follow(offset, limit=limit, wait_seconds=wait_seconds)

    async def bounds(self, *, timeout_seconds: float) -> LogBounds:
        return await self._log.bounds(timeout_seconds=timeout_seconds)


class World:
    """One ledger in a folder, live."""

    def __init__(self, folder: Path, wait_seconds: float) -> None:
        settings = Settings(data=folder, environments=("test",), wait_seconds=wait_seconds, append_timeout_seconds=5.0)
        (folder / "test").mkdir()
        self.log = ForgetfulLog(build_embedded_log(settings, "test"))
        secrets = Secrets("a secret of the tests, long enough to be one", "test")
        self.ledger = Ledger("test", self.log, secrets, folder / "test", settings)

    async def become_live(self) -> None:
        self.ledger.start()
        async with asyncio.timeout(READY_SECONDS_MAX):
            while not self.ledger.readiness.checks()["ready"]:  # noqa: ASYNC110 - what is asked is a state
                await asyncio.sleep(0.01)

    def draft(self, body: Body, holder: Holder = ZOE, **request: Any) -> Draft:
        return draft_of(self.ledger, holder, body, Request(NOBODY, **request))

    async def publish(self, body: Body, holder: Holder = ZOE, *, may_repeat: bool = False, **request: Any) -> dict[str, Any]:
        """The history entry of one event. Raises ServiceError."""
        draft = self.draft(body, holder, **request)
        receipt = await self.ledger.publisher.publish_one(draft, may_repeat=may_repeat)
        offset = parse_position(receipt.position).offset
        entry = self.ledger.views.reader.read_now(lambda connection: event_at(connection, offset))
        assert entry is not None
        assert receipt.folded == (entry["position"], entry["outcome"], entry.get("why"), entry["version"])
        return entry

    @property
    def records(self) -> int:
        checkpoint = self.ledger.progress.checkpoint
        return checkpoint.next_offset if checkpoint is not None else 0

    def found(self, event_id: bytes) -> dict[str, Any] | None:
        return self.ledger.views.reader.read_now(lambda connection: event_by_id(connection, event_id))


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setattr(publisher, "RESOLVE_SECONDS", 0.3)
    async with opened(World(tmp_path, wait_seconds=READY_SECONDS_MAX)) as world:
        yield world


@pytest.fixture
async def impatient_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """One in which nobody waits long for the fold."""
    monkeypatch.setattr(publisher, "RESOLVE_SECONDS", 0.1)
    async with opened(World(tmp_path, wait_seconds=0.1)) as world:
        yield world


@asynccontextmanager
async def opened(world: World) -> AsyncIterator[World]:
    await world.become_live()
    try:
        yield world
    finally:
        await world.ledger.stop()


def off(value: bool = False) -> Body:
    return PreferenceSetReplaced(DEFAULT_SET, {"/enabled": value})


async def test_an_event_is_applied_and_answered_from_the_fold(world: World) -> None:
    entry = await world.publish(off())
    assert (entry["outcome"], entry["version"], entry["holder"]) == ("applied", 1, "user:zoe")
    assert entry["changes"] == [{"path": "/enabled", "after": False}]


async def test_a_large_event_is_encoded_on_a_thread(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of values take a tenth of a second, in which no question would be answered."""
    threads: list[bool] = []

    def watched(draft: Draft, source: str) -> Prepared:
        threads.append(threading.current_thread() is threading.main_thread())
        return encoded(draft, source)

    monkeypatch.setattr(publisher, "encoded", watched)
    await world.publish(off())
    leaves: Leaves = {f"/workflows/w{number}/enabled": False for number in range(LEAVES_MAX)}
    entry = await world.publish(PreferenceSetReplaced(DEFAULT_SET, leaves))
    assert (entry["outcome"], threads) == ("applied", [True, False])
    draft = replace(world.draft(off()), provenance=Provenance(evidence={"form": {"answers": ["yes"] * 5_000}}))
    assert (await world.ledger.publisher.publish_one(draft)).outcome == "applied"
    assert threads[2:] == [False]


async def test_the_views_stay_small_while_events_and_questions_never_pause(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A write-ahead log that is never copied wholly is never begun anew: after some hours the disk would be full."""
    monkeypatch.setattr(projector, "TIDY_CHANGES", 300)
    log = tmp_path / "test" / "views-1.sqlite-wal"

    async def ask() -> None:
        while True:
            world.ledger.views.reader.held.checkpoint()
            await asyncio.sleep(0)

    asking = asyncio.create_task(ask())
    sizes: list[int] = []
    for number in range(300):
        await world.publish(off(), user(f"u{number}"))
        sizes.append(log.stat().st_size)
    asking.cancel()
    assert sizes[-1] < 1.25 * sizes[150], (
        "each event adds some 40 kB, and nothing is begun anew: twice as many would be twice as large"
    )
    assert sizes[-1] < 6_000_000


async def test_an_event_that_was_sent_before_makes_no_second_record(world: World) -> None:
    event_id = new_event_id()
    first = await world.publish(off(), event_id=event_id, may_repeat=True)
    records = world.records
    assert await world.publish(off(), event_id=event_id, may_repeat=True) == first
    assert world.records == records


async def test_a_duplicate_that_got_into_the_log_is_answered_as_the_first(world: World) -> None:
    event_id = new_event_id()
    first = await world.publish(off(), event_id=event_id)
    assert await world.publish(off(), event_id=event_id) == first
    assert world.records == 3, "the ledger's opening and both records"


async def test_other_content_under_the_same_id_is_refused_either_way(world: World) -> None:
    event_id = new_event_id()
    await world.publish(off(), event_id=event_id)
    for may_repeat in (True, False):
        with pytest.raises(EventIdReused) as refusal:
            await world.publish(off(True), event_id=event_id, may_repeat=may_repeat)
        assert refusal.value.extensions["event_id"] == str(UUID(bytes=event_id))


async def test_the_same_id_of_another_holder_is_another_event(world: World) -> None:
    event_id = new_event_id()
    await world.publish(off(), event_id=event_id, may_repeat=True)
    other = await world.publish(off(True), user("joe"), event_id=event_id, may_repeat=True)
    assert (other["outcome"], other["holder"]) == ("applied", "user:joe")
    again = await world.publish(off(True), user("joe"), event_id=event_id)
    assert again == other


async def test_a_version_that_does_not_match_is_told_with_where_it_was_recorded(world: World) -> None:
    await world.publish(off())
    with pytest.raises(VersionMismatch) as refusal:
        await world.publish(off(True), expected_version=7)
    entry = world.found(UUID(str(refusal.value.extensions["event_id"])).bytes)
    assert entry is not None
    assert (entry["outcome"], entry["position"]) == ("rejected", refusal.value.extensions["position"])


async def test_a_sealed_ledger_takes_nothing_more(world: World) -> None:
    await world.publish(LedgerSealed("moved on"), ENVIRONMENT)
    with pytest.raises(LedgerIsSealed):
        await world.publish(off())


async def test_results_of_a_request_stand_in_its_order(world: World) -> None:
    known = world.draft(off())
    await world.ledger.publisher.publish_one(known)
    drafts = [world.draft(off(True)), known, world.draft(off(), expected_version=99), world.draft(off(True), user("joe"))]
    results = await world.ledger.publisher.publish(drafts, may_repeat=True)
    assert [type(result).__name__ for result in results] == ["Receipt", "Receipt", "VersionMismatch", "Receipt"]
    receipts = [result for result in results if not isinstance(result, ServiceError)]
    assert [receipt.event_id for receipt in receipts] == [drafts[0].event_id, drafts[1].event_id, drafts[3].event_id]


async def test_an_event_that_no_log_takes_is_refused_before_any_other_is_appended(world: World) -> None:
    large = world.draft(PreferenceSetReplaced(DEFAULT_SET, {"/kept": "x" * 1_000_000}))
    with pytest.raises(TooLarge, match="nothing was appended"):
        await world.ledger.publisher.publish([world.draft(off()), large])
    assert world.records == 1


async def test_a_set_does_not_grow_past_its_limit_by_merges(world: World) -> None:
    def workflows(word: str, count: int) -> dict[str, Any]:
        return {f"/workflows/{word}{at}/enabled": False for at in range(count)}

    await world.publish(PreferenceSetMerged(DEFAULT_SET, Patch(workflows("a", LEAVES_MAX - 1))))
    await world.publish(PreferenceSetMerged(DEFAULT_SET, Patch(workflows("b", 1))))
    with pytest.raises(Unprocessable, match=f"would have {LEAVES_MAX + 1} values"):
        await world.publish(PreferenceSetMerged(DEFAULT_SET, Patch(workflows("c", 1))))
    # What takes away as much as it adds, or writes over what is there, is no growth.
    await world.publish(PreferenceSetMerged(DEFAULT_SET, Patch(workflows("c", 1), (Unset(("workflows", "b0")),))))
    await world.publish(PreferenceSetMerged(DEFAULT_SET, Patch(workflows("a", LEAVES_MAX - 1))))
    await world.publish(PreferenceSetMerged(DEFAULT_SET, Patch(workflows("c", 1))), user("joe"))


async def test_the_shortest_properties_do_not_grow_past_the_limit_either(world: World) -> None:
    shortest = [f"/{first}{second}" for first in string.printable[:94] for second in ("", *string.printable[:62])]
    digits = [path for path in shortest if "~" not in path and path.count("/") == 1][:LEAVES_MAX]
    await world.publish(HolderDescribed(Patch(dict.fromkeys(digits, 1))))
    with pytest.raises(Unprocessable, match=f"would have {LEAVES_MAX + 1} values"):
        await world.publish(HolderDescribed(Patch({"/one more": 1})))


async def test_an_answer_that_was_lost_is_found_in_the_own_fold(world: World) -> None:
    world.log.loses_answers = True
    entry = await world.publish(off())
    assert entry["outcome"] == "applied"


async def test_an_outcome_that_can_not_be_found_out_is_told_as_such(world: World) -> None:
    world.log.loses_records = True
    with pytest.raises(OutcomeUnknown) as refusal:
        await world.publish(off())
    assert refusal.value.retry_after_seconds is not None
    event_id = str(refusal.value.extensions["event_id"])
    assert event_id in refusal.value.sentence
    assert world.found(UUID(event_id).bytes) is None


async def test_no_write_overtakes_one_that_is_unresolved(world: World) -> None:
    lost = world.draft(off())
    world.log.loses_records = True
    with pytest.raises(OutcomeUnknown):
        await world.ledger.publisher.publish_one(lost)
    world.log.loses_records = False
    with pytest.raises(OutcomeUnknown, match="nothing was appended"):
        await world.publish(off(True))
    assert world.records == 1
    assert (await world.publish(off(), user("joe")))["outcome"] == "applied", "another holder had to wait"
    # The unresolved event itself may come again, alone or among others; then the way is free.
    more = world.draft(off(True))
    results = await world.ledger.publisher.publish([lost, more], may_repeat=True)
    assert [getattr(result, "outcome", result) for result in results] == ["applied", "applied"]
    assert (await world.publish(off()))["outcome"] == "applied"


@contextmanager
def held_up(world: World) -> Iterator[None]:
    """The projector waits for its turn to write."""
    with closing(sqlite3.connect(world.ledger.views.path, isolation_level=None)) as blocker:
        blocker.execute("BEGIN IMMEDIATE")
        yield
        blocker.execute("ROLLBACK")


async def outcome_of(world: World, error: ServiceError) -> object:
    """What became of the event that an error is about, once everything is folded."""
    assert await world.ledger.views.watcher.wait_past(1, READY_SECONDS_MAX)
    entry = world.found(UUID(str(error.extensions["event_id"])).bytes)
    return entry["outcome"] if entry is not None else None


async def test_what_was_lost_and_stored_frees_the_way_by_itself(impatient_world: World) -> None:
    world = impatient_world
    with held_up(world):
        world.log.loses_answers = True
        with pytest.raises(OutcomeUnknown) as refusal:
            await world.publish(off())
        world.log.loses_answers = False
        with pytest.raises(OutcomeUnknown, match="nothing was appended"):
            await world.publish(off(True))
    assert await outcome_of(world, refusal.value) == "applied"
    end = (await world.log.bounds(timeout_seconds=5)).end
    with suppress(PositionNotReached):  # It may not be folded in a tenth of a second, but it is appended.
        await world.publish(off(True))
    assert (await world.log.bounds(timeout_seconds=5)).end == end + 1


async def test_an_event_that_is_stored_and_not_folded_yet_is_not_to_be_sent_again(impatient_world: World) -> None:
    with held_up(impatient_world), pytest.raises(PositionNotReached, match="do not send it again") as refusal:
        await impatient_world.publish(off())
    assert await outcome_of(impatient_world, refusal.value) == "applied"


async def test_what_the_log_refuses_is_safe_to_send_again(world: World) -> None:
    await world.log.stop()
    with pytest.raises((NotAppended, NotReady)) as refusal:
        await world.publish(off())
    assert refusal.value.retry_after_seconds is not None
    assert world.records == 1


async def test_a_node_whose_projector_stopped_appends_nothing(impatient_world: World) -> None:
    world = impatient_world
    with closing(sqlite3.connect(world.ledger.views.path, isolation_level=None)) as other:
        other.execute("CREATE TRIGGER t BEFORE INSERT ON history BEGIN SELECT RAISE(ABORT, 'no more'); END")
    with pytest.raises(PositionNotReached):
        await world.publish(off())
    async with asyncio.timeout(READY_SECONDS_MAX):
        while world.ledger.progress.state is not State.STOPPED:  # noqa: ASYNC110 - what is asked is a state
            await asyncio.sleep(0.01)
    end = (await world.log.bounds(timeout_seconds=5)).end
    with pytest.raises(NotReady, match="nothing was appended: the projector has stopped"):
        await world.publish(off(True))
    assert (await world.log.bounds(timeout_seconds=5)).end == end
