"""API keys: made, kept as a hash, found again, and what each may do."""

import hashlib
import hmac
import secrets
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

from domain.event import ApiKeyIssued
from domain.identifier import check_text
from domain.invalid import Invalid
from services.errors import Forbidden
from services.secrets import Secrets

NAME_LENGTH_MAX = 100


class Scope(StrEnum):
    """What a key may be for. `admin` includes the others."""

    PUBLISH = "publish"
    EVALUATE = "evaluate"
    READ = "read"
    AUDIT = "audit"
    ADMIN = "admin"


TRUSTED_SCOPES = frozenset({Scope.PUBLISH, Scope.ADMIN, Scope.AUDIT})
"""Scopes that a node refuses to honour when it can't tell whether the key was revoked."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An issued key as the view has it. `secret_hash` is SHA-256: the secret has 256 random bits, nothing to guess."""

    key_id: str
    name: str
    kind: Literal["secret", "public"]
    scopes: frozenset[Scope]
    secret_hash: bytes
    revoked: bool

    def may(self, scope: Scope) -> bool:
        """Whether the key has this scope."""
        return scope in self.scopes or Scope.ADMIN in self.scopes

    def shown(self) -> dict[str, Any]:
        """The key as an answer shows it: never its secret, nor the hash."""
        return {
            "id": self.key_id,
            "name": self.name,
            "kind": self.kind,
            "scopes": sorted(self.scopes),
            "revoked": self.revoked,
        }


@dataclass(frozen=True, slots=True)
class Credential:
    """Who is asking: the actor of what they write, and what they may do."""

    actor: str
    scopes: frozenset[Scope]

    def check(self, scope: Scope) -> None:
        """Raises Forbidden unless the credential has this scope."""
        if scope not in self.scopes and Scope.ADMIN not in self.scopes:
            raise Forbidden(f"this key lacks the scope {scope.value!r}; issue one that has it")


OPERATOR = Credential("operator", frozenset(Scope))


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key at the only moment at which it can be shown."""

    issued: ApiKeyIssued
    token: str


def new_key(secrets_of: Secrets, name: str, kind: Literal["secret", "public"], scopes: frozenset[Scope]) -> NewKey:
    """A fresh key: `sk_ID_SECRET` or `pk_ID_SECRET`."""
    key_id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    token = f"{'sk' if kind == 'secret' else 'pk'}_{key_id}_{secret}"
    issued = ApiKeyIssued(key_id, name, kind, tuple(sorted(scopes)), hash_of(token), secrets_of.seal(key_id, token))
    return NewKey(issued, token)


def hash_of(token: str) -> bytes:
    """What is kept of a token."""
    return hashlib.sha256(token.encode()).digest()


def key_id_of(token: str) -> str | None:
    """The id inside a token; None where it has not our form."""
    parts = token.split("_", 2)
    return parts[1] if len(parts) == 3 and parts[0] in ("sk", "pk") else None


def key_of(item: str, leaves: Mapping[str, Any]) -> ApiKey:
    """The key that an item of the environment's stream keeps. One that was revoked before it was issued has no secret."""
    return ApiKey(
        key_id=item.removeprefix("key:"),
        name=leaves.get("/name", ""),
        kind=leaves.get("/kind", "secret"),
        scopes=frozenset(scope for scope in Scope if scope.value in leaves.get("/scopes", ())),
        secret_hash=b64decode(leaves.get("/secret_hash", "")),
        revoked=bool(leaves.get("/revoked")),
    )


def matches(key: ApiKey, token: str) -> bool:
    """Whether the token is this key's, and the key still valid. Compared in constant time."""
    return hmac.compare_digest(key.secret_hash, hash_of(token)) and not key.revoked


def parse_scopes(value: object, pointer: str = "/scopes") -> frozenset[Scope]:
    """Scopes as a request names them. Raises Invalid."""
    if not isinstance(value, list) or not value:
        raise Invalid(pointer, f"scopes must be a list of at least one of {', '.join(Scope)}")
    for at, name in enumerate(value):
        if not isinstance(name, str) or name not in {scope.value for scope in Scope}:
            raise Invalid(f"{pointer}/{at}", f"a scope is one of {', '.join(Scope)}")
    return frozenset(Scope(name) for name in value)


def parse_key_name(value: object, pointer: str = "/name") -> str:
    """A key's name. Raises Invalid."""
    return check_text(value, pointer, "the key's name", length_max=NAME_LENGTH_MAX)
