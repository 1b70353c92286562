"""`/replay`: the state of everything at one moment, folded from the log beside the live views, and read out."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse

from services.http.exchange import NOT_KEPT, MayAudit, answer
from services.http.openapi import REFERENCE, REFUSED, answers
from services.http.replay_models import HolderState, ReplayAnswer, ReplayedEnvironment

router = APIRouter(prefix="/replay", tags=["operations"])

Until = Annotated[str, Query(description="A position, or an instant: every record that was recorded at or before it.")]
Position = Annotated[str, Query(description="The position that the replay came to, from its manifest.")]


@router.post("", responses=answers(ReplayAnswer, 202), status_code=202)
async def start_replay(caller: MayAudit, until: Until) -> Response:
    """Fold the log from its first record up to a moment, into a file beside the live views that is then read out."""
    caller.ledger.readiness.check_answer()
    await caller.ledger.replayer.start(until)
    return answer(caller.ledger.replayer.progress(), status=202)


@router.get("", responses=answers(ReplayAnswer))
async def get_replay(caller: MayAudit) -> Response:
    """How the replay is doing, or how the last one ended. A finished one can be read for ten minutes."""
    return answer(caller.ledger.replayer.progress())


@router.delete("", responses=answers(ReplayAnswer))
async def cancel_replay(
    caller: MayAudit,
    position: Annotated[str | None, Query(description="Only a finished replay that came to this position.")] = None,
) -> Response:
    """Give the replay up, or remove what a finished one has left to be read."""
    if position is not None:
        caller.ledger.replayer.remove(position)
    else:
        await caller.ledger.replayer.cancel()
    return answer(caller.ledger.replayer.progress())


@router.get(
    "/holders",
    responses={
        200: {
            "description": "A HolderState a line",
            "content": {"application/x-ndjson": {"schema": {"$ref": REFERENCE.format(model=HolderState.__name__)}}},
        },
        **REFUSED,
    },
    response_class=StreamingResponse,
)
async def read_replayed_holders(caller: MayAudit, position: Position) -> Response:
    """Every holder as it stood, one JSON object a line, but for those that were forgotten since."""
    lines = caller.ledger.replayer.holders(position)
    return StreamingResponse(lines, headers=NOT_KEPT, media_type="application/x-ndjson")


@router.get("/environment", responses=answers(ReplayedEnvironment))
async def get_replayed_environment(caller: MayAudit, position: Position) -> Response:
    """The catalogue with the policy, the keys without their secrets, and the bulk operations, as they stood."""
    return answer(await caller.ledger.replayer.environment(position), headers=NOT_KEPT)
