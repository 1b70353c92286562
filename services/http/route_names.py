"""The address of a request as the API names it, without anybody's id: `/ledger/v1/holders/{holder}/history`."""

from collections.abc import Iterable
from typing import Final

from fastapi.routing import APIRoute

from domain.invalid import Invalid
from services.http.app import PREFIX, ROUTERS
from services.http.evaluate import BATCH, ONE
from services.http.knock.dialect import ROUTES
from services.http.owners import KNOCK, owner_of

_FIXED: Final = frozenset({ONE.decode(), BATCH.decode(), f"{PREFIX}/openapi.json", f"{PREFIX}/docs"})
_OURS: Final = tuple(route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute))


def route_name(method: str, raw_path: bytes, headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """The route of a request; None where there is none."""
    path = raw_path.decode("latin-1")
    if path in _FIXED:
        return path
    if path.startswith(f"{PREFIX}/"):
        below = path.removeprefix(PREFIX)
        return next((PREFIX + route.path for route in _OURS if route.path_regex.match(below)), None)
    return _of_dialect(method, path) if owner_of(raw_path, headers) == KNOCK else None


def _of_dialect(method: str, path: str) -> str | None:
    try:
        found = ROUTES.find(method, path)
    except Invalid:
        return None
    return found[0].path if found is not None else None
