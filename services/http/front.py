"""The front door: every request passes here first. Request ids, health, the hot path; then the framework's application."""

import logging
import re
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec

from domain.invalid import Invalid
from services.errors import ServiceError
from services.http.body import AsgiScope, Message, Receive
from services.http.evaluate import BATCH, ONE, EvaluateEndpoint, Send, send_json
from services.http.json_body import MalformedJson
from services.http.owners import owner_of
from services.http.problems import Problem, method_not_allowed, problem_of
from services.identifiers import new_event_id
from services.ledger import Ledger
from services.metrics import exposition

REQUEST_ID_HEADER = b"x-request-id"
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
_OURS = (ServiceError, Invalid, MalformedJson, Problem)
_OPEN = (b"/livez", b"/readyz", b"/metrics")
"""What needs no key: it tells of no holder."""

log = logging.getLogger(__name__)


class FrontDoor:
    """An ASGI application around the framework's and the dialects'."""

    def __init__(
        self, inner: Any, dialects: Mapping[str, Any], evaluate: EvaluateEndpoint, ledgers: Mapping[str, Ledger]
    ) -> None:
        """`dialects` by their owner's name; what nobody owns goes to `inner`."""
        self._inner = inner
        self._dialects = dialects
        self._evaluate = evaluate
        self._ledgers = ledgers

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """One connection of the server."""
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        request_id = _request_id(scope)
        started = finished = False

        async def send_with_id(message: Message) -> None:
            nonlocal started, finished
            finished = message["type"] == "http.response.body" and not message.get("more_body")
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = [*message["headers"], (REQUEST_ID_HEADER, request_id.encode())]
            await send(message)

        try:
            await self._serve(scope, receive, send_with_id, request_id)
        except _OURS as error:
            problem = problem_of(error)
            await send_json(send_with_id, problem.status, problem.body(), problem.headers())
        except Exception:
            log.exception("request %s failed", request_id)
            if finished:
                return
            if started:
                raise
            problem = Problem("internal", "the node failed on this request; its log says why", request_id=request_id)
            await send_json(send_with_id, problem.status, problem.body(), problem.headers())

    async def _serve(self, scope: AsgiScope, receive: Receive, send: Send, request_id: str) -> None:
        raw_path: bytes = scope["raw_path"]
        if raw_path in (ONE, BATCH):
            _check_method(scope, "POST")
            await self._evaluate(scope, receive, send)
            return
        if raw_path in _OPEN:
            _check_method(scope, "GET", "HEAD")
        if raw_path == b"/livez":
            await send_json(send, 200, b'{"live":true}')
        elif raw_path == b"/readyz":
            await self._ready(send)
        elif raw_path == b"/metrics":
            await send_json(send, 200, exposition(self._ledgers), [(b"content-type", b"text/plain; version=0.0.4")])
        else:
            # Routes match the raw path, so that an id with an encoded slash stays one segment.
            inner = {**scope, "path": raw_path.decode("latin-1"), "state": {**scope.get("state", {})}}
            inner["state"]["request_id"] = request_id
            dialect = self._dialects.get(owner_of(raw_path, scope["headers"]) or "", self._inner)
            await dialect(inner, receive, send)

    async def _ready(self, send: Send) -> None:
        checks = {environment: ledger.readiness.checks() for environment, ledger in self._ledgers.items()}
        ready = all(check["ready"] for check in checks.values())
        body = msgspec.json.encode({"ready": ready, "environments": checks})
        await send_json(send, 200 if ready else 503, body)


def _check_method(scope: AsgiScope, *known: str) -> None:
    if scope["method"] not in known:
        raise method_not_allowed(", ".join(known))


def _request_id(scope: AsgiScope) -> str:
    """The caller's own id if it is a decent one, else a fresh one."""
    for name, value in scope["headers"]:
        if name == REQUEST_ID_HEADER and _REQUEST_ID.fullmatch(value):
            return str(value.decode())
    return str(UUID(bytes=new_event_id()))
