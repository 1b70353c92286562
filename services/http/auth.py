"""Who is asking, in which environment, and whether they may."""

import hashlib
import hmac
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from services.errors import Forbidden, NotReady, Unauthorized
from services.keys import OPERATOR, TRUSTED_SCOPES, ApiKey, Credential, Scope
from services.ledger import Ledger
from services.readiness import serves

ENVIRONMENT_HEADER = "prefledger-environment"
TOKEN_LENGTH_MAX = 512
KNOWN_MAX = 1_024


@dataclass(frozen=True, slots=True)
class Caller:
    """A credential in the one environment that it opens."""

    ledger: Ledger
    credential: Credential

    def check(self, scope: Scope) -> None:
        """Raises Forbidden, or NotReady where this node can't vouch that the key is still valid."""
        self.credential.check(scope)
        if scope in TRUSTED_SCOPES:
            self.ledger.readiness.check_trust()


class _Known(NamedTuple):
    """A caller who was found before, and the keys as they stood: none for the operator, whose key is no event."""

    caller: Caller
    keys: Mapping[str, ApiKey] | None


class Gate:
    """Finds the caller of a request. The operator's key is held as a hash only."""

    def __init__(self, ledgers: Mapping[str, Ledger], admin_key: str | None) -> None:
        self._ledgers = ledgers
        self._first = next(iter(ledgers))
        self._admin_hash = hashlib.sha256(admin_key.encode()).digest() if admin_key is not None else None
        self._known_key = os.urandom(32)
        self._known: dict[bytes, _Known] = {}

    def caller_by(self, authorization: bytes, environment: bytes) -> Caller:
        """The same as `caller`, for headers as they came, empty for none: quick for who was here before."""
        # Kept under a keyed hash, so no key lies in memory, and how long a look-up takes tells nothing of one.
        digest = hashlib.blake2b(authorization + b"\n" + environment, key=self._known_key, digest_size=16).digest()
        known = self._known.get(digest)
        if known is not None and (known.keys is None or known.keys is known.caller.ledger.api_keys()):
            return known.caller
        caller = self.caller(authorization.decode("latin-1") or None, environment.decode("latin-1") or None)
        if len(self._known) >= KNOWN_MAX:
            self._known.clear()
        keys = None if caller.credential is OPERATOR else caller.ledger.api_keys()
        self._known[digest] = _Known(caller, keys)
        return caller

    def caller(self, authorization: str | None, environment: str | None) -> Caller:
        """The caller of a request with these headers. Raises Unauthorized, Forbidden, NotReady."""
        scheme, _, token = (authorization or "").partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token or len(token) > TOKEN_LENGTH_MAX:
            raise Unauthorized("send a key in the header Authorization: Bearer KEY")
        if self._admin_hash is not None:
            sent = hashlib.sha256(token.encode("utf-8", "replace")).digest()
            if hmac.compare_digest(sent, self._admin_hash):
                return Caller(self._ledger(environment or self._first), OPERATOR)
        for name, ledger in self._ledgers.items():
            credential = ledger.credential_of(token)
            if credential is not None:
                if environment is not None and environment != name:
                    raise Forbidden(f"this key belongs to another environment than {environment[:60]!r}")
                return Caller(ledger, credential)
        raise self.unknown("key")

    def unknown(self, kind: str) -> Unauthorized | NotReady:
        """What to raise for a key that no environment knows. Told to anybody: it says nothing of what troubles one."""
        states = [ledger.readiness for ledger in self._ledgers.values()]
        if not serves(states):
            # The key may be one that was not folded yet.
            return NotReady(f"this node is not ready, so it can't tell whether this {kind} is valid; try again shortly")
        sentence = f"this {kind} is not valid: it was never issued here, or it was revoked"
        if not all(state.is_ready() for state in states):
            sentence += "; or it belongs to an environment that this node can't serve just now"
        return Unauthorized(sentence)

    def _ledger(self, environment: str) -> Ledger:
        ledger = self._ledgers.get(environment)
        if ledger is None:
            raise Forbidden(f"this node serves no environment {environment[:60]!r}")
        return ledger
