"""History: everything that was said of a holder, and of every holder."""

import sqlite3
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from domain.event import set_item
from domain.fold import Outcome
from domain.holder import Holder, HolderKind, parse_set_id
from domain.invalid import Invalid
from domain.pointer import check_pointer
from projections.history import PAGE_LIMIT, SHOWN_OUTCOMES, HistoryQuery, offset_at, page
from projections.position import parse_instant
from projections.tenant_records import member_item
from services.http.audit_models import LedgerHistoryAnswer
from services.http.auth import Caller
from services.http.cursor import Cursor, CursorParameter, cursor_text, parse_cursor
from services.http.exchange import MayAudit, MayRead, answer, queries_of
from services.http.models import HistoryAnswer
from services.http.openapi import answers
from services.http.paths import holder_of
from services.keys import Scope
from services.queries import Moment, When

router = APIRouter(tags=["history"])


@dataclass(frozen=True, slots=True)
class _Asked:
    """The parameters of a question about history. Instants are Unix milliseconds."""

    item: str | None
    path: str | None
    actor: str | None
    method: str | None
    outcomes: tuple[Outcome, ...]
    since: int | None
    until: int | None
    limit: int
    cursor: str | None


async def _asked(
    set_name: Annotated[str | None, Query(alias="set", description="Only this set.")] = None,
    path: Annotated[str | None, Query(description="Only changes at or below this JSON Pointer.")] = None,
    actor: Annotated[str | None, Query(description="Only what this actor said, as in user:jhammond.")] = None,
    method: Annotated[str | None, Query(description="Only what came by this way, as in preference-centre.")] = None,
    from_: Annotated[str | None, Query(alias="from", description="Recorded at or after this instant.")] = None,
    to: Annotated[str | None, Query(description="Recorded at or before this instant.")] = None,
    outcome: Annotated[
        str | None, Query(description="applied, rejected, duplicate, parked, or several with commas.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=PAGE_LIMIT, description="Entries a page.")] = 50,
    cursor: CursorParameter = None,
) -> _Asked:
    return _Asked(
        item=set_item(parse_set_id(set_name, "/set")) if set_name is not None else None,
        path=check_pointer(path, "/path") if path is not None else None,
        actor=actor,
        method=method,
        outcomes=_outcomes(outcome),
        since=parse_instant(from_, "/from") if from_ is not None else None,
        until=parse_instant(to, "/to") if to is not None else None,
        limit=limit,
        cursor=cursor,
    )


AskedHistory = Annotated[_Asked, Depends(_asked)]


@router.get("/holders/{holder}/history", responses=answers(HistoryAnswer))
async def get_history(
    request: Request,
    holder: str,
    caller: MayRead,
    asked: AskedHistory,
    members: Annotated[
        bool, Query(description="Of a tenant: also what users and objects want inside it. Takes the scope audit.")
    ] = False,
) -> Response:
    """Everything that was said of a holder, newest first, with before and after. All pages belong to one position."""
    who = holder_of(holder)
    if members:
        caller.check(Scope.AUDIT)
        if who.kind is not HolderKind.TENANT:
            raise Invalid("/members", "only a tenant has members")
    return answer({"holder": str(who), **await _page(request, caller, who, asked, members=members)})


@router.get("/history", responses=answers(LedgerHistoryAnswer))
async def get_ledger_history(request: Request, caller: MayAudit, asked: AskedHistory) -> Response:
    """Everything that was said in this environment, of any holder, newest first. All pages belong to one position.

    A page looks at 20,000 records at most: one that found fewer than asked for may have a `next_cursor` all the same.
    """
    return answer(await _page(request, caller, None, asked))


async def _page(
    request: Request, caller: Caller, who: Holder | None, asked: _Asked, *, members: bool = False
) -> dict[str, Any]:
    filters = (asked.item, asked.path, asked.actor, asked.method, asked.since, asked.until, *asked.outcomes)
    question = ("history", str(who) if who is not None else None, *filters, *(("members",) if members else ()))
    started = parse_cursor(asked.cursor, question) if asked.cursor is not None else None
    stream = caller.ledger.secrets.stream_key(who) if who is not None else None
    of_members = member_item(who.id) if members and who is not None else None

    def read(connection: sqlite3.Connection, moment: Moment) -> dict[str, Any]:
        position, end = (moment.position, moment.offset) if started is None else started
        top = end if asked.until is None else min(end, offset_at(connection, asked.until))
        above = offset_at(connection, asked.since - 1) if asked.since is not None else -1
        query = HistoryQuery(
            stream, top, above, asked.item, asked.path, asked.outcomes, asked.limit, asked.actor, asked.method, of_members
        )
        found = page(connection, query)
        goes_on = found.next_below is not None and found.next_below > above
        next_cursor = cursor_text(Cursor(position, found.next_below or 0), question) if goes_on else None
        return {"entries": found.entries, "position": position, "next_cursor": next_cursor}

    return await queries_of(request, caller).ask(When(min_position=started and started.position), read)


def _outcomes(text: str | None) -> tuple[Outcome, ...]:
    if text is None:
        return tuple(SHOWN_OUTCOMES)
    try:
        return tuple(Outcome(name) for name in text.split(","))
    except ValueError:
        raise Invalid("/outcome", f"an outcome is one of {', '.join(Outcome)}") from None
