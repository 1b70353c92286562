"""`/opt-out-clock`: how long this node took to honour opt-outs, and which took longer than they may."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from domain.identifier import event_id_text
from projections.position import instant_text
from services.http.audit_models import OptOutClockAnswer
from services.http.cursor import Cursor, CursorParameter, cursor_text, parse_cursor
from services.http.exchange import MayAudit, answer
from services.http.openapi import answers
from services.ledger import Ledger, now_milliseconds
from services.opt_out_clock.keeper import Report
from services.opt_out_clock.measurement import LISTED_MILLISECONDS, SlowOptOut, Totals

PAGE_LIMIT = 1_000
TWO_DAYS_SECONDS = 172_800.0
TEN_YEARS_SECONDS = 315_360_000.0

router = APIRouter(tags=["audit"])


@router.get("/opt-out-clock", responses=answers(OptOutClockAnswer))
async def get_opt_out_clock(
    caller: MayAudit,
    longer_than_seconds: Annotated[
        float,
        Query(ge=LISTED_MILLISECONDS / 1000, le=TEN_YEARS_SECONDS, description="The bound. Two days if not given."),
    ] = TWO_DAYS_SECONDS,
    limit: Annotated[int, Query(ge=1, le=PAGE_LIMIT, description="Late ones a page.")] = 100,
    cursor: CursorParameter = None,
) -> Response:
    """How many opt-outs this node has honoured, since when it measures, and which took longer than a bound.

    Of this node alone: each node of a ledger has a clock of its own. What an opt-out is, docs/operations.md says.
    """
    question = ("opt-out-clock", longer_than_seconds)
    above = parse_cursor(cursor, question).number if cursor is not None else -1
    milliseconds = int(longer_than_seconds * 1000)
    report = await caller.ledger.opt_out_clock.report(milliseconds, above=above, limit=limit + 1)
    shown = report.slow.rows[:limit]
    goes_on = len(report.slow.rows) > limit
    next_cursor = cursor_text(Cursor("", shown[-1].opt_out.offset), question) if goes_on else None
    told = {
        "longer_than_seconds": longer_than_seconds,
        "known_until": _known_until(caller.ledger),
        **_summary(report, milliseconds),
        "late": [_late(one) for one in shown],
        "next_cursor": next_cursor,
    }
    return answer(told)


def _known_until(ledger: Ledger) -> str | None:
    """The moment up to which this node knows of every opt-out. One that was recorded later may still be running."""
    stale_seconds = ledger.readiness.stale_seconds()
    return instant_text(now_milliseconds() - int(stale_seconds * 1000)) if stale_seconds is not None else None


def _summary(report: Report, longer_than_milliseconds: int) -> dict[str, Any]:
    totals = report.totals or Totals("", 0, 0, 0, 0)
    exact = longer_than_milliseconds >= totals.listed_from_milliseconds
    return {
        "measured_since": instant_text(totals.since) if report.totals is not None else None,
        "opt_outs": totals.opt_outs,
        "took_longer": report.slow.count + (0 if exact else totals.not_listed),
        "took_longer_is_exact": exact,
        "unmeasured": totals.unmeasured,
        "recorded_while_away": totals.while_away,
        "longest_seconds": totals.longest_milliseconds / 1000,
        "clock_behind_seconds": totals.ahead_milliseconds / 1000,
    }


def _late(one: SlowOptOut) -> dict[str, Any]:
    return {
        "position": one.opt_out.position,
        "event_id": event_id_text(one.opt_out.event_id),
        "recorded_at": instant_text(one.opt_out.recorded_at_milliseconds),
        "honoured_at": instant_text(one.honoured_at_milliseconds),
        "seconds": one.took_milliseconds / 1000,
        "at_most": one.at_most,
    }
