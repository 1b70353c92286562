"""`/workflow-runs`: what was decided for a workflow trigger that came in through a dialect."""

from collections.abc import Mapping
from typing import Annotated, Any, cast

import msgspec
from fastapi import APIRouter, Depends, Request, Response

from domain.invalid import Invalid
from domain.json_value import JsonValue
from services.errors import NotFound
from services.evaluation.asked import parse_asked, parse_recipients
from services.evaluation.evaluator import Evaluator
from services.http.auth import Caller
from services.http.evaluation_models import RunAnswer
from services.http.exchange import answer, caller_with
from services.http.openapi import answers
from services.http.paths import decode_segment
from services.http.problems import problem_of
from services.keys import Scope
from services.workflow_runs import WorkflowRuns

router = APIRouter(prefix="/workflow-runs", tags=["evaluation"])

MayEvaluate = Annotated[Caller, caller_with(Scope.EVALUATE)]


class Runs:
    """The runs of a node and who answers for them."""

    def __init__(self, kept: WorkflowRuns, evaluators: Mapping[str, Evaluator]) -> None:
        self.kept = kept
        self.evaluators = evaluators


async def _runs(request: Request) -> Runs:
    return cast(Runs, request.app.state.runs)


@router.get("/{run_id}", responses=answers(RunAnswer))
async def get_run(run_id: str, caller: MayEvaluate, runs: Annotated[Runs, Depends(_runs)]) -> Response:
    """The decisions of a trigger with their traces, re-run at its position and instant. Nothing was or will be sent."""
    name = decode_segment(run_id)
    run = runs.kept.run(name, caller.ledger.environment)
    if run is None:
        raise NotFound("this node has no such run: it keeps the latest ones only, and forgets them when it stops")
    asked = parse_asked({**run.question, "explain": True}, "recipients")
    recipients = parse_recipients(run.question.get("recipients"))
    evaluation = await runs.evaluators[caller.ledger.environment].many(asked, recipients, _problem)
    if caller.ledger.decisions.is_on:
        question = msgspec.json.encode({**run.question, "explain": True})
        caller.ledger.decisions.keep(caller.credential.actor, question, evaluation)
    content: dict[str, Any] = {"workflow_run_id": name, "sent": False, "question": run.question}
    return answer({**content, "evaluation": msgspec.Raw(evaluation)})


def _problem(error: Invalid) -> JsonValue:
    return problem_of(error).document()
