"""`/decisions`: a logged decision, re-run at its own position and instant."""

import asyncio
import json
from collections.abc import Mapping
from typing import Annotated, cast

import msgspec
from fastapi import APIRouter, Depends, Request, Response

from domain.invalid import Invalid
from domain.json_value import JsonValue
from projections.holders import forgotten_since
from projections.position import parse_position
from services.decisions.line import Logged, parse_decision_id
from services.decisions.rerun import ask_again, compare, holders_named
from services.errors import NotFound
from services.evaluation.evaluator import Evaluator
from services.http.audit_models import DecisionAnswer
from services.http.auth import Caller
from services.http.exchange import MayAudit, answer, queries_of
from services.http.openapi import answers
from services.http.paths import decode_segment
from services.http.problems import problem_of
from services.queries import When

router = APIRouter(prefix="/decisions", tags=["evaluation"])


async def _evaluators(request: Request) -> Mapping[str, Evaluator]:
    return cast(Mapping[str, Evaluator], request.app.state.evaluators)


Evaluators = Annotated[Mapping[str, Evaluator], Depends(_evaluators)]


@router.get("/{decision_id}", responses=answers(DecisionAnswer))
async def get_decision(request: Request, decision_id: str, caller: MayAudit, evaluators: Evaluators) -> Response:
    """A decision from this node's decision log, asked again about its own moment: does it still come out the same?"""
    name = parse_decision_id(decode_segment(decision_id))
    decisions = caller.ledger.decisions
    logged = await decisions.find(name)
    if logged is None:
        raise NotFound(decisions.why_absent(name))
    present = await ask_again(logged, evaluators[caller.ledger.environment], _problem)
    return answer(msgspec.Raw(await _compared(request, caller, logged, present)))


async def _compared(request: Request, caller: Caller, logged: Logged, answered: bytes) -> bytes:
    """The answer's body. A batch is large, so most of the work is done beside the event loop."""
    present, named = await asyncio.to_thread(_read, logged, answered)
    streams = {caller.ledger.secrets.stream_key_of(holder): holder for holder in named}
    offset = parse_position(logged.answer["position"]).offset
    gone = await queries_of(request, caller).ask(
        When(), lambda connection, _: forgotten_since(connection, list(streams), offset)
    )
    return await asyncio.to_thread(_told, logged, present, {streams[stream] for stream in gone})


def _read(logged: Logged, answered: bytes) -> tuple[dict[str, JsonValue], set[str]]:
    present = json.loads(answered)
    return present, holders_named(logged.answer) | holders_named(present)


def _told(logged: Logged, present: dict[str, JsonValue], forgotten: set[str]) -> bytes:
    told = {
        "decision_id": logged.decision_id,
        "position": logged.answer["position"],
        "evaluated_at": logged.answer["evaluated_at"],
        "asked_by": logged.asked_by,
        "release": logged.release,
    }
    return msgspec.json.encode({**told, **compare(logged, present, forgotten).shown()})


def _problem(error: Invalid) -> JsonValue:
    return problem_of(error).document()
