"""`/evaluate` and `/evaluate/batch`: the hot path, a raw ASGI callable in front of the framework's application.

The framework's routing, models and dependencies would cost more than the whole evaluation.
"""

import time
from collections.abc import Mapping

from domain.invalid import Invalid
from domain.json_value import JsonValue
from services.evaluation.asked import parse_asked, parse_recipient, parse_recipients
from services.evaluation.evaluator import Evaluator
from services.http.asgi import AsgiScope, Receive
from services.http.auth import ENVIRONMENT_HEADER, Gate
from services.http.body import check_declared, receive_body
from services.http.json_body import parse_object
from services.http.problems import Problem, problem_of
from services.keys import Scope
from services.metrics import EVALUATION_SECONDS

ONE = b"/ledger/v1/evaluate"
BATCH = b"/ledger/v1/evaluate/batch"

_ENVIRONMENT = ENVIRONMENT_HEADER.encode()


class EvaluateEndpoint:
    """Answers `POST` to the two evaluation paths."""

    def __init__(self, gate: Gate, evaluators: Mapping[str, Evaluator], *, body_bytes_max: int) -> None:
        self._gate = gate
        self._evaluators = evaluators
        self._body_bytes_max = body_bytes_max

    def at_once(self, headers: Mapping[bytes, bytes], received: bytes) -> bytes | None:
        """The answer to a plain question about one recipient; None for every other, and wherever `answer` would raise."""
        begun_seconds = time.perf_counter()
        try:
            caller = self._gate.caller_by(headers.get(b"authorization", b""), headers.get(_ENVIRONMENT, b""))
            caller.check(Scope.EVALUATE)
            answer = self._evaluators[caller.ledger.environment].hot.answer(received)
        except Exception:
            return None  # Whatever it is, the usual way meets it again, and answers for it.
        if answer is not None:
            EVALUATION_SECONDS.observe("one", time.perf_counter() - begun_seconds)
            if caller.ledger.decisions.is_on:
                caller.ledger.decisions.keep(caller.credential.actor, received, answer)
        return answer

    async def answer(self, scope: AsgiScope, headers: Mapping[bytes, bytes], receive: Receive) -> bytes:
        """The body of one request's answer. Raises ServiceError, Invalid, MalformedJson, Problem."""
        caller = self._gate.caller_by(headers.get(b"authorization", b""), headers.get(_ENVIRONMENT, b""))
        caller.check(Scope.EVALUATE)
        if scope["query_string"]:
            raise Problem("bad-request", "an evaluation takes no parameters in the address: put them into the body")
        check_declared(headers.get(b"content-length", b""), self._body_bytes_max)
        received = await receive_body(receive, bytes_max=self._body_bytes_max)
        evaluator = self._evaluators[caller.ledger.environment]
        begun_seconds = time.perf_counter()
        if scope["raw_path"] == BATCH:
            answer = await _many(evaluator, parse_object(received))
            EVALUATION_SECONDS.observe("batch", time.perf_counter() - begun_seconds)
        else:
            answer = evaluator.hot.answer(received) or await _one(evaluator, received)
            EVALUATION_SECONDS.observe("one", time.perf_counter() - begun_seconds)
        if caller.ledger.decisions.is_on:
            caller.ledger.decisions.keep(caller.credential.actor, received, answer)
        return answer


async def _one(evaluator: Evaluator, received: bytes) -> bytes:
    body = parse_object(received)
    asked = parse_asked(body, "recipient")
    answer = await evaluator.one(asked, parse_recipient(body.get("recipient"), "/recipient"), len(received))
    evaluator.hot.learn(received, body)
    return answer


async def _many(evaluator: Evaluator, body: dict[str, JsonValue]) -> bytes:
    asked = parse_asked(body, "recipients")
    return await evaluator.many(asked, parse_recipients(body.get("recipients")), _problem)


def _problem(error: Invalid) -> JsonValue:
    return problem_of(error).document()
