"""`/evaluate` and `/evaluate/batch`: the hot path, a raw ASGI callable in front of the framework's application.

The framework's routing, models and dependencies would cost more than the whole evaluation.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, cast

from domain.invalid import Invalid
from domain.json_value import JsonValue
from services.errors import TooLarge
from services.evaluation.asked import parse_asked, parse_recipient, parse_recipients
from services.evaluation.evaluator import Evaluator
from services.http.auth import ENVIRONMENT_HEADER, Gate
from services.http.exchange import BODY_SECONDS_MAX
from services.http.json_body import parse_object
from services.http.problems import Problem, problem_of
from services.keys import Scope
from services.metrics import EVALUATION_SECONDS

AsgiScope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

ONE = b"/ledger/v1/evaluate"
BATCH = b"/ledger/v1/evaluate/batch"

_ENVIRONMENT = ENVIRONMENT_HEADER.encode()


class EvaluateEndpoint:
    """Answers `POST` to the two evaluation paths."""

    def __init__(self, gate: Gate, evaluators: Mapping[str, Evaluator], body_bytes_max: int) -> None:
        self._gate = gate
        self._evaluators = evaluators
        self._body_bytes_max = body_bytes_max

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """One request. Whatever is wrong with it becomes a problem; our own faults are left to the caller."""
        authorization = environment = None
        for name, value in scope["headers"]:
            if name == b"authorization":
                authorization = value.decode("latin-1")
            elif name == _ENVIRONMENT:
                environment = value.decode("latin-1")
        caller = self._gate.caller(authorization, environment)
        caller.check(Scope.EVALUATE)
        body = parse_object(await self._read(receive))
        evaluator = self._evaluators[caller.ledger.environment]
        with EVALUATION_SECONDS.labels("batch" if scope["raw_path"] == BATCH else "one").time():
            answer = await _answer(evaluator, body, is_batch=scope["raw_path"] == BATCH)
        await send_json(send, 200, answer)

    async def _read(self, receive: Receive) -> bytes:
        message = await receive()
        if not message.get("more_body"):
            return self._bounded(cast(bytes, message.get("body", b"")))
        chunks = [message.get("body", b"")]
        size = len(chunks[0])
        try:
            async with asyncio.timeout(BODY_SECONDS_MAX):
                while message.get("more_body"):
                    message = await receive()
                    chunks.append(message.get("body", b""))
                    size += len(chunks[-1])
                    if size > self._body_bytes_max:
                        break
        except TimeoutError:
            raise Problem("timeout", f"the body did not arrive within {BODY_SECONDS_MAX:.0f} seconds") from None
        return self._bounded(b"".join(chunks))

    def _bounded(self, body: bytes) -> bytes:
        if len(body) > self._body_bytes_max:
            raise TooLarge(f"the body has more than {self._body_bytes_max} bytes, which is the most allowed")
        return body


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
