"""Operations: rebuilding views beside the live ones, and the list of problem types."""

from fastapi import APIRouter, Response

from services.http.exchange import MayAdminister, answer
from services.http.models import ProblemTypes, RebuildAnswer
from services.http.openapi import NO_KEY, answers
from services.http.problems import PROBLEMS

router = APIRouter(tags=["operations"])


@router.get("/problems", responses=answers(ProblemTypes), openapi_extra=NO_KEY)
async def list_problems() -> Response:
    """Every problem type that an answer may have."""
    return answer({"problems": {name: {"status": status, "title": title} for name, (status, title) in PROBLEMS.items()}})


@router.post("/rebuild", responses=answers(RebuildAnswer, 202), status_code=202)
async def start_rebuild(caller: MayAdminister) -> Response:
    """Make the views anew from the log, beside the live ones; swap when both say the same at the same position."""
    caller.ledger.rebuilder.start()
    return answer(caller.ledger.rebuilder.progress(), status=202)


@router.get("/rebuild", responses=answers(RebuildAnswer))
async def get_rebuild(caller: MayAdminister) -> Response:
    """How the rebuild is doing, or how the last one ended."""
    return answer(caller.ledger.rebuilder.progress())


@router.delete("/rebuild", responses=answers(RebuildAnswer))
async def cancel_rebuild(caller: MayAdminister) -> Response:
    """Give the rebuild up. The live views were never touched."""
    await caller.ledger.rebuilder.cancel()
    return answer(caller.ledger.rebuilder.progress())
