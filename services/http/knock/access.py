"""Who may call which Knock address: secret keys all, public keys a few, user tokens their own user's data only."""

from collections.abc import Mapping
from dataclasses import replace

from starlette.requests import Request

from domain.holder import SetId, SetKind
from services.http.auth import ENVIRONMENT_HEADER, Caller
from services.http.knock.errors import KnockError
from services.http.knock.exchange import Call, KnockServices
from services.http.knock.routing import Route
from services.http.knock.user_tokens import UserToken, user_token
from services.keys import Credential
from services.ledger import Ledger
from services.observability.context import asked_by
from services.user_tokens import TokenRefused, verified_claims

READ = "preferences/read"
WRITE = "preferences/write"

USER_TOKEN_HEADER = "x-knock-user-token"  # noqa: S105 - a header's name


def enter(request: Request, services: KnockServices, route: Route, parameters: Mapping[str, str]) -> Call:
    """The call, if its bearer may make it. Raises KnockError, Unauthorized, Forbidden, NotReady."""
    authorization = request.headers.get("authorization")
    token = _bearer(authorization)
    if token.startswith("pk_"):
        return _enter_as_client(request, services, route, parameters, token)
    caller = services.node.gate.caller(authorization, request.headers.get(ENVIRONMENT_HEADER))
    asked_by(caller.ledger.environment, request.state.request_id)
    caller.check(route.scope)
    return Call(request, parameters, services, caller)


def _bearer(authorization: str | None) -> str:
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise KnockError(401, "api_key_missing", "no valid API key came with the request: send Authorization: Bearer KEY")
    return token.strip()


def _enter_as_client(
    request: Request, services: KnockServices, route: Route, parameters: Mapping[str, str], public_key: str
) -> Call:
    ledger, credential = _public_credential(services, public_key)
    if not route.by_client:
        raise KnockError(403, "authorization", "this address needs a secret key; a public key is for clients")
    token = _user_token(request, ledger)
    if token is not None:
        if parameters.get("user_id") != token.user_id:
            raise KnockError(403, "authorization", "the user token is another user's: a client sees its own user only")
        credential = replace(credential, actor=f"user:{token.user_id}")
    caller = Caller(ledger, credential)
    asked_by(ledger.environment, request.state.request_id)
    caller.check(route.scope)
    return Call(request, parameters, services, caller, is_client=True, token=token)


def _public_credential(services: KnockServices, public_key: str) -> tuple[Ledger, Credential]:
    for ledger in services.node.ledgers.values():
        key = ledger.key_behind(public_key)
        if key is not None and key.kind == "public":
            return ledger, Credential(f"key:{key.key_id}", key.scopes)
    raise services.node.gate.unknown("public key")


def _user_token(request: Request, ledger: Ledger) -> UserToken | None:
    """The user token; None where the environment has never had a signing key, so that no token can be asked for."""
    keys = ledger.signing_keys()
    if keys is None:
        return None
    text = request.headers.get(USER_TOKEN_HEADER)
    if not text:
        raise KnockError(
            401, "missing_user_token", "a public key needs a user token here: sign one and send X-Knock-User-Token"
        )
    if not keys:
        raise KnockError(401, "missing_jwt_signing_key", "all signing keys of this environment were removed: add one")
    try:
        return user_token(verified_claims(text, keys))
    except TokenRefused as error:
        raise KnockError(401, "invalid_user_token", str(error)) from None


def check_set(token: UserToken | None, set_id: SetId, grant: str, tenant_id: str | None = None) -> None:
    """Raises KnockError unless the bearer's token is good for this set, seen inside this tenant."""
    if token is None:
        return
    own = set_id.id if set_id.kind is SetKind.TENANT else None
    for scope in {tenant_id, own} - {None} or {None}:
        if not token.allows(grant, scope):
            place = f"in tenant {scope[:60]!r}" if scope is not None else "outside of a tenant"
            raise KnockError(403, "authorization", f"the user token does not grant {grant} {place}")


def may_read_set(token: UserToken | None, set_id: SetId) -> bool:
    """Whether a list shows this set to the bearer."""
    return token is None or token.allows(READ, set_id.id if set_id.kind is SetKind.TENANT else None)


def check_own_user(call: Call, grant: str) -> None:
    """Raises KnockError where a token with explicit grants does not have this one on its user."""
    if call.token is not None and call.token.explicit and grant not in call.token.user_grants:
        raise KnockError(403, "authorization", f"the user token does not grant {grant} on the user")
