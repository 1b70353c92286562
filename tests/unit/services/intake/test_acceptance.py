"""What becomes of a batch of the intake in a real ledger on a file: once each, in order, and one bad event fails alone."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

import pytest

from domain.event import Body, HolderDescribed, PreferenceSetMerged, PreferenceSetReplaced
from domain.holder import DEFAULT_SET, Holder, user
from domain.preference_set import LEAVES_MAX, Patch
from projections.history import feed
from projections.projector import State
from schemas.codec import Draft, encode
from schemas.record import LogRecord, NewRecord
from services import publisher
from services.bootstrap import build_embedded_log
from services.errors import NotReady, OutcomeUnknown
from services.identifiers import new_event_id
from services.intake.acceptance import Acceptance
from services.intake.refusal import IntakeRecord
from services.ledger import Ledger
from services.log.port import AppendOutcome, EventLog, LogBounds, Unknown
from services.preparing import RECORD_BYTES_MAX
from services.secrets import Secrets
from services.settings import Settings

ANN: Final = user("ann")
OPT_OUT: Final = PreferenceSetReplaced(DEFAULT_SET, {"/channel_types/email": False})
READY_SECONDS_MAX: Final = 30.0


class ForgetfulLog:
    """The real log, whose answers can get lost on their way back; and whose end can be said to be further than it is.

    While answers get lost nothing new is read either, or the fold would find what was stored.
    """

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self.loses_answers = False
        self.ahead = 0

    async def append(self, records: Sequence[NewRecord], *, timeout_seconds: float) -> list[AppendOutcome]:
        outcomes = await self._log.append(records, timeout_seconds=timeout_seconds)
        return [Unknown("the answer was lost")] * len(records) if self.loses_answers else outcomes

    async def start(self) -> None:
        await self._log.start()

    async def stop(self) -> None:
        await self._log.stop()

    async def read(self, offset: int, *, limit: int, wait_seconds: float) -> list[LogRecord]:
        records = await self._log.read(offset, limit=limit, wait_seconds=min(wait_seconds, 0.05))
        if not self.loses_answers:
            return records
        await asyncio.sleep(0.05)
        return []

    async def follow(self, offset: int, *, limit: int, wait_seconds: float) -> list[LogRecord]:
        return await self.read(offset, limit=limit, wait_seconds=wait_seconds)

    async def bounds(self, *, timeout_seconds: float) -> LogBounds:
        bounds = await self._log.bounds(timeout_seconds=timeout_seconds)
        return LogBounds(bounds.earliest, bounds.end + self.ahead)


class World:
    """A live ledger, and the acceptance in front of it."""

    def __init__(self, folder: Path) -> None:
        settings = Settings(data=folder, environments=("test",), wait_seconds=READY_SECONDS_MAX)
        (folder / "test").mkdir()
        self.log = ForgetfulLog(build_embedded_log(settings, "test"))
        secrets = Secrets("a secret of the tests, long enough to be one", "test")
        self.ledger = Ledger("test", self.log, secrets, folder / "test", settings)
        self.acceptance = Acceptance(self.ledger)

    async def accept(self, *values: bytes) -> list[tuple[int, str]]:
        """Offset and reason of each refusal."""
        records = [IntakeRecord("intake", 0, offset, None, value) for offset, value in enumerate(values)]
        return [(record.offset, refusal.reason) for record, refusal in await self.acceptance.accept(records)]

    async def outcomes(self) -> list[tuple[str, str]]:
        """Holder and outcome of each record but the first."""
        rows = await self.ledger.views.reader.read(lambda connection: feed(connection, 1, 1_000))
        return [(row["holder"], row["outcome"]) for row in rows]


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setattr(publisher, "RESOLVE_SECONDS", 0.1)
    made = World(tmp_path)
    made.ledger.start()
    async with asyncio.timeout(READY_SECONDS_MAX):
        while not made.ledger.readiness.is_ready():  # noqa: ASYNC110 - what is asked is a state
            await asyncio.sleep(0.01)
    yield made
    await made.ledger.stop()


def event(body: Body = OPT_OUT, holder: Holder = ANN, **more: Any) -> bytes:
    chosen = more.pop("event_id", None) or new_event_id()
    return encode(Draft(chosen, bytes(16), b"another key", holder, body, 0, **more)).value


def merged(count: int, prefix: str) -> Body:
    leaves = {f"/workflows/{prefix}{number}/enabled": False for number in range(count)}
    return PreferenceSetMerged(DEFAULT_SET, Patch(dict(leaves)))


LARGE: Final = PreferenceSetReplaced(DEFAULT_SET, {"/kept": ["x" * RECORD_BYTES_MAX]})


async def test_a_bad_event_fails_alone_and_the_others_keep_their_order(world: World) -> None:
    names = [f"u{number}" for number in range(20)]
    values = [event(holder=user(name)) for name in names]
    values[7] = event(LARGE)
    values[13] = b"poison"
    values[19] = event(holder=user("u19"), expected_version=5)
    assert await world.accept(*values) == [(7, "too-large"), (13, "undecodable"), (19, "version-mismatch")]
    kept = [(f"user:{name}", "applied") for number, name in enumerate(names) if number not in (7, 13, 19)]
    assert await world.outcomes() == [*kept, ("user:u19", "rejected")]


async def test_a_batch_that_is_delivered_again_leaves_no_second_record(world: World) -> None:
    values = [event(), event(expected_version=7), event(HolderDescribed(Patch({"/a": 1}))), b"poison"]
    first = await world.accept(*values)
    outcomes = await world.outcomes()
    assert await world.accept(*values) == first, "what was accepted once is refused now, or the other way round"
    assert await world.outcomes() == outcomes


async def test_an_applied_event_is_still_known_when_its_set_has_no_room_for_it_any_more(world: World) -> None:
    value, full = event(merged(10, "a")), {f"/workflows/b{number}/enabled": False for number in range(LEAVES_MAX - 5)}
    assert await world.accept(value) == []
    assert await world.accept(event(PreferenceSetReplaced(DEFAULT_SET, dict(full)))) == []
    assert await world.accept(event(merged(10, "c"))) == [(0, "unprocessable")]
    assert await world.accept(value) == [], "an applied event is handed back as refused"


async def test_an_id_counts_once_in_one_batch_too(world: World) -> None:
    chosen = new_event_id()
    same, other = event(event_id=chosen), event(HolderDescribed(Patch({"/a": 1})), event_id=chosen)
    elsewhere = event(holder=user("bob"), event_id=chosen)
    refusals = await world.accept(same, same, other, elsewhere, same)
    assert refusals == [(2, "event-id-reused"), (3, "event-id-reused")]
    assert await world.outcomes() == [("user:ann", "applied")]


async def test_the_first_meaning_of_an_id_stays_the_one_for_its_holder(world: World) -> None:
    chosen = new_event_id()
    mine, theirs = event(event_id=chosen), event(holder=user("bob"), event_id=chosen)
    assert await world.accept(mine) == []
    assert await world.accept(theirs, mine) == [(0, "event-id-reused")]
    assert await world.outcomes() == [("user:ann", "applied")]


async def test_an_unknown_outcome_is_no_refusal_and_is_tried_again(world: World) -> None:
    values = [event(), b"poison"]
    world.log.loses_answers = True
    for _ in range(2):
        with pytest.raises(OutcomeUnknown):
            await world.accept(*values)
    world.log.loses_answers = False
    await world.acceptance.catch_up()
    assert await world.accept(*values) == [(1, "undecodable")]
    assert [outcome for _, outcome in await world.outcomes()].count("applied") == 1


async def test_while_the_ledger_takes_nothing_nothing_is_refused(world: World) -> None:
    world.ledger.views.progress.state = State.CATCHING_UP
    with pytest.raises(NotReady):
        await world.accept(event(), b"poison")
    world.ledger.views.progress.state = State.LIVE
    assert await world.accept(event(), b"poison") == [(1, "undecodable")]


async def test_nothing_is_taken_in_before_all_that_the_log_has_is_known(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.intake.acceptance.CATCH_UP_SECONDS_MAX", 0.05)
    await world.acceptance.catch_up()
    world.log.ahead = 1
    with pytest.raises(NotReady, match="has not folded the log up to record 2 yet"):
        await world.acceptance.catch_up()


class Unforeseen(bytes):
    """Bytes over which a decoder stumbles in a way that nobody thought of."""

    def __getitem__(self, _: object) -> NoReturn:
        raise TypeError(self.decode())


async def test_a_bug_of_ours_hands_the_event_back_and_tells_only_its_kind(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    assert await world.accept(event(), Unforeseen(b"1985"), event(holder=user("bob"))) == [(1, "internal")]
    assert [outcome for _, outcome in await world.outcomes()] == ["applied", "applied"]
    (record,) = [record for record in caplog.records if record.name == "services.intake.acceptance"]
    assert record.getMessage().startswith("intake partition 0 offset 1 failed by ")
    assert "1985" not in caplog.text
