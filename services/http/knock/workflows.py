"""Triggering a workflow: what comes along is stored, then the question is kept for looking up. Nothing is sent."""

from typing import Any
from uuid import UUID

from domain.holder import Holder
from domain.identifier import check_id
from domain.invalid import Invalid
from domain.json_value import JsonValue
from projections.position import instant_text
from services.errors import PositionNotReached
from services.evaluation.asked import RECIPIENTS_MAX, parse_asked
from services.facts import described
from services.http.knock.errors import KnockError
from services.http.knock.exchange import Call, Write, check_list, publish, read
from services.http.knock.recipient_request import recipient_writes, tenant_of
from services.http.knock.recipients import needed
from services.http.knock.routing import Answer, Route
from services.identifiers import new_event_id
from services.keys import Scope
from services.ledger import now_milliseconds
from services.queries import Moment
from services.stream_reader import StreamReader
from services.workflow_runs import WorkflowRun

LOOK_UP = "/ledger/v1/workflow-runs/"


async def trigger(call: Call) -> Answer:
    """POST /v1/workflows/{key}/trigger."""
    return await _trigger(call, call.parameters["key"], await call.body())


async def notify(call: Call) -> Answer:
    """POST /v1/notify, the older form: the workflow's key is in the body."""
    body = await call.body()
    return await _trigger(call, check_id(body.get("name"), "/name", "the workflow's key"), body)


async def _trigger(call: Call, workflow: str, body: dict[str, JsonValue]) -> Answer:
    recipients, writes = _recipients(body)
    actor, actor_writes = recipient_writes(body["actor"], "/actor") if body.get("actor") is not None else (None, [])
    tenant_id, tenant_writes = tenant_of(body["tenant"], "/tenant") if body.get("tenant") is not None else (None, [])
    question: dict[str, JsonValue] = {
        "recipients": [str(holder) for holder in recipients],
        "workflow": workflow,
        "policy": "knock",
        "data": body.get("data") if body.get("data") is not None else {},
        "at": instant_text(now_milliseconds()),
        **({"tenant": tenant_id} if tenant_id is not None else {}),
    }
    parse_asked(question, "recipients")
    run_id = str(UUID(bytes=call.command("workflow-run").event_id or new_event_id()))
    earlier = call.runs.kept.run(run_id, call.ledger.environment)
    if earlier is not None:
        return _replayed(run_id, earlier, question)
    published = await publish(call, await needed(call, [*writes, *actor_writes, *tenant_writes]))
    if published.unfolded:
        raise PositionNotReached("what came along is stored and not folded yet; send the trigger again with the same key")
    question |= await read(call, lambda reader, _, moment: _seen(reader, moment, actor))
    call.runs.kept.keep(run_id, WorkflowRun(call.ledger.environment, question, call.request.state.request_id))
    return _answer(run_id)


def _recipients(body: dict[str, JsonValue]) -> tuple[list[Holder], list[Write]]:
    requests = check_list(body.get("recipients"), "/recipients", RECIPIENTS_MAX)
    if not requests:
        raise Invalid("/recipients", "there must be at least one recipient")
    holders: list[Holder] = []
    writes: list[Write] = []
    for at, request in enumerate(requests):
        holder, own = recipient_writes(request, f"/recipients/{at}")
        holders.append(holder)
        writes += own
    return holders, writes


def _seen(reader: StreamReader, moment: Moment, actor: Holder | None) -> dict[str, Any]:
    """What the question sees of the ledger: the position after everything that came along, and who acted."""
    seen: dict[str, Any] = {"as_of": moment.position}
    return seen if actor is None else {**seen, "actor": described(reader, actor)}


def _replayed(run_id: str, earlier: WorkflowRun, question: dict[str, JsonValue]) -> Answer:
    told = {name: value for name, value in question.items() if name != "at"}
    if any(earlier.question.get(name) != value for name, value in told.items()):
        raise KnockError(422, "invalid_params", "this Idempotency-Key was used for a trigger with other parameters")
    return _answer(run_id, {"idempotent-replayed": "true", "original-x-request-id": earlier.request_id})


def _answer(run_id: str, headers: dict[str, str] | None = None) -> Answer:
    return Answer({"workflow_run_id": run_id, "sent": False, "evaluation_path": LOOK_UP + run_id}, headers)


ROUTES = [
    Route("POST", "/v1/workflows/{key}/trigger", trigger, Scope.PUBLISH),
    Route("POST", "/v1/notify", notify, Scope.PUBLISH),
]
