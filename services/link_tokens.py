"""Tokens inside links that this service gives out: JSON Web Tokens under a key that only the ledger's nodes have."""

import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from typing import Any

TOKEN_LENGTH_MAX = 4_096

_HEADER = {"alg": "HS256", "typ": "JWT"}


def sign(key: bytes, claims: dict[str, Any]) -> str:
    """A token with these claims (RFC 7519, HMAC-SHA256)."""
    signed = f"{_encoded(_HEADER)}.{_encoded(claims)}"
    return f"{signed}.{_text(_mac(key, signed))}"


def claims_of(key: bytes, token: str) -> dict[str, Any] | None:
    """The claims of a token that `sign` made under this key; None for any other text."""
    parts = token.split(".")
    if len(token) > TOKEN_LENGTH_MAX or len(parts) != 3 or not token.isascii():
        return None
    try:
        if not hmac.compare_digest(_mac(key, f"{parts[0]}.{parts[1]}"), _bytes(parts[2])):
            return None
        header, claims = json.loads(_bytes(parts[0])), json.loads(_bytes(parts[1]))
    except (Base64Error, ValueError):
        return None
    return claims if header == _HEADER and isinstance(claims, dict) else None


def _mac(key: bytes, signed: str) -> bytes:
    return hmac.digest(key, signed.encode("ascii"), "sha256")


def _encoded(value: dict[str, Any]) -> str:
    return _text(json.dumps(value, separators=(",", ":")).encode())


def _text(value: bytes) -> str:
    return urlsafe_b64encode(value).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
