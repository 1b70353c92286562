"""`/holders/{holder}/report`: everything that the ledger keeps of one holder, for the holder to read."""

from collections.abc import Callable, Mapping
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from domain.holder import HolderKind
from domain.invalid import Invalid
from services.http.exchange import NOT_KEPT, AskedWhen, MayAudit, queries_of
from services.http.openapi import REFERENCE, REFUSED
from services.http.paths import holder_of
from services.http.replay_models import ReportAnswer
from services.http.report_html import HtmlReport
from services.http.report_json import JsonReport
from services.ledger import now_milliseconds
from services.report import Report

router = APIRouter(tags=["history"])

_WRITERS: Mapping[str, Callable[[], HtmlReport | JsonReport]] = {"html": HtmlReport, "json": JsonReport}
Format = Annotated[
    Literal["html", "json"], Query(alias="format", description="A page for people, or the same for machines.")
]


@router.get(
    "/holders/{holder}/report",
    responses={
        200: {
            "description": "The report",
            "content": {
                "text/html": {"schema": {"type": "string"}},
                "application/json": {"schema": {"$ref": REFERENCE.format(model=ReportAnswer.__name__)}},
            },
        },
        **REFUSED,
    },
    response_class=StreamingResponse,
)
async def get_report(request: Request, holder: str, caller: MayAudit, when: AskedWhen, format_: Format = "html") -> Response:
    """All sets with the source of every choice, everything that was said, and by whom: what a holder may ask to see."""
    who = holder_of(holder)
    if who.kind is HolderKind.ENVIRONMENT:
        raise Invalid(
            "", "a report is about one user, object or tenant; of the environment there are /catalogue and /history"
        )
    writer = _WRITERS[format_]()
    pieces = await Report(queries_of(request, caller), who, writer, now_milliseconds()).begin(when)
    headers = {**NOT_KEPT, **writer.headers, "x-content-type-options": "nosniff"}
    return StreamingResponse(pieces, headers=headers, media_type=writer.media_type)
