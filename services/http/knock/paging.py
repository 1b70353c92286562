"""Knock's pages: entries and a page_info, `after` and `before` as cursors."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from starlette.requests import Request

from domain.invalid import Invalid

PAGE_SIZE_MAX = 50

Key = TypeVar("Key", int, str)
Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class PageAsked:
    """Which page: the one after a cursor, the one before it, or the first."""

    size: int
    after: str | None
    before: str | None


def asked_page(request: Request) -> PageAsked:
    """The page that the address names. Raises Invalid."""
    query = request.query_params
    size = query.get("page_size") or str(PAGE_SIZE_MAX)
    if not size.isdigit() or len(size) > 4 or int(size) < 1:
        raise Invalid("/page_size", f"page_size must be a number from 1 to {PAGE_SIZE_MAX}")
    after, before = query.get("after") or None, query.get("before") or None
    if after is not None and before is not None:
        raise Invalid("/before", "give either after or before, not both")
    return PageAsked(min(int(size), PAGE_SIZE_MAX), _decoded(after), _decoded(before))


def _decoded(cursor: str | None) -> str | None:
    if cursor is None:
        return None
    try:
        return urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4)).decode("utf-8")
    except (Base64Error, ValueError):
        raise Invalid("/after", "this is no cursor that a page gave") from None


def _encoded(key: int | str) -> str:
    return urlsafe_b64encode(str(key).encode()).decode().rstrip("=")


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Rows in order, and where the neighbours begin."""

    rows: Sequence[Row]
    size: int
    after: str | None
    before: str | None

    def shown(self, entries: Sequence[Any]) -> dict[str, Any]:
        """The answer."""
        info = {"__typename": "PageInfo", "page_size": self.size, "after": self.after, "before": self.before}
        return {"entries": entries, "page_info": info}


def page_of(
    asked: PageAsked,
    fetch: Callable[[str | None, int, bool], Sequence[Row]],
    key_of: Callable[[Row], int | str],
) -> Page[Row]:
    """The page asked for. `fetch(beyond, limit, backwards)` gives rows beyond a key, from it away."""
    backwards = asked.before is not None
    rows = list(fetch(asked.before if backwards else asked.after, asked.size + 1, backwards))
    more = len(rows) > asked.size
    rows = rows[: asked.size]
    if backwards:
        rows.reverse()
    has_next, has_previous = (True, more) if backwards else (more, asked.after is not None)
    return Page(
        rows,
        asked.size,
        _encoded(key_of(rows[-1])) if rows and has_next else None,
        _encoded(key_of(rows[0])) if rows and has_previous else None,
    )
