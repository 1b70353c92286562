"""`/keys`: API keys of an environment. A secret is shown once, when it is made."""

from typing import Literal, cast

from fastapi import APIRouter, Request, Response

from domain.holder import ENVIRONMENT
from domain.invalid import Invalid
from services.commands import revoke_key
from services.errors import NotFound
from services.http.body_models import KeyBody
from services.http.exchange import MayAdminister, answer, read_members
from services.http.models import IssuedKey, KeysAnswer, RevokedKey
from services.http.openapi import PROVENANCE, SENT_ONCE, answers, takes
from services.http.paths import decode_segment
from services.http.problems import Problem
from services.http.writes import publish_one, refuse_condition
from services.keys import new_key, parse_key_name, parse_scopes

router = APIRouter(prefix="/keys", tags=["keys"])

_TAKES = takes(KeyBody, {"name": "checkout", "scopes": ["publish", "read"], "kind": "secret"}) | PROVENANCE


@router.post("", responses=answers(IssuedKey, 201), openapi_extra=_TAKES, status_code=201)
async def issue_key(request: Request, caller: MayAdminister) -> Response:
    """Issue a key. Its secret is shown in this answer and never again; the ledger keeps it hashed, and sealed."""
    refuse_condition(request, "a new key has no version")
    if "idempotency-key" in request.headers:
        raise Problem("bad-request", "a key is shown once, so its making can't be repeated: send no Idempotency-Key")
    body = await read_members(request, "name", "scopes", "kind")
    kind = body.get("kind", "secret")
    if kind not in ("secret", "public"):
        raise Invalid("/kind", "a key is secret or public")
    fresh = new_key(
        caller.ledger.secrets,
        parse_key_name(body.get("name")),
        cast(Literal["secret", "public"], kind),
        parse_scopes(body.get("scopes")),
    )
    receipt, _ = await publish_one(request, caller, ENVIRONMENT, fresh.issued)
    key = caller.ledger.api_keys()[fresh.issued.key_id]
    shown = {**key.shown(), "key": fresh.token, "position": receipt.position}
    return answer(shown, status=201, headers={"cache-control": "no-store"})


@router.get("", responses=answers(KeysAnswer))
async def list_keys(caller: MayAdminister) -> Response:
    """All keys of the environment, revoked ones too, without their secrets."""
    return answer({"keys": [key.shown() for key in caller.ledger.api_keys().values()]})


@router.delete("/{key_id}", responses=answers(RevokedKey), openapi_extra=SENT_ONCE)
async def revoke(request: Request, key_id: str, caller: MayAdminister) -> Response:
    """Revoke a key, for ever."""
    name = decode_segment(key_id)
    if name not in caller.ledger.api_keys():
        raise NotFound(f"there is no key {name[:60]!r} in this environment")
    refuse_condition(request, "a key has no version")
    receipt, _ = await publish_one(request, caller, ENVIRONMENT, revoke_key(name))
    return answer({**caller.ledger.api_keys()[name].shown(), "position": receipt.position})
