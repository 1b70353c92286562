"""Cursors: where a listing goes on, bound to the question it belongs to."""

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error

import msgspec

from services.http.problems import Problem


def _mark(question: tuple[object, ...]) -> str:
    return hashlib.sha256(msgspec.json.encode(question)).hexdigest()[:8]


def cursor_of(question: tuple[object, ...], *numbers: int) -> str:
    """An opaque cursor for this question."""
    return urlsafe_b64encode(msgspec.json.encode([_mark(question), *numbers])).decode().rstrip("=")


def numbers_of(cursor: str, question: tuple[object, ...], count: int) -> list[int]:
    """What a cursor of this question holds. Raises Problem for one of another question."""
    try:
        values = msgspec.json.decode(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)), type=list[str | int])
    except (Base64Error, ValueError):
        values = []
    numbers = [value for value in values[1:] if isinstance(value, int)]
    if len(numbers) != count or values[0] != _mark(question):
        raise Problem("bad-request", "this cursor is not one that the same question gave; begin again without it")
    return numbers
