"""The report as one JSON document, for machines."""

import json
from collections.abc import Iterable, Mapping
from typing import Any


class JsonReport:
    """Writes the parts of a report. One report each: it knows where commas belong."""

    media_type = "application/json"
    headers: Mapping[str, str] = {}

    def __init__(self) -> None:
        self._is_first = True

    def head(self, head: Mapping[str, Any]) -> str:
        """The members that are there at once; the document's brace stays open."""
        return f'{_json(head)[:-1]},"sets":['

    def preference_set(self, one: Mapping[str, Any]) -> str:
        """An element of `sets`."""
        return self._element(one)

    def changes(self) -> str:
        """The end of `sets`, and the beginning of `history`."""
        self._is_first = True
        return '],"history":['

    def change(self, entry: Mapping[str, Any]) -> str:
        """An element of `history`."""
        return self._element(entry)

    def end(self, sources: Iterable[Mapping[str, Any]]) -> str:
        """The end of `history`, and `sources`."""
        return f'],"sources":{_json(list(sources))}}}\n'

    def _element(self, value: Mapping[str, Any]) -> str:
        comma, self._is_first = "" if self._is_first else ",", False
        return comma + _json(value)


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
