"""Knock's dialect as one ASGI callable: CORS, routing, who may, and every error in Knock's own shape."""

import logging
import re

import msgspec
from starlette.requests import Request

from domain.invalid import Invalid
from services.errors import ServiceError
from services.http.asgi import AsgiScope, Message, Receive, Send, send_json
from services.http.json_body import MalformedJson
from services.http.knock import bulk, preference_center, preferences, recipients, tenants, workflows
from services.http.knock.access import enter
from services.http.knock.errors import UNROUTED, KnockError, refusal
from services.http.knock.exchange import KnockServices
from services.http.knock.routing import Answer, Routes
from services.http.problems import Problem

ROUTES = Routes(
    [*preferences.ROUTES, *recipients.ROUTES, *tenants.ROUTES, *workflows.ROUTES, *bulk.ROUTES, *preference_center.ROUTES]
)

_ALLOWED_HEADERS = (
    "authorization, content-type, accept, idempotency-key, x-knock-user-token, x-knock-client, x-knock-branch, x-request-id"
)
_HEADER_NAMES = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~, -]{1,1000}")
_FOR_BROWSERS = [
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", b"x-request-id, retry-after, x-should-retry, idempotent-replayed"),
]
"""Any page may call: what it may do hangs on the key and token it sends, never on a cookie."""

_OWN_WORDS = (KnockError, ServiceError, Invalid, MalformedJson, Problem)

log = logging.getLogger(__name__)


class KnockDialect:
    """Serves every path that is Knock's."""

    def __init__(self, services: KnockServices) -> None:
        self._services = services

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """One request."""

        async def send_to_browsers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *_FOR_BROWSERS]
            await send(message)

        request = Request(scope, receive)
        try:
            await self._serve(request, send_to_browsers)
        except _OWN_WORDS as error:
            await send_json(send_to_browsers, *refusal(error))
        except Exception as error:
            request_id = scope["state"]["request_id"]
            log.exception("request %s failed", request_id, extra={"request_id": request_id})
            await send_json(send_to_browsers, *refusal(error))

    async def _serve(self, request: Request, send: Send) -> None:
        if request.method == "OPTIONS":
            await _answer_preflight(request, send)
            return
        raw_path = request.scope["raw_path"].decode("latin-1")
        found = ROUTES.find(request.method, raw_path)
        if found is None:
            await send_json(send, 404, msgspec.json.encode(_unrouted(raw_path)))
            return
        route, parameters = found
        await _send_answer(send, await route.handler(enter(request, self._services, route, parameters)))


def _unrouted(raw_path: str) -> dict[str, object]:
    """Knock's own body; with a hint where an id with a bare slash may be the reason."""
    if raw_path.startswith(("/v1/users/", "/v1/objects/", "/v1/tenants/")):
        return {**UNROUTED, "message": "there is nothing at this address; inside an id, a slash is written %2F"}
    return UNROUTED


async def _answer_preflight(request: Request, send: Send) -> None:
    asked = request.headers.get("access-control-request-headers", "")
    allowed = f"{_ALLOWED_HEADERS}, {asked}" if _HEADER_NAMES.fullmatch(asked) else _ALLOWED_HEADERS
    headers = [
        (b"access-control-allow-methods", b"GET, PUT, POST, DELETE"),
        (b"access-control-allow-headers", allowed.encode("latin-1")),
        (b"access-control-max-age", b"7200"),
    ]
    await _send_empty(send, headers)


async def _send_answer(send: Send, answer: Answer) -> None:
    extra = [(name.encode(), value.encode("latin-1")) for name, value in (answer.headers or {}).items()]
    if answer.content is None:
        await _send_empty(send, extra)
        return
    headers = [(b"content-type", b"application/json; charset=utf-8"), *extra]
    await send_json(send, 200, msgspec.json.encode(answer.content), headers)


async def _send_empty(send: Send, headers: list[tuple[bytes, bytes]]) -> None:
    """204 has no content, and by RFC 9110, 8.6 no Content-Length either."""
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
