"""`/verify`: the live views against the log, without swapping anything."""

from fastapi import APIRouter, Response

from services.http.audit_models import VerifyAnswer
from services.http.exchange import MayAudit, answer
from services.http.openapi import answers

router = APIRouter(tags=["operations"])


@router.post("/verify", responses=answers(VerifyAnswer, 202), status_code=202)
async def start_verification(caller: MayAudit) -> Response:
    """Fold the log anew beside the live views and compare both row by row at the same position. Nothing is swapped."""
    caller.ledger.verifier.start()
    return answer(caller.ledger.verifier.progress(), status=202)


@router.get("/verify", responses=answers(VerifyAnswer))
async def get_verification(caller: MayAudit) -> Response:
    """How the verification is doing, or how the last one ended: the same, or the first difference."""
    return answer(caller.ledger.verifier.progress())


@router.delete("/verify", responses=answers(VerifyAnswer))
async def cancel_verification(caller: MayAudit) -> Response:
    """Give the verification up. The live views are never touched by one."""
    await caller.ledger.verifier.cancel()
    return answer(caller.ledger.verifier.progress())
