"""Whether the released schemas may stand beside each other: every record ever written stays readable, as it was meant.

Rules (Avro 1.12, "Schema Resolution"): every record is FULL_TRANSITIVE, so nodes of different releases read each other;
the event's body only gains branches at its end and is BACKWARD_TRANSITIVE, since an old node stops at a body that it does
not know. Avro's own rules let a field go, and say nothing of a changed default, logical type, namespace or order of symbols;
neither does its fingerprint. Each of them changes what old records mean, so each is refused here. Aliases are not used.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from fastavro.schema import SchemaParseException

from schemas.released import FOLDER, LOCK, NEWEST, load, lock_of

PRIMITIVES = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})
_PROMOTIONS = {
    "int": {"long", "float", "double"},
    "long": {"float", "double"},
    "float": {"double"},
    "string": {"bytes"},
    "bytes": {"string"},
}
"""What a written primitive may be read as, besides itself."""

_NAMED = ("record", "enum", "fixed")
_OPEN_UNION = ("prefledger.Event", "body")
"""The field whose union an old reader need not know in full."""


def check_released(folder: Path = FOLDER, lock: Path = LOCK, newest: str = NEWEST) -> list[str]:
    """What is wrong with the released schemas, one sentence each; empty when nothing is."""
    paths = sorted(folder.glob("*.avsc"), key=_number)
    problems = [f"{path.name} is no Avro schema: {why}" for path in paths if (why := _why_unreadable(path))]
    if problems:
        return problems
    problems += _lock_problems(paths, json.loads(lock.read_text()))
    schemas = [Schema.parse(path.name, json.loads(path.read_text())) for path in paths]
    for schema in schemas:
        problems += [f"{schema.name}: {problem}" for problem in _lone_problems(schema)]
    for older, newer in combinations(schemas, 2):
        problems += [f"{newer.name} after {older.name}: {problem}" for problem in evolution_problems(older, newer)]
    if paths and paths[-1].name != newest:
        problems.append(f"{paths[-1].name} is the newest schema, but {newest} is written: set NEWEST in schemas/released.py")
    return problems


@dataclass(frozen=True, slots=True)
class Schema:
    """A schema with every name spelled out in full and every named type kept once, under its name."""

    name: str
    root: Any
    types: dict[str, Any]

    @classmethod
    def parse(cls, name: str, source: Any) -> "Schema":
        """The schema of an `.avsc` file's JSON."""
        types: dict[str, Any] = {}
        return cls(name, _resolved(source, "", types), types)


def evolution_problems(older: Schema, newer: Schema) -> list[str]:
    """Why `newer` can't be released after `older`, one sentence each."""
    problems = [f"it can't read what {older.name} wrote: {why}" for why in unreadable(newer, older)]
    problems += [f"{older.name} can't read what it writes: {why}" for why in unreadable(older, newer, open_body=True)]
    problems += _meaning_problems(older, newer)
    return list(dict.fromkeys(problems))


def _number(path: Path) -> tuple[int, str]:
    digits = path.stem.rpartition("-")[2]
    return (int(digits) if digits.isdigit() else 0, path.name)


def _why_unreadable(path: Path) -> str | None:
    try:
        load(path)
    except (ValueError, LookupError, TypeError, SchemaParseException) as error:
        return f"{type(error).__name__}: {error}"
    return None


def _lock_problems(paths: list[Path], locked: dict[str, dict[str, str]]) -> Iterator[str]:
    found = lock_of(paths)
    for name, facts in found.items():
        if name not in locked:
            yield f"{name} is not in schemas/lock.json: add it with the release that first writes it"
        elif facts["sha256"] != locked[name]["sha256"]:
            yield f"{name} was edited after its release: restore it, and make the change in a new file"
        elif facts["fingerprint"] != locked[name]["fingerprint"]:
            yield f"{name} has another fingerprint than schemas/lock.json says: its records would not find it"
    for name in sorted(locked.keys() - found.keys()):
        yield f"{name} is in schemas/lock.json, but the file is gone: restore it, or its records can't be read"
    for (one, facts), (other, other_facts) in combinations(found.items(), 2):
        if facts["fingerprint"] == other_facts["fingerprint"]:
            yield f"{one} and {other} have the same fingerprint, so a record does not tell which one wrote it"


def _resolved(schema: Any, namespace: str, types: dict[str, Any]) -> Any:
    """The schema with full names. Named types go into `types` and leave their name behind."""
    if isinstance(schema, str):
        return schema if schema in PRIMITIVES or "." in schema or not namespace else f"{namespace}.{schema}"
    if isinstance(schema, list):
        return [_resolved(branch, namespace, types) for branch in schema]
    kind = schema["type"]
    if kind in ("array", "map"):
        inner = "items" if kind == "array" else "values"
        return {**schema, inner: _resolved(schema[inner], namespace, types)}
    if kind not in _NAMED:
        return {**schema, "type": _resolved(kind, namespace, types)}
    name = schema["name"]
    full_name = name if "." in name else ".".join(filter(None, (schema.get("namespace", namespace), name)))
    own_namespace = full_name.rpartition(".")[0]
    types[full_name] = resolved = {**schema, "name": full_name}
    if kind == "record":
        fields = [{**field, "type": _resolved(field["type"], own_namespace, types)} for field in schema["fields"]]
        resolved["fields"] = {field["name"]: field for field in fields}
    return full_name


def _lone_problems(schema: Schema) -> Iterator[str]:
    for name, type_ in schema.types.items():
        if type_["type"] == "enum" and type_.get("default") not in type_["symbols"]:
            yield f"{name} is an enum without a default among its symbols: an old reader would fail at a new symbol"


def unreadable(reader: Schema, writer: Schema, *, open_body: bool = False) -> list[str]:
    """What `reader` can't read of what `writer` may write, one sentence each. `open_body`: but for unknown bodies."""
    return _Reading(reader, writer, open_body=open_body).problems()


class _Reading:
    """One schema reading what another wrote."""

    def __init__(self, reader: Schema, writer: Schema, *, open_body: bool) -> None:
        self._reader = reader
        self._writer = writer
        self._open_body = open_body
        self._seen: set[str] = set()

    def problems(self) -> list[str]:
        return list(self._between(self._reader.root, self._writer.root, "the event"))

    def _between(self, reader: Any, writer: Any, where: str) -> Iterator[str]:
        if isinstance(writer, list):
            for branch in writer:
                yield from self._between(reader, branch, where)
        else:
            branches = reader if isinstance(reader, list) else [reader]
            match = next((branch for branch in branches if self._matches(branch, writer)), None)
            if match is None:
                yield f"{where}: {_shown(writer)} can't be read as {_shown(reader)}"
            else:
                yield from self._inside(match, writer, where)

    def _matches(self, reader: Any, writer: Any) -> bool:
        read_as, written_as = self._kind(reader, self._reader), self._kind(writer, self._writer)
        if read_as != written_as:
            return read_as in _PROMOTIONS.get(written_as, ())
        return read_as not in _NAMED or reader == writer

    def _kind(self, type_: Any, schema: Schema) -> str:
        if isinstance(type_, dict):
            return str(type_["type"])
        return type_ if type_ in PRIMITIVES else str(schema.types[type_]["type"])

    def _inside(self, reader: Any, writer: Any, where: str) -> Iterator[str]:
        kind = self._kind(reader, self._reader)
        if kind in ("array", "map"):
            inner = "items" if kind == "array" else "values"
            yield from self._between(reader[inner], writer[inner], where)
        elif kind in _NAMED and reader not in self._seen:
            self._seen.add(reader)
            read, written = self._reader.types[reader], self._writer.types[writer]
            if kind == "record":
                yield from self._records(reader, read["fields"], written["fields"])
            elif kind == "enum" and "default" not in read and not set(written["symbols"]) <= set(read["symbols"]):
                yield f"{reader}: a symbol is unknown to the reader, and there is no default"
            elif kind == "fixed" and read["size"] != written["size"]:
                yield f"{reader}: {written['size']} bytes can't be read as {read['size']}"

    def _records(self, name: str, read: dict[str, Any], written: dict[str, Any]) -> Iterator[str]:
        for field_name, field in read.items():
            where = f"{name}.{field_name}"
            if field_name not in written:
                if "default" not in field:
                    yield f"{where}: the field is not in every record, and it has no default"
                continue
            reader, writer = field["type"], written[field_name]["type"]
            if self._open_body and (name, field_name) == _OPEN_UNION:
                writer = [branch for branch in writer if branch in reader]
            yield from self._between(reader, writer, where)


def _meaning_problems(older: Schema, newer: Schema) -> Iterator[str]:
    """What resolution lets through and yet changes what old records say."""
    yield from _namespace_problems(older, newer)
    for name in sorted(older.types.keys() & newer.types.keys()):
        old, new = older.types[name], newer.types[name]
        if old["type"] != new["type"]:
            continue
        if old["type"] == "enum":
            if new["symbols"][: len(old["symbols"])] != old["symbols"]:
                yield f"{name}: symbols are added at the end only; none moves or goes"
            if old.get("default") != new.get("default"):
                yield f"{name}: the default changed from {old.get('default')} to {new.get('default')}"
        elif old["type"] == "record":
            for field_name in sorted(old["fields"].keys() - new["fields"].keys()):
                yield f"{name}.{field_name}: the field is gone, and with it what old records say there"
            for field_name in sorted(old["fields"].keys() & new["fields"].keys()):
                yield from _field_problems(f"{name}.{field_name}", old["fields"][field_name], new["fields"][field_name])
    yield from _body_problems(older, newer)


def _namespace_problems(older: Schema, newer: Schema) -> Iterator[str]:
    by_short_name = {name.rpartition(".")[2]: name for name in newer.types}
    for name in sorted(older.types.keys() - newer.types.keys()):
        moved = by_short_name.get(name.rpartition(".")[2])
        if moved is not None:
            yield f"{name} is called {moved}: a namespace never changes"


def _field_problems(where: str, old: Any, new: Any) -> Iterator[str]:
    if _default(old) != _default(new):
        yield f"{where}: the default changed from {_default(old)} to {_default(new)}"
    if _logical_types(old["type"]) != _logical_types(new["type"]):
        yield f"{where}: a logical type changed, so the same bytes would mean something else"


def _default(field: Any) -> str:
    """As JSON text, in which true is not 1 and null is not nothing."""
    return json.dumps(field["default"], sort_keys=True) if "default" in field else "none"


def _logical_types(type_: Any) -> list[Any]:
    """The logical types inside an unnamed type, with what qualifies them, in order."""
    if isinstance(type_, list):
        return [found for branch in type_ for found in _logical_types(branch)]
    if not isinstance(type_, dict):
        return []
    inner = [found for key in ("type", "items", "values") for found in _logical_types(type_.get(key))]
    own = [(type_["logicalType"], type_.get("precision"), type_.get("scale"))] if "logicalType" in type_ else []
    return own + inner


def _body_problems(older: Schema, newer: Schema) -> Iterator[str]:
    old, new = _body(older), _body(newer)
    if new[: len(old)] != old:
        yield f"{'.'.join(_OPEN_UNION)}: branches are added at the end only; none moves or goes"


def _body(schema: Schema) -> list[Any]:
    record, field = _OPEN_UNION
    fields = schema.types[record]["fields"] if record in schema.types else {}
    return list(fields[field]["type"]) if field in fields else []


def _shown(type_: Any) -> str:
    return type_ if isinstance(type_, str) else json.dumps(type_, sort_keys=True)
