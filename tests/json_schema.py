"""A small validator of JSON Schema (2020-12, as OpenAPI 3.1 uses it): the keywords that our own document has.

One that it does not know fails, so that nothing in the document is taken for checked that is not.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

Json = Any

TYPES: Final[dict[str, Callable[[Json], bool]]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
}
ANNOTATIONS: Final = frozenset({"title", "description", "default", "examples"})


class SchemaUnknown(Exception):
    """The schema has a keyword that this validator does not know."""


class Schemas:
    """The schemas of one OpenAPI document."""

    def __init__(self, document: Mapping[str, Json]) -> None:
        self._schemas: Mapping[str, Json] = document["components"]["schemas"]

    def faults(self, value: Json, schema: Mapping[str, Json], at: str = "") -> list[str]:
        """What in the value the schema does not allow. Raises SchemaUnknown."""
        found: list[str] = []
        for keyword, said in schema.items():
            if keyword in ANNOTATIONS:
                continue
            check = getattr(self, f"_{keyword.lstrip('$')}", None)
            if check is None:
                raise SchemaUnknown(f"{keyword} at {at or 'the root'}")
            found += check(value, said, at, schema)
        return found

    def _ref(self, value: Json, said: str, at: str, _: Mapping[str, Json]) -> list[str]:
        return self.faults(value, self._schemas[said.removeprefix("#/components/schemas/")], at)

    def _type(self, value: Json, said: str, at: str, _: Mapping[str, Json]) -> list[str]:
        return [] if TYPES[said](value) else [f"{at}: {value!r:.80} is no {said}"]

    def _enum(self, value: Json, said: list[Json], at: str, _: Mapping[str, Json]) -> list[str]:
        return [] if value in said else [f"{at}: {value!r:.80} is none of {said!r:.200}"]

    def _const(self, value: Json, said: Json, at: str, _: Mapping[str, Json]) -> list[str]:
        return [] if value == said else [f"{at}: {value!r:.80} is not {said!r}"]

    def _required(self, value: Json, said: list[str], at: str, _: Mapping[str, Json]) -> list[str]:
        return [f"{at}/{name} is missing" for name in said if isinstance(value, dict) and name not in value]

    def _properties(self, value: Json, said: Mapping[str, Json], at: str, _: Mapping[str, Json]) -> list[str]:
        if not isinstance(value, dict):
            return []
        return [fault for name in value if name in said for fault in self.faults(value[name], said[name], f"{at}/{name}")]

    def _additionalProperties(self, value: Json, said: Json, at: str, schema: Mapping[str, Json]) -> list[str]:  # noqa: N802
        if not isinstance(value, dict) or said is True:
            return []
        more = [name for name in value if name not in schema.get("properties", {})]
        if said is False:
            return [f"{at}/{name} is not described" for name in more]
        return [fault for name in more for fault in self.faults(value[name], said, f"{at}/{name}")]

    def _propertyNames(self, value: Json, said: Mapping[str, Json], at: str, _: Mapping[str, Json]) -> list[str]:  # noqa: N802
        return (
            [fault for name in value for fault in self.faults(name, said, f"{at}/{name}")] if isinstance(value, dict) else []
        )

    def _items(self, value: Json, said: Mapping[str, Json], at: str, _: Mapping[str, Json]) -> list[str]:
        if not isinstance(value, list):
            return []
        return [fault for index, item in enumerate(value) for fault in self.faults(item, said, f"{at}/{index}")]

    def _anyOf(self, value: Json, said: list[Json], at: str, _: Mapping[str, Json]) -> list[str]:  # noqa: N802
        branches = [self.faults(value, schema, at) for schema in said]
        return [] if any(not faults for faults in branches) else min(branches, key=len)

    def _minItems(self, value: Json, said: int, at: str, _: Mapping[str, Json]) -> list[str]:  # noqa: N802
        return [f"{at}: fewer than {said} items"] if isinstance(value, list) and len(value) < said else []

    def _maxItems(self, value: Json, said: int, at: str, _: Mapping[str, Json]) -> list[str]:  # noqa: N802
        return [f"{at}: more than {said} items"] if isinstance(value, list) and len(value) > said else []

    def _minimum(self, value: Json, said: float, at: str, _: Mapping[str, Json]) -> list[str]:
        return [f"{at}: {value} is below {said}"] if TYPES["number"](value) and value < said else []

    def _maximum(self, value: Json, said: float, at: str, _: Mapping[str, Json]) -> list[str]:
        return [f"{at}: {value} is above {said}"] if TYPES["number"](value) and value > said else []
