"""Random Avro schemas, small enough to speak about the same few names often."""

from typing import Any

from hypothesis import strategies as st

PRIMITIVES = ["null", "boolean", "int", "long", "float", "double", "bytes", "string"]
KINDS = [*PRIMITIVES, "array", "map", "enum", "fixed", "record", "union", "known"]
BRANCHES = [*PRIMITIVES, "array", "map", "E1", "E2", "F1", "F2", "R1", "R2"]
DEFAULTS = {"null": None, "boolean": True, "int": 1, "long": 1, "float": 1.0, "double": 1.0, "bytes": "", "string": ""}


class _Draw:
    """One schema being drawn: names are defined once and referred to from then on."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.known: set[str] = set()

    def type(self, depth: int) -> Any:
        kind = self.draw(st.sampled_from(KINDS if depth > 0 else PRIMITIVES))
        match kind:
            case "array" | "map":
                return self.collection(kind, depth)
            case "enum" | "fixed" | "record":
                return self.named(self.draw(st.sampled_from([f"{kind[0].upper()}1", f"{kind[0].upper()}2"])), depth)
            case "union":
                branches = self.draw(st.lists(st.sampled_from(BRANCHES), min_size=1, max_size=3, unique=True))
                return [self.branch(branch, depth) for branch in branches]
            case "known":
                return self.draw(st.sampled_from(sorted(self.known) or ["null"]))
            case _:
                return kind

    def branch(self, branch: str, depth: int) -> Any:
        if branch in PRIMITIVES:
            return branch
        return self.collection(branch, depth) if branch in ("array", "map") else self.named(branch, depth)

    def collection(self, kind: str, depth: int) -> Any:
        return {"type": kind, "items" if kind == "array" else "values": self.type(depth - 1)}

    def named(self, name: str, depth: int) -> Any:
        if name in self.known:
            return name
        self.known.add(name)
        if name[0] == "F":
            return {"type": "fixed", "name": name, "size": self.draw(st.integers(1, 2))}
        if name[0] == "E":
            symbols = self.draw(st.lists(st.sampled_from("ABC"), min_size=1, unique=True))
            default = {"default": symbols[0]} if self.draw(st.booleans()) else {}
            return {"type": "enum", "name": name, "symbols": symbols, **default}
        return {"type": "record", "name": name, "fields": self.fields(depth - 1)}

    def fields(self, depth: int) -> list[Any]:
        fields = []
        for name in self.draw(st.lists(st.sampled_from("xyz"), max_size=3, unique=True)):
            type_ = self.type(depth)
            default = {"default": default_of(type_)} if has_default(type_) and self.draw(st.booleans()) else {}
            fields.append({"name": name, "type": type_, **default})
        return fields


def _first(type_: Any) -> Any:
    return type_[0] if isinstance(type_, list) else type_


def has_default(type_: Any) -> bool:
    """Whether it is easy to say what a default of this type looks like."""
    first = _first(type_)
    return first in PRIMITIVES if isinstance(first, str) else first["type"] in ("array", "map", "enum")


def default_of(type_: Any) -> Any:
    first = _first(type_)
    if isinstance(first, str):
        return DEFAULTS[first]
    return {"array": [], "map": {}}.get(first["type"]) if first["type"] != "enum" else first["symbols"][0]


@st.composite
def _schemas(draw: st.DrawFn) -> Any:
    return {"type": "record", "name": "Top", "fields": _Draw(draw).fields(3)}


SCHEMAS = _schemas()
