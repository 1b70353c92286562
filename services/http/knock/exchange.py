"""What every Knock handler does with a request: its body, the events it makes, and the moment it answers from."""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from starlette.requests import Request

from domain.event import Body, Provenance, item_of, type_of
from domain.fold import fold
from domain.holder import Holder, object_in, user
from domain.invalid import Invalid
from domain.json_value import JsonValue
from services.commands import Request as CommandRequest
from services.commands import draft_of
from services.errors import PositionNotReached, ServiceError
from services.http.auth import Caller
from services.http.body import read_body
from services.http.exchange import Node, parsed
from services.http.knock.user_tokens import UserToken
from services.http.workflow_runs import Runs
from services.http.writes import command_request
from services.ledger import Ledger
from services.publisher import Receipt
from services.queries import Moment, Queries, When
from services.stream_reader import StreamReader

METHOD = "knock"
"""How events of this dialect came: the `method` in history, unless the request names another."""

Write = tuple[Holder, Body]


@dataclass(frozen=True, slots=True)
class KnockServices:
    """What the dialect needs of the node."""

    node: Node
    runs: Runs


Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Call:
    """One request that was let in."""

    request: Request
    parameters: Mapping[str, str]
    services: KnockServices
    caller: Caller
    is_client: bool = False
    """Whether a public key came with it: a browser or a phone, not a server."""

    token: UserToken | None = None

    @property
    def runs(self) -> Runs:
        """The workflow runs that this node remembers."""
        return self.services.runs

    @property
    def ledger(self) -> Ledger:
        """The ledger that the key opens."""
        return self.caller.ledger

    @property
    def queries(self) -> Queries:
        """The questions side of that ledger."""
        return self.services.node.queries[self.ledger.environment]

    @property
    def holder(self) -> Holder:
        """The user or object of the path. Raises Invalid."""
        if "user_id" in self.parameters:
            return user(self.parameters["user_id"])
        return object_in(self.parameters["collection"], self.parameters["object_id"])

    async def body(self) -> dict[str, JsonValue]:
        """The body, an object; none at all is an empty one. Raises Invalid, MalformedJson, TooLarge."""
        bytes_max = self.services.node.settings.body_bytes_max
        content = await read_body(self.request.scope, self.request.receive, bytes_max=bytes_max)
        body = await parsed(content) if content else {}
        if not isinstance(body, dict):
            raise Invalid("", "the body must be a JSON object")
        return body

    def command(self, *index: str) -> CommandRequest:
        """Who says it and how."""
        command = command_request(self.request, self.caller, *index)
        said = command.provenance
        if self.is_client:
            # What a browser says of itself in headers is nobody's word but its key's.
            said = Provenance(actor=self.caller.credential.actor, method=METHOD, evidence=said.evidence)
        elif "prefledger-method" not in self.request.headers:
            said = said._replace(method=METHOD)
        return replace(command, provenance=said)


@dataclass(frozen=True, slots=True)
class Published:
    """What became of a request's events. `unfolded`: stored, but this node has not come to them in time."""

    receipts: Sequence[Receipt]
    unfolded: Sequence[Write] = ()

    def replay_headers(self, call: Call) -> dict[str, str]:
        """Word that the request was answered before, as Knock gives it."""
        request_id = call.request.state.request_id
        for receipt in self.receipts:
            original = ((receipt.first or {}).get("evidence") or {}).get("request_id")
            if original is not None and original != request_id:
                return {"idempotent-replayed": "true", "original-x-request-id": str(original)}
        return {}


def event_index(holder: Holder, body: Body) -> tuple[str, str]:
    """What tells the events of one request apart, however many of them turn out to be needed."""
    return str(holder), item_of(body) or type_of(body)


async def publish(call: Call, writes: Sequence[Write]) -> Published:
    """Append a request's events in order. Raises the first ServiceError, except for one that is only not folded yet."""
    if not writes:
        return Published([])
    drafts = [draft_of(call.ledger, holder, body, call.command(*event_index(holder, body))) for holder, body in writes]
    results = await call.ledger.publisher.publish(drafts, may_repeat="idempotency-key" in call.request.headers)
    receipts: list[Receipt] = []
    unfolded: list[Write] = []
    for write, result in zip(writes, results, strict=True):
        if isinstance(result, PositionNotReached):
            unfolded.append(write)
        elif isinstance(result, ServiceError):
            raise result
        else:
            receipts.append(result)
    return Published(receipts, unfolded)


async def read(
    call: Call, function: Callable[[StreamReader, sqlite3.Connection, Moment], Result], unfolded: Sequence[Write] = ()
) -> Result:
    """An answer from the present view, with what was stored and not folded yet on top of it."""

    def run(connection: sqlite3.Connection, moment: Moment) -> Result:
        reader = StreamReader(moment.state, call.ledger.secrets)
        for holder, body in unfolded:
            item = item_of(body)
            if item is not None:
                reader.assume(holder, item, fold(body, item, {item: reader.leaves(holder, item)})[item])
        return function(reader, connection, moment)

    return await call.queries.ask_now(When(), run)


def check_list(value: Any, at: str, length_max: int) -> list[JsonValue]:
    """A list that is not too long. Raises Invalid."""
    if not isinstance(value, list):
        raise Invalid(at, "this must be a list")
    if len(value) > length_max:
        raise Invalid(at, f"there are {len(value)} entries; at most {length_max} are allowed in one request")
    return value
