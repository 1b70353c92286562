"""What every route of our own API does with a request and an answer."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, cast
from urllib.parse import unquote_to_bytes

import msgspec
from fastapi import Depends, Header, Query, Request, Response

from domain.invalid import Invalid
from domain.json_value import JsonValue
from services.http.auth import ENVIRONMENT_HEADER, Caller, Gate
from services.http.body import read_body
from services.http.json_body import parse_json
from services.http.problems import Problem
from services.keys import Scope
from services.ledger import Ledger
from services.observability.context import asked_by
from services.queries import Queries, When
from services.settings import Settings

QUICK_BODY_BYTES_MAX = 65_536
"""A larger body would take the event loop some milliseconds to parse."""


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

    async def dependency(
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
        asked_by(caller.ledger.environment, request.state.request_id)
        caller.check(scope)
        _check_query(request)
        return caller

    return Depends(dependency)


MayRead = Annotated[Caller, caller_with(Scope.READ)]
MayPublish = Annotated[Caller, caller_with(Scope.PUBLISH)]
MayAudit = Annotated[Caller, caller_with(Scope.AUDIT)]
MayAdminister = Annotated[Caller, caller_with(Scope.ADMIN)]


def _check_query(request: Request) -> None:
    """A misspelt parameter must not be taken for its absence: `?asof=` would answer about another day.

    Nor may one that is given twice, or is not UTF-8, be taken for what the framework makes of it.
    """
    known = {field.alias for field in request.scope["route"].dependant.query_params}
    for dependency in request.scope["route"].dependant.dependencies:
        known |= {field.alias for field in dependency.query_params}
    try:
        unquote_to_bytes(request.scope["query_string"]).decode("utf-8")
    except UnicodeDecodeError:
        raise Problem("bad-request", "a parameter is not percent-encoded UTF-8") from None
    given = [name for name, _ in request.query_params.multi_items()]
    for name in given:
        if name not in known:
            raise Problem(
                "bad-request", f"there is no parameter {name[:60]!r} here; there are: {', '.join(sorted(known)) or 'none'}"
            )
        if given.count(name) > 1:
            raise Problem("bad-request", f"the parameter {name} was given more than once")


def queries_of(request: Request, caller: Caller) -> Queries:
    """The questions side of the caller's ledger."""
    return node_of(request).queries[caller.ledger.environment]


async def _when(
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


async def read_json(request: Request) -> JsonValue:
    """The body as one strict JSON document. Raises TooLarge, MalformedJson, Problem."""
    body = await read_body(request.scope, request.receive, bytes_max=node_of(request).settings.body_bytes_max)
    return await parsed(body)


async def parsed(body: bytes) -> JsonValue:
    """A body as one strict JSON document; a large one is parsed on a thread. Raises MalformedJson."""
    return parse_json(body) if len(body) <= QUICK_BODY_BYTES_MAX else await asyncio.to_thread(parse_json, body)


async def read_members(request: Request, *allowed: str) -> dict[str, JsonValue]:
    """The body as an object that has only these members. Raises Invalid and what `read_json` raises."""
    body = await read_json(request)
    if not isinstance(body, dict):
        raise Invalid("", "the body must be a JSON object")
    for name in body:
        if name not in allowed:
            raise Invalid(f"/{name[:60]}", f"the body has no such member; it may have {', '.join(allowed)}")
    return body


NOT_KEPT = {"cache-control": "no-store"}
"""What tells much of people stays out of caches on its way."""


def answer(
    content: Any, *, status: int = 200, headers: dict[str, str] | None = None, stale_seconds: float | None = None
) -> Response:
    """A JSON answer."""
    if stale_seconds is not None:
        content = {**content, "stale_seconds": stale_seconds}
    return Response(msgspec.json.encode(content), status, headers, media_type="application/json")


def etag(version: int) -> dict[str, str]:
    """The ETag of a version of a set."""
    return {"etag": f'"{version}"'}


def is_unchanged(request: Request, current: str) -> bool:
    """Whether the reader already has what the ETag `current` stands for (RFC 9110, 13.1.2: a weak comparison)."""
    known = request.headers.get("if-none-match", "")
    return current in (tag.strip().removeprefix("W/") for tag in known.split(","))
