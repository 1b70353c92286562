"""The report's content: everything of one holder at one position, whatever became of it and whatever happens meanwhile."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from domain.event import Body, HolderDescribed, HolderForgotten, PreferenceSetDeleted, PreferenceSetReplaced, Provenance
from domain.holder import DEFAULT_SET, Holder, tenant_set, user
from domain.preference_set import Patch
from schemas.codec import encode
from schemas.record import NewRecord
from services import report as report_module
from services.commands import Request, draft_of
from services.errors import ServiceError
from services.http.report_json import JsonReport
from services.ledger import Ledger
from services.queries import Queries, When
from services.report import CHANGES_AT_ONCE, SETS_AT_ONCE, Report
from tests.unit.services.conftest import WAIT_SECONDS

ZOE = user("zoe")


async def say(ledger: Ledger, body: Body, who: Holder = ZOE, **given: Any) -> Any:
    actor = given.pop("actor", None)
    draft = draft_of(ledger, who, body, Request(Provenance(actor=actor, method="test"), **given))
    (result,) = await ledger.publisher.publish([draft], may_repeat=True)
    return result


async def begun(ledger: Ledger, who: Holder = ZOE, as_of: str | None = None) -> AsyncIterator[bytes]:
    return await Report(Queries(ledger, WAIT_SECONDS), who, JsonReport(), 0).begin(When(as_of))


async def told(pieces: AsyncIterator[bytes]) -> Any:
    return json.loads(b"".join([piece async for piece in pieces]))


def replaced(number: int, set_number: int | None = None) -> PreferenceSetReplaced:
    return PreferenceSetReplaced(
        DEFAULT_SET if set_number is None else tenant_set(str(set_number)), {"/digest": str(number)}
    )


async def test_whatever_became_of_a_record_is_told(ledger: Ledger) -> None:
    """Applied, said twice, what the ledger has and can't read, and refused."""
    draft = draft_of(ledger, ZOE, replaced(1), Request(Provenance(method="test")))
    record = NewRecord(draft.stream, encode(draft).value)
    await ledger.log.append([record, record, NewRecord(draft.stream, b"poison")], timeout_seconds=WAIT_SECONDS)
    assert isinstance(await say(ledger, replaced(2), expected_version=9), ServiceError)
    history = (await told(await begun(ledger)))["history"]
    assert [entry["outcome"] for entry in history] == ["rejected", "parked", "duplicate", "applied"]
    assert history[1]["sentence"]


async def test_long_histories_and_many_sets_come_whole(ledger: Ledger) -> None:
    """However many pieces they take: just enough for one, one more than that, and several."""
    for count in (SETS_AT_ONCE, 1, 2 * SETS_AT_ONCE):
        who = user(f"sets-{count}")
        for number in range(count):
            await say(ledger, replaced(number, number), who)
        document = await told(await begun(ledger, who))
        assert {one["set"] for one in document["sets"]} == {f"tenant:{number}" for number in range(count)}
        assert len(document["history"]) == count
    for number in range(2 * CHANGES_AT_ONCE + 1):
        await say(ledger, replaced(number))
    history = (await told(await begun(ledger)))["history"]
    assert [entry["changes"][0]["after"] for entry in history] == [str(n) for n in reversed(range(2 * CHANGES_AT_ONCE + 1))]


async def test_all_pieces_belong_to_the_position_of_the_first(ledger: Ledger) -> None:
    await say(ledger, replaced(1), actor="user:zoe")
    await say(ledger, HolderDescribed(Patch({"/name": "Zoe"})))
    pieces = await begun(ledger)
    first = await anext(aiter(pieces))
    await say(ledger, PreferenceSetDeleted(DEFAULT_SET))
    await say(ledger, replaced(2, 7))
    document = json.loads(first + b"".join([piece async for piece in pieces]))
    assert [one["preferences"] for one in document["sets"]] == [{"digest": "1"}]
    assert len(document["history"]) == 2, "what came later got into it"
    again = await told(await begun(ledger, as_of=document["position"]))
    assert again == document, "the same position tells something else later"


async def test_one_that_is_forgotten_meanwhile_is_not_told_of_any_more(ledger: Ledger) -> None:
    await say(ledger, replaced(1), actor="telltale")
    pieces = await begun(ledger)
    await anext(aiter(pieces))
    await say(ledger, HolderForgotten("all"))
    assert b"telltale" not in b"".join([piece async for piece in pieces])
    document = await told(await begun(ledger))
    assert document["suppression"]["value"] == {"suppress": "all"}
    assert [entry.get("forgotten", False) for entry in document["history"]] == [False, True]


async def test_nobody_is_told_of_like_somebody(ledger: Ledger) -> None:
    document = await told(await begun(ledger, user("nobody")))
    assert (document["sets"], document["history"], document["sources"]) == ([], [], [])


async def test_sources_are_counted_and_bounded(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_module, "SOURCES_MAX", 2)
    for number, actor in enumerate(("a", "b", "c", "c", "b")):
        await say(ledger, replaced(number), actor=actor)
    document = await told(await begun(ledger))
    entries = document["history"]
    assert [(one["actor"], one["events"]) for one in document["sources"]] == [("b", 2), ("c", 2), ("(others)", 1)]
    assert document["sources"][0]["first_recorded_at"] == entries[3]["recorded_at"]
    assert document["sources"][0]["last_recorded_at"] == entries[0]["recorded_at"]
