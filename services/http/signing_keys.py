"""`/signing-keys`: the public keys that check the user tokens of a team's clients."""

import secrets

from fastapi import APIRouter, Request, Response

from domain.event import SigningKeyAdded, SigningKeyRemoved
from domain.holder import ENVIRONMENT
from services.errors import NotFound
from services.http.body_models import SigningKeyBody
from services.http.exchange import MayAdminister, answer, read_members
from services.http.models import AddedSigningKey, RemovedSigningKey, SigningKeysAnswer
from services.http.openapi import PROVENANCE, SENT_ONCE, answers, takes
from services.http.paths import decode_segment
from services.http.problems import Problem
from services.http.writes import publish_one
from services.keys import parse_key_name
from services.user_tokens import ALGORITHM, parse_public_key, pem_of

router = APIRouter(prefix="/signing-keys", tags=["keys"])

KEYS_MAX = 20
"""Keys of one environment that are valid at a time: a token is tried with each."""

_TAKES = takes(SigningKeyBody, {"name": "2026", "public_key_pem": "-----BEGIN PUBLIC KEY-----\n..."}) | PROVENANCE


@router.post("", responses=answers(AddedSigningKey, 201), openapi_extra=_TAKES, status_code=201)
async def add_signing_key(request: Request, caller: MayAdminister) -> Response:
    """Add an RSA public key. From an environment's first one on, public API keys need a user token, for good."""
    body = await read_members(request, "name", "public_key_pem")
    name, public_key = parse_key_name(body.get("name")), parse_public_key(body.get("public_key_pem"))
    if len(caller.ledger.signing_keys() or {}) >= KEYS_MAX:
        raise Problem("conflict", f"there are {KEYS_MAX} signing keys already: remove one that is no longer used")
    added = SigningKeyAdded(secrets.token_hex(6), name, ALGORITHM, pem_of(public_key))
    receipt, _ = await publish_one(request, caller, ENVIRONMENT, added)
    return answer({**_shown(added), "position": receipt.position}, status=201)


@router.get("", responses=answers(SigningKeysAnswer))
async def list_signing_keys(caller: MayAdminister) -> Response:
    """The keys that check user tokens now; `user_tokens_required` says whether public API keys need one."""
    keys = caller.ledger.signing_keys()
    shown = [
        {"id": key.key_id, "algorithm": ALGORITHM, "public_key_pem": pem_of(key.public_key)} for key in (keys or {}).values()
    ]
    return answer({"signing_keys": shown, "user_tokens_required": keys is not None})


@router.delete("/{key_id}", responses=answers(RemovedSigningKey), openapi_extra=SENT_ONCE)
async def remove_signing_key(request: Request, key_id: str, caller: MayAdminister) -> Response:
    """Refuse tokens that this key signed from now on. User tokens stay required, even without any key."""
    name = decode_segment(key_id)
    if name not in (caller.ledger.signing_keys() or {}):
        raise NotFound(f"there is no signing key {name[:60]!r} in this environment")
    receipt, _ = await publish_one(request, caller, ENVIRONMENT, SigningKeyRemoved(name))
    return answer({"id": name, "removed": True, "position": receipt.position})


def _shown(key: SigningKeyAdded) -> dict[str, str]:
    return {"id": key.key_id, "name": key.name, "algorithm": key.algorithm, "public_key_pem": key.public_key_pem}
