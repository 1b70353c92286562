"""A replay that is cut off between its two events, or overtaken between them: nothing is lost, and nothing said twice."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from domain.event import ParkedReplayed, PreferenceSetMerged, Provenance
from domain.holder import DEFAULT_SET, user
from domain.preference_set import Patch
from projections.parked import ParkedState
from services import parked, parked_replay
from services.bootstrap import build_embedded_log
from services.commands import Request, draft_of
from services.errors import Conflict, Unprocessable
from services.ledger import Ledger, now_milliseconds
from services.log.port import Stored
from services.parked import TAKEN_OVER_AFTER_MILLISECONDS, discard, find_open, find_parked, settle, show_parked
from services.parked_replay import Late, replay
from services.settings import Settings
from tests.poisoned_log import Poison
from tests.unit.projections.records import merge_of

WAIT_SECONDS = 30.0
SECRET = "a secret of the tests, long enough to be one"
ANN = user("ann")
OPERATOR = Request(Provenance(actor="operator", method="api"))
EMAIL = "/channel_types/email"


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    settings = Settings(data=tmp_path, environments=("test",))
    (tmp_path / "test").mkdir()
    ledger = Ledger(
        "test", build_embedded_log(settings, "test"), Poison(SECRET, "test").secrets, tmp_path / "test", settings
    )
    ledger.start()
    await until(lambda: bool(ledger.readiness.checks()["ready"]))
    yield ledger
    await ledger.stop()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        while not condition():  # noqa: ASYNC110 - what is asked is a state
            await asyncio.sleep(0.01)


async def park(ledger: Ledger) -> int:
    """An opt-in of Ann's that does not count; its offset."""
    body = merge_of({"channel_types": {"email": True}})
    record = Poison(SECRET, "test").misplaced(ANN, body)
    (outcome,) = await ledger.log.append([record], timeout_seconds=WAIT_SECONDS)
    assert isinstance(outcome, Stored)
    await until(lambda: ledger.views.folded > outcome.offset)
    return outcome.offset


async def say(ledger: Ledger, email: bool) -> None:
    body = PreferenceSetMerged(DEFAULT_SET, Patch({EMAIL: email}))
    await ledger.publisher.publish_one(draft_of(ledger, ANN, body, OPERATOR))


def late(offset: int) -> Late:
    return Late(ANN, merge_of({"channel_types": {"email": True}}), OPERATOR)


def said_of_ann(ledger: Ledger) -> list[tuple[str, str]]:
    """The outcomes of the records of her stream, in order."""
    stream = ledger.secrets.stream_key(ANN)
    return ledger.views.reader.read_now(
        lambda connection: connection.execute(
            "SELECT type, outcome FROM history WHERE holder_id = (SELECT id FROM holders WHERE stream = ?) ORDER BY offset",
            (stream,),
        ).fetchall()
    )


async def begin_and_die(ledger: Ledger, offset: int) -> None:
    """The first event of a replay, by a node that does not live to append the second."""
    await settle(ledger, find_open(ledger, offset), ParkedReplayed(offset, b"the lost event's", ()), OPERATOR)


def let_a_minute_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parked, "now_milliseconds", lambda: now_milliseconds() + TAKEN_OVER_AFTER_MILLISECONDS)


async def test_a_replay_that_was_cut_off_leaves_the_record_open(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    offset = await park(ledger)
    await begin_and_die(ledger, offset)
    found = find_parked(ledger, offset)
    assert found.state is ParkedState.OPEN, "an opt-out that was parked would be lost for good"
    assert "replay_begun" in await show_parked(ledger, offset)
    with pytest.raises(Conflict, match="has not come to its end yet"):
        find_open(ledger, offset)

    let_a_minute_pass(monkeypatch)
    done = await replay(ledger, find_open(ledger, offset), late(offset), OPERATOR)
    assert done["changes"] == [{"path": EMAIL, "after": True}]
    assert find_parked(ledger, offset).state is ParkedState.REPLAYED
    assert said_of_ann(ledger) == [("PreferenceSetMerged", "applied")]


async def test_one_that_was_cut_off_can_be_discarded_after_a_while(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    offset = await park(ledger)
    await begin_and_die(ledger, offset)
    let_a_minute_pass(monkeypatch)
    assert (await discard(ledger, offset, "it was nothing", OPERATOR))["state"] == "discarded"
    with pytest.raises(Conflict, match="was discarded at"):
        find_open(ledger, offset)


async def test_of_two_that_found_it_open_one_acts(ledger: Ledger) -> None:
    """On two nodes both may look before either has acted."""
    offset = await park(ledger)
    found = find_open(ledger, offset)
    await replay(ledger, found, late(offset), OPERATOR)
    with pytest.raises(Conflict, match="by another request just now"):
        await replay(ledger, found, late(offset), OPERATOR)
    with pytest.raises(Conflict, match="by another request just now"):
        await settle(ledger, found, ParkedReplayed(offset, bytes(16), ()), OPERATOR)
    assert len(said_of_ann(ledger)) == 1


async def test_whoever_writes_between_the_two_events_is_not_undone(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    offset = await park(ledger)

    async def settle_while_ann_opts_out(*arguments: object) -> None:
        await settle(*arguments)  # type: ignore[arg-type]
        if len(said_of_ann(ledger)) < 2:
            await say(ledger, email=False)

    monkeypatch.setattr(parked_replay, "settle", settle_while_ann_opts_out)
    done = await replay(ledger, find_open(ledger, offset), late(offset), OPERATOR)
    assert (done["changes"], done["superseded"]) == ([], [EMAIL])
    assert [outcome for _, outcome in said_of_ann(ledger)] == ["applied", "rejected", "applied"]
    settled = (await show_parked(ledger, offset))["settled"]
    assert (settled["event_id"], settled["superseded"]) == (done["event_id"], [EMAIL]), "it was told what is not so"


async def test_a_holder_who_never_rests_is_given_up_on(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    offset = await park(ledger)
    turns = iter(range(100))

    async def settle_while_ann_writes(*arguments: object) -> None:
        await settle(*arguments)  # type: ignore[arg-type]
        await say(ledger, email=next(turns) % 2 == 0)

    monkeypatch.setattr(parked_replay, "settle", settle_while_ann_writes)
    with pytest.raises(Conflict, match="written to too often"):
        await replay(ledger, find_open(ledger, offset), late(offset), OPERATOR)
    assert find_parked(ledger, offset).state is ParkedState.OPEN


async def test_a_record_that_too_much_came_after_is_not_compared(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parked_replay, "LATER_MAX", 3)
    offset = await park(ledger)
    for number in range(4):
        await say(ledger, email=bool(number % 2))
    with pytest.raises(Unprocessable, match="more than 3 events of user:ann"):
        await replay(ledger, find_open(ledger, offset), late(offset), OPERATOR)
    assert find_parked(ledger, offset).act is None, "nothing may be claimed that can't be done"


async def test_a_merge_that_would_be_too_large_claims_nothing(ledger: Ledger) -> None:
    offset = await park(ledger)
    large = PreferenceSetMerged(DEFAULT_SET, Patch({f"/workflows/{number}/enabled": True for number in range(5_001)}))
    with pytest.raises(Unprocessable, match="the most allowed"):
        await replay(ledger, find_open(ledger, offset), replace(late(offset), body=large), OPERATOR)
    assert find_parked(ledger, offset).act is None


async def test_the_open_ones_are_counted(ledger: Ledger) -> None:
    async def counted() -> tuple[int, int | None]:
        await ledger.parked.look()
        return ledger.parked.found.count, ledger.parked.found.oldest_offset

    assert await counted() == (0, None)
    first, second = await park(ledger), await park(ledger)
    assert await counted() == (2, first)
    await discard(ledger, first, "nothing", OPERATOR)
    assert await counted() == (1, second)
    await begin_and_die(ledger, second)
    assert await counted() == (1, second), "one that was only begun would never be looked at again"
    third = await park(ledger)
    assert await counted() == (2, second)
    await replay(ledger, find_open(ledger, third), late(third), OPERATOR)
    assert await counted() == (1, second)


async def test_the_end_of_a_replay_is_noticed(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    offset = await park(ledger)

    async def settle_and_count(*arguments: object) -> None:
        await settle(*arguments)  # type: ignore[arg-type]
        await ledger.parked.look()
        assert ledger.parked.found.begun == 1

    monkeypatch.setattr(parked_replay, "settle", settle_and_count)
    await replay(ledger, find_open(ledger, offset), late(offset), OPERATOR)
    await ledger.parked.look()
    assert ledger.parked.found.count == 0, "whoever is on call is woken for a record that was replayed"


async def test_more_than_are_counted_at_once_are_counted_all(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("projections.parked.COUNTED_AT_ONCE", 2)
    offsets = [await park(ledger) for _ in range(5)]
    for offset in offsets[:3]:
        await discard(ledger, offset, "nothing", OPERATOR)
    await ledger.parked.look()
    assert (ledger.parked.found.count, ledger.parked.found.oldest_offset) == (2, offsets[3])
