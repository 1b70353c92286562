"""What publishers said as records of a log, beside what the model is told of the same."""

from typing import Any
from uuid import UUID

from domain.event import Body, HolderForgotten, LedgerOpened, LedgerSealed, Provenance, SetsAdopted
from domain.holder import ENVIRONMENT, Holder, parse_holder, parse_set_id, user
from domain.preference_set import parse_preference_set
from schemas.codec import Draft, encode
from schemas.record import NewRecord
from services.commands import Request
from services.event_commands import parse_event
from services.secrets import Secrets

Json = Any


def opening(ledger_id: str, secrets: Secrets) -> NewRecord:
    """A ledger's first record, as a node writes it."""
    return _record(ENVIRONMENT, LedgerOpened(ledger_id, 1, 0, secrets.check), UUID(int=1), Request(Provenance()), secrets)


def record_of(said: Json, secrets: Secrets) -> NewRecord:
    """The record of an event: of one that `POST /events` takes, or one of those that have another way in."""
    own_way = _OTHERS.get(said["type"])
    request = Request(Provenance())
    if own_way is not None:
        return _record(parse_holder(said["holder"]), own_way(said), UUID(said["event_id"]), request, secrets)
    # What a node refuses as another holder's to say may stand in a log all the same.
    parsed = parse_event({**said, "holder": said["holder"] if _is_anybodys(said) else "environment"}, request)
    return _record(parse_holder(said["holder"]), parsed.body, UUID(said["event_id"]), parsed.request, secrets)


def _is_anybodys(said: Json) -> bool:
    return bool(said["type"].startswith(("PreferenceSet", "Holder")))


_OTHERS: dict[str, Any] = {
    "HolderForgotten": lambda said: HolderForgotten(said["suppress"]),
    "LedgerSealed": lambda _: LedgerSealed("moved on"),
    "SetsAdopted": lambda said: SetsAdopted(
        user("merged-away"),
        tuple((parse_set_id(name), parse_preference_set(tree)) for name, tree in said["sets"].items()),
    ),
}


def _record(holder: Holder, body: Body, event_id: UUID, request: Request, secrets: Secrets) -> NewRecord:
    draft = Draft(
        event_id=event_id.bytes,
        stream=secrets.stream_key(holder),
        content_key=secrets.content_key,
        holder=holder,
        body=body,
        occurred_at_milliseconds=request.occurred_at_milliseconds or 0,
        provenance=request.provenance,
        expected_version=request.expected_version,
    )
    return NewRecord(draft.stream, encode(draft).value)
