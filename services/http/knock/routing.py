"""Knock's addresses: the raw path is split first, matched, and decoded afterwards, so that an id may hold any character."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from services.http.paths import decode_segment
from services.keys import Scope

if TYPE_CHECKING:
    from services.http.knock.exchange import Call


@dataclass(frozen=True, slots=True)
class Answer:
    """A response: `content` is JSON, None for 204."""

    content: Any = None
    headers: Mapping[str, str] | None = None


Handler = Callable[["Call"], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Route:
    """One address; `{name}` is any segment, `{name:fixed}` that very one. `by_client`: a public key may call it too."""

    method: str
    path: str
    handler: Handler
    scope: Scope
    by_client: bool = False


class Routes:
    """All of them. A fixed segment is preferred to a parameter."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self.all = tuple(routes)
        self._by_shape: dict[tuple[str, int], list[tuple[tuple[_Segment, ...], Route]]] = {}
        for route in self.all:
            segments = tuple(map(_segment, route.path.split("/")[1:]))
            self._by_shape.setdefault((route.method, len(segments)), []).append((segments, route))
        for candidates in self._by_shape.values():
            candidates.sort(key=lambda candidate: [segment.fixed is None for segment in candidate[0]])

    def find(self, method: str, raw_path: str) -> tuple[Route, dict[str, str]] | None:
        """The route of a request and its parameters, decoded. Raises Invalid for a segment that is no UTF-8."""
        sent = raw_path.split("/")[1:]
        for segments, route in self._by_shape.get((method, len(sent)), ()):
            pairs = list(zip(segments, sent, strict=True))
            if all(part and segment.fixed in (None, part) for segment, part in pairs):
                named = [(segment.name, part) for segment, part in pairs if segment.name is not None]
                return route, {name: decode_segment(part) for name, part in named}
        return None


class _Segment(NamedTuple):
    name: str | None
    fixed: str | None


def _segment(text: str) -> _Segment:
    if not text.startswith("{"):
        return _Segment(None, text)
    name, _, fixed = text[1:-1].partition(":")
    return _Segment(name, fixed or None)
