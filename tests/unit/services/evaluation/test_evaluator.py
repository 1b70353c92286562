"""Whole questions on a real ledger whose holders stand close together: each is answered by what it said itself."""

import json
from collections.abc import Iterable

import pytest

from domain.event import NOBODY, HolderForgotten, PreferenceSetReplaced
from domain.holder import DEFAULT_SET, tenant_set
from domain.json_value import JsonValue
from projections.places import BLOCK
from services.commands import Request, draft_of
from services.evaluation.asked import parse_asked
from services.evaluation.evaluator import Evaluator
from services.evaluation.plan_answers import ANSWERS_BEFORE_DECODER
from services.ledger import Ledger
from services.queries import Queries
from services.secrets import Secrets
from tests.unit.projections.crowd import alike, holder_of

LEFT_OUT = 5
"""Of the block's holders one that the ledger never hears of."""
IN_TENANT, FORGOTTEN = 3, 4


_keys_of = Secrets.stream_keys_of


def alike_by_number(secrets: Secrets, names: Iterable[bytes]) -> list[bytes]:
    """What by chance happens to one pair in two billion; other holders have their own streams."""
    return [
        alike(int(name.removeprefix(b"user:u"))) if name.startswith(b"user:u") else _keys_of(secrets, [name])[0]
        for name in names
    ]


def choices_of(number: int) -> dict[str, JsonValue]:
    """Another pattern of three choices for each number."""
    return {f"/channel_types/{name}": bool(number >> bit & 1) for bit, name in enumerate(("email", "sms", "push"))}


QUESTION: dict[str, JsonValue] = {"workflow": "w", "channels": ["email", "sms", "push"]}


@pytest.fixture
async def crowd(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    monkeypatch.setattr(Secrets, "stream_keys_of", alike_by_number)
    request = Request(NOBODY)
    bodies = [(number, PreferenceSetReplaced(DEFAULT_SET, choices_of(number))) for number in range(BLOCK)]
    drafts = [draft_of(ledger, holder_of(number), body, request) for number, body in bodies if number != LEFT_OUT]
    inside = PreferenceSetReplaced(tenant_set("acme"), choices_of(7))
    drafts.append(draft_of(ledger, holder_of(IN_TENANT), inside, request))
    drafts.append(draft_of(ledger, holder_of(FORGOTTEN), HolderForgotten("none"), request))
    for draft in drafts:
        assert (await ledger.publisher.publish_one(draft)).outcome == "applied"
    return ledger


def delivered(answer: JsonValue) -> list[bool]:
    assert isinstance(answer, dict)
    decisions = answer["decisions"]
    assert isinstance(decisions, list)
    return [bool(decision["deliver"]) for decision in decisions if isinstance(decision, dict)]


def expected(number: int) -> list[bool]:
    if number in (LEFT_OUT, FORGOTTEN):
        return [True] * 3
    return [bool(choice) for choice in choices_of(number).values()]


async def test_a_batch_answers_each_by_its_own_choices(crowd: Ledger) -> None:
    evaluator = Evaluator(crowd, Queries(crowd, wait_seconds=5.0))
    numbers = [*range(BLOCK)] * (2 * ANSWERS_BEFORE_DECODER // BLOCK)
    for tenant, in_tenant in ((None, IN_TENANT), ("acme", 7)):
        asked = parse_asked({**QUESTION, "recipients": [], "tenant": tenant}, "recipients")
        found = await evaluator.many(asked, [f"user:u{number}" for number in numbers], str)
        results = json.loads(found)["results"]
        for number, result in zip(numbers, results, strict=True):
            assert result["recipient"] == f"user:u{number}"
            assert delivered(result) == expected(in_tenant if number == IN_TENANT else number), f"user:u{number}"
            holders = {decision["decided_by"]["holder"] for decision in result["decisions"] if decision["decided_by"]}
            assert holders <= {f"user:u{number}"}, "somebody else's consent"


async def test_a_single_question_is_answered_by_the_recipients_own_choices(crowd: Ledger) -> None:
    evaluator = Evaluator(crowd, Queries(crowd, wait_seconds=5.0))
    quick = 0
    for number in [*range(BLOCK)] * (2 * ANSWERS_BEFORE_DECODER // BLOCK):
        parsed = {"recipient": f"user:u{number}", **QUESTION}
        body = json.dumps(parsed).encode()
        evaluator.hot.learn(body, parsed)
        answer = evaluator.hot.answer(body)
        quick += answer is not None
        answer = answer or await evaluator.one(parse_asked(parsed, "recipient"), holder_of(number), len(body))
        assert delivered(json.loads(answer)) == expected(number), f"user:u{number}"
    assert quick, "who stands at the first place is answered at once"
