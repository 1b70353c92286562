"""`/holders/{holder}/preferences/{set}/provenance`: who gave each leaf of a set its value, back to the first."""

import sqlite3
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from domain.event import set_item
from domain.pointer import check_pointer
from projections.provenance import PAGE_LIMIT, ProvenanceQuery, provenance
from projections.stored_item import EMPTY
from services.http.audit_models import ProvenanceAnswer
from services.http.cursor import Cursor, CursorParameter, cursor_text, parse_cursor
from services.http.exchange import AskedWhen, MayAudit, answer, queries_of
from services.http.openapi import answers
from services.http.paths import holder_of, set_of
from services.queries import Moment, When

router = APIRouter(tags=["history"])


@router.get("/holders/{holder}/preferences/{set_name}/provenance", responses=answers(ProvenanceAnswer))
async def get_provenance(
    request: Request,
    holder: str,
    set_name: str,
    when: AskedWhen,
    caller: MayAudit,
    path: Annotated[str, Query(description="Only leaves at or below this JSON Pointer; every leaf, if not given.")] = "",
    limit: Annotated[int, Query(ge=1, le=PAGE_LIMIT, description="Events a page.")] = 100,
    cursor: CursorParameter = None,
) -> Response:
    """For each leaf, the event that gave it its value, and those before it, back to the first. Newest first.

    All pages belong to one position. A leaf whose events do not fit goes on in the next page.
    """
    who, which = holder_of(holder), set_of(set_name)
    check_pointer(path, "/path")
    question = ("provenance", str(who), str(which), path, when.as_of)
    started = parse_cursor(cursor, question) if cursor is not None else None
    stream, item = caller.ledger.secrets.stream_key(who), set_item(which)

    def read(connection: sqlite3.Connection, moment: Moment) -> dict[str, Any]:
        row = moment.state.item(stream, item)
        below = moment.offset if started is None else min(started.number, moment.offset)
        stored = row.stored if row is not None else EMPTY
        found = provenance(connection, stored, ProvenanceQuery(stream, item, path, below, limit))
        goes_on = found.next_below is not None
        return {
            "holder": str(who),
            "set": str(which),
            "leaves": found.leaves,
            "next_cursor": cursor_text(Cursor(moment.position, found.next_below or 0), question) if goes_on else None,
            **moment.told(),
        }

    if started is not None:
        when = When(started.position, when.min_position, when.max_staleness_seconds)
    return answer(await queries_of(request, caller).ask(when, read))
