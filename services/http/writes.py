"""What every writing route does: who says it, under which condition, once; and the answer read back after it."""

import re
import sqlite3
from typing import Any
from urllib.parse import unquote_to_bytes

from fastapi import Request

from domain.event import Body, Provenance
from domain.holder import Holder
from domain.identifier import check_text, event_id_text
from domain.invalid import Invalid
from projections.batch_state import ItemRow
from projections.position import parse_position
from projections.state import PastState
from services.commands import Request as CommandRequest
from services.commands import draft_of, is_configuration
from services.http.auth import Caller
from services.http.exchange import queries_of
from services.http.problems import Problem
from services.identifiers import derived_event_id
from services.keys import Scope
from services.publisher import Receipt

IDEMPOTENCY_KEY_LENGTH_MAX = 255
REASON_LENGTH_MAX = 1_000

_ETAG = re.compile(r'"([0-9]{1,18})"')


def command_request(request: Request, caller: Caller, *index: str, expected_version: int | None = None) -> CommandRequest:
    """Who says it and how, off the request's headers. With an Idempotency-Key the event's id follows from the request."""
    actor, method, reason, correlation_id = (
        _header_text(request, f"Prefledger-{name}") for name in ("Actor", "Method", "Reason", "Correlation-Id")
    )
    return CommandRequest(
        provenance=Provenance(
            actor=actor or caller.credential.actor,
            method=method or "api",
            reason=reason,
            evidence={"request_id": request.state.request_id, "credential": caller.credential.actor},
        ),
        event_id=_idempotent_event_id(request, caller, *index),
        expected_version=expected_version,
        correlation_id=correlation_id,
    )


def _header_text(request: Request, name: str) -> str | None:
    """A header's text in UTF-8, percent-encoded where a client can't send it as it is."""
    value = request.headers.get(name)
    if value is None:
        return None
    try:
        text = unquote_to_bytes(value.encode("latin-1")).decode("utf-8")
    except UnicodeDecodeError:
        raise Invalid("", f"the header {name} is not UTF-8, nor percent-encoded UTF-8") from None
    return check_text(text, "", f"the header {name}", length_max=REASON_LENGTH_MAX) or None


def _idempotent_event_id(request: Request, caller: Caller, *index: str) -> bytes | None:
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    if not 1 <= len(key) <= IDEMPOTENCY_KEY_LENGTH_MAX:
        raise Problem("bad-request", f"an Idempotency-Key has 1 to {IDEMPOTENCY_KEY_LENGTH_MAX} characters")
    path = request.scope["raw_path"].decode("latin-1")
    return derived_event_id(caller.ledger.environment, caller.credential.actor, request.method, path, key, *index)


def expected_version(request: Request) -> int | None:
    """The version that a write expects: of If-Match; 0, never written, for `If-None-Match: *`. Raises Problem."""
    if_match, if_none_match = request.headers.get("if-match"), request.headers.get("if-none-match")
    if if_match is not None:
        found = _ETAG.fullmatch(if_match.strip())
        if found is None or if_none_match is not None:
            raise Problem("bad-request", 'If-Match takes one ETag as this API gave it, as in "3", and stands alone')
        return int(found[1])
    if if_none_match is None:
        return None
    if if_none_match.strip() != "*":
        raise Problem("bad-request", "a write takes If-None-Match with * only: what was never written")
    return 0


def refuse_condition(request: Request, why: str) -> None:
    """Raises Problem where a condition was sent that would not be looked at."""
    if "if-match" in request.headers or "if-none-match" in request.headers:
        raise Problem("bad-request", f"send no If-Match and no If-None-Match: {why}")


async def publish_one(
    request: Request, caller: Caller, holder: Holder, body: Body, *, expected: int | None = None
) -> tuple[Receipt, bytes]:
    """Publish one event of this request; what became of it, and its stream. Raises ServiceError, Invalid, Problem."""
    if is_configuration(holder, body):
        caller.check(Scope.ADMIN)
    command = command_request(request, caller, str(holder), "0", expected_version=expected)
    draft = draft_of(caller.ledger, holder, body, command)
    return await caller.ledger.publisher.publish_one(draft, may_repeat=command.event_id is not None), draft.stream


async def write_item(request: Request, caller: Caller, holder: Holder, item: str, body: Body) -> tuple[dict[str, Any], int]:
    """Publish one event and read the item that it touched, just after it: a request sent again is answered the same."""
    receipt, stream = await publish_one(request, caller, holder, body, expected=expected_version(request))
    offset = parse_position(receipt.position).offset

    def read(connection: sqlite3.Connection) -> ItemRow | None:
        row = queries_of(request, caller).now(connection).state.item(stream, item)
        if row is None or row.offset <= offset:
            return row
        return PastState(connection, offset).item(stream, item)

    row = caller.ledger.views.reader.read_now(read)
    version = row.version if row is not None else 0
    return {
        "holder": str(holder),
        "leaves": row.stored.leaves if row is not None else {},
        "version": version,
        "position": receipt.position,
        "event_id": event_id_text(receipt.event_id),
        "outcome": receipt.outcome,
    }, version
