"""`/evaluate` and `/evaluate/batch`: the hot path, a raw ASGI callable in front of the framework's application.

The framework's routing, models and dependencies would cost more than the whole evaluation.
"""

from collections.abc import Awaitable, Callable, Mapping

from domain.invalid import Invalid
from domain.json_value import JsonValue
from services.evaluation.asked import parse_asked, parse_recipient, parse_recipients
from services.evaluation.evaluator import Evaluator
from services.http.auth import ENVIRONMENT_HEADER, Gate
from services.http.body import AsgiScope, Message, Receive, read_body
from services.http.json_body import parse_object
from services.http.problems import Problem, problem_of
from services.keys import Scope
from services.metrics import EVALUATION_SECONDS

Send = Callable[[Message], Awaitable[None]]

ONE = b"/ledger/v1/evaluate"
BATCH = b"/ledger/v1/evaluate/batch"

_ENVIRONMENT = ENVIRONMENT_HEADER.encode()


class EvaluateEndpoint:
    """Answers `POST` to the two evaluation paths."""

    def __init__(
        self, gate: Gate, evaluators: Mapping[str, Evaluator], *, body_bytes_max: int, body_timeout_seconds: float
    ) -> None:
        self._gate = gate
        self._evaluators = evaluators
        self._body_bytes_max = body_bytes_max
        self._body_timeout_seconds = body_timeout_seconds

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """One request. Whatever is wrong with it becomes a problem; our own faults are left to the caller."""
        authorization = environment = None
        for name, value in scope["headers"]:
            if name == b"authorization" and authorization is None:
                authorization = value.decode("latin-1")
            elif name == _ENVIRONMENT and environment is None:
                environment = value.decode("latin-1")
        caller = self._gate.caller(authorization, environment)
        caller.check(Scope.EVALUATE)
        if scope["query_string"]:
            raise Problem("bad-request", "an evaluation takes no parameters in the address: put them into the body")
        body = parse_object(
            await read_body(scope, receive, bytes_max=self._body_bytes_max, timeout_seconds=self._body_timeout_seconds)
        )
        evaluator = self._evaluators[caller.ledger.environment]
        with EVALUATION_SECONDS.labels("batch" if scope["raw_path"] == BATCH else "one").time():
            answer = await _answer(evaluator, body, is_batch=scope["raw_path"] == BATCH)
        await send_json(send, 200, answer)


async def _answer(evaluator: Evaluator, body: dict[str, JsonValue], *, is_batch: bool) -> bytes:
    if is_batch:
        asked = parse_asked(body, "recipients")
        return await evaluator.many(asked, parse_recipients(body.get("recipients")), _problem)
    return await evaluator.one(parse_asked(body, "recipient"), parse_recipient(body.get("recipient"), "/recipient"))


def _problem(error: Invalid) -> JsonValue:
    return problem_of(error).document()


async def send_json(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]] | None = None) -> None:
    """A whole response. JSON unless the headers say otherwise."""
    lines = headers or [(b"content-type", b"application/json")]
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [*lines, (b"content-length", str(len(body)).encode())],
        }
    )
    await send({"type": "http.response.body", "body": body})
