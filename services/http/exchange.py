"""What every route of our own API does with a request and an answer."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, cast
from urllib.parse import unquote

import msgspec
from fastapi import Depends, Header, Query, Request, Response

from domain.event import Provenance
from domain.identifier import check_text
from domain.invalid import Invalid
from domain.json_value import JsonValue
from services.commands import Request as CommandRequest
from services.errors import TooLarge
from services.http.auth import ENVIRONMENT_HEADER, Caller, Gate
from services.http.json_body import parse_json
from services.http.problems import Problem
from services.identifiers import derived_event_id
from services.keys import Scope
from services.ledger import Ledger
from services.queries import Queries, When
from services.settings import Settings

BODY_SECONDS_MAX = 30.0
IDEMPOTENCY_KEY_LENGTH_MAX = 255
REASON_LENGTH_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Node:
    """What the routes need of the node: its ledgers and who may ask them what."""

    ledgers: Mapping[str, Ledger]
    queries: Mapping[str, Queries]
    gate: Gate
    settings: Settings


def node_of(request: Request) -> Node:
    """The node that this application serves."""
    return cast(Node, request.app.state.node)


def caller_with(scope: Scope) -> Any:
    """A dependency: the caller, if the key has this scope."""

    def dependency(
        request: Request,
        authorization: Annotated[str | None, Header(include_in_schema=False)] = None,
        environment: Annotated[
            str | None,
            Header(
                alias=ENVIRONMENT_HEADER, description="With the operator's key: the environment meant, if not the first."
            ),
        ] = None,
    ) -> Caller:
        caller = node_of(request).gate.caller(authorization, environment)
        caller.check(scope)
        _check_query(request)
        return caller

    return Depends(dependency)


MayRead = Annotated[Caller, caller_with(Scope.READ)]
MayPublish = Annotated[Caller, caller_with(Scope.PUBLISH)]
MayAudit = Annotated[Caller, caller_with(Scope.AUDIT)]
MayAdminister = Annotated[Caller, caller_with(Scope.ADMIN)]


def _check_query(request: Request) -> None:
    """A misspelt parameter must not be taken for its absence: `?asof=` would answer about another day."""
    known = {field.alias for field in request.scope["route"].dependant.query_params}
    for dependency in request.scope["route"].dependant.dependencies:
        known |= {field.alias for field in dependency.query_params}
    for name in request.query_params:
        if name not in known:
            raise Problem(
                "bad-request", f"there is no parameter {name[:60]!r} here; there are: {', '.join(sorted(known)) or 'none'}"
            )


def queries_of(request: Request, caller: Caller) -> Queries:
    """The questions side of the caller's ledger."""
    return node_of(request).queries[caller.ledger.environment]


def _when(
    as_of: Annotated[
        str | None, Query(description="A position, or an instant: the answer is as it was then, exactly.")
    ] = None,
    min_position: Annotated[str | None, Query(description="Answer from this position or a later one.")] = None,
    max_staleness: Annotated[
        float | None, Query(ge=0, description="Seconds: refuse to answer from views that may be older.")
    ] = None,
) -> When:
    return When(as_of, min_position, max_staleness)


AskedWhen = Annotated[When, Depends(_when)]
"""The three parameters of every question: as_of, min_position, max_staleness."""


async def read_bytes(request: Request) -> bytes:
    """The whole body, bounded in size and time. Raises TooLarge, Problem."""
    limit = node_of(request).settings.body_bytes_max
    declared = request.headers.get("content-length", "0")
    if declared.isdigit() and int(declared) > limit:
        raise TooLarge(f"the body has {declared} bytes; at most {limit} are allowed")
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_SECONDS_MAX):
            async for chunk in request.stream():
                size += len(chunk)
                if size > limit:
                    raise TooLarge(f"the body has more than {limit} bytes, which is the most allowed")
                chunks.append(chunk)
    except TimeoutError:
        raise Problem("timeout", f"the body did not arrive within {BODY_SECONDS_MAX:.0f} seconds") from None
    return b"".join(chunks)


async def read_json(request: Request) -> JsonValue:
    """The body as one strict JSON document. Raises TooLarge, MalformedJson, Problem."""
    return parse_json(await read_bytes(request))


async def read_members(request: Request, *allowed: str) -> dict[str, JsonValue]:
    """The body as an object that has only these members. Raises Invalid and what `read_json` raises."""
    body = await read_json(request)
    if not isinstance(body, dict):
        raise Invalid("", "the body must be a JSON object")
    for name in body:
        if name not in allowed:
            raise Invalid(f"/{name[:60]}", f"the body has no such member; it may have {', '.join(allowed)}")
    return body


def answer(
    content: Any, *, status: int = 200, headers: dict[str, str] | None = None, stale_seconds: float | None = None
) -> Response:
    """A JSON answer."""
    if stale_seconds is not None:
        content = {**content, "stale_seconds": stale_seconds}
    return Response(msgspec.json.encode(content), status, headers, media_type="application/json")


def command_request(request: Request, caller: Caller, *index: str, expected_version: int | None = None) -> CommandRequest:
    """Who says it and how, off the request's headers. With an Idempotency-Key the event's id follows from the request."""
    headers = request.headers
    actor = _header_text(headers.get("prefledger-actor"), "Prefledger-Actor")
    method = _header_text(headers.get("prefledger-method"), "Prefledger-Method")
    reason = _header_text(headers.get("prefledger-reason"), "Prefledger-Reason")
    return CommandRequest(
        provenance=Provenance(
            actor=actor or caller.credential.actor,
            method=method or "api",
            reason=reason,
            evidence={"request_id": request.state.request_id, "credential": caller.credential.actor},
        ),
        event_id=_idempotent_event_id(request, caller, *index),
        expected_version=expected_version,
        correlation_id=_header_text(headers.get("prefledger-correlation-id"), "Prefledger-Correlation-Id"),
    )


def _header_text(value: str | None, name: str) -> str | None:
    if value is None:
        return None
    return check_text(unquote(value), "", f"the header {name}", length_max=REASON_LENGTH_MAX) or None


def _idempotent_event_id(request: Request, caller: Caller, *index: str) -> bytes | None:
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    if not 1 <= len(key) <= IDEMPOTENCY_KEY_LENGTH_MAX:
        raise Problem("bad-request", f"an Idempotency-Key has 1 to {IDEMPOTENCY_KEY_LENGTH_MAX} characters")
    path = request.scope["raw_path"].decode("latin-1")
    return derived_event_id(caller.ledger.environment, caller.credential.actor, request.method, path, key, *index)


def if_match(request: Request) -> int | None:
    """The version that a write expects: from If-Match, or 0 for If-None-Match: *. Raises Problem."""
    text = request.headers.get("if-match")
    if text is None:
        if request.headers.get("if-none-match") == "*":
            return 0
        return None
    inner = text.strip().removeprefix('"').removesuffix('"')
    if not inner.isdigit() or len(inner) > 18:
        raise Problem("bad-request", 'If-Match takes one ETag as this API gave it, as in "3"')
    return int(inner)


def etag(version: int) -> dict[str, str]:
    """The ETag of a version of a set."""
    return {"etag": f'"{version}"'}
