"""The front door: every request passes here first. Request ids, health, the hot path; then the framework's application."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from domain.invalid import Invalid
from services.errors import NotFound, ServiceError
from services.http.asgi import AsgiScope, Message, Receive, Send
from services.http.evaluate import BATCH, ONE, EvaluateEndpoint
from services.http.json_body import MalformedJson
from services.http.owners import owner_of
from services.http.problems import Problem, method_not_allowed, problem_of
from services.http.request_ids import REQUEST_ID_HEADER, request_id_of
from services.ledger import Ledger
from services.metrics import exposition
from services.readiness import serves

_OURS = (ServiceError, Invalid, MalformedJson, Problem)
_READY_ONE = b"/readyz/"
_OPEN = (b"/livez", b"/readyz", b"/metrics")
"""What needs no key: it tells of no holder."""

_HOT = (ONE, BATCH)
_JSON = ((b"content-type", b"application/json"),)

log = logging.getLogger(__name__)


# A request that no route serves: to find that out, the framework looks at all of them.
_NOWHERE: AsgiScope = {
    "type": "http",
    "http_version": "1.1",
    "method": "GET",
    "scheme": "http",
    "path": "/-",
    "raw_path": b"/-",
    "query_string": b"",
    "root_path": "",
    "headers": [],
    "client": None,
    "server": None,
    "state": {"request_id": "-"},
}


async def _nothing_more() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _ignored(_: Message) -> None:
    """Nobody asked."""


class FrontDoor:
    """An ASGI application around the framework's and the dialects'."""

    def __init__(
        self, inner: Any, dialects: Mapping[str, Any], evaluate: EvaluateEndpoint, ledgers: Mapping[str, Ledger]
    ) -> None:
        """`dialects` by their owner's name; what nobody owns goes to `inner`."""
        self._inner = inner
        self._dialects = dialects
        self.evaluate = evaluate
        self._ledgers = ledgers

    async def make_routes(self) -> None:
        """Have the framework make its routes now.

        It would do so at the first request that passes it, and stand still for some hundred milliseconds: the first
        write after a start would hold up every evaluation.
        """
        await self._inner(dict(_NOWHERE), _nothing_more, _ignored)

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """One connection of the server."""
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        headers = dict(scope["headers"])
        response = _Response(send, request_id_of(headers))
        try:
            if scope["raw_path"] in _HOT:
                if scope["method"] != "POST":
                    raise method_not_allowed("POST")
                await response.whole(200, await self.evaluate.answer(scope, headers, receive))
            else:
                await self._serve(scope, receive, response)
        except _OURS as error:
            problem = problem_of(error)
            await response.whole(problem.status, problem.body(), problem.headers())
        except Exception:
            log.exception("request %s failed", response.request_id, extra={"request_id": response.request_id})
            if response.finished:
                return
            if response.started:
                raise
            problem = Problem(
                "internal", "the node failed on this request; its log says why", request_id=response.request_id
            )
            await response.whole(problem.status, problem.body(), problem.headers())

    async def _serve(self, scope: AsgiScope, receive: Receive, response: "_Response") -> None:
        raw_path: bytes = scope["raw_path"]
        if raw_path in _OPEN or raw_path.startswith(_READY_ONE):
            _check_method(scope, "GET", "HEAD")
        if raw_path == b"/livez":
            await response.whole(200, b'{"live":true}')
        elif raw_path == b"/readyz":
            await self._ready(response)
        elif raw_path.startswith(_READY_ONE):
            await self._ready_one(response, raw_path.removeprefix(_READY_ONE).decode("latin-1"))
        elif raw_path == b"/metrics":
            await response.whole(200, exposition(self._ledgers), [(b"content-type", b"text/plain; version=0.0.4")])
        else:
            # Routes match the raw path, so that an id with an encoded slash stays one segment.
            inner = {**scope, "path": raw_path.decode("latin-1"), "state": {**scope.get("state", {})}}
            inner["state"]["request_id"] = response.request_id
            dialect = self._dialects.get(owner_of(raw_path, scope["headers"]) or "", self._inner)
            await dialect(inner, receive, response)

    async def _ready(self, response: "_Response") -> None:
        checks = {environment: ledger.readiness.checks() for environment, ledger in self._ledgers.items()}
        ready = serves(ledger.readiness for ledger in self._ledgers.values())
        body = msgspec.json.encode({"ready": ready, "environments": checks})
        await response.whole(200 if ready else 503, body)

    async def _ready_one(self, response: "_Response", environment: str) -> None:
        ledger = self._ledgers.get(environment)
        if ledger is None:
            raise NotFound(f"this node serves no environment {environment[:60]!r}")
        checks = ledger.readiness.checks()
        await response.whole(200 if checks["ready"] else 503, msgspec.json.encode(checks))


class _Response:
    """The way back to the client, on which every answer gets its request's id."""

    __slots__ = ("_request_id", "_send", "finished", "started")

    def __init__(self, send: Send, request_id: bytes) -> None:
        self._send = send
        self._request_id = request_id
        self.started = self.finished = False

    @property
    def request_id(self) -> str:
        """What this request is called in the log, in events and in the answer."""
        return self._request_id.decode()

    async def __call__(self, message: Message) -> None:
        """An ASGI `send`."""
        self.finished = message["type"] == "http.response.body" and not message.get("more_body")
        if message["type"] == "http.response.start":
            self.started = True
            message["headers"] = [*message["headers"], (REQUEST_ID_HEADER, self._request_id)]
        await self._send(message)

    async def whole(self, status: int, body: bytes, headers: Sequence[tuple[bytes, bytes]] = _JSON) -> None:
        """A whole answer. JSON unless the headers say otherwise."""
        self.started = True
        lines = [*headers, (b"content-length", b"%d" % len(body)), (REQUEST_ID_HEADER, self._request_id)]
        await self._send({"type": "http.response.start", "status": status, "headers": lines})
        self.finished = True
        await self._send({"type": "http.response.body", "body": body})


def _check_method(scope: AsgiScope, *known: str) -> None:
    if scope["method"] not in known:
        raise method_not_allowed(", ".join(known))
