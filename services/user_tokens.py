"""User tokens: JSON Web Tokens (RFC 7519) that a team signs for one of its users, checked with the team's public key.

One algorithm, RS256 (RFC 7518, 3.3), and it is ours to say: what a token's header claims is compared, never obeyed
(RFC 8725, 3.1). Only keys that an operator added for this purpose verify, and only RSA public keys can be added.
"""

import json
import time
from base64 import urlsafe_b64decode
from binascii import Error as Base64Error
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from domain.invalid import Invalid

ALGORITHM = "RS256"
LEEWAY_SECONDS = 30
"""How far the signer's clock may be off from this node's."""

TOKEN_LENGTH_MAX = 8_192
KEY_BITS_MIN = 2_048
KEY_BITS_MAX = 8_192
PEM_LENGTH_MAX = 4_096


class TokenRefused(Exception):
    """The token proves nothing. The text says why, for the one who signs tokens."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A public key under its id."""

    key_id: str
    public_key: RSAPublicKey


def parse_public_key(pem: object, pointer: str = "/public_key_pem") -> RSAPublicKey:
    """An RSA public key in PEM (`-----BEGIN PUBLIC KEY-----`). Raises Invalid."""
    if not isinstance(pem, str) or len(pem) > PEM_LENGTH_MAX:
        raise Invalid(pointer, f"this must be an RSA public key in PEM, at most {PEM_LENGTH_MAX} characters")
    if "PRIVATE" in pem:
        raise Invalid(pointer, "this is a private key: keep it to yourself, and give the public key that belongs to it")
    try:
        key = load_pem_public_key(pem.encode())
    except ValueError:
        raise Invalid(pointer, "this can't be read as a public key in PEM") from None
    if not isinstance(key, RSAPublicKey) or not KEY_BITS_MIN <= key.key_size <= KEY_BITS_MAX:
        raise Invalid(pointer, f"the key must be an RSA key of {KEY_BITS_MIN} to {KEY_BITS_MAX} bits")
    return key


def pem_of(key: RSAPublicKey) -> str:
    """The key in one spelling: SubjectPublicKeyInfo (RFC 5280) in PEM."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def verified_claims(token: str, keys: Mapping[str, SigningKey], now_seconds: float | None = None) -> dict[str, Any]:
    """The claims of a token that one of the keys signed and that is valid now. Raises TokenRefused.

    `now_seconds` is Unix time; absent: this node's clock.
    """
    parts = token.split(".")
    if len(token) > TOKEN_LENGTH_MAX or len(parts) != 3:
        raise TokenRefused(f"a user token is three parts of base64url, at most {TOKEN_LENGTH_MAX} characters")
    header, claims = _object(parts[0]), _object(parts[1])
    if header.get("alg") != ALGORITHM or "crit" in header:
        raise TokenRefused(f"a user token must be signed with {ALGORITHM}, without critical extensions")
    signed = f"{parts[0]}.{parts[1]}".encode()
    if not any(_verifies(key.public_key, _decoded(parts[2]), signed) for key in _candidates(header, keys)):
        raise TokenRefused("no signing key of this environment signed this token")
    _check_times(claims, time.time() if now_seconds is None else now_seconds)
    return claims


def _candidates(header: Mapping[str, Any], keys: Mapping[str, SigningKey]) -> list[SigningKey]:
    named = keys.get(header["kid"]) if isinstance(header.get("kid"), str) else None
    return [named] if named is not None else list(keys.values())


def _verifies(key: RSAPublicKey, signature: bytes, signed: bytes) -> bool:
    try:
        key.verify(signature, signed, PKCS1v15(), SHA256())
    except InvalidSignature:
        return False
    return True


def _check_times(claims: Mapping[str, Any], now_seconds: float) -> None:
    for name in ("exp", "nbf", "iat"):
        value = claims.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise TokenRefused(f"the token's {name} is not a number of seconds")
    if "exp" in claims and claims["exp"] is not None and claims["exp"] + LEEWAY_SECONDS <= now_seconds:
        raise TokenRefused("the token has expired: sign a new one")
    for name in ("nbf", "iat"):
        if claims.get(name) is not None and claims[name] - LEEWAY_SECONDS > now_seconds:
            raise TokenRefused(f"the token's {name} is in the future: is the signer's clock right?")


def _object(part: str) -> dict[str, Any]:
    try:
        value = json.loads(_decoded(part))
    except (ValueError, RecursionError):
        raise TokenRefused("the token's header or claims are not JSON") from None
    if not isinstance(value, dict):
        raise TokenRefused("the token's header and claims must be JSON objects")
    return value


def _decoded(part: str) -> bytes:
    try:
        return urlsafe_b64decode(part.encode("ascii") + b"=" * (-len(part) % 4))
    except (Base64Error, ValueError):
        raise TokenRefused("the token is not base64url") from None
