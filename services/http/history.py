"""`/holders/{holder}/history`: everything that was said of a holder."""

import sqlite3
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from domain.event import set_item
from domain.fold import Outcome
from domain.holder import parse_set_id
from domain.invalid import Invalid
from domain.pointer import check_pointer
from projections.history import PAGE_LIMIT, SHOWN_OUTCOMES, HistoryQuery, offset_at, page
from projections.position import parse_instant
from services.http.cursor import Cursor, CursorParameter, cursor_text, parse_cursor
from services.http.exchange import MayRead, answer, queries_of
from services.http.models import HistoryAnswer
from services.http.openapi import answers
from services.http.paths import holder_of
from services.queries import Moment, When

router = APIRouter(tags=["history"])

Limit = Annotated[int, Query(ge=1, le=PAGE_LIMIT, description="Entries a page.")]


@router.get("/holders/{holder}/history", responses=answers(HistoryAnswer))
async def get_history(
    request: Request,
    holder: str,
    caller: MayRead,
    set_name: Annotated[str | None, Query(alias="set", description="Only this set.")] = None,
    path: Annotated[str | None, Query(description="Only changes at or below this JSON Pointer.")] = None,
    from_: Annotated[str | None, Query(alias="from", description="Recorded at or after this instant.")] = None,
    to: Annotated[str | None, Query(description="Recorded at or before this instant.")] = None,
    outcome: Annotated[
        str | None, Query(description="applied, rejected, duplicate, parked, or several with commas.")
    ] = None,
    limit: Limit = 50,
    cursor: CursorParameter = None,
) -> Response:
    """Everything that was said of a holder, newest first, with before and after. All pages belong to one position."""
    who = holder_of(holder)
    item = set_item(parse_set_id(set_name, "/set")) if set_name is not None else None
    if path is not None:
        check_pointer(path, "/path")
    outcomes = _outcomes(outcome)
    since = parse_instant(from_, "/from") if from_ is not None else None
    until = parse_instant(to, "/to") if to is not None else None
    question = ("history", str(who), item, path, since, until, *outcomes)
    started = parse_cursor(cursor, question) if cursor is not None else None

    def read(connection: sqlite3.Connection, moment: Moment) -> dict[str, Any]:
        position, end = (moment.position, moment.offset) if started is None else started
        top = end if until is None else min(end, offset_at(connection, until))
        above = offset_at(connection, since - 1) if since is not None else -1
        found = page(
            connection,
            HistoryQuery(caller.ledger.secrets.stream_key(who), top, above, item, path, outcomes, limit),
        )
        goes_on = found.next_below is not None and found.next_below > above
        next_cursor = cursor_text(Cursor(position, found.next_below or 0), question) if goes_on else None
        return {"holder": str(who), "entries": found.entries, "position": position, "next_cursor": next_cursor}

    return answer(await queries_of(request, caller).ask(When(min_position=started and started.position), read))


def _outcomes(text: str | None) -> tuple[Outcome, ...]:
    if text is None:
        return tuple(SHOWN_OUTCOMES)
    try:
        return tuple(Outcome(name) for name in text.split(","))
    except ValueError:
        raise Invalid("/outcome", f"an outcome is one of {', '.join(Outcome)}") from None
