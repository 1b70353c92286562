"""Cursors: where a listing goes on, bound to the question and to the position that it belongs to."""

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from typing import Annotated, NamedTuple

import msgspec
from fastapi import Query

from services.http.problems import Problem

NUMBER_MAX = 2**63 - 1
"""The largest that a view's column holds."""

CursorParameter = Annotated[str | None, Query(description="`next_cursor` of the page before.")]


class Cursor(NamedTuple):
    """Go on from `number` (an offset, a holder's id), in views that have come at least to `position`."""

    position: str
    number: int


class _Written(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    mark: str
    position: str
    number: Annotated[int, msgspec.Meta(ge=0, le=NUMBER_MAX)]


_decoder = msgspec.json.Decoder(_Written)


def _mark(question: tuple[object, ...]) -> str:
    return hashlib.sha256(msgspec.json.encode(question)).hexdigest()[:8]


def cursor_text(cursor: Cursor, question: tuple[object, ...]) -> str:
    """An opaque text for this question."""
    written = _Written(_mark(question), cursor.position, cursor.number)
    return urlsafe_b64encode(msgspec.json.encode(written)).decode().rstrip("=")


def parse_cursor(text: str, question: tuple[object, ...]) -> Cursor:
    """The cursor that this question gave. Raises Problem for one of another question.

    A cursor is no secret and anyone can make one: it says where to go on, never what may be seen.
    """
    try:
        written = _decoder.decode(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (Base64Error, ValueError):
        written = None
    if written is None or written.mark != _mark(question):
        raise Problem("bad-request", "this cursor is not one that the same question gave; begin again without it")
    return Cursor(written.position, written.number)
